from collections import Counter

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from edge.lane import MAX_TOKENS, Effects, Lane, Traits, step
from edge.lane_table import Effect, Event, State
from passes.vocabulary import Direction

TRAITS = Traits(passage_wait_s=5.0, held_open_after_s=30.0)
BLIND_LANE = Traits(passage_wait_s=5.0, has_contact=False)
EXIT = Direction.EXIT


def run(
    *happenings: tuple[float, Event, str] | tuple[float, Event],
    traits: Traits = TRAITS,
    leads: Direction = Direction.ENTRY,
) -> tuple[Lane, Effects]:
    """Play events in order; the lane after them and all effects."""
    lane = Lane()
    effects: Effects = ()
    for now_s, event, *token in happenings:
        way = leads if event is Event.GRANTED else None
        lane, more = step(lane, event, now_s, traits, *token, way=way)
        effects += more
    return lane, effects


def test_a_grant_at_a_ready_lane_pulses_once_and_the_passage_takes_it() -> None:
    lane, effects = run(
        (0.0, Event.GRANTED, "a"),
        (0.3, Event.PULSE_DONE, "a"),
        (1.0, Event.CONTACT_ACTIVE),
        (1.4, Event.CONTACT_CLEAR),
    )
    assert lane == Lane()
    assert effects == ((Effect.PULSE, "a"), (Effect.RECORD_PASSAGE, "a"))


def test_nobody_walking_in_time_is_a_no_show_that_gives_the_entry_back() -> None:
    lane, effects = run((0.0, Event.GRANTED, "a"), (4.9, Event.DEADLINE), (5.0, Event.DEADLINE))
    assert lane == Lane()
    assert effects == ((Effect.PULSE, "a"), (Effect.RECORD_NO_SHOW, "a"))


def test_walking_without_a_grant_is_forced_and_never_a_passage() -> None:
    lane, effects = run((0.0, Event.CONTACT_ACTIVE), (0.4, Event.CONTACT_CLEAR))
    assert lane == Lane()
    assert effects == ((Effect.RAISE_FORCED, ""),)


def test_standing_in_the_lane_is_held_and_clears() -> None:
    lane, effects = run(
        (0.0, Event.GRANTED, "a"),
        (1.0, Event.CONTACT_ACTIVE),
        (31.0, Event.DEADLINE),
    )
    assert lane.walk is State.HELD
    lane, more = step(lane, Event.CONTACT_CLEAR, 40.0, TRAITS)
    assert lane == Lane()
    assert (*effects[2:], *more) == ((Effect.RAISE_HELD, ""), (Effect.CLEAR_ALARM, ""))


def test_two_exits_in_a_row_are_two_passages_in_order() -> None:
    _, effects = run(
        (0.0, Event.GRANTED, "a"),
        (0.5, Event.GRANTED, "b"),
        (1.0, Event.CONTACT_ACTIVE),
        (1.4, Event.CONTACT_CLEAR),
        (2.0, Event.CONTACT_ACTIVE),
    )
    assert effects == (
        (Effect.PULSE, "a"),
        (Effect.PULSE, "b"),
        (Effect.RECORD_PASSAGE, "a"),
        (Effect.RECORD_PASSAGE, "b"),
    )


def test_a_pulse_that_surely_did_not_run_gives_the_entry_back_at_once() -> None:
    lane, effects = run((0.0, Event.GRANTED, "a"), (0.1, Event.PULSE_NOT_DONE, "a"))
    assert lane == Lane()
    assert effects[-1] == (Effect.RECORD_NO_SHOW, "a")


def test_i3_a_doubtful_pulse_is_not_repeated_and_the_walker_still_counts() -> None:
    _, effects = run((0.0, Event.GRANTED, "a"), (0.1, Event.PULSE_DOUBTFUL, "a"), (1.0, Event.CONTACT_ACTIVE))
    assert effects == ((Effect.PULSE, "a"), (Effect.RECORD_PASSAGE, "a"))


def test_without_a_contact_the_pulse_is_the_passage() -> None:
    lane, effects = run((0.0, Event.GRANTED, "a"), (0.3, Event.PULSE_DONE, "a"), traits=BLIND_LANE)
    assert lane == Lane()
    assert effects == ((Effect.PULSE, "a"), (Effect.RECORD_ASSUMED, "a"))


def test_s16_with_a_silent_contact_an_entry_is_assumed_not_given_back() -> None:
    lane, effects = run((0.0, Event.GRANTED, "a"), (1.0, Event.CONTACT_LOST), (5.0, Event.DEADLINE))
    assert lane == Lane(blind=True)
    assert effects[-1] == (Effect.RECORD_ASSUMED, "a")
    lane, effects = run(
        (0.0, Event.CONTACT_LOST), (1.0, Event.CONTACT_BACK), (2.0, Event.GRANTED, "a"), (7.0, Event.DEADLINE)
    )
    assert effects[-1] == (Effect.RECORD_NO_SHOW, "a")


def test_s16_a_contact_lost_in_mid_walk_does_not_hold_the_lane_for_ever() -> None:
    for start in ((0.0, Event.GRANTED, "a"), (0.0, Event.PULSE_DONE, "x")):
        lane, _ = run(start, (1.0, Event.CONTACT_ACTIVE), (2.0, Event.CONTACT_LOST))
        assert lane == Lane(blind=True)


def test_a_stuck_contact_at_an_exit_still_lets_stays_end() -> None:
    lane, effects = run(
        (0.0, Event.CONTACT_ACTIVE),
        (30.0, Event.DEADLINE),
        (60.0, Event.GRANTED, "a"),
        (65.0, Event.DEADLINE),
        leads=EXIT,
    )
    assert lane.walk is State.HELD
    assert lane.tokens == ()
    assert effects[-2:] == ((Effect.PULSE, "a"), (Effect.RECORD_ASSUMED, "a"))


def test_who_stands_in_the_exit_and_then_shows_a_code_has_walked() -> None:
    lane, effects = run(
        (0.0, Event.CONTACT_ACTIVE), (1.0, Event.GRANTED, "a"), (2.0, Event.CONTACT_CLEAR), leads=EXIT
    )
    assert lane == Lane()
    assert effects == ((Effect.RAISE_FORCED, ""), (Effect.PULSE, "a"), (Effect.RECORD_PASSAGE, "a"))


def test_at_an_exit_whose_relay_fails_the_contact_still_tells_who_left_by_the_button() -> None:
    _, effects = run(
        (0.0, Event.GRANTED, "a"),
        (0.1, Event.PULSE_NOT_DONE, "a"),
        (2.0, Event.CONTACT_ACTIVE),
        leads=EXIT,
    )
    assert effects == ((Effect.PULSE, "a"), (Effect.RECORD_PASSAGE, "a"))


def test_many_codes_held_up_at_an_exit_make_nobody_leave() -> None:
    shown = [(0.1 * number, Event.GRANTED, str(number)) for number in range(MAX_TOKENS + 3)]
    _, effects = run(*shown, (60.0, Event.DEADLINE), leads=EXIT)
    ends = [effect for effect, _ in effects if effect is not Effect.PULSE]
    assert ends == [Effect.RECORD_NO_SHOW] * (MAX_TOKENS + 3)


def test_who_comes_close_behind_somebody_is_a_tailgate_and_who_comes_later_is_forced() -> None:
    walk = ((0.0, Event.GRANTED, "a"), (1.0, Event.CONTACT_ACTIVE), (5.2, Event.CONTACT_CLEAR))
    for at_s, alarm in ((5.4, Effect.RAISE_TAILGATE), (5.5, Effect.RAISE_FORCED)):
        _, effects = run(*walk, (at_s, Event.CONTACT_ACTIVE))
        assert effects[-1] == (alarm, "")


def test_two_people_within_the_wait_of_one_grant_are_a_tailgate() -> None:
    counted = ((0.0, Event.GRANTED, "a"), (1.0, Event.PASSED), (3.0, Event.PASSED))
    lane, effects = run(*counted)
    assert lane == Lane()
    assert effects == ((Effect.PULSE, "a"), (Effect.RECORD_PASSAGE, "a"), (Effect.RAISE_TAILGATE, ""))


def test_the_exit_button_lets_one_person_out_within_the_wait_and_pulses_nothing() -> None:
    lane, effects = run((0.0, Event.LET_OUT), (4.9, Event.PASSED), (20.0, Event.PASSED))
    assert lane == Lane()
    assert effects == ((Effect.RECORD_LET_OUT, ""), (Effect.RAISE_FORCED, ""))
    _, effects = run((0.0, Event.LET_OUT), (5.1, Event.PASSED))
    assert effects == ((Effect.RAISE_FORCED, ""),)


def test_who_has_a_grant_takes_it_before_the_button_of_another() -> None:
    _, effects = run(
        (0.0, Event.GRANTED, "a"), (0.5, Event.LET_OUT), (1.0, Event.PASSED), (2.0, Event.PASSED)
    )
    assert effects[1:] == ((Effect.RECORD_PASSAGE, "a"), (Effect.RECORD_LET_OUT, ""))


def test_through_a_free_lane_people_walk_until_it_is_guarded_again() -> None:
    lane, effects = run((0.0, Event.FREED), (1.0, Event.PASSED), (2.0, Event.GUARDED), (3.0, Event.PASSED))
    assert lane == Lane()
    assert effects == ((Effect.RECORD_FREE, ""), (Effect.RAISE_FORCED, ""))


def test_who_asks_again_at_an_exit_is_waited_for_anew_and_leaves_once() -> None:
    shown = ((0.0, Event.GRANTED, "a"), (4.0, Event.SHOWN_AGAIN, "a"))
    lane, effects = run(*shown, (5.0, Event.DEADLINE), (8.9, Event.PASSED), leads=EXIT)
    assert (lane.tokens, effects) == ((), ((Effect.PULSE, "a"), (Effect.RECORD_PASSAGE, "a")))
    _, effects = run(*shown, (9.0, Event.DEADLINE), leads=EXIT)
    assert effects[1:] == ((Effect.RECORD_NO_SHOW, "a"),)


TURNING_AWAY = {Event.GRANTED, Event.BY_HAND, Event.BLOCK, Event.BROKEN}


class LaneMachine(RuleBasedStateMachine):
    """Any order of events: a relay moves only on a grant, and each grant ends at most once."""

    def __init__(self) -> None:
        super().__init__()
        self.lane, self.now_s, self.grants = Lane(), 0.0, 0
        self.alarmed = self.was_free = False
        self.ends: Counter[str] = Counter()
        self.pulses: Counter[str] = Counter()

    @rule(
        event=st.sampled_from([event for event in Event if event not in TURNING_AWAY]),
        gap_s=st.floats(0, 40),
        which=st.integers(0, 5),
        traits=st.just(TRAITS),
    )
    def happen(self, event: Event, gap_s: float, which: int, traits: Traits) -> None:
        self._step(event, gap_s, str(max(0, self.grants - which)), traits)

    @rule(gap_s=st.floats(0, 3))
    def grant(self, gap_s: float) -> None:
        self.grants += 1
        self._step(Event.GRANTED, gap_s, str(self.grants), TRAITS)

    def _step(self, event: Event, gap_s: float, token: str, traits: Traits) -> None:
        self.now_s += gap_s
        self.was_free = self.lane.free
        self.lane, effects = step(self.lane, event, self.now_s, traits, token)
        self.alarmed = any(effect in {Effect.RAISE_FORCED, Effect.RAISE_TAILGATE} for effect, _ in effects)
        for effect, about in effects:
            if effect is Effect.PULSE:
                self.pulses[about] += 1
            elif about:
                self.ends[about] += 1

    @invariant()
    def opens_once_for_each_grant_and_for_nothing_else(self) -> None:
        assert self.pulses == Counter(str(number + 1) for number in range(self.grants))

    @invariant()
    def each_grant_ends_at_most_once_and_none_is_forgotten(self) -> None:
        assert all(times == 1 for times in self.ends.values())
        assert len(self.ends) + len(self.lane.tokens) == self.grants
        assert len(self.lane.tokens) <= MAX_TOKENS

    @invariant()
    def an_alarm_is_only_raised_where_nobody_may_walk(self) -> None:
        if self.alarmed:
            assert not self.was_free

    @invariant()
    def a_lane_with_somebody_to_wait_for_has_a_deadline(self) -> None:
        if self.lane.tokens:
            assert self.lane.deadline_s is not None
        if self.lane.walk is State.GRANTED:
            assert self.lane.tokens


TestLaneMachine = LaneMachine.TestCase
