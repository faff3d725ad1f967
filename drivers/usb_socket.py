"""Which USB socket a serial port hangs on, and the serial number behind it: read from sysfs, without opening anything.

Device names move (``ttyUSB0`` is whatever came first) and equal boards look alike, so configuration names the socket,
or the serial number where the maker gave one, and a port that is something else is refused before it is opened.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

SYS: Final = Path("/sys")


@dataclass(frozen=True, slots=True, kw_only=True)
class PortIdentity:
    """Where a port is, and who is there; as an expectation, what is empty may be anything.

    Args:
        socket: Bus, hub ports and interface, for example ``1-2.4:1.0``: stays with the socket the cable is in.
        usb: Vendor and product, for example ``1a86:7523``; names the adapter's chip, not the board.
        serial: Serial number of the adapter; many have none, and some makers give all the same.
    """

    socket: str = ""
    usb: str = ""
    serial: str = ""

    def fits(self, expected: "PortIdentity") -> bool:
        """Whether each thing that is expected is so."""
        pairs = ((expected.socket, self.socket), (expected.usb, self.usb), (expected.serial, self.serial))
        return all(not wanted or wanted == found for wanted, found in pairs)

    def __str__(self) -> str:
        parts = (
            ("socket", self.socket),
            ("usb", self.usb),
            ("serial number", self.serial),
        )
        return ", ".join(f"{word} {text}" for word, text in parts if text) or "no USB device"


def identity_of(path: str | Path, *, sys: Path = SYS) -> PortIdentity:
    """The identity of the port that ``path`` leads to now; an empty one for what is no USB device."""
    device = sys / "class" / "tty" / Path(path).resolve().name / "device"
    try:
        place = device.resolve(strict=True)
    except OSError:
        return PortIdentity()
    # A ttyUSB's device lies below its interface, a ttyACM's is the interface; the USB device is one higher.
    for interface in (place, *place.parents):
        if _text(interface / "bInterfaceNumber"):
            usb = interface.parent
            numbers = (_text(usb / "idVendor"), _text(usb / "idProduct"))
            return PortIdentity(
                socket=interface.name,
                usb=":".join(numbers) if all(numbers) else "",
                serial=_text(usb / "serial"),
            )
    return PortIdentity()


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
