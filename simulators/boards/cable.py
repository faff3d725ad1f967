"""The wires between a host and its devices, in virtual time, with everything that wires do to bytes.

Pure and seeded: what the host sends goes in with its time and speed, what it hears comes out when it is due. Several
devices may hang on one cable, as on an RS-485 pair; each hears what the host and the others say.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from simulators.boards.device import Answer, Device, earliest
from simulators.boards.knobs import Knobs

_BITS_A_BYTE: Final = 10  # start, eight, stop
_NOISE: Final = bytes((0x00, 0x80, 0xC0, 0xE0, 0xF8, 0xFE, 0xFF))  # what framing errors tend to look like


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """Bytes on their way, there at ``at_s``."""

    at_s: float
    data: bytes
    baud: int = 0


class Cable:
    """One line.

    Args:
        devices: What hangs on it.
        knobs: What is wrong with it; may be replaced at any time.
        seed: Decides which bytes and answers are hit.
    """

    def __init__(self, devices: Sequence[Device], *, knobs: Knobs | None = None, seed: int = 0) -> None:
        self.devices = list(devices)
        self.knobs = knobs or Knobs()
        self.plugged = True
        self._chance = random.Random(seed)  # noqa: S311  # faults, not keys
        self._to_device: list[_Piece] = []
        self._to_host: list[_Piece] = []
        self._sent_until_s = self._heard_until_s = float("-inf")
        self.host_baud = 0  # the speed the host listens at; 0 while nobody has said
        self._last: dict[int, bytes] = {}

    def send(self, data: bytes, now_s: float, *, baud: int) -> None:
        """The host writes at the speed ``baud``."""
        if not self.plugged or not data:
            return
        self.host_baud = baud
        if self.knobs.echo:
            self._deliver(data, now_s)
        arrives_s = now_s
        if self.knobs.pace:
            arrives_s = max(now_s, self._sent_until_s) + len(data) * _byte_s(baud)
            self._sent_until_s = arrives_s
        hurt = self._hurt(data, drop=self.knobs.drop_sent, flip=self.knobs.flip_sent, duplicate=0.0)
        self._to_device.append(_Piece(at_s=arrives_s, data=hurt, baud=baud))
        self.tick(now_s)

    def tick(self, now_s: float) -> None:
        """Let time pass on the cable and in its devices."""
        if not self.plugged:
            return
        while self._to_device and self._to_device[0].at_s <= now_s:
            piece = self._to_device.pop(0)
            self._hear(piece)
        for device in self.devices:
            self._answer(device, device.tick(now_s))

    def take(self, now_s: float) -> list[bytes]:
        """What the host hears by now, in the pieces in which it comes."""
        self.tick(now_s)
        due = [piece.data for piece in self._to_host if piece.at_s <= now_s]
        self._to_host = [piece for piece in self._to_host if piece.at_s > now_s]
        return due

    def next_deadline(self) -> float | None:
        """When something on the cable or in a device is due next, or None."""
        if not self.plugged:
            return None
        moving = (piece.at_s for piece in (*self._to_device[:1], *self._to_host))
        return earliest([*moving, *(device.next_deadline() for device in self.devices)])

    def unplug(self, now_s: float, *, powers: bool = True) -> None:
        """Pull the plug: what is on its way is lost; devices fed through it (``powers``) lose their supply."""
        self.plugged = False
        self._to_device, self._to_host = [], []
        if powers:
            for device in self.devices:
                device.power_off(now_s)

    def plug(self, now_s: float) -> None:
        """Put the plug back; devices without supply start."""
        self.plugged = True
        self._sent_until_s = self._heard_until_s = now_s
        for device in self.devices:
            self._answer(device, device.power_on(now_s))

    def say(self, device: Device, answers: Sequence[Answer]) -> None:
        """Put on the wire what a device says because somebody touched it, a scanner for example."""
        assert device in self.devices, "the device hangs on another cable"
        if self.plugged:
            self._answer(device, answers)

    def _hear(self, piece: _Piece) -> None:
        for device in self.devices:
            if device.speed in (piece.baud, 0):
                self._answer(device, device.receive(piece.data, piece.at_s))
            elif self.knobs.wrong_baud == "noise" and device.powered:
                noise = bytes(self._chance.choice(_NOISE) for _ in piece.data)
                self._deliver(noise, piece.at_s)

    def _answer(self, device: Device, answers: Sequence[Answer]) -> None:
        for answer in answers:
            if device.speed not in (0, self.host_baud) and self.host_baud:
                continue  # the host listens at another speed
            for other in self.devices:
                if other is not device and other.speed == device.speed:
                    other.receive(answer.data, answer.at_s)
            self._transmit(device, answer)

    def _transmit(self, device: Device, answer: Answer) -> None:
        knobs, chance = self.knobs, self._chance
        before, self._last[id(device)] = self._last.get(id(device)), answer.data
        data = answer.data
        if chance.random() < knobs.no_reply:
            return
        if before is not None and chance.random() < knobs.stale:
            data = before
        if chance.random() < knobs.wrong_unit:
            data = device.from_another_unit(data)
        delay_ms = knobs.latency_ms + chance.random() * knobs.jitter_ms
        if chance.random() < knobs.late:
            delay_ms += knobs.late_ms
        hurt = self._hurt(data, drop=knobs.drop, flip=knobs.flip, duplicate=knobs.duplicate)
        self._deliver(hurt, answer.at_s + delay_ms / 1000)

    def _deliver(self, data: bytes, at_s: float) -> None:
        """Queue bytes for the host: in order, cut and paced as the knobs say, by absolute times."""
        knobs = self.knobs
        if knobs.merge_ms:
            window_s = knobs.merge_ms / 1000
            at_s = (at_s // window_s + 1) * window_s
        start_s = max(at_s, self._heard_until_s)
        size = 1 if knobs.pace else knobs.split or len(data)
        gap_s = _byte_s(self.host_baud) if knobs.pace else knobs.split_gap_ms / 1000
        places = range(0, len(data), size or 1)
        for count, place in enumerate(places, start=1 if knobs.pace else 0):
            self._to_host.append(_Piece(at_s=start_s + count * gap_s, data=data[place : place + size]))
        self._heard_until_s = self._to_host[-1].at_s if data else start_s

    def _hurt(self, data: bytes, *, drop: float, flip: float, duplicate: float) -> bytes:
        if not (drop or flip or duplicate):
            return data
        hurt = bytearray()
        for byte in data:
            if self._chance.random() < drop:
                continue
            hurt.append(byte ^ (1 << self._chance.randrange(8)) if self._chance.random() < flip else byte)
            if self._chance.random() < duplicate:
                hurt.append(hurt[-1])
        return bytes(hurt)


def _byte_s(baud: int) -> float:
    return _BITS_A_BYTE / (baud or 115200)
