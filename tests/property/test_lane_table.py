"""The lane's table itself, and any order of events on any kind of lane: nobody is held inside, and nothing is lost."""

from collections import Counter
from typing import Final

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from edge.lane import ACTS, CONDITIONS, MAX_TOKENS, Lane, Traits, step
from edge.lane_table import (
    ABOVE,
    BEGINS,
    ENDS,
    ROWS,
    TRANSITIONS,
    WALK,
    Act,
    Effect,
    Event,
    State,
    Wait,
    When,
)
from passes.vocabulary import Direction
from scripts import lane_table

KINDS: Final = (
    Traits(),
    Traits(has_contact=False),
    Traits(barrier=True, closes=True),
    Traits(barrier=True, closes=True, needs_presence=True),
)
GRANTS: Final = (Event.GRANTED, Event.BY_HAND)
ENDED: Final = (Effect.RECORD_PASSAGE, Effect.RECORD_ASSUMED, Effect.RECORD_NO_SHOW)


def test_the_page_shows_the_table_that_the_program_reads() -> None:
    text = lane_table.PAGE.read_text("utf-8")
    assert text == lane_table.page_with(text, lane_table.drawn()), "run: python -m scripts.lane_table"


def test_every_word_of_the_table_is_used_and_means_something() -> None:
    assert {*WALK, *ABOVE} == set(State)
    assert set(CONDITIONS) == set(When) == {row.when for row in ROWS}
    done = {act for row in ROWS for act in row.does}
    assert set(ACTS) == set(Act) == {act for act in done if isinstance(act, Act)}
    assert {row.wait for row in ROWS} == set(Wait)
    assert set(BEGINS.values()) == set(ENDS.values()) == set(ABOVE)


def test_from_every_state_of_the_walk_there_is_a_way_back_to_locked() -> None:
    reached = {State.LOCKED}
    for _ in WALK:
        reached |= {here for row in ROWS if row.to in reached for here in row.states}
    assert reached == set(WALK)


@pytest.mark.parametrize("state", WALK)
def test_no_row_stands_behind_one_that_always_holds(state: State) -> None:
    for event in Event:
        always = [row.when is When.ALWAYS for row in TRANSITIONS[state, event]]
        assert True not in always[:-1]


class AnyLane(RuleBasedStateMachine):
    """A lane of any kind, and whatever may happen to it."""

    @initialize(traits=st.sampled_from(KINDS))
    def begin(self, traits: Traits) -> None:
        self.lane, self.traits, self.now_s = Lane(), traits, 0.0
        self.ways: dict[str, Direction] = {}
        self.opened, self.ended = Counter[str](), Counter[str]()
        self.waiting_since_s: dict[str, float] = {}

    @rule(
        event=st.sampled_from([event for event in Event if event not in GRANTS]),
        gap_s=st.sampled_from([0.0, 0.1, 2.0, 5.0, 31.0]),
        which=st.integers(0, 3),
        way=st.sampled_from([None, *Direction]),
    )
    def happen(self, event: Event, gap_s: float, which: int, way: Direction | None) -> None:
        self._step(event, gap_s, str(len(self.ways) - which), way)

    @rule(
        event=st.sampled_from(GRANTS), gap_s=st.sampled_from([0.0, 0.3, 4.0]), way=st.sampled_from(Direction)
    )
    def grant(self, event: Event, gap_s: float, way: Direction) -> None:
        token = str(len(self.ways) + 1)
        self.ways[token] = way
        before = self.lane
        self._step(event, gap_s, token, way)
        if way is Direction.EXIT:
            assert self.opened[token] or token in self.lane.tokens, "an exit was turned away"
        elif State.FAULT in before.above or (event is Event.GRANTED and State.BLOCKED in before.above):
            assert (self.opened[token], self.ended[token]) == (0, 1), "an entry was opened all the same"

    def _step(self, event: Event, gap_s: float, token: str, way: Direction | None) -> None:
        self.now_s += gap_s
        due_s = self.lane.deadline_s
        if due_s is not None and event is not Event.DEADLINE and self.now_s >= due_s:
            self._one(Event.DEADLINE, "", None)  # the deciding thread never sleeps past a deadline
        self._one(event, token, way)

    def _one(self, event: Event, token: str, way: Direction | None) -> None:
        before = self.lane
        self.lane, effects = step(before, event, self.now_s, self.traits, token, way=way)
        for effect, about in effects:
            if effect is Effect.PULSE:
                self.opened[about] += 1
            elif effect in ENDED:
                self.ended[about] += 1
            elif effect is Effect.CLOSE:
                assert self.lane.may_close(), "an arm comes down on somebody"
        waits = {one.id for one in self.lane.queued}
        self.waiting_since_s = {one: self.waiting_since_s.get(one, self.now_s) for one in waits}

    @invariant()
    def each_grant_opens_at_most_once_and_ends_once_or_waits(self) -> None:
        if not hasattr(self, "lane"):
            return
        assert all(times == 1 for times in (*self.opened.values(), *self.ended.values()))
        assert set(self.ended).isdisjoint(self.lane.tokens)
        assert set(self.ended) | set(self.lane.tokens) == set(self.ways)
        assert max(len(self.lane.opened), len(self.lane.queued)) <= MAX_TOKENS

    @invariant()
    def whoever_waits_for_the_other_direction_does_so_behind_a_deadline(self) -> None:
        if not hasattr(self, "lane"):
            return
        if self.lane.queued:
            assert self.lane.walk is State.GRANTED
            assert self.lane.deadline_s is not None
        for token in self.lane.queued:
            if token.way is Direction.EXIT:
                since_s = self.waiting_since_s[token.id]
                assert self.lane.deadline_s is not None
                assert self.lane.deadline_s <= since_s + self.traits.passage_wait_s

    @rule()
    def everybody_goes_away(self) -> None:
        """However it stands: once the lane is clear and the waits are over, it is locked, and every grant has ended."""
        lane, at_s, ended = self.lane, self.now_s, Counter(self.ended)
        for event in (Event.CONTACT_CLEAR, *[Event.DEADLINE] * (2 + len(lane.queued))):
            at_s += 100.0
            lane, effects = step(lane, event, at_s, self.traits)
            ended.update(about for effect, about in effects if effect in ENDED)
        assert (lane.walk, lane.tokens, lane.deadline_s) == (State.LOCKED, (), None)
        assert set(ended) == set(self.ways)


TestAnyLane = AnyLane.TestCase


@pytest.mark.parametrize("traits", KINDS)
@pytest.mark.parametrize("above", [frozenset({State.BLOCKED}), frozenset({State.FAULT, State.BLOCKED})])
def test_a_blocked_lane_opens_its_exit_and_no_entry(traits: Traits, above: frozenset[State]) -> None:
    lane = Lane(above=above, occupied=True)
    _, effects = step(lane, Event.GRANTED, 0.0, traits, "out", way=Direction.EXIT)
    assert effects == ((Effect.PULSE, "out"),)
    after, effects = step(lane, Event.GRANTED, 0.0, traits, "in", way=Direction.ENTRY)
    assert (after, effects) == (lane, ((Effect.RECORD_NO_SHOW, "in"),))
    _, effects = step(Lane(occupied=True), Event.GRANTED, 0.0, traits, "in", way=Direction.ENTRY)
    assert effects == ((Effect.PULSE, "in"),)
