"""Modbus RTU input modules: they are only ever read (function 02), and report debounced edges.

A unit that misses three replies in a row is a fault, reported once, and asked less often until it answers. Frames are
in ``drivers.modbus_rtu``; when to ask, and what an answer means, is the business of ``drivers.relay``.
"""

from typing import Final

from drivers.modbus_rtu import ExceptionReply, InputsReply, ReplyDecoder, encode_read_inputs
from drivers.modbus_rtu import Reply as ModbusReply
from drivers.model import DriverInfo, LineSettings
from drivers.relay import RelayDriver
from drivers.relay_codec import Ask, Asked, Denied, Levels, Reply

INPUTS: Final = 8
REPLY_WITHIN_S: Final = 0.200  # request and reply are 15 ms of wire; USB adapters and boards add tens
SILENCE_S: Final = 0.005  # 3.5 characters at 9600 baud, between a reply and the next request


class ModbusInputsCodec:
    """The bytes of one input module.

    Args:
        unit: Address set on the module.
    """

    def __init__(self, *, unit: int) -> None:
        self._unit = unit
        self._request = encode_read_inputs(unit=unit, first=0, count=INPUTS)
        self._decoder = ReplyDecoder()

    @property
    def info(self) -> DriverInfo:
        """What the module can do."""
        return DriverInfo(
            protocol="modbus-inputs",
            line=LineSettings(baud=9600),
            inputs=INPUTS,
            answers_within_s=REPLY_WITHIN_S,
        )

    @property
    def silence_s(self) -> float:
        """Quiet time between two frames."""
        return SILENCE_S

    def encode(self, ask: Ask, *, channel: int = 0, ms: int = 0) -> bytes | None:  # noqa: ARG002  # as every codec
        """The one request there is."""
        return self._request if ask is Ask.INPUTS else None

    def within_s(self, ask: Ask) -> float | None:  # noqa: ARG002  # the shape of every codec
        """How long a reply may take."""
        return REPLY_WITHIN_S

    def feed(self, data: bytes, asked: Asked | None) -> Reply | None:
        """The levels, or the unit's refusal; what comes from other units is not for us."""
        return self._answer(self._decoder.feed(data), asked)

    def flush(self, asked: Asked | None) -> Reply | None:
        """The reply behind a false beginning, if there is one."""
        return self._answer(self._decoder.flush(), asked)

    def take_garbage(self) -> int:
        """How many bytes belonged to no frame."""
        return self._decoder.take_garbage()

    def _answer(self, replies: list[ModbusReply], asked: Asked | None) -> Reply | None:
        for reply in replies:
            if asked is None or reply.unit != self._unit:
                continue  # late, or for another master on the line
            match reply:
                case InputsReply() if len(reply.bits) == 1:
                    return Levels(mask=0xFF, bits=reply.bits[0])
                case ExceptionReply():
                    return Denied(f"unit {self._unit}, code {reply.code}")
        return None


class ModbusInputsDriver(RelayDriver):
    """One input module.

    Args:
        unit: Address set on the module.
    """

    def __init__(self, *, unit: int = 1) -> None:
        super().__init__(ModbusInputsCodec(unit=unit))
