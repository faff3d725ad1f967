"""The picture for the guard's page: only while somebody looks, five a second, and never an old one."""

import threading

from edge.vision.preview import EVERY_S, LONGEST_PX, STALE_S, WATCHED_S, Preview, Still
from tests.ticking import HandClock
from tests.waiting import until


def watched(clock: HandClock) -> Preview:
    """One that has a picture, and whose last request was just now."""
    preview = Preview(clock)
    preview.blind()  # so that the first look does not wait
    assert preview.look() is None
    assert preview.wanted_px() == LONGEST_PX
    preview.put(b"one", clock.monotonic_s())
    return preview


def test_a_camera_that_nobody_looks_at_makes_no_pictures() -> None:
    clock = HandClock()
    preview = Preview(clock)
    assert [preview.wanted_px() for _ in range(3)] == [0, 0, 0]
    preview = watched(clock)
    clock.advance(WATCHED_S + 0.01)
    assert preview.wanted_px() == 0
    preview.blind()
    assert preview.look() is None  # somebody looks again
    assert preview.wanted_px() == LONGEST_PX


def test_at_most_five_pictures_are_made_a_second() -> None:
    clock = HandClock()
    preview = watched(clock)
    made = 0
    for _ in range(100):  # four seconds of 25 frames
        clock.advance(0.04)
        preview.look()
        made += preview.wanted_px() > 0
        preview.put(b"a frame without a picture" if made % 2 else None, clock.monotonic_s())
    assert 16 <= made <= 4 / EVERY_S


def test_a_picture_tells_its_age_and_is_gone_when_it_is_stale() -> None:
    clock = HandClock()
    preview = watched(clock)
    assert preview.look() == Still(b"one", 0.0)
    clock.advance(STALE_S - 0.5)
    assert preview.look() == Still(b"one", STALE_S - 0.5)
    clock.advance(0.6)
    preview.put(None, clock.monotonic_s())  # frames come, but no picture was made of them
    assert preview.look() is None


def test_a_lost_camera_takes_its_picture_along_and_a_new_frame_brings_one_back() -> None:
    clock = HandClock()
    preview = watched(clock)
    preview.blind()
    assert preview.look() is None
    preview.put(b"two", clock.monotonic_s())
    assert preview.look() == Still(b"two", 0.0)


def test_the_first_look_waits_for_the_first_picture() -> None:
    clock = HandClock()
    preview, seen = Preview(clock), list[Still | None]()
    looking = threading.Thread(target=lambda: seen.append(preview.look()))
    looking.start()
    until(preview.wanted_px, what="somebody who looks")
    preview.put(b"first", clock.monotonic_s())
    looking.join()
    assert seen == [Still(b"first", 0.0)]


def test_what_was_seen_is_not_kept_when_nobody_looks() -> None:
    clock = HandClock()
    preview = watched(clock)
    clock.advance(WATCHED_S + 0.01)
    preview.wanted_px()
    clock.advance(-WATCHED_S - 0.01)  # as if no time had passed: what would be shown had it been kept
    preview.put(None, clock.monotonic_s())
    preview.blind()
    assert preview.look() is None
