"""Models of Honeywell and Newland engines: settings by menu commands in text, each answered with its fate.

A command is a tag of six letters and digits and its data; several are separated by ``;``, or by ``,`` under the
same three first letters. The engine sends the line back with a byte before each separator: 06 done, 05 no such
tag, 15 no such value.
"""

import re
from typing import Final

from simulators.boards.device import Answer
from simulators.devices.scanner import TERMINATORS, TextScanner

ACK, ENQ, NAK = 0x06, 0x05, 0x15
_LINE_MAX: Final = 512
_QUERIES: Final = {"current", "factory", "range"}


class MenuScanner(TextScanner):
    """What both makers share.

    Args:
        settings: Tag -> pattern of its values and the value from the factory; an empty pattern is an action.
        setup_tag: The tag that switches printed set-up codes on (1) and off (0).
        queries: Character -> what it asks: ``current``, ``factory`` or ``range``.
    """

    def __init__(
        self, *, settings: dict[str, tuple[str, str]], setup_tag: str, queries: dict[str, str]
    ) -> None:
        super().__init__()
        assert set(queries.values()) <= _QUERIES, queries
        self._known = {**settings, setup_tag: ("[01]", "1")}
        self._setup_tag, self._queries = setup_tag, queries
        self.settings = {tag: factory for tag, (pattern, factory) in self._known.items() if pattern}
        self.kept = dict(self.settings)
        self._pending = b""

    @property
    def obeys_setup_codes(self) -> bool:
        """Until the tag for them is 0."""
        return self.settings[self._setup_tag] == "1"

    def _restore_factory(self) -> None:
        super()._restore_factory()
        self.settings = {tag: factory for tag, (pattern, factory) in self._known.items() if pattern}
        self.kept = dict(self.settings)

    def _run(self, line: str, separators: str, *, keep: bool, now_s: float) -> bytes:
        """Carry out the commands of one line; the line again, with the fate of each before its separator."""
        out, prefix = b"", ""
        for command, separator in re.findall(rf"([^{separators}]*)([{separators}])", line):
            whole = prefix + command if len(prefix) == 3 and separator_joins(out) else command
            prefix = whole[:3]
            said, fate = self._one(whole, keep=keep, now_s=now_s)
            shown = said[3:] if whole is not command else said
            out += shown.encode("ascii", "replace") + bytes((fate,)) + separator.encode("ascii")
        return out

    def _one(self, command: str, *, keep: bool, now_s: float) -> tuple[str, int]:
        tag, data = command[:6], command[6:]
        if tag not in self._known:
            return command, ENQ
        pattern, factory = self._known[tag]
        asked = self._queries.get(data)
        if asked is not None:
            answer = {"current": self.settings.get(tag, ""), "factory": factory, "range": pattern}[asked]
            return tag + answer, ACK
        if not re.fullmatch(pattern, data):
            return command, NAK
        if tag in ("DEFALT", "FACDEF"):
            self._restore_factory()
        elif pattern:
            self.settings[tag] = data
            if keep:
                self.kept[tag] = data
        self._happen("setting", now_s, 0, f"{command}{' kept' if keep else ''}")
        self._apply()
        return command, ACK

    def _apply(self) -> None:
        """Let the settings take effect."""

    def _lose_power(self, now_s: float) -> None:
        super()._lose_power(now_s)
        self.settings, self._pending = dict(self.kept), b""
        self._apply()


def separator_joins(out: bytes) -> bool:
    """Whether the last separator said that the next command has the same first three letters."""
    return out.endswith(b",")


class Honeywell(MenuScanner):
    """A Honeywell N36xx or N66xx: ``16 54 0D`` looks, ``16 55 0D`` stops, ``16 4D 0D`` + commands + ``.`` or ``!``.

    ``.`` keeps the setting without supply, ``!`` does not. With acknowledged delivery on, a code is sent again for
    each 15 until 06 comes.

    Args:
        setup_tag: The tag for printed set-up codes; it differs between firmwares.
    """

    _SETTINGS: Final = {
        "232BAD": ("[0-9]", "9"),
        "232ACK": ("[01]", "0"),
        "SUFBK2": (r"99(?:[0-9A-F]{2})*", "990D"),
        "SUFCA2": ("", ""),
        "TRGMOD": ("[0-9]", "3"),
        "REVINF": ("", ""),
        "DEFALT": ("", ""),
    }
    _BAUDS: Final = {"5": 9600, "6": 19200, "7": 38400, "8": 57600, "9": 115200}

    def __init__(self, *, setup_tag: str = "MNUENA") -> None:
        queries = {"?": "current", "^": "factory", "*": "range"}
        super().__init__(settings=self._SETTINGS, setup_tag=setup_tag, queries=queries)
        self._unacknowledged = b""

    @property
    def speed(self) -> int:
        """What 232BAD says: 115200 from the factory."""
        return self._BAUDS.get(self.settings["232BAD"], 115200)

    def _apply(self) -> None:
        suffix = bytes.fromhex(self.settings["SUFBK2"][2:])
        self.terminator = next((name for name, data in TERMINATORS.items() if data == suffix), "none")
        self.on_trigger_only = self.settings["TRGMOD"] == "0"

    def _read(self, data: bytes, now_s: float) -> list[Answer]:
        answers = super()._read(data, now_s)
        if answers and self.settings["232ACK"] == "1":
            self._unacknowledged = answers[0].data
        return answers

    def _hear(self, data: bytes, now_s: float) -> list[Answer]:
        self._pending += data
        answers: list[Answer] = []
        while self._pending:
            first, used = self._pending[0], 1
            if first in (ACK, NAK):
                if first == NAK and self._unacknowledged:
                    answers.append(Answer(data=self._unacknowledged, at_s=now_s))
                elif first == ACK:
                    self._unacknowledged = b""
            elif first == 0x16:
                if len(self._pending) < 3:
                    return answers
                if self._pending[:3] == b"\x16M\r":
                    end = re.search(rb"[.!]", self._pending[3:])
                    if end is None and len(self._pending) <= _LINE_MAX:
                        return answers
                    if end is None:
                        self._pending = self._pending[1:]
                        continue
                    used = 3 + end.end()
                    line = self._pending[3:used].decode("ascii", "replace").upper()
                    said = self._run(line, ".!;,", keep=line.endswith("."), now_s=now_s)
                    answers.append(Answer(data=said, at_s=now_s))
                elif self._pending[:3] == b"\x16T\r":
                    used = 3
                    answers += self._trigger(now_s)
                elif self._pending[:3] == b"\x16U\r":
                    used = 3
                    self._stop_looking()
            self._pending = self._pending[used:]
        return answers


class Newland(MenuScanner):
    """A Newland EM or FM: ``7E 01 30 30 30 30``, ``@`` to keep or ``#`` not to, commands, ``3B 03``; capitals only.

    Args:
        setup_tag: The tag for printed set-up codes; it differs between firmwares.
    """

    _HEAD: Final = b"\x7e\x010000"
    _TAIL: Final = b";\x03"
    _SETTINGS: Final = {
        "SCNMOD": ("[0-3]", "2"),
        "SCNTRG": ("[01]", "0"),
        "TSUENA": ("[01]", "1"),
        "TSUSET": ("(?:[0-9A-F]{2})+", "0D"),
        "128ENA": ("[01]", "1"),
        "QRYSYS": ("", ""),
        "FACDEF": ("", ""),
    }

    def __init__(self, *, setup_tag: str = "SETUPE") -> None:
        queries = {"*": "current", "&": "factory", "^": "range"}
        super().__init__(settings=self._SETTINGS, setup_tag=setup_tag, queries=queries)

    def _apply(self) -> None:
        suffix = bytes.fromhex(self.settings["TSUSET"]) if self.settings["TSUENA"] == "1" else b""
        self.terminator = next((name for name, data in TERMINATORS.items() if data == suffix), "none")
        self.on_trigger_only = self.settings["SCNMOD"] == "0"

    def _hear(self, data: bytes, now_s: float) -> list[Answer]:
        self._pending += data
        answers: list[Answer] = []
        while (start := self._pending.find(self._HEAD)) >= 0 and self._TAIL in self._pending[start:]:
            line, _, self._pending = self._pending[start + len(self._HEAD) :].partition(self._TAIL)
            storage, commands = line[:1], line[1:].decode("ascii", "replace")
            if storage in (b"@", b"#"):
                said = self._run(commands + ";", ";,", keep=storage == b"@", now_s=now_s)
                answers.append(Answer(data=b"\x02\x010000" + storage + said + b"\x03", at_s=now_s))
                if self.settings["SCNTRG"] == "1":
                    self.settings["SCNTRG"] = "0"
                    answers += self._trigger(now_s)
        self._pending = self._pending[-_LINE_MAX:]
        return answers
