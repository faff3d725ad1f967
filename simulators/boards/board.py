"""A device with relays and perhaps inputs; what all relay boards have in common."""

from simulators.boards.device import Answer, Device
from simulators.boards.inputs import InputBank
from simulators.boards.relays import RelayBank


class Board(Device):
    """A relay board.

    Args:
        relays: How many relays.
        inputs: How many inputs.
        latching: The relays keep their state without supply.
    """

    def __init__(self, *, relays: int, inputs: int = 0, latching: bool = False) -> None:
        super().__init__()
        self.relays = RelayBank(relays, self._moved, latching=latching)
        self.inputs = InputBank(inputs)

    def _moved(self, channel: int, closed: bool, at_s: float) -> None:  # called by the bank
        self._happen("relay_on" if closed else "relay_off", at_s, channel)

    def _pass_time(self, now_s: float) -> list[Answer]:
        self.relays.tick(now_s)
        return []

    def _next_deadline(self) -> float | None:
        return self.relays.next_deadline()

    def _lose_power(self, now_s: float) -> None:
        self.relays.lose_power(now_s)
