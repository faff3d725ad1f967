"""The locks in ``requirements/``: compile them from pyproject.toml, and check without network that they are in step.

``python -m scripts.locks compile`` needs uv (``make lock`` brings it); ``python -m scripts.locks check`` needs nothing.
"""

import hashlib
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

EXTRAS: Final = ("edge", "centre", "sim", "dev")
COMPILE: Final = (
    *("uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.11"),
    *("--generate-hashes", "--no-header", "--no-annotate"),
)
INPUTS: Final = "inputs.sha256"
ADDRESS: Final = re.compile(r"://|^\s*(-i|-f|--(extra-)?index-url|--find-links|--trusted-host)\b")
PINNED: Final = re.compile(r"[A-Za-z0-9._-]+==\S+(?: ;.+?)? \\$")


def inputs_digest(root: Path) -> str:
    """A digest of everything in pyproject.toml that the locks are compiled from."""
    data = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    project = data["project"]
    tables = [
        data["build-system"]["requires"],
        project["requires-python"],
        project["dependencies"],
        project["optional-dependencies"],
        data["dependency-groups"],
    ]
    return hashlib.sha256(json.dumps(tables, sort_keys=True).encode()).hexdigest()


def breaches(root: Path) -> list[str]:
    """What is wrong with the locks below ``root``; empty when they may be installed from."""
    folder = root / "requirements"
    recorded = (folder / INPUTS).read_text(encoding="ascii").strip() if (folder / INPUTS).is_file() else ""
    found = []
    if recorded != inputs_digest(root):
        found.append(
            "requirements: pyproject.toml asks for other packages than the locks hold; run: make lock"
        )
    for path in sorted(folder.glob("*.txt")):
        lines = path.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines, start=1):
            where = f"{path.relative_to(root)}:{number}"
            if ADDRESS.search(line):
                found.append(f"{where}: a lock names packages and hashes, never where to fetch them")
            elif not line.startswith("    --hash=sha256:") and not PINNED.fullmatch(line):
                found.append(f"{where}: neither a pinned package nor a hash")
    missing = {f"{name}.txt" for name in (*EXTRAS, "build", "interop", "uv")} - {
        path.name for path in folder.glob("*.txt")
    }
    found.extend(f"requirements/{name}: is missing; run: make lock" for name in sorted(missing))
    return found


def compile_locks(root: Path, options: list[str]) -> None:
    """Compile every lock with uv; ``options`` go to uv, for example ``--upgrade``."""
    data = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    sources = {
        "build": ("\n".join(data["build-system"]["requires"]), ["-"]),
        "uv": ("uv", ["-"]),
        "interop": ("\n".join(data["dependency-groups"]["interop"]), ["-"]),
        **{name: (None, ["pyproject.toml", "--extra", name]) for name in EXTRAS},
    }
    for name, (given, arguments) in sources.items():
        print(f"requirements/{name}.txt", flush=True)
        subprocess.run(
            [*COMPILE, *options, "--output-file", f"requirements/{name}.txt", *arguments],
            check=True,
            cwd=root,
            input=given,
            text=True,
            stdout=subprocess.DEVNULL,
        )
    (root / "requirements" / INPUTS).write_text(inputs_digest(root) + "\n", encoding="ascii")


def main() -> int:
    """Compile or check, as the first argument says."""
    match sys.argv[1:]:
        case ["compile", *options]:
            compile_locks(Path(), options)
            return 0
        case ["check"]:
            found = breaches(Path())
            print("\n".join(found) if found else "the locks are in step with pyproject.toml")
            return 1 if found else 0
    print("usage: python -m scripts.locks compile [OPTIONS FOR UV] | check", file=sys.stderr)
    return 2


if __name__ == "__main__":
    raise SystemExit(main())
