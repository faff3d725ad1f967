"""What this machine says about itself, read from its files; nothing is opened, run or changed.

Every path goes by ``root``, so that the rules that judge a machine can be tried on a folder.
"""

import ctypes
import os
import pwd
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

TIME_ERROR: Final = 5  # adjtimex(2): the clock is not synchronised
_TIMEX_BYTES: Final = 512  # struct timex is 208; all zero asks and changes nothing
_BRLTTY_TAKES: Final = ("1a86:7523", "10c4:ea60", "0403:6001")


@dataclass(frozen=True, slots=True)
class Host:
    """One machine."""

    root: Path = Path("/")

    def runs(self, program: str) -> bool:
        """Whether a process of this name runs."""
        return any(_text(file) == program for file in self._at("proc").glob("[0-9]*/comm"))

    def installed(self, program: str) -> bool:
        """Whether a program lies where system programs do."""
        return any(self._at(folder, program).exists() for folder in ("usr/bin", "usr/sbin", "bin", "sbin"))

    def brltty_rules(self) -> Path | None:
        """The udev rules with which brltty takes serial adapters, unless somebody has switched them off."""
        for folder in ("usr/lib/udev/rules.d", "lib/udev/rules.d"):
            for file in sorted(self._at(folder).glob("*brltty*.rules")):
                if self._at("etc/udev/rules.d", file.name).exists():
                    continue  # an own file of this name takes its place, /dev/null above all
                return file
        return None

    def brltty_takes(self, usb: str | None) -> bool:
        """Whether brltty is there and believes that adapters of this number are braille displays."""
        if (usb or "").lower() not in _BRLTTY_TAKES:
            return False
        return self.runs("brltty") or self.brltty_rules() is not None

    def modem_manager_may_take(self, port: str) -> bool:
        """Whether ModemManager is there, and nobody has told it to leave this port alone."""
        if not (self.runs("ModemManager") or self.installed("ModemManager")):
            return False
        name = Path(port).resolve().name
        files = [self._udev_file(self._at("sys/class/tty", name, "dev"), "c")]
        usb = self.usb_folder(port)
        if usb is not None:
            files.append(self._udev_file(usb / "dev", "c"))
        said = "\n".join(_text(file) for file in files if file is not None)
        return "ID_MM_DEVICE_IGNORE=1" not in said and "ID_MM_PORT_IGNORE=1" not in said

    def usb_folder(self, port: str) -> Path | None:
        """The USB device behind a port, in sysfs."""
        place = self._at("sys/class/tty", Path(port).resolve().name, "device")
        try:
            place = place.resolve(strict=True)
        except OSError:
            return None
        return next((folder for folder in (place, *place.parents) if (folder / "idVendor").exists()), None)

    def suspends(self, port: str) -> bool:
        """Whether the kernel may cut the supply of the device behind a port to save energy."""
        usb = self.usb_folder(port)
        return usb is not None and _text(usb / "power" / "control") == "auto"

    def has_watchdog(self) -> bool:
        """Whether there is a hardware (or soft) watchdog."""
        return self._at("dev/watchdog").exists() or self._at("dev/watchdog0").exists()

    def feeds_watchdog(self) -> bool:
        """Whether systemd is configured to feed it."""
        files = [
            self._at("etc/systemd/system.conf"),
            *self._at("etc/systemd/system.conf.d").glob("*.conf"),
            *self._at("run/systemd/system.conf.d").glob("*.conf"),
        ]
        values = (
            line.partition("=")[2].strip()
            for file in files
            for line in _text(file).splitlines()
            if line.strip().startswith("RuntimeWatchdogSec")
        )
        return any(value not in ("", "0", "off", "infinity") for value in values)

    def clock_synchronised(self) -> bool | None:
        """Whether something keeps the clock right; None when this machine does not say."""
        if self.root != Path("/"):
            return self._at("run/systemd/timesync/synchronized").exists()
        try:
            asked = ctypes.create_string_buffer(_TIMEX_BYTES)
            return bool(ctypes.CDLL(None, use_errno=True).adjtimex(asked) not in (TIME_ERROR, -1))
        except (OSError, AttributeError):
            return None

    def _udev_file(self, dev: Path, kind: str) -> Path | None:
        number = _text(dev)
        return self._at("run/udev/data", f"{kind}{number}") if number else None

    def _at(self, *parts: str) -> Path:
        return self.root.joinpath(*parts)


def free_bytes(folder: Path) -> int | None:
    """Free space where ``folder`` is or will be; None when nothing of the path exists."""
    for place in (folder, *folder.parents):
        if place.exists():
            return shutil.disk_usage(place).free
    return None


def user_name() -> str:
    """Who runs this, for remedies that can be pasted."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
