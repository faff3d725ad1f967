"""An order by hand: who gives it and why, how it is refused, and what came of it."""

from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from edge.journal import Change


class HandsError(Exception):
    """It is not done.

    Args:
        code: A stable word for programs; ``edge.control`` has the list.
        problem: What is wrong, for people.
        next_step: What to do.
        why: A stable word behind the code, where that has several reasons.
        details: What the words speak of (``lane``, ``board``, ``known``, ``detail``), for whoever words it anew.
    """

    def __init__(
        self, code: str, problem: str, next_step: str = "", *, why: str = "", **details: str
    ) -> None:
        super().__init__(problem)
        self.code, self.problem, self.next_step = code, problem, next_step
        self.why, self.details = why, details


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Who asks, and why.

    ``command`` is the centre's, where it came from there, and ``claim`` what is changed in the transaction of its row:
    without that nothing is done, at an exit neither.
    """

    by: str
    reason: str
    command: str | None = None
    claim: Change | None = None


class Outcome(Future[dict[str, Any]]):
    """What will come of one command, known when its board has said so.

    Args:
        id: The command's; the row of the journal that is about it has the same.
        issued_s: Monotonic second at which it was decided.
    """

    def __init__(self, id: str, issued_s: float) -> None:  # noqa: A002  # as commands have it
        super().__init__()
        self.id, self.issued_s = id, issued_s


class Waiting:
    """Commands by hand that have no outcome yet. Not thread-safe; the outcomes may be waited for anywhere."""

    def __init__(self) -> None:
        self._outcomes: dict[str, Outcome] = {}

    def begin(self, id: str, issued_s: float) -> Outcome:  # noqa: A002  # as commands have it
        """An outcome that ``end`` will set."""
        outcome = Outcome(id, issued_s)
        self._outcomes[id] = outcome
        return outcome

    def end(self, id: str, **answer: object) -> None:  # noqa: A002  # as commands have it
        """This came of it; only the first word counts, and nobody need wait."""
        outcome = self._outcomes.pop(id, None)
        if outcome is not None and outcome.set_running_or_notify_cancel():
            outcome.set_result(answer)

    def close(self) -> None:
        """Nobody will know any more: let those go who wait."""
        for id_ in list(self._outcomes):
            self.end(id_, outcome="timed_out", maybe_executed=True)
