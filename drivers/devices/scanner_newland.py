"""Newland EM and FM engines: set-up commands in words.

``7E 01 30 30 30 30``, the memory (``@`` for good, ``#`` until power is lost), tag and sub-tag, data, ``3B 03``; capital
letters only. A question has ``*`` for data. The answer begins with ``02 01 30 30 30 30``, repeats the words, and has a
status byte before the ``3B 03`` (FM530 and HR52 manuals; drivers reference 1.4).

Which setting switches printed set-up codes off differs between engines and is in the engine's own manual. Until an
installer enters it, nothing is written and nothing counts as proved.
"""

import re
from typing import Final

from drivers.devices.scanner_setup import Rejected, Value
from drivers.devices.scanner_words import Setting, answered

HEAD: Final = b"\x7e\x010000"
ANSWER_HEAD: Final = b"\x02\x010000"
TAIL: Final = b";\x03"


class NewlandCodec:
    """The words of one engine.

    Args:
        setting: What switches printed set-up codes off; None while that is not known.
    """

    baud = 9600

    def __init__(self, setting: Setting | None = None) -> None:
        self._setting = setting
        name = b"" if setting is None else setting.name.encode()
        self._words = re.compile(
            re.escape(ANSWER_HEAD) + rb"[@#]" + re.escape(name) + rb"([A-Z0-9]{0,16})([\x05\x06\x15]);\x03"
        )
        self._answer = re.compile(self._words.pattern + rb"\Z")

    def ask(self) -> bytes | None:
        """What is the value now."""
        return None if self._setting is None else HEAD + f"#{self._setting.name}*".encode() + TAIL

    def lock(self, value: bytes, *, save: bool) -> list[bytes]:  # noqa: ARG002  # other makers set one bit of it
        """Set it, in the memory that was asked for."""
        assert self._setting is not None, "ask() said that there is nothing to lock"
        memory = "@" if save else "#"
        return [HEAD + f"{memory}{self._setting.name}{self._setting.locked}".encode() + TAIL]

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
