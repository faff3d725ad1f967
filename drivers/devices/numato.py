"""Numato USB relay and GPIO modules: text commands, echoed by the module, with a prompt behind each answer.

One answer is ``echo CR/LF [value CR/LF] >``. The echo names the command that is answered, so an answer that comes
late is known for what it is. Channels are counted from 0 on the wire, and go on with letters after 9.

These letters switch relays on other makers' boards: nothing here is ever sent to a port that is not known to hold a
Numato module (drivers reference 0.1).
"""

import re
from collections.abc import Collection
from typing import Final

from drivers.model import Certainty, DriverInfo, LineSettings
from drivers.relay import RelayDriver
from drivers.relay_codec import Accepted, Ask, Asked, Levels, Named, Reply

PROTOCOL: Final = "numato"
CHANNELS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUV"
BAUD: Final = 19200  # any speed will do on a USB line
ANSWER_S: Final = 0.300
KEPT_MAX: Final = 512  # many times the longest answer
_BY_ALL: Final = {8: "00", 16: "0000", 32: "00000000"}  # sizes whose hex width for "writeall" is certain
_BREAKS: Final = re.compile(rb"[\r\n]+")
_HEX: Final = re.compile(rb"[0-9A-Fa-f]{8}")


class NumatoCodec:
    """The text of one module.

    Args:
        outputs: Relays on it.
        inputs: GPIO pins that are wired as inputs, from pin 0 on.
    """

    silence_s: Final = 0.0

    def __init__(self, *, outputs: int = 8, inputs: int = 0) -> None:
        assert 1 <= outputs <= len(CHANNELS), f"{outputs} relays are on no Numato module"
        assert 0 <= inputs <= len(CHANNELS), f"{inputs} inputs are on no Numato module"
        self._info = DriverInfo(
            protocol=PROTOCOL,
            line=LineSettings(baud=BAUD),
            outputs=outputs,
            inputs=inputs,
            host_timed=True,
            reads_outputs=True,
            identifies=Certainty.WEAK,
            answers_within_s=ANSWER_S,
        )
        self._buffer = b""
        self._garbage = 0

    @property
    def info(self) -> DriverInfo:
        """What the module can do."""
        return self._info

    def encode(self, ask: Ask, *, channel: int = 0, ms: int = 0) -> bytes | None:  # noqa: ARG002  # no board timer
        """The command, with CR behind it."""
        text = self._command(ask, channel)
        return None if text is None else text.encode() + b"\r"

    def _command(self, ask: Ask, channel: int) -> str | None:
        if ask is Ask.ALL_OFF:
            mask = _BY_ALL.get(self._info.outputs)
            return None if mask is None else f"relay writeall {mask}"
        if ask is Ask.IDENTIFY:
            return "id get" if channel == 0 else None
        known = self._info.inputs if ask is Ask.INPUTS else self._info.outputs
        verbs = {
            Ask.ON: "relay on",
            Ask.OFF: "relay off",
            Ask.OUTPUTS: "relay read",
            Ask.INPUTS: "gpio read",
        }
        if ask not in verbs or not 1 <= channel <= known:
            return None  # outputs and inputs are read one at a time
        return f"{verbs[ask]} {CHANNELS[channel - 1]}"

    def within_s(self, ask: Ask) -> float | None:  # noqa: ARG002  # everything ends with a prompt
        """How long the module may take."""
        return ANSWER_S

    def feed(self, data: bytes, asked: Asked | None) -> Reply | None:
        """The answer, once the prompt behind it has come."""
        self._buffer += data
        while b">" in self._buffer:
            segment, _, self._buffer = self._buffer.partition(b">")
            reply = None if asked is None else _reply(segment, asked)
            if reply is not None:
                self._drop(len(self._buffer))
                self._buffer = b""
                return reply
            if segment.strip():  # a prompt alone says nothing, and is no noise
                self._drop(len(segment))
        if len(self._buffer) > KEPT_MAX:
            self._drop(len(self._buffer) - KEPT_MAX)
            self._buffer = self._buffer[-KEPT_MAX:]
        return None

    def flush(self, asked: Asked | None) -> None:  # noqa: ARG002  # without its prompt it is no answer
        """Drop what is left."""
        self._drop(len(self._buffer))
        self._buffer = b""

    def take_garbage(self) -> int:
        """How many bytes belonged to no answer since the last call."""
        count, self._garbage = self._garbage, 0
        return count

    def _drop(self, count: int) -> None:
        self._garbage += count


def _reply(segment: bytes, asked: Asked) -> Reply | None:
    """What one echo and its answer say; None when it is the echo of something else."""
    lines = [line.strip() for line in _BREAKS.split(segment) if line.strip()]
    command = asked.frame.strip()
    if command not in lines:  # more before it on its line may have reached the module as well: not understood
        return None
    values = lines[lines.index(command) + 1 :]
    match asked.ask, values:
        case ((Ask.ON | Ask.OFF | Ask.ALL_OFF), []):
            return Accepted()
        case Ask.OUTPUTS, [b"on" | b"off" as value]:
            return _level(asked.channel, closed=value == b"on")
        case Ask.INPUTS, [b"0" | b"1" as value]:
            return _level(asked.channel, closed=value == b"1")
        case Ask.IDENTIFY, [value] if _HEX.fullmatch(value):
            return Named(maker="Numato Lab", model="USB relay module", serial=value.decode())
    return None


def _level(channel: int, *, closed: bool) -> Levels:
    mask = 1 << max(0, channel - 1)
    return Levels(mask=mask, bits=mask if closed else 0)


def numato(
    *, outputs: int = 8, inputs: int = 0, serial: str = "", watch: Collection[int] | None = None
) -> RelayDriver:
    """A driver for one module.

    Args:
        outputs: Relays on it.
        inputs: GPIO pins that are wired as inputs, from pin 0 on.
        serial: The id it must answer with before anything is switched; empty where any module will do.
        watch: Inputs that are in use, counted from 1: each is a question of its own. None for all.
    """
    expect = Named(maker="Numato Lab", model="", serial=serial) if serial else None
    return RelayDriver(NumatoCodec(outputs=outputs, inputs=inputs), expect=expect, watch=watch)
