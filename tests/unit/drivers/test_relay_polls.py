"""Whose turn it is to be asked: what changed first, and nobody so often that another one waits for ever."""

from collections import Counter

import pytest

from drivers.relay_codec import Ask
from drivers.relay_polls import POLL_INPUTS_EVERY_S, Polls

INPUTS = [1, 2, 3, 4]
EVERY_S = POLL_INPUTS_EVERY_S / len(INPUTS)


def asked(polls: Polls, now_s: float) -> list[int]:
    """The inputs that are asked for at that time; the answer is there at once."""
    due = [channel for ask, channel in polls.take_due(now_s, faulty=False) if ask is Ask.INPUTS]
    polls.inputs_read(now_s)
    return due


@pytest.mark.parametrize("said_again", [False, True], ids=["denied alone", "others are read between"])
def test_n5_an_input_whose_question_is_denied_after_a_change_keeps_no_other_one_waiting(
    said_again: bool,
) -> None:
    polls = Polls(inputs=INPUTS, outputs=[])
    polls.start(0.0)
    turns: Counter[int] = Counter()
    for turn in range(100):
        for channel in asked(polls, turn * EVERY_S):
            turns[channel] += 1
            if turn == 1 or (turn > 1 and said_again and channel != 2):
                polls.look_again([(0.03, 2)])  # as the debouncer says it until it has read that input again
    assert [turns[channel] for channel in INPUTS] == pytest.approx([25] * 4, abs=3)


def test_an_input_that_changed_is_asked_first_as_soon_as_it_can_be_believed() -> None:
    polls = Polls(inputs=INPUTS, outputs=[])
    polls.start(0.0)
    assert asked(polls, 0.0) == [1]
    polls.look_again([(0.001, 1)])
    assert polls.next_deadline() == 0.001
    assert asked(polls, 0.001) == [1]
    assert asked(polls, 0.001 + EVERY_S) == [2]
    polls.look_again([(0.02, 1)])  # a change of its own, and looked at for itself
    assert asked(polls, 0.02) == [1]


def test_two_inputs_that_changed_are_both_asked_before_the_others() -> None:
    polls = Polls(inputs=INPUTS, outputs=[])
    polls.start(0.0)
    asked(polls, 0.0)
    polls.look_again([(0.0, 4), (0.0, 3)])
    assert [asked(polls, turn * EVERY_S) for turn in (1, 2, 3)] == [[3], [4], [2]]


def test_a_board_that_is_asked_for_all_inputs_at_once_is_asked_again_when_a_change_can_be_believed() -> None:
    polls = Polls(inputs=[0], outputs=[])
    polls.start(0.0)
    assert asked(polls, 0.0) == [0]
    polls.look_again([(0.03, 2), (0.03, 5)])
    assert polls.next_deadline() == 0.03
    assert asked(polls, 0.03) == [0]
    assert polls.next_deadline() == 0.03 + POLL_INPUTS_EVERY_S
