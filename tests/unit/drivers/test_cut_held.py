"""The cable is pulled after every byte of the frame that moves a lane, at every board; then it is plugged in again.

The board keeps its supply, and with it the part of a frame that it has heard: whatever is said to it next must not
complete that part to a second opening. Boards are the virtual ones, written from the makers' documents.
"""

from typing import Any

import pytest

from drivers.model import Admit, Done, Driver, Grade, Pulse, Refused, Side, TimedOut
from drivers.registry import make_driver
from simulators.boards.catalogue import make_board

MS = 1000
BOARDS = [
    ("lcus", None),
    ("modbus-relay", "waveshare-relay-8"),
    ("modbus-relay", "waveshare-io-8ch"),
    ("modbus-relay", "eletechsup-r421a08"),
    ("modbus-relay", "generic-0100-4"),
    ("modbus-relay", "lctech-2ch"),
    ("modbus-relay", "kmtronic-modbus-8"),
    ("numato", None),
    ("kmtronic", None),
    ("devantech-usb", None),
    ("turnstile-7e", None),
    ("turnstile-eb", None),
]


class Line:
    """A driver and a board in virtual time; ``cut`` bytes of the frame after the next command arrive, and no more."""

    def __init__(self, protocol: str, profile: str | None) -> None:
        self.protocol, self.profile = protocol, profile
        self.driver: Driver = make_driver(protocol, profile=profile)
        self.board: Any = make_board(protocol, profile=profile)
        self.now_s, self.cut = 100.0, -1
        self.coming: list[tuple[float, bytes]] = []
        self.events: list[object] = []
        self.moved: list[tuple[str, int]] = []
        self.sizes: list[int] = []

    def up(self) -> None:
        self.driver.line_up(self.now_s)
        self.run(1.0)

    def run(self, seconds: float) -> bool:
        """Let time pass; whether the cable was pulled meanwhile."""
        until_s = self.now_s + seconds
        while self.turn():
            moments = [at_s for at_s, _ in self.coming]
            moments += [
                at_s for at_s in (self.driver.next_deadline(), self.board.next_deadline()) if at_s is not None
            ]
            if not moments or min(moments) > until_s:
                self.now_s = until_s
                return False
            self.now_s = max(self.now_s + 1e-4, min(moments))
            for one in self.board.tick(self.now_s):
                self.coming.append((one.at_s, one.data))
            for at_s, data in [one for one in self.coming if one[0] <= self.now_s]:
                self.coming.remove((at_s, data))
                self.driver.receive(data, self.now_s)
        return True

    def turn(self) -> bool:
        self.driver.tick(self.now_s)
        for frame in self.driver.take_output():
            opens = self.cut >= 0 and self.opens(frame)
            heard = frame[: self.cut] if opens else frame
            self.sizes += [len(frame)] if opens else []
            for one in self.board.receive(heard, self.now_s):
                self.coming.append((one.at_s + 0.001, one.data))
            self.note()
            if opens:
                self.coming.clear()
                self.driver.line_lost(self.now_s)
                self.events += self.driver.take_events()
                return False
        self.events += self.driver.take_events()
        self.note()
        return True

    def opens(self, frame: bytes) -> bool:
        """Whether a fresh board of the kind moves by this frame; what only reads comes first on some lines."""
        other: Any = make_board(self.protocol, profile=self.profile)
        other.receive(frame, self.now_s)
        return any(one.what == "relay_on" for one in other.take_happenings())

    def note(self) -> None:
        for one in self.board.take_happenings():
            if one.what in {"relay_on", "relay_off"}:
                self.moved.append((one.what, one.channel))


def line(protocol: str, profile: str | None) -> Line:
    made = Line(protocol, profile)
    made.up()
    made.moved.clear()
    made.events.clear()
    return made


def command(one: Line, id_: str) -> Pulse | Admit:
    if one.driver.info.sides:
        return Admit(side=Side.LEFT, id=id_, issued_s=one.now_s)
    return Pulse(channel=1, ms=MS, id=id_, issued_s=one.now_s)


def outcomes(one: Line, id_: str) -> list[object]:
    return [event for event in one.events if getattr(event, "id", None) == id_]


@pytest.mark.parametrize(("protocol", "profile"), BOARDS)
def test_s2_a_cable_pulled_after_any_byte_opens_once_at_most_and_never_later(
    protocol: str, profile: str | None
) -> None:
    size, cut = 1, 0
    while cut <= size:
        one = line(protocol, profile)
        one.cut = cut
        one.driver.submit(command(one, "a"), one.now_s)
        assert one.run(2.0), "nothing was written"
        (size,) = one.sizes
        assert outcomes(one, "a") == [TimedOut(id="a", maybe_executed=True)]
        opened = [("relay_on", 1)] if cut == size else []
        assert one.moved == opened, f"after {cut} of {size} bytes"
        one.cut = -1
        one.up()
        one.run(2.0)
        assert [what for what in one.moved if what[0] == "relay_on"] == opened, f"after {cut} of {size} bytes"
        assert not (hasattr(one.board, "relays") and one.board.relays.mask())
        assert outcomes(one, "a") == [TimedOut(id="a", maybe_executed=True)]
        cut += 1


@pytest.mark.parametrize(("protocol", "profile"), BOARDS)
def test_a_cable_that_holds_opens_once_and_the_lane_closes_again(protocol: str, profile: str | None) -> None:
    """Beside all that must not happen: the good thing does."""
    one = line(protocol, profile)
    one.driver.submit(command(one, "a"), one.now_s)
    assert not one.run(6.0)
    assert one.moved[:2] == [("relay_on", 1), ("relay_off", 1)]
    (done,) = outcomes(one, "a")
    assert isinstance(done, Done)
    assert done.grade is (Grade.SENT if protocol in {"lcus", "turnstile-7e"} else done.grade)
    assert not [event for event in one.events if isinstance(event, Refused)]
