"""What a relay board's driver says about its commands and its board, in words."""

from drivers.faults import Faults
from drivers.model import Refusal, Refused, TimedOut
from drivers.outcomes import Outcomes
from drivers.relay_codec import Named


class Reports(Outcomes):
    """Outcomes, and the faults of the board, each change told once."""

    def __init__(self) -> None:
        super().__init__()
        self._faults = Faults()

    @property
    def silent(self) -> bool:
        """Whether the board does not answer now."""
        return "silent" in self._faults or "echo" in self._faults

    def refuse(self, id_: str, why: Refusal) -> None:
        """It was certainly not carried out."""
        self.end(Refused(id=id_, why=why))

    def doubt(self, id_: str, *, maybe_executed: bool = True) -> None:
        """Nobody knows how it ended."""
        self.end(TimedOut(id=id_, maybe_executed=maybe_executed))

    def no_answer(self) -> None:
        """The board was asked, and said nothing."""
        self._begin("silent", "the board does not answer")

    def only_echoes(self) -> None:
        """The board was asked, and only the question came back."""
        self._begin(
            "echo",
            "the line only echoes: an RS-485 adapter with echo? set echo = true, or the board is dead",
        )

    def denies(self, what: str, why: str) -> None:
        """The board does not do ``what``."""
        self._begin(f"denied {what}", f"the board refuses {what}: {why}")

    def not_opened(self, channel: int, why: str) -> None:
        """The board did not take the opening of an output."""
        self._begin(f"open {channel}", f"output {channel} may still be closed: {why}")

    def opened_by_itself(self, channel: int) -> None:
        """An output that was to be held is open."""
        self._begin(f"hold {channel}", f"output {channel} opened by itself: did the board lose its supply?")

    def stays_closed(self, channel: int) -> None:
        """An output that was told to open is closed."""
        self._begin(
            f"welded {channel}", f"output {channel} stays closed: welded, or switched by somebody else"
        )

    def stranger(self, named: Named) -> None:
        """Another board answers than the configured one."""
        words = f"{named.maker} {named.model} {named.serial}".strip()
        self._begin(
            "identity", f"another device is at this port: {words}. Check the cables and the configuration"
        )

    def right(self, *kinds: str) -> None:
        """These things are as they should be."""
        for kind in kinds:
            self.tell(*self._faults.end(kind))

    def forget(self) -> None:
        """The line is gone, and with it what was known of the board."""
        self.tell(*self._faults.forget())

    def _begin(self, kind: str, why: str) -> None:
        self.tell(*self._faults.begin(kind, why))
