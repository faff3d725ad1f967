"""``postern-driver``: what an installer does at the gate with a cable, a board and a lane that may move.

This module only starts it, so that a signal is obeyed before the commands are even imported; they are registered in
``drivers.tool.commands``. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not reachable, 4 not confirmed or unsafe, 130
ended by Ctrl-C.
"""

import sys
from typing import Final

from drivers.tool import interrupt

_PROGRAM: Final = "postern-driver"


def main() -> None:
    """Entry point of ``postern-driver``. A dropped session ends a command as Ctrl-C does: with open relays."""
    interrupt.quit_at_once()
    from drivers.tool.commands import app  # noqa: PLC0415  # it takes half a second, and nothing is open yet

    try:
        interrupt.raise_interrupts()
        app(prog_name=_PROGRAM)
    except KeyboardInterrupt:  # before a command had begun, or after it had ended
        sys.exit(interrupt.EXIT_CODE)
    finally:
        interrupt.ignore_interrupts()


if __name__ == "__main__":
    main()
