"""Which camera a device file leads to, read from sysfs and from the links beside it, without opening anything.

``/dev/video0`` is whatever came first at the last start, so that an entry and an exit camera can change places.
What stays is the USB socket (``by-path``), and the serial number where the maker gave one (``by-id``).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

SYS: Final = Path("/sys")
DEV: Final = Path("/dev")


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraIdentity:
    """One camera of this machine.

    Attributes:
        node: Its device file now, for example ``video0``.
        links: Names below ``/dev/v4l/by-path`` and ``by-id`` that lead to it.
        card: What it calls itself; equal for equal models.
        socket: USB bus, ports and interface, for example ``1-2.4:1.0``; empty when it is no USB device.
        serial: Serial number of the USB device, often empty.
    """

    node: str
    links: tuple[str, ...] = ()
    card: str = ""
    socket: str = ""
    serial: str = ""

    def fits(self, expected: str) -> bool:
        """Whether it is the camera that ``expected`` names: a link, a socket, a serial number or a card."""
        if expected.startswith("/"):
            return Path(expected).name in self.links
        ports = self.socket.partition(":")[0]
        return expected in {*self.links, self.card, self.socket, ports, self.serial} - {""}

    def __str__(self) -> str:
        parts = [self.card, f"USB socket {self.socket}" if self.socket else "", *self.links[:1]]
        return ", ".join(part for part in parts if part) or f"/dev/{self.node}, which has no name"


def identity_of(path: str | Path, *, sys: Path = SYS, dev: Path = DEV) -> CameraIdentity:
    """The identity of the camera that ``path`` leads to now."""
    node = Path(path).resolve().name
    device = sys / "class" / "video4linux" / node
    links = sorted(
        link.name
        for folder in ("by-path", "by-id")
        for link in _entries(dev / "v4l" / folder)
        if link.resolve().name == node
    )
    socket, serial = _usb(device / "device")
    return CameraIdentity(
        node=node, links=tuple(links), card=_text(device / "name"), socket=socket, serial=serial
    )


def _usb(device: Path) -> tuple[str, str]:
    """(socket, serial number) of the USB interface that this is, or that lies above it."""
    try:
        place = device.resolve(strict=True)
    except OSError:
        return "", ""
    for interface in (place, *place.parents):
        if _text(interface / "bInterfaceNumber"):
            return interface.name, _text(interface.parent / "serial")
    return "", ""


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
