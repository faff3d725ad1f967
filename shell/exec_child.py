"""Become another program that dies with its parent: ``python -m shell.exec_child PARENT_PID PROGRAM ARGS…``."""

import os
import shutil
import sys

from shell.supervision import die_with_parent

EXIT_NOT_FOUND = 127


def main() -> None:
    """Tie this process to its parent, then replace it with the named program."""
    parent, program, *arguments = sys.argv[1:]
    path = shutil.which(program)
    if path is None:
        sys.stderr.write(f"{program}: not found on PATH\n")
        raise SystemExit(EXIT_NOT_FOUND)
    die_with_parent()
    if os.getppid() != int(parent):
        raise SystemExit(1)  # the parent went before the tie was made
    os.execv(path, [program, *arguments])  # noqa: S606  # argument list, no shell


if __name__ == "__main__":
    main()
