"""``make check``: every check in turn, all of them even when one fails, and a line for each at the end."""

import subprocess
import sys
import time
from typing import Final

CHECKS: Final = (
    ("format", ("ruff", "format", "--check", "--quiet", ".")),
    ("lint", ("ruff", "check", "--quiet", ".")),
    ("types", ("mypy",)),
    ("import contracts", ("lint-imports", "--no-cache")),
    ("dead code", (sys.executable, "-m", "scripts.dead_code")),
    ("locks", (sys.executable, "-m", "scripts.locks", "check")),
    ("house rules", (sys.executable, "-m", "scripts.check_tree")),
)


def main() -> int:
    """Run the checks in the current folder; the exit status is 1 when any of them failed."""
    lines = []
    for name, command in CHECKS:
        print(f"-- {name}", flush=True)
        began_s = time.monotonic()
        passed = subprocess.run(command, check=False).returncode == 0
        took_s = time.monotonic() - began_s
        lines.append((passed, f"{'ok' if passed else 'FAILED':<8}{name:<20}{took_s:5.1f} s"))
    print("\n".join(["", *(line for _, line in lines)]))
    return 0 if all(passed for passed, _ in lines) else 1


if __name__ == "__main__":
    raise SystemExit(main())
