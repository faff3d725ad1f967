"""Which terminal leads where: what releases a lane, where its passage contact ends, the fire relay, the exit button.

A station that is started by hand is wired by number: channel n of the first device with relays releases lane n, and
input n of the first board with inputs is its passage contact. A training gate is wired as its file says.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from simulators.boards.board import Board
from simulators.boards.device import Device
from simulators.boards.gate_controller import SIDES, GateController, Side
from simulators.boards.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminal:
    """One input of a board; a contact that is ``normally_closed`` opens when something happens."""

    board: Board
    channel: int
    normally_closed: bool = False

    def touch(self, now_s: float, *, active: bool) -> None:
        """Something happens at the contact, or is over; nothing where the board has no such input."""
        if self.channel in self.board.inputs:
            self.board.inputs.set(self.channel, active=active != self.normally_closed, now_s=now_s)


class Wires(Protocol):
    """How a station is wired."""

    def lane_of(self, device: Device, channel: int) -> int | None:
        """The lane that this relay, or side of a controller, releases."""

    def contact_of(self, lane: int) -> Terminal | None:
        """Where the passage contact of a lane ends."""

    def side_of(self, lane: int) -> tuple[GateController, Side] | None:
        """The controller whose beam a lane's people walk through."""

    def fire(self) -> Sequence[Terminal]:
        """Where the fire relay ends."""

    def buttons(self) -> Sequence[Terminal]:
        """Where exit buttons end."""

    def name_of(self, device: Device) -> str:
        """How the tape calls a device; empty when there is nothing to tell apart."""


class WiredByNumber:
    """The wires of a station that was started by hand.

    Args:
        devices: In order.
        plan: Says where fire relay and exit button end.
    """

    def __init__(self, devices: Sequence[Device], plan: Plan) -> None:
        relays = (
            device
            for device in devices
            if isinstance(device, GateController) or (isinstance(device, Board) and len(device.relays))
        )
        inputs = (device for device in devices if isinstance(device, Board) and len(device.inputs))
        self._released: Device | None = next(relays, None)
        self._contacts: Board | None = next(inputs, None)
        self._plan = plan

    def lane_of(self, device: Device, channel: int) -> int | None:
        """Channel n releases lane n."""
        return channel if device is self._released else None

    def contact_of(self, lane: int) -> Terminal | None:
        """Input n is the contact of lane n."""
        return None if self._contacts is None else Terminal(board=self._contacts, channel=lane)

    def side_of(self, lane: int) -> tuple[GateController, Side] | None:
        """Odd lanes are the left side, even ones the right one."""
        controller = self._released
        return (controller, SIDES[(lane - 1) % 2]) if isinstance(controller, GateController) else None

    def fire(self) -> Sequence[Terminal]:
        """One input of the first board that has some."""
        return self._at(self._plan.fire_input)

    def buttons(self) -> Sequence[Terminal]:
        """One input of the same board."""
        return self._at(self._plan.button_input)

    def name_of(self, device: Device) -> str:  # noqa: ARG002  # the shape of wires
        """Numbers are enough."""
        return ""

    def _at(self, channel: int) -> Sequence[Terminal]:
        return [] if self._contacts is None else [Terminal(board=self._contacts, channel=channel)]
