"""LCUS relay boards: the host times the pulse, and the board never answers.

A pulse is an ON frame, then an OFF frame at its deadline; its best result is ``sent``. If this process dies
in between, the relay stays closed until somebody opens the line again: opening the line always starts with
OFF for every channel. The frames are in ``drivers.lcus_codec``, the rules of all relay boards in ``drivers.relay``.
"""

from typing import Final

from drivers.lcus_codec import CHANNEL_MAX, Switch, SwitchDecoder, encode
from drivers.model import DriverInfo, LineSettings
from drivers.relay import RelayDriver
from drivers.relay_codec import Ask, Asked, Reply

PULSE_MS: Final = (100, 2000)  # drivers reference 0.5: longer pulses hold lanes open
CHANNELS: Final = CHANNEL_MAX  # OFF to a missing channel is ignored by smaller boards


class LcusCodec:
    """The bytes of one LCUS board.

    Args:
        channels: Relays on the board (1, 2, 4 or 8).
    """

    def __init__(self, *, channels: int = CHANNELS) -> None:
        assert 1 <= channels <= CHANNELS, f"an LCUS board has 1 to {CHANNELS} channels, not {channels}"
        self._channels = channels
        self._decoder = SwitchDecoder()

    @property
    def info(self) -> DriverInfo:
        """What the board can do."""
        return DriverInfo(
            protocol="lcus",
            line=LineSettings(baud=9600),
            outputs=self._channels,
            pulse_ms=PULSE_MS,
            host_timed=True,
        )

    @property
    def silence_s(self) -> float:
        """Frames may follow each other at once."""
        return 0.0

    def encode(self, ask: Ask, *, channel: int = 0, ms: int = 0) -> bytes | None:  # noqa: ARG002  # as every codec
        """ON or OFF for one relay; there is nothing else."""
        if ask not in {Ask.ON, Ask.OFF}:
            return None
        return encode(Switch(channel=channel, on=ask is Ask.ON))

    def within_s(self, ask: Ask) -> float | None:  # noqa: ARG002  # the shape of every codec
        """Nothing is ever answered."""
        return None

    def feed(self, data: bytes, asked: Asked | None) -> Reply | None:  # noqa: ARG002  # the shape of every codec
        """Frames that come in are our own, sent back by the adapter; the rest is garbage."""
        self._decoder.feed(data)
        return None

    def flush(self, asked: Asked | None) -> Reply | None:  # noqa: ARG002  # the shape of every codec
        """Forget a frame begun: the line was opened anew."""
        self._decoder.reset()
        return None

    def take_garbage(self) -> int:
        """How many bytes belonged to no frame."""
        return self._decoder.take_garbage()


class LcusDriver(RelayDriver):
    """One LCUS board.

    Args:
        channels: Relays on the board (1, 2, 4 or 8).
    """

    def __init__(self, *, channels: int = CHANNELS) -> None:
        super().__init__(LcusCodec(channels=channels))
