"""Eyes that hang, die, starve or take too much: what that costs a lane, and how soon it is read again."""

import os
import random
import signal
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.vision.eye import CPU_WITHIN_S, GONE_WITHIN_S, LOOK_WITHIN_S, Eye, ShotError
from edge.vision.eye_pace import AT_ONCE, EVERY_S
from edge.vision.nursery import BUSY_WITHIN_S, FORK_WITHIN_S, Nursery
from edge.vision.shot import EyeError, Seen, Shot, Wanted
from shell.clock import SystemClock
from tests.eyes.children import KINDS, Fault
from tests.eyes.opening import cpu_ticks, fault, opened, texts
from tests.eyes.pictures import (
    card,
    jpeg,
    jpeg_of_size,
    mutated,
    png,
    png_bomb,
    png_chunk,
    png_header,
    shot,
)
from tests.waiting import until

pytestmark = pytest.mark.real

STALL_MAX_S = 1.0  # what a lane may lose by one picture
AGAIN_WITHIN_S = 1.0
SEED = 20261122


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    made = Nursery(SystemClock(), KINDS)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def eye(nursery: Nursery) -> Iterator[Eye]:
    made = opened(nursery)
    yield made
    made.close()


@pytest.fixture
def faulty(nursery: Nursery) -> Iterator[Eye]:
    made = opened(nursery, "faulty")
    yield made
    made.close()


def test_c4_the_limits_of_one_look_leave_time_to_replace_its_eye_within_a_second() -> None:
    """The pace of replacements counts into the look that waits for it; a fork has a limit of its own."""
    replaced_s = 0.1  # seen with ten processes on two cores; 15 ms with none
    assert LOOK_WITHIN_S + GONE_WITHIN_S + replaced_s < STALL_MAX_S
    assert EVERY_S + BUSY_WITHIN_S + FORK_WITHIN_S < STALL_MAX_S
    assert CPU_WITHIN_S >= 3 * 0.1, "a machine three times as slow may look at the worst picture"


@pytest.mark.parametrize("what", [Fault.SEGFAULT, Fault.EXIT])
def test_c4_an_eye_that_dies_costs_one_shot(faulty: Eye, what: Fault) -> None:
    with pytest.raises(EyeError, match="it died"):
        faulty.look(fault(what))
    began_s = time.monotonic()
    assert texts(faulty.look(shot(jpeg(card("next"))))) == ["next"]
    assert time.monotonic() - began_s < AGAIN_WITHIN_S


def test_c4_an_eye_that_hangs_is_killed_and_its_successor_reads_within_a_second(faulty: Eye) -> None:
    """The best of three: what is slow here is the product, and not whoever else uses the machine."""
    took_s = []
    for _ in range(3):
        before = faulty.pid
        began_s = time.monotonic()
        with pytest.raises(EyeError, match="hung on one picture: no answer"):
            faulty.look(fault(Fault.HANG))
        assert texts(faulty.look(shot(jpeg(card("next"))))) == ["next"]
        took_s.append(time.monotonic() - began_s)
        until(lambda: not Path(f"/proc/{before}/fd/0").exists(), what="the end of the child")  # noqa: B023  # at once
    assert CPU_WITHIN_S <= min(took_s) < STALL_MAX_S


def test_c4_an_eye_that_gets_no_processor_is_waited_for_longer_than_one_that_computes(eye: Eye) -> None:
    """One of three: on a busy machine it may get none for longer still."""
    for _ in range(3):
        before = eye.pid
        assert before
        os.kill(before, signal.SIGSTOP)
        goes_on = threading.Timer(CPU_WITHIN_S + 0.02, os.kill, (before, signal.SIGCONT))
        goes_on.start()
        with suppress(EyeError):
            assert texts(eye.look(shot(jpeg(card("late"))))) == ["late"]
            assert eye.pid == before
            goes_on.join()
            return
        goes_on.cancel()
        assert texts(eye.look(shot(jpeg(card("next"))))) == ["next"]
    pytest.fail("an eye was given up three times before its time was over")


def test_c4_eyes_that_die_one_after_the_other_keep_no_look_waiting_for_a_second(faulty: Eye) -> None:
    """The wait for the next start, and a picture that hangs after it, are one look's time together."""
    worst_s = []
    for _ in range(3):
        for what in (Fault.EXIT, Fault.EXIT, Fault.EXIT, Fault.HANG):
            began_s = time.monotonic()
            with pytest.raises(EyeError):
                faulty.look(fault(what))
            if what is Fault.HANG:
                worst_s.append(time.monotonic() - began_s)
    assert min(worst_s) < LOOK_WITHIN_S + GONE_WITHIN_S


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_an_eye_that_is_killed_between_two_looks_is_replaced(eye: Eye, number: signal.Signals) -> None:
    assert eye.pid
    os.kill(eye.pid, number)
    with pytest.raises(EyeError):
        eye.look(shot(jpeg(card("lost"))))
    began_s = time.monotonic()
    assert texts(eye.look(shot(jpeg(card("next"))))) == ["next"]
    assert time.monotonic() - began_s < AGAIN_WITHIN_S


def test_an_eye_that_is_killed_in_the_middle_of_a_look_is_noticed_at_once(faulty: Eye) -> None:
    assert faulty.pid
    killer = threading.Timer(0.1, os.kill, (faulty.pid, signal.SIGKILL))
    killer.start()
    began_s = time.monotonic()
    with pytest.raises(EyeError, match="it died"):
        faulty.look(fault(Fault.HANG))
    assert time.monotonic() - began_s < LOOK_WITHIN_S
    killer.join()


def test_a_source_that_kills_every_eye_is_tried_for_ever_at_a_bounded_rate(faulty: Eye) -> None:
    began_s, lost = time.monotonic(), 0
    while time.monotonic() - began_s < 1.2:
        with pytest.raises(EyeError, match="it died"):
            faulty.look(fault(Fault.EXIT))
        lost += 1
    took_s = time.monotonic() - began_s
    assert 3 <= lost <= AT_ONCE + took_s / EVERY_S + 1
    assert texts(faulty.look(shot(jpeg(card("at last"))))) == ["at last"]


def test_c5_a_memory_bomb_costs_the_picture_and_nothing_else(faulty: Eye) -> None:
    before = faulty.pid
    with pytest.raises(ShotError, match="memory"):
        faulty.look(fault(Fault.BOMB))
    assert texts(faulty.look(shot(jpeg(card("next"))))) == ["next"]
    assert faulty.pid == before


def test_a_library_that_raises_costs_the_picture(faulty: Eye) -> None:
    with pytest.raises(ShotError, match="ValueError: a library that raises in two lines, with \\?"):
        faulty.look(fault(Fault.RAISE))
    assert texts(faulty.look(shot(jpeg(card("next"))))) == ["next"]


def test_pictures_as_large_as_allowed_fit_into_the_memory_of_an_eye(eye: Eye) -> None:
    """12 megapixels in the codings that need most; those of more are refused without a death."""
    large = np.full((3000, 4000), 235, np.uint8)
    large[:240, :320] = card("large")
    colour = np.asarray(cv2.cvtColor(large, cv2.COLOR_GRAY2BGR), np.uint8)
    for data in (jpeg(large), jpeg(colour, progressive=True)):
        seen = _patiently(eye, shot(data))
        assert seen is None or (seen.width, seen.height) == (4000, 3000)
    bomb = png_bomb(3600, 3600, depth=16, colour=6)  # 104 MB in 100 kB
    assert len(bomb) < 500_000
    assert _patiently(eye, shot(bomb)) is None or eye.pid


def _patiently(eye: Eye, one: Shot) -> Seen | None:
    """What was seen; None when it took too long here or too much memory, both of which the eye survived."""
    try:
        return eye.look(one, Wanted(read=False, preview_px=640, measure=True))
    except EyeError as error:
        assert "hung" in str(error) or "memory" in str(error).lower(), error
        return None


def test_c5_pictures_of_20000_pixels_that_get_past_the_size_check_meet_the_memory_limit(
    nursery: Nursery,
) -> None:
    eye = opened(nursery, "unchecked")
    huge = jpeg_of_size(jpeg(card("a")), 20_000, 20_000)
    begun = png_header(20_000, 20_000) + png_chunk(b"IDAT", zlib.compress(bytes(1_000_000)))
    for bomb in (huge, begun):
        with pytest.raises(EyeError):
            eye.look(shot(bomb))
        until(lambda: _next(eye), what="the next look")
    eye.close()


def _next(eye: Eye) -> bool:
    return texts(eye.look(shot(jpeg(card("next"))))) == ["next"]


def test_an_eye_that_hangs_costs_the_other_camera_nothing(nursery: Nursery, faulty: Eye) -> None:
    other = opened(nursery)
    hung: list[str] = []

    def hang() -> None:
        try:
            faulty.look(fault(Fault.HANG))
        except EyeError as error:
            hung.append(str(error))

    thread = threading.Thread(target=hang)
    thread.start()
    read = 0
    while thread.is_alive():
        assert texts(other.look(shot(jpeg(card("here"))))) == ["here"]
        read += 1
    thread.join()
    other.close()
    assert len(hung) == 1
    assert read >= 3


def test_closing_in_the_middle_of_a_look_is_instant_and_leaves_nothing_behind(nursery: Nursery) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    eye = opened(nursery, "faulty")
    child = eye.pid
    assert child
    failed: list[str] = []

    def look() -> None:
        try:
            eye.look(fault(Fault.HANG))
        except EyeError as error:
            failed.append(str(error))

    thread = threading.Thread(target=look)
    used = cpu_ticks(child)
    thread.start()
    until(lambda: cpu_ticks(child) > used + 5, what="the eye in its endless look")
    began_s = time.monotonic()
    eye.close()
    assert time.monotonic() - began_s < LOOK_WITHIN_S / 2
    thread.join()
    assert failed
    until(lambda: not Path(f"/proc/{child}").exists(), what="the end of the child")
    with pytest.raises(EyeError, match="closed"):
        eye.look(shot(jpeg(card("late"))))
    eye.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_c4_a_thousand_mutated_pictures_cost_no_stall_of_a_second(eye: Eye) -> None:
    """The parent lives, no stall is long, and every good picture in between is read."""
    rng = random.Random(SEED)
    colour = np.asarray(cv2.applyColorMap(card("mutant"), cv2.COLORMAP_JET), np.uint8)
    seeds = [
        jpeg(card("mutant")),
        jpeg(colour, progressive=True),
        jpeg(colour),
        png(card("mutant")),
        png(colour),
    ]
    outcomes = {"seen": 0, "refused": 0, "lost": 0}
    worst_s = 0.0
    for number in range(1000):
        began_s = time.monotonic()
        try:
            eye.look(shot(mutated(seeds, rng)))
            outcomes["seen"] += 1
        except ShotError:
            outcomes["refused"] += 1
        except EyeError:
            outcomes["lost"] += 1
        worst_s = max(worst_s, time.monotonic() - began_s)
        if number % 50 == 0:
            assert texts(eye.look(shot(jpeg(card(f"good {number}"))))) == [f"good {number}"]
    told = f"seed {SEED}: {outcomes}, worst stall {worst_s:.3f} s"
    assert worst_s < STALL_MAX_S, told
    assert outcomes["seen"] > 200, told
    assert outcomes["refused"] > 100, told
