"""House rules that no linter knows (STYLE sections 5, 11 and 13): read every file, name every breach.

``python -m scripts.check_tree [ROOT]`` prints one line a breach and exits with 1 when there is any.
"""

import ast
import hashlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

LINES_MAX: Final = 500
CODE: Final = {".py", ".js", ".css", ".html", ".sh"}
TEXT: Final = CODE | {".md", ".toml", ".service", ".svg"}
VENDOR_LIST: Final = "vendored.toml"
VENDOR_KEYS: Final = {"file", "name", "version", "licence", "sha256"}
LEFT_BEHIND: Final = re.compile(r"\..+|__pycache__|build|demo|.*\.egg-info")
EMPTY_NAMES: Final = {"utils.py", "helpers.py", "common.py"}
UNFINISHED: Final = re.compile(
    r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b"
)  # in pieces, so as not to find itself
# These take time, chance and environment as arguments; shell and simulators are where they come from.
PORTED: Final = {"passes", "sync", "drivers", "edge", "controller"}
NOT_IN_PORTED: Final = {
    "datetime.now",
    "datetime.utcnow",
    "time.time",
    "os.environ",
    "os.getenv",
    "date.today",
}


def breaches(root: Path) -> list[str]:
    """Every breach of a house rule below ``root``, each as ``path:line: what is wrong``."""
    found: list[str] = []
    for path in _files(root):
        name = path.relative_to(root)
        if path.parent.name == "vendor":
            continue
        if path.suffix in TEXT:
            found.extend(f"{name}:{line}: {what}" for line, what in _in_text(path))
        if path.suffix == ".py":
            found.extend(f"{name}:{line}: {what}" for line, what in _in_python(path, name.parts[0]))
    for folder in sorted({path.parent for path in _files(root) if path.parent.name == "vendor"}):
        found.extend(f"{folder.relative_to(root)}/{what}" for what in _in_vendor(folder))
    return found


def _files(root: Path) -> list[Path]:
    listed = subprocess.run(
        ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        check=False,
        capture_output=True,
        text=True,
    )
    if listed.returncode == 0:
        return [
            path for part in sorted(listed.stdout.split("\0")) if part and (path := root / part).is_file()
        ]
    # Not a clone (an unpacked archive, a test): everything but what tools leave behind.
    return sorted(
        path
        for path in root.rglob("*")
        if path.is_file() and not any(LEFT_BEHIND.fullmatch(part) for part in path.relative_to(root).parts)
    )


def _in_text(path: Path) -> Iterator[tuple[int, str]]:
    lines = path.read_text(encoding="utf-8").splitlines()
    if path.suffix in CODE and len(lines) > LINES_MAX:
        yield len(lines), f"longer than {LINES_MAX} lines: a module is one idea; split it"
    if path.name in EMPTY_NAMES:
        yield 1, "a name that says nothing: name the module for its idea"
    for number, line in enumerate(lines, start=1):
        if UNFINISHED.search(line):
            yield number, "unfinished: do it, or write an issue"


def _in_python(path: Path, package: str) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="time"), attr="sleep")):
                yield node.lineno, "time.sleep: wait for an event, so that stopping is instant"
            case ast.Call(func=ast.Attribute(value=ast.Name(id="asyncio"), attr="sleep"), args=args) if (
                package == "tests" and ast.unparse(args[0]) != "0"
            ):
                yield node.lineno, "asyncio.sleep in a test: wait for the condition"
            case ast.ImportFrom(module="time", names=names) if "sleep" in {name.name for name in names}:
                yield node.lineno, "time.sleep: wait for an event, so that stopping is instant"
            case ast.ImportFrom(module="unittest", names=names) if "mock" in {name.name for name in names}:
                yield node.lineno, "unittest.mock: run the real part"
            case ast.ImportFrom(module="unittest.mock"):
                yield node.lineno, "unittest.mock: run the real part"
            case ast.Import(names=names) if "unittest.mock" in {name.name for name in names}:
                yield node.lineno, "unittest.mock: run the real part"
            case ast.Import(names=names) if package in PORTED and "random" in {name.name for name in names}:
                yield node.lineno, "random: chance is an argument here"
            case ast.Attribute() if package in PORTED and ast.unparse(node) in NOT_IN_PORTED:
                yield node.lineno, f"{ast.unparse(node)}: an argument here, or a port of the shell"


def _in_vendor(folder: Path) -> Iterator[str]:
    listing = folder / VENDOR_LIST
    present = {path.name for path in folder.iterdir() if path.is_file()} - {VENDOR_LIST}
    entries = (
        tomllib.loads(listing.read_text(encoding="utf-8")).get("vendored", []) if listing.is_file() else []
    )
    for entry in entries:
        missing = VENDOR_KEYS - entry.keys()
        if missing:
            yield f"{VENDOR_LIST}: an entry lacks {', '.join(sorted(missing))}"
        elif entry["file"] not in present:
            yield f"{VENDOR_LIST}: lists {entry['file']}, which is not there"
        elif hashlib.sha256((folder / entry["file"]).read_bytes()).hexdigest() != entry["sha256"]:
            yield f"{entry['file']}: is not the file whose sha256 {VENDOR_LIST} holds"
    for name in sorted(present - {entry.get("file") for entry in entries}):
        yield f"{name}: somebody else's file without an entry in {VENDOR_LIST}"


def main() -> int:
    """Check the tree named on the command line, or the current folder."""
    found = breaches(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
    print("\n".join(found) if found else "no breach of the house rules")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
