"""A 2D code engine on a serial line: it decodes what is held to its lens, and obeys printed set-up codes.

``TextScanner`` is any engine that only sends what it read. The makers' protocols build on it. A set-up code is
known here by what it does, not by its picture: a visitor may show any of them as long as set-up codes are on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from simulators.boards.device import Answer, Device, earliest

TERMINATORS: Final = {"cr": b"\r", "lf": b"\n", "crlf": b"\r\n", "tab": b"\t", "none": b""}
LOOKS_FOR_S: Final = 5.0  # how long a trigger keeps the engine looking
SETUP_TEXTS: Final = {
    "factory": "SETUP-FACTORY",
    "keyboard": "SETUP-KEYBOARD",
    "mute": "SETUP-MUTE",
    "terminator-none": "SETUP-TERMINATOR-NONE",
}
"""Printed set-up codes by what they do, and what they read as when the engine no longer obeys them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    at_s: float
    data: bytes


class TextScanner(Device):
    """An engine that sends each code it reads, and a terminator.

    Args:
        terminator: Name of the bytes after each code: ``cr``, ``lf``, ``crlf``, ``tab``, ``none``.
        encoding: What text becomes bytes by; ``utf-8`` or ``gb18030``.
    """

    def __init__(self, *, terminator: str = "cr", encoding: str = "utf-8") -> None:
        super().__init__()
        self.terminator, self.encoding = terminator, encoding
        self.keyboard = False  # types instead of speaking: nothing comes on the serial line any more
        self.on_trigger_only = False
        self._looking_until_s = float("-inf")
        self._in_view: _Read | None = None
        self._in_view_until_s = float("-inf")
        self._planned: list[_Read] = []
        self._loop: tuple[list[bytes], float] | None = None
        self._shown = 0

    @property
    def obeys_setup_codes(self) -> bool:
        """Whether a printed set-up code changes this engine."""
        return True

    def show(self, text: str | bytes, now_s: float, *, for_s: float = 0.5) -> list[Answer]:
        """Hold a code to the lens for a while; the engine reads it once, if it is looking."""
        data = text if isinstance(text, bytes) else text.encode(self.encoding, "replace")
        if not self.powered:
            return []
        self._in_view, self._in_view_until_s = _Read(at_s=now_s, data=data), now_s + for_s
        if self.on_trigger_only and now_s > self._looking_until_s:
            return []
        self._looking_until_s = float("-inf")
        return self._read(data, now_s)

    def hold(self, text: str, now_s: float, *, times: int, every_s: float) -> None:
        """Keep a code in view of an engine that reads it again and again."""
        data = text.encode(self.encoding, "replace")
        self._planned += [_Read(at_s=now_s + count * every_s, data=data) for count in range(times)]

    def repeat(self, texts: Sequence[str], *, every_s: float) -> None:
        """Hold these codes to the lens in turn, one every ``every_s`` seconds, for ever."""
        self._loop = [text.encode(self.encoding, "replace") for text in texts], every_s

    def show_setup(self, name: str, now_s: float) -> list[Answer]:
        """Hold a printed set-up code to the lens; an engine that no longer obeys them reads it as any code."""
        assert name in SETUP_TEXTS, f"no set-up code {name!r}; there are {', '.join(SETUP_TEXTS)}"
        if not self.obeys_setup_codes:
            return self.show(SETUP_TEXTS[name], now_s)
        self._happen("setting", now_s, 0, f"printed code: {name}")
        match name:
            case "factory":
                self._restore_factory()
            case "keyboard":
                self.keyboard = True
            case "mute":
                self.on_trigger_only = True
            case _:
                self._set_terminator("none")
        return []

    def _restore_factory(self) -> None:
        self.keyboard = self.on_trigger_only = False
        self._set_terminator("cr")

    def _set_terminator(self, name: str) -> None:
        self.terminator = name

    def _trigger(self, now_s: float) -> list[Answer]:
        """A command to look: read what is in view, or what comes within five seconds."""
        if self._in_view is not None and now_s <= self._in_view_until_s:
            return self._read(self._in_view.data, now_s)
        self._looking_until_s = now_s + LOOKS_FOR_S
        return []

    def _stop_looking(self) -> None:
        self._looking_until_s = float("-inf")

    def _read(self, data: bytes, now_s: float) -> list[Answer]:
        if self.keyboard or self.silent:
            return []
        return [Answer(data=data + TERMINATORS[self.terminator], at_s=now_s)]

    def _hear(self, data: bytes, now_s: float) -> list[Answer]:  # noqa: ARG002  # a plain engine takes no orders
        return []

    def _pass_time(self, now_s: float) -> list[Answer]:
        if self._loop is not None and not self._planned:
            codes, every_s = self._loop
            self._planned.append(_Read(at_s=now_s + every_s, data=codes[self._shown % len(codes)]))
            self._shown += 1
        due = [read for read in self._planned if read.at_s <= now_s]
        self._planned = [read for read in self._planned if read.at_s > now_s]
        return [answer for read in due for answer in self.show(read.data, read.at_s)]

    def _next_deadline(self) -> float | None:
        if self._loop is not None and not self._planned:
            return float("-inf")
        return earliest(read.at_s for read in self._planned)

    def _lose_power(self, now_s: float) -> None:  # noqa: ARG002  # the shape of every device
        self._planned, self._in_view = [], None
        self._stop_looking()
