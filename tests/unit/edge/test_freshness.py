"""What is believed of a camera, by times and content of its frames."""

import pytest

from edge.vision.freshness import (
    DARK_AFTER_S,
    FROZEN_AFTER_S,
    LATE_FOR_S,
    Doubt,
    Doubted,
    Freshness,
    Lateness,
)
from edge.vision.shot import Decoded, Seen

CODE = Decoded("PASS", ((0, 0), (1, 0), (1, 1), (0, 1)), "plain")


def seen(at_s: float, digest: int, *, contrast: float = 90.0, light: float = 100.0, codes: int = 0) -> Seen:
    return Seen(at_s=at_s, digest=digest, contrast=contrast, light=light, codes=(CODE,) * codes)


def doubts(frames: list[Seen], late_s: float = 0.0) -> list[Doubted | None]:
    freshness = Freshness()
    return [freshness.doubt(frame, frame.at_s + late_s) for frame in frames]


def test_frames_that_differ_are_believed() -> None:
    assert doubts([seen(step / 10, step) for step in range(100)]) == [None] * 100


def test_the_very_same_picture_is_frozen_after_two_seconds_and_until_it_changes_c1() -> None:
    found = doubts([seen(step / 10, 7) for step in range(31)] + [seen(3.1, 8), seen(3.2, 9)])
    assert [one is None for one in found] == [True] * 20 + [False] * 11 + [True, True]
    assert found[20] is not None
    assert (found[20].why, found[20].lasting) == (Doubt.FROZEN, True)
    assert "frozen" in found[20].words.en


def test_one_frame_equal_to_the_last_before_a_break_is_not_frozen() -> None:
    assert doubts([seen(0, 7), seen(FROZEN_AFTER_S + 2, 7), seen(FROZEN_AFTER_S + 2.1, 8)]) == [None] * 3


@pytest.mark.parametrize(("light", "word"), [(4.0, "dark"), (250.0, "white")])
def test_a_covered_lens_is_a_fault_after_a_minute_and_heals_c3(light: float, word: str) -> None:
    times = [float(step) for step in range(int(DARK_AFTER_S) + 2)]
    found = doubts([seen(at_s, int(at_s), contrast=3.0, light=light) for at_s in times] + [seen(62, 99)])
    assert [one is None for one in found] == [True] * 60 + [False, False, True]
    assert found[60] is not None
    assert found[60].why is Doubt.DARK
    assert word in found[60].words.en


def test_a_camera_that_reads_codes_is_not_dark_c3() -> None:
    frames = [seen(float(step), step, contrast=3.0, codes=step == 40) for step in range(90)]
    assert doubts(frames) == [None] * 90


def test_a_frame_older_than_a_second_is_not_believed_and_a_fault_when_that_lasts() -> None:
    frames = [seen(step / 2, step) for step in range(10)]
    assert doubts(frames, late_s=0.9) == [None] * 10
    found = doubts(frames, late_s=1.5)
    assert [one is not None and one.why is Doubt.LATE for one in found] == [True] * 10
    lasting = [one is not None and one.lasting for one in found]
    assert lasting == [step / 2 >= LATE_FOR_S for step in range(10)]
    assert found[0] is not None
    assert "1.5 s old" in found[0].words.en


def ages(frames: list[tuple[float, float, bool]]) -> list[float]:
    lateness = Lateness()
    return [
        round(lateness.age_s(arrived_s=arrived_s, stamp_s=stamp_s, waited=waited), 2)
        for arrived_s, stamp_s, waited in frames
    ]


def test_a_stream_on_time_has_no_age() -> None:
    assert ages([(100 + step / 25, step / 25, True) for step in range(50)]) == [0.0] * 50


def test_what_lay_in_a_buffer_is_as_old_as_its_stamp_says() -> None:
    live = [(100 + step / 10, step / 10, True) for step in range(1, 11)]
    burst = [(105.0, 1.1 + step / 10, False) for step in range(40)]
    found = ages(live + burst)
    assert found[:10] == [0.0] * 10
    assert found[10] == pytest.approx(3.9, abs=0.02)
    assert found[-1] == pytest.approx(0.0, abs=0.02)


def test_a_frame_that_was_waited_for_did_not_lie_in_a_buffer_whatever_its_stamp_says() -> None:
    """A camera that gives 20 frames a second and stamps them as 25."""
    assert ages([(100 + step / 20, step / 25, True) for step in range(400)]) == [0.0] * 400


def test_stamps_that_stand_still_or_jump_back_tell_nothing() -> None:
    assert ages([(100 + step, 0.0, False) for step in range(5)]) == [0.0] * 5
    assert (
        ages([(100.0, 50.0, False), (101.0, 51.0, False), (102.0, 1.0, False), (103.0, 2.0, False)])
        == [0.0] * 4
    )
