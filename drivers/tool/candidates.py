"""What may be at a port, and why we think so; and what a line that nobody asked anything says by itself."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from drivers.modbus_rtu import crc16
from drivers.model import Certainty
from passes.words import Pair

CERTAINTY_WORDS: Final[dict[Certainty, Pair]] = {
    Certainty.STRONG: Pair("确定", "certain"),
    Certainty.WEAK: Pair("可能", "possible"),
    Certainty.NONE: Pair("不明", "unknown"),
}
_TEXT_LINE: Final = re.compile(rb"[\x20-\x7e\x80-\xfe]{4,}[\r\n\t]")
_MODEM_LINE: Final = re.compile(rb"(?:^|[\r\n])(?:RING|\+C[A-Z]{3}|\^[A-Z]{4,}|NO CARRIER)")
_MODBUS_SIZES: Final = (5, 6, 7, 8)  # of the frames worth recognising: reads, writes, refusals


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One thing that a port may lead to.

    Args:
        protocol: Name in the registry; empty for something that the tool does not drive.
        options: What else its configuration needs: ``profile``, ``make``, ``unit``.
        certainty: How well the evidence names it.
        why: The evidence.
    """

    protocol: str
    why: Pair
    certainty: Certainty = Certainty.WEAK
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def shown(self) -> str:
        """Protocol and options as a configuration writes them."""
        return " ".join([self.protocol or "-", *(f"{key}={value}" for key, value in self.options.items())])


def overheard(data: bytes) -> list[Candidate]:
    """What a line says by itself: sensors that stream, scanners, modems, another master's questions."""
    found = [] if not data else [each for look in _LOOKS for each in look(data)]
    if found or not data:
        return found
    return [
        Candidate(
            protocol="",
            certainty=Certainty.NONE,
            why=Pair(
                f"有 {len(data)} 个不认识的字节：速率可能不对",
                f"{len(data)} bytes that fit nothing: perhaps another speed",
            ),
        )
    ]


def _mcu90614(data: bytes) -> list[Candidate]:
    good = (sum(frame[:-1]) & 0xFF == frame[-1] for frame in _counted(data, b"\x5a\x5a\x45"))
    return _streaming("mcu90614", sum(good))


def _cjmcu(data: bytes) -> list[Candidate]:
    # The sum is that of the data alone on the units that somebody has published, and of all bytes by the page.
    good = (
        frame[-1] in (sum(frame[4:-1]) & 0xFF, sum(frame[:-1]) & 0xFF)
        for frame in _counted(data, b"\x66\x66")
    )
    return _streaming("cjmcu", sum(good))


def _counted(data: bytes, head: bytes) -> list[bytes]:
    """Frames that begin so, have their length as the fourth byte, and a sum behind; the check is the caller's."""
    starts = (match.start() for match in re.finditer(re.escape(head), data))
    frames = (data[at : at + 5 + data[at + 3]] for at in starts if at + 3 < len(data))
    return [frame for frame in frames if len(frame) > 5 and len(frame) == 5 + frame[3]]


def _streaming(make: str, frames: int) -> list[Candidate]:
    if not frames:
        return []
    return [
        Candidate(
            protocol="thermometer",
            options={"make": make},
            certainty=Certainty.STRONG if frames > 1 else Certainty.WEAK,
            why=Pair(
                f"持续发送测温数据（{frames} 帧校验正确）", f"streams temperatures ({frames} good frames)"
            ),
        )
    ]


def _another_master(data: bytes) -> list[Candidate]:
    for at in range(len(data) - 4):
        for size in _MODBUS_SIZES:
            frame = data[at : at + size]
            if len(frame) == size and 1 <= frame[1] & 0x7F <= 16 and crc16(frame[:-2]) == frame[-2:]:
                return [
                    Candidate(
                        protocol="modbus-relay",
                        why=Pair(
                            "线上有 Modbus 帧：可能另有主站在使用这条线",
                            "Modbus frames: another master may be using this line",
                        ),
                    )
                ]
    return []


def _turnstile_7e(data: bytes) -> list[Candidate]:
    for at in (match.start() for match in re.finditer(rb"\x7f", data)):
        frame = data[at : at + 18]
        if len(frame) == 18 and ~sum(frame[:-1]) & 0xFF == frame[-1]:
            return [
                Candidate(
                    protocol="turnstile-7e",
                    certainty=Certainty.STRONG,
                    why=Pair("7F 状态帧，校验正确", "a 7F status frame with a good check"),
                )
            ]
    return []


def _modem(data: bytes) -> list[Candidate]:
    if not _MODEM_LINE.search(data):
        return []
    return [Candidate(protocol="modem", why=Pair("调制解调器的主动上报", "a modem's unsolicited lines"))]


def _scanner(data: bytes) -> list[Candidate]:
    if not _TEXT_LINE.search(data) or _MODEM_LINE.search(data):
        return []
    return [
        Candidate(
            protocol="scanner",
            options={"make": "text"},
            why=Pair("以行结束符结尾的文本，像扫码结果", "text with a line end, as a scanner sends it"),
        )
    ]


_LOOKS: Final[tuple[Callable[[bytes], list[Candidate]], ...]] = (
    _mcu90614,
    _cjmcu,
    _turnstile_7e,
    _another_master,
    _modem,
    _scanner,
)
