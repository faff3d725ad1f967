"""One AT command at a time: its answer among echoes, half lines and news that nobody asked for.

A modem sends news (``+CDS``, ``RING``) whenever it likes, even between the lines of an answer; it may repeat what it
is told; and its prompt for a text comes without an end of line (drivers reference 1.5).
"""

import re
from dataclasses import dataclass
from typing import Final

LINE_MAX: Final = 1024  # the longest message in hexadecimal is below 400
LINES_MAX: Final = 16
PROMPT: Final = b">"
_FINAL: Final = re.compile(r"OK|ERROR|\+CM[ES] ERROR:.*|COMMAND NOT SUPPORT")
_NEWS_WITH_PDU: Final = re.compile(r"\+CDS: ?\d+|\+CMT: ?[^,]*,\d+")
_PDU: Final = re.compile(r"[0-9A-Fa-f]{2,1000}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The end of a command: done (``good``) or not, and the lines before it that fit the command."""

    good: bool
    lines: tuple[str, ...] = ()
    error: str = ""


@dataclass(frozen=True, slots=True)
class Prompt:
    """The modem waits for a text."""


@dataclass(frozen=True, slots=True)
class News:
    """A line that nobody asked for; ``pdu`` is the line behind it where this kind has one."""

    line: str
    pdu: str = ""


Said = Answer | Prompt | News


class Dialogue:
    """Bytes of one modem, with at most one command open."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._skipping = False  # in the rest of a line that was too long
        self._garbage = 0
        self._command: str | None = None
        self._answer: re.Pattern[str] | None = None
        self._prompt = False
        self._lines: list[str] = []
        self._news: str | None = None  # whose second line is still to come

    def ask(self, command: str, *, answer: str | None = None, prompt: bool = False) -> None:
        """Say which command goes out.

        Args:
            command: The line without its end, to know its echo.
            answer: Pattern of the lines that belong to it; all others are news.
            prompt: It may be answered by a prompt.
        """
        self._command, self._prompt = command, prompt
        self._answer = None if answer is None else re.compile(answer)
        self._lines = []

    def forget(self) -> None:
        """The command is over, whatever still comes."""
        self._command, self._prompt, self._lines = None, False, []

    def reset(self) -> None:
        """The line was lost."""
        self.forget()
        self._garbage += len(self._buffer)
        self._buffer.clear()
        self._skipping, self._news = False, None

    def take_garbage(self) -> int:
        """How many bytes were dropped since the last call."""
        count, self._garbage = self._garbage, 0
        return count

    def feed(self, data: bytes) -> list[Said]:
        """What these bytes complete, in order."""
        said: list[Said] = []
        *ends, rest = re.split(rb"[\r\n]", bytes(self._buffer) + data)
        self._buffer.clear()
        for end in ends:
            self._line(end, said)
        if self._skipping or len(rest) > LINE_MAX:
            self._skipping = True
            self._garbage += len(rest)
        elif self._prompt and rest.strip() == PROMPT:
            self._prompt = False
            said.append(Prompt())
        else:
            self._buffer += rest
        return said

    def _line(self, raw: bytes, said: list[Said]) -> None:
        if self._skipping or len(raw) > LINE_MAX:
            self._garbage += len(raw)
            self._skipping = False
            return
        text = raw.strip(b" \0\x1b")  # the echo of an escape is no word
        if self._prompt and text.startswith(PROMPT):  # a prompt on a line of its own
            self._prompt = False
            said.append(Prompt())
            text = text.removeprefix(PROMPT).strip()
        if not text:
            return
        if not text.isascii() or any(byte < 0x20 for byte in text.rstrip(b"\x1a")):
            self._garbage += len(raw)
            return
        self._words(text.decode("ascii"), said)

    def _words(self, line: str, said: list[Said]) -> None:
        line = line.removeprefix(">").lstrip()  # a prompt that nobody waited for
        if not line:
            return
        if self._news is not None:
            news, self._news = self._news, None
            if _PDU.fullmatch(line):
                said.append(News(news, line))
                return
            said.append(News(news))
        if self._command is not None and line.rstrip("\x1a") == self._command.rstrip("\x1a"):
            return  # its echo
        if self._command is not None and _FINAL.fullmatch(line):
            said.append(
                Answer(good=line == "OK", lines=tuple(self._lines), error="" if line == "OK" else line)
            )
            self.forget()
        elif _NEWS_WITH_PDU.fullmatch(line):
            self._news = line
        elif self._command is not None and self._fits(line):
            if len(self._lines) < LINES_MAX:
                self._lines.append(line)
        else:
            said.append(News(line))

    def _fits(self, line: str) -> bool:
        return self._answer is not None and self._answer.fullmatch(line) is not None
