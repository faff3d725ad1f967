"""People behind the relays: when a lane is released, somebody walks through, hesitates, brings a friend, turns back.

Pure and in virtual time. What a person does depends on the seed and on how many came through that lane
before, not on when they came.
"""

import random
from dataclasses import dataclass
from typing import Final

WALKS_AFTER_S: Final = (0.6, 1.4)  # from the release to the passage sensor
HESITATES_S: Final = (2.5, 7.0)  # longer, for whoever looks for something first; some gates close after 5 s
CONTACT_S: Final = 0.35  # how long one body covers it
GAP_S: Final = 0.2  # between two people who come close behind each other
TAILGATES_AFTER_S: Final = (0.05, 0.24)  # what counts as tailgating is a second body within 250 ms
TURNS_IN_BEAM_S: Final = 0.12  # a step into the sensor and back: too short for a body


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
        hesitate: Probability that a person stands a while before walking.
        tailgate: Probability that somebody slips through close behind.
        dither: Probability that a person steps into the sensor and back before walking.
    """

    def __init__(
        self,
        *,
        lanes: int,
        seed: int = 0,
        turn_back: float = 0.0,
        hesitate: float = 0.0,
        tailgate: float = 0.0,
        dither: float = 0.0,
    ) -> None:
        for share in (turn_back, hesitate, tailgate, dither):
            assert 0 <= share <= 1, f"a probability lies between 0 and 1, not at {share}"
        self._turn_back, self._hesitate, self._tailgate, self._dither = turn_back, hesitate, tailgate, dither
        self._minds = {
            lane: random.Random(f"{seed}/{lane}")  # noqa: S311  # people, not keys
            for lane in range(1, lanes + 1)
        }
        self._habits = {lane: random.Random(f"{seed}/{lane}/habits") for lane in self._minds}  # noqa: S311
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
        habits = self._habits[lane]
        hesitates, dithers, tailgates = habits.random(), habits.random(), habits.random()
        if mood < self._turn_back:
            return False
        if hesitates < self._hesitate:
            pace_s += habits.uniform(*HESITATES_S)
        starts_s = max(now_s + pace_s, self._free_s[lane])
        if dithers < self._dither:
            starts_s = self._cover(lane, starts_s, TURNS_IN_BEAM_S) + GAP_S + pace_s
        ends_s = self._cover(lane, starts_s, CONTACT_S)
        if tailgates < self._tailgate:
            ends_s = self._cover(lane, ends_s + habits.uniform(*TAILGATES_AFTER_S), CONTACT_S)
        self._free_s[lane] = ends_s + GAP_S
        self._planned.sort(key=lambda change: change.at_s)
        return True

    def walk(self, lane: int, now_s: float) -> None:
        """Somebody goes through a lane that nobody released: over the arm, or with an open one."""
        if lane not in self._minds:
            return
        self._free_s[lane] = self._cover(lane, max(now_s, self._free_s[lane]), CONTACT_S) + GAP_S
        self._planned.sort(key=lambda change: change.at_s)

    def next_deadline(self) -> float | None:
        """When the next contact changes, or None while nobody walks."""
        return self._planned[0].at_s if self._planned else None

    def take_due(self, now_s: float) -> list[ContactChange]:
        """Contact changes up to now, in order."""
        due = [change for change in self._planned if change.at_s <= now_s]
        self._planned = self._planned[len(due) :]
        return due

    def _cover(self, lane: int, starts_s: float, for_s: float) -> float:
        """Plan one body at the sensor; when it is gone."""
        self._planned.append(ContactChange(lane=lane, active=True, at_s=starts_s))
        self._planned.append(ContactChange(lane=lane, active=False, at_s=starts_s + for_s))
        return starts_s + for_s
