"""One named setting of a scanner that is set up by words (Honeywell, Newland)."""

import re
from dataclasses import dataclass
from typing import Final

from drivers.devices.scanner_setup import Rejected, Value

_NAME: Final = re.compile(r"[A-Z0-9_]{6}")
_VALUE: Final = re.compile(r"[A-Z0-9]{1,16}")
ACK, NAK, ENQ = 0x06, 0x15, 0x05
WORDS: Final = {ENQ: "the scanner does not know this setting", NAK: "the scanner refuses this value"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A setting by its maker's name: tag and sub-tag, six characters, and the value that locks it.

    Raises:
        ValueError: The name or the value could end the command and begin another.
    """

    name: str
    locked: str

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or not _VALUE.fullmatch(self.locked):
            raise ValueError(
                f"{self.name!r} = {self.locked!r} is not a setting: a name has 6 capital letters, digits or _,"
                " a value up to 16 capital letters or digits"
            )


def answered(raw: bytes, status: int) -> Value | Rejected:
    """What the word before the status byte means."""
    return Value(raw.upper()) if status == ACK else Rejected(WORDS[status])
