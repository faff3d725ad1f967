"""Relay and input boards that speak Modbus, each family a profile (``drivers.devices.modbus_profile``).

On a serial line an answer that comes after its deadline cannot be told from the answer to the same question asked
again, so the line rests between; over TCP the transaction number tells them apart.
"""

from pathlib import Path
from typing import Final, assert_never

from drivers.devices.modbus_checks import CheckedRelayDriver
from drivers.devices.modbus_frames import (
    EXCEPTION_WORDS,
    READ_REGISTERS,
    SURE_REFUSALS,
    Answer,
    AnswerFinder,
    Data,
    Envelope,
    Refusing,
    Rtu,
    Written,
)
from drivers.devices.modbus_profile import PULSE_MS, Profile, load_profile
from drivers.model import Driver, DriverInfo, LineSettings
from drivers.relay import RelayDriver
from drivers.relay_codec import Accepted, Ask, Asked, Denied, Levels, Reply

PROTOCOL: Final = "modbus-relay"
INPUTS_PROTOCOL: Final = "modbus-inputs"
INPUTS_PROFILE: Final = "inputs-8"


class ModbusRelayCodec:
    """The bytes of one board.

    Args:
        profile: What it understands.
        unit: Its address; None for the one it is delivered with.
        envelope: How frames travel; None for a serial line.
        protocol: Name in the registry.
    """

    def __init__(
        self,
        profile: Profile,
        *,
        unit: int | None = None,
        envelope: Envelope | None = None,
        protocol: str = PROTOCOL,
    ) -> None:
        self._profile = profile
        self._unit = profile.unit if unit is None else unit
        assert 1 <= self._unit <= 255, f"unit {self._unit} is not the address of one board"
        self._serial = envelope is None
        self._envelope: Envelope = Rtu() if envelope is None else envelope
        self._finder = AnswerFinder(self._envelope)
        self._info = _info(profile, protocol)

    @property
    def info(self) -> DriverInfo:
        """What the profile says."""
        return self._info

    @property
    def envelope(self) -> Envelope:
        """How its frames travel."""
        return self._envelope

    @property
    def silence_s(self) -> float:
        """Quiet between frames; TCP needs none."""
        return self._profile.line.silence_s if self._serial else 0.0

    def encode(self, ask: Ask, *, channel: int = 0, ms: int = 0) -> bytes | None:
        """The frame for it."""
        question = self._profile.question(ask, unit=self._unit, channel=channel, ms=ms)
        return None if question is None else self._envelope.wrap(question.body())

    def within_s(self, ask: Ask) -> float | None:  # noqa: ARG002  # every Modbus frame is answered
        """How long the board may take."""
        return self._profile.line.answer_ms / 1000

    def feed(self, data: bytes, asked: Asked | None) -> Reply | None:
        """The answer to what was asked."""
        answer = self._finder.feed(data, None if asked is None else asked.frame)
        return None if answer is None or asked is None else self._reply(asked, answer)

    @property
    def only_echo(self) -> bool:
        """Whether the latest question that nobody answered came back itself."""
        return self._finder.only_echo

    def flush(self, asked: Asked | None) -> None:  # noqa: ARG002  # whole answers never wait
        """Drop what is left."""
        self._finder.flush()

    def take_garbage(self) -> int:
        """How many bytes belonged to no answer since the last call."""
        return self._finder.take_garbage()

    def _reply(self, asked: Asked, answer: Answer) -> Reply:
        match answer:
            case Written():
                return Accepted(echo=True)
            case Refusing(code):
                words = f"{EXCEPTION_WORDS[code]} (code {code})"
                return Denied(words, surely=code in SURE_REFUSALS)
            case Data(data):
                return self._levels(asked, data)
            case _:
                assert_never(answer)

    def _levels(self, asked: Asked, data: bytes) -> Reply:
        outputs = self._profile.outputs
        if asked.ask is Ask.PRESENCE:
            return Levels(mask=0, bits=0)
        if asked.ask is Ask.INPUTS:
            mask = (1 << self._info.inputs) - 1
        elif outputs is not None and outputs.read is not None and outputs.read.function == READ_REGISTERS:
            value, mask = int.from_bytes(data, "big"), 1 << (asked.channel - 1)
            if value > 1:
                return Denied(f"output {asked.channel} reads as {value:#06x}, which is neither on nor off")
            return Levels(mask=mask, bits=mask if value else 0)
        else:
            mask = (1 << self._info.outputs) - 1
        return Levels(mask=mask, bits=int.from_bytes(data, "little") & mask)


def _info(profile: Profile, protocol: str) -> DriverInfo:
    outputs, inputs, line = profile.outputs, profile.inputs, profile.line
    pulse = None if outputs is None else outputs.pulse
    return DriverInfo(
        protocol=protocol,
        line=LineSettings(baud=line.baud, parity=line.parity, stop_bits=line.stop_bits),
        outputs=0 if outputs is None else outputs.count,
        inputs=0 if inputs is None else inputs.count,
        pulse_ms=PULSE_MS if pulse is None else pulse.ms,
        pulse_step_ms=1 if pulse is None else pulse.step_ms,
        host_timed=outputs is not None and pulse is None,
        latching=outputs is not None and outputs.latching,
        reads_outputs=outputs is not None and outputs.read is not None,
        answers_within_s=line.answer_ms / 1000,
    )


def modbus_relay(profile: str | Path, *, unit: int | None = None, baud: int | None = None) -> Driver:
    """A driver for one board on a serial line.

    Args:
        profile: Name of a profile, or path of a site's own.
        unit: The board's address; None for the one it is delivered with.
        baud: Its speed; None for that of the profile.

    Raises:
        ProfileError: There is no such profile, or it cannot be used.
    """
    return driver_of(load_profile(profile).at(baud), unit=unit, envelope=None, protocol=PROTOCOL)


def modbus_inputs(*, unit: int | None = None, baud: int | None = None) -> Driver:
    """A driver for one input module: another name for its profile, which can read inputs and nothing else."""
    profile = load_profile(INPUTS_PROFILE).at(baud)
    return driver_of(profile, unit=unit, envelope=None, protocol=INPUTS_PROTOCOL)


def driver_of(profile: Profile, *, unit: int | None, envelope: Envelope | None, protocol: str) -> Driver:
    """A driver for one board, with what its profile has to look at; arguments as for the codec."""
    number = profile.unit if unit is None else unit
    codec = ModbusRelayCodec(profile, unit=number, envelope=envelope, protocol=protocol)
    relays = RelayDriver(codec)
    if not profile.check:
        return relays
    return CheckedRelayDriver(relays, profile, unit=number, envelope=codec.envelope)
