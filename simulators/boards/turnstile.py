"""People behind the relays: when a lane is released, somebody walks through, or turns back.

Pure and in virtual time. What a person does depends on the seed and on how many came through that lane
before, not on when they came.
"""

import random
from dataclasses import dataclass
from typing import Final

WALKS_AFTER_S: Final = (0.6, 1.4)  # from the release to the passage sensor
CONTACT_S: Final = 0.35  # how long one body covers it
GAP_S: Final = 0.2  # between two people who come close behind each other


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactChange:
    """The passage contact of a lane closed (``active``) or opened, at ``at_s`` monotonic seconds."""

    lane: int
    active: bool
    at_s: float


class Turnstile:
    """Lanes with a passage contact each, and the people who use them.

    Args:
        lanes: How many, numbered from 1.
        seed: Decides every person's pace and mind.
        turn_back: Probability that a person does not go through, 0 to 1.
    """

    def __init__(self, *, lanes: int, seed: int = 0, turn_back: float = 0.0) -> None:
        assert 0 <= turn_back <= 1, f"a probability lies between 0 and 1, not at {turn_back}"
        self._turn_back = turn_back
        self._minds = {
            lane: random.Random(f"{seed}/{lane}")  # noqa: S311  # people, not keys
            for lane in range(1, lanes + 1)
        }
        self._free_s = dict.fromkeys(self._minds, 0.0)
        self._planned: list[ContactChange] = []

    def released(self, lane: int, now_s: float) -> bool:
        """The relay of a lane closed: one person goes, unless they turn back.

        Returns:
            Whether somebody will come through. A channel without a lane behind it moves nobody.
        """
        mind = self._minds.get(lane)
        if mind is None:
            return False
        pace_s, mood = mind.uniform(*WALKS_AFTER_S), mind.random()
        if mood < self._turn_back:
            return False
        starts_s = max(now_s + pace_s, self._free_s[lane])
        ends_s = starts_s + CONTACT_S
        self._free_s[lane] = ends_s + GAP_S
        self._planned.append(ContactChange(lane=lane, active=True, at_s=starts_s))
        self._planned.append(ContactChange(lane=lane, active=False, at_s=ends_s))
        self._planned.sort(key=lambda change: change.at_s)
        return True

    def next_deadline(self) -> float | None:
        """When the next contact changes, or None while nobody walks."""
        return self._planned[0].at_s if self._planned else None

    def take_due(self, now_s: float) -> list[ContactChange]:
        """Contact changes up to now, in order."""
        due = [change for change in self._planned if change.at_s <= now_s]
        self._planned = self._planned[len(due) :]
        return due
