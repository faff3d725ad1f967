"""The serial ports of this machine, described without opening one: opening can reset or trigger a board."""

import os
import stat
from dataclasses import dataclass
from grp import getgrgid
from pathlib import Path
from pwd import getpwuid
from typing import Final

from serial.tools.list_ports import comports

from drivers.holders import holder_of
from drivers.usb_socket import identity_of

_BY_PATH: Final = Path("/dev/serial/by-path")
_TTY_CLASS: Final = Path("/sys/class/tty")


@dataclass(frozen=True, slots=True, kw_only=True)
class PortRow:
    """One port.

    Args:
        path: Device file, or the path that was asked for.
        by_path: Link that stays with the socket the cable is in; what configuration should name.
        usb: Vendor and product, for example ``1a86:7523``; names the adapter, not the board behind it.
        socket: The USB socket, for example ``1-2.4:1.0``.
        serial: The adapter's serial number, where it has one.
        driver: Kernel driver and the device's own text.
        access: Owner, group and mode, for example ``root dialout rw-rw----``.
        usable: This user may open it.
        holder: The process that has it open, as far as this user may see.
    """

    path: str
    by_path: str | None
    usb: str | None
    socket: str | None
    serial: str | None
    driver: str
    access: str
    usable: bool
    holder: str | None


def list_ports(also: list[Path]) -> list[PortRow]:
    """Every serial port the system knows, then the paths in ``also`` (virtual ports are in no list)."""
    links = _by_path_links()
    rows = []
    for found in sorted(comports()):
        path = Path(found.device)
        usb = None if found.vid is None else f"{found.vid:04x}:{found.pid:04x}"
        rows.append(_row(path, links.get(path.resolve()), usb, _driver_text(path, found.description)))
    for path in also:
        rows.append(_row(path, None, None, "virtual" if _is_pty(path) else "named with --also"))
    return rows


def _by_path_links() -> dict[Path, str]:
    if not _BY_PATH.is_dir():
        return {}
    return {link.resolve(): str(link) for link in sorted(_BY_PATH.iterdir())}


def _driver_text(path: Path, description: str | None) -> str:
    driver = _TTY_CLASS / path.name / "device" / "driver"
    kernel = driver.resolve().name if driver.exists() else ""
    own = "" if description in (None, "n/a", path.name) else str(description)
    return ", ".join(text for text in (kernel, own) if text)


def _is_pty(path: Path) -> bool:
    return path.resolve().parent == Path("/dev/pts")


def _row(path: Path, by_path: str | None, usb: str | None, driver: str) -> PortRow:
    try:
        found = path.stat()
    except OSError:
        access, usable = "not there", False
    else:
        mode = stat.filemode(found.st_mode)[1:]
        access = f"{_user(found.st_uid)} {_group(found.st_gid)} {mode}"
        usable = stat.S_ISCHR(found.st_mode) and os.access(path, os.R_OK | os.W_OK)
    identity = identity_of(path)
    return PortRow(
        path=str(path),
        by_path=by_path,
        usb=usb,
        socket=identity.socket or None,
        serial=identity.serial or None,
        driver=driver,
        access=access,
        usable=usable,
        holder=holder_of(path),
    )


def _user(number: int) -> str:
    try:
        return getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _group(number: int) -> str:
    try:
        return getgrgid(number).gr_name
    except KeyError:
        return str(number)
