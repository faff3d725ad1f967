"""Honeywell N36xx and N66xx engines: menu commands in words.

``SYN M CR``, tag and sub-tag, data, and the memory: ``!`` until power is lost, ``.`` for good. A question ends in
``?``; the engine repeats the words, with a status byte before the punctuation (06 done, 05 unknown, 15 refused). The
memory that lasts takes a limited number of writes (N3680 guide; drivers reference 1.4): ``.`` is for ``save`` alone.

Which setting locks the menu against printed codes, the public guides do not say: the maker names it on request. Until
an installer enters it, nothing is written and nothing counts as proved.
"""

import re
from typing import Final

from drivers.devices.scanner_setup import Rejected, Value
from drivers.devices.scanner_words import Setting, answered

MENU: Final = b"\x16M\r"
_STATUS: Final = b"[\x05\x06\x15][.!]?"


class HoneywellCodec:
    """The words of one engine.

    Args:
        setting: What locks the menu; None while that is not known.
    """

    baud = 9600

    def __init__(self, setting: Setting | None = None) -> None:
        self._setting = setting
        name = b"" if setting is None else setting.name.encode()
        self._words = re.compile(rb"(?i:" + re.escape(name) + rb"([A-Z0-9]{0,16}))(" + _STATUS + rb")")
        self._answer = re.compile(self._words.pattern + rb"\Z")

    def ask(self) -> bytes | None:
        """What is the value now."""
        return None if self._setting is None else MENU + f"{self._setting.name}?.".encode()

    def lock(self, value: bytes, *, save: bool) -> list[bytes]:  # noqa: ARG002  # other makers set one bit of it
        """Set it, in the memory that was asked for."""
        assert self._setting is not None, "ask() said that there is nothing to lock"
        return [MENU + f"{self._setting.name}{self._setting.locked}{'.' if save else '!'}".encode()]

    def answer(self, data: bytes) -> tuple[int, Value | Rejected] | None:
        """The words about this setting at the end, with their status."""
        found = self._answer.search(data) if self._setting is not None else None
        return None if found is None else (found.start(), answered(found[1], found[2][0]))

    def leading(self, data: bytes) -> int:
        """Length of the words about this setting at the beginning."""
        found = self._words.match(data) if self._setting is not None else None
        return 0 if found is None else found.end()

    def is_locked(self, value: bytes) -> bool:
        """Whether the value is the locked one."""
        return self._setting is not None and value == self._setting.locked.encode()
