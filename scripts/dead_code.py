"""Code that nothing uses, found by vulture; what only other programs use is listed, and the list must stay true.

``scripts/dead_code_allowed.txt`` has a line for each exception: path pattern, name pattern, and why. An exception
that no longer excuses anything is an error too, so that the list cannot outlive its reasons.
"""

import re
import sys
import tomllib
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from vulture import Vulture

ALLOWED: Final = "scripts/dead_code_allowed.txt"
FOR_TESTS: Final = "simulators/"  # tests are their users; what ships must not live by its tests alone
BRACES: Final = re.compile(r"\{[{%](.+?)[%}]\}", re.DOTALL)
NAME: Final = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """One line of the list: names matching ``name`` in files matching ``path`` are used from outside."""

    path: str
    name: str
    why: str


def read_allowed(text: str) -> list[Allowed]:
    """Parse the list; raises ``ValueError`` for a line without a reason."""
    allowed = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        path, name, why = line.split(maxsplit=2)
        allowed.append(Allowed(path=path, name=name, why=why))
    return allowed


def names_in_template(text: str) -> set[str]:
    """Every name inside the braces of a Jinja template: what a page reads is in use."""
    return {name for braces in BRACES.findall(text) for name in NAME.findall(braces)}


def breaches(root: Path) -> list[str]:
    """Unused code below ``root``, and exceptions that excuse nothing."""
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["vulture"]
    allowed = read_allowed((root / ALLOWED).read_text(encoding="utf-8"))
    finder = Vulture(ignore_decorators=settings["ignore_decorators"])
    finder.scavenge([str(root / path) for path in settings["paths"]])
    for path in settings["paths"]:
        for page in (root / path).rglob("*.html"):
            finder.used_names.update(names_in_template(page.read_text(encoding="utf-8")))
    by_tests = Vulture()
    by_tests.scavenge([str(root / "tests")] if (root / "tests").is_dir() else [])
    found, needed = [], set()
    for item in finder.get_unused_code(min_confidence=settings["min_confidence"]):
        path = Path(item.filename).resolve().relative_to(root.resolve()).as_posix()
        if path.startswith(FOR_TESTS) and item.name in by_tests.used_names:
            continue
        excuses = [one for one in allowed if fnmatchcase(path, one.path) and fnmatchcase(item.name, one.name)]
        needed.update(excuses)
        if not excuses:
            found.append(f"{path}:{item.first_lineno}: unused {item.typ} {item.name!r}")
    found.extend(
        f"{ALLOWED}: {one.path} {one.name} excuses nothing any more; remove the line"
        for one in allowed
        if one not in needed
    )
    return found


def main() -> int:
    """Check the current folder."""
    found = breaches(Path())
    print("\n".join(found) if found else "no unused code")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
