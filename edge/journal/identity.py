"""What tells one gate box from another: a journal that was copied to another box goes on in an epoch of its own."""

import hashlib
from pathlib import Path
from typing import Final, NamedTuple

from edge.gate_key import GateKeyError, load_gate_key

# Readable for everyone, so that it is the same box for whoever starts the gate.
_FACTS: Final = (Path("/etc/machine-id"), Path("/proc/device-tree/serial-number"))


class Box(NamedTuple):
    """One box and its gate. An empty text says that it is not known, and is never another.

    Args:
        machine: Of the hardware and its installation.
        key: Of the gate's own key.
    """

    machine: str
    key: str


def this_box(folder: Path) -> Box:
    """The box that this runs on, whose gate has its data in ``folder``."""
    facts = b"\n".join(_content(path) for path in _FACTS).strip()
    machine = hashlib.sha256(b"postern/journal/" + facts).hexdigest()[:16] if facts else ""
    try:
        key = load_gate_key(folder).kid.hex()
    except GateKeyError:
        key = ""
    return Box(machine, key)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()[:1000]
    except OSError:
        return b""
