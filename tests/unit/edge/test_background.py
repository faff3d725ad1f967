"""When a scene counts as settled and empty: what it saves, and whom it must never overlook."""

import cv2
import numpy as np
import pytest

from edge.vision.background import RESETTLES_S, SETTLES_S, Background
from edge.vision.filters import Picture
from edge.vision.passes import Views
from edge.vision.reader import QUIET_SEARCH_EVERY, Reader
from simulators.cameras.look import Difficulty, Look
from simulators.cameras.scene import backgrounds, render

FRAME_S = 2.0
RNG = 7


def scene(width: int = 320) -> Picture:
    """An empty gate as a camera shows it, grey; as small as the reader hands it on."""
    picture = next(iter(backgrounds()))
    small = cv2.resize(picture, (width, width * 9 // 16), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.uint8)


def noisy(picture: Picture, rng: np.random.Generator, light: float = 0.0, sigma: float = 1.0) -> Picture:
    """The next frame of a camera that is never quite still."""
    return np.clip(picture + light + rng.normal(0, sigma, picture.shape), 0, 255).astype(np.uint8)


class Watched:
    """A background that is shown frames, two a second, each searched and found empty."""

    def __init__(self) -> None:
        self.background, self.at_s, self.rng = Background(), 0.0, np.random.default_rng(RNG)

    def show(self, picture: Picture, seconds: float, *, empty: bool = True, light: float = 0.0) -> list[bool]:
        quiet = []
        for _ in range(round(seconds / FRAME_S)):
            self.at_s += FRAME_S
            quiet.append(self.background.quiet(noisy(picture, self.rng, light), self.at_s))
            if not quiet[-1]:
                self.background.searched(self.at_s, empty=empty)
        return quiet


@pytest.fixture
def settled() -> Watched:
    watched = Watched()
    watched.show(scene(), SETTLES_S + 5)
    return watched


def with_person(picture: Picture) -> Picture:
    out = picture.copy()
    cv2.ellipse(out, (160, 105), (32, 75), 0, 0, 360, 60, -1)
    return out


def test_an_empty_scene_settles_in_a_minute_and_not_before() -> None:
    quiet = Watched().show(scene(), SETTLES_S + 5)
    assert not any(quiet[: round(SETTLES_S / FRAME_S)])
    assert all(quiet[round(SETTLES_S / FRAME_S) + 2 :])


def test_a_scene_with_something_like_a_code_in_it_never_settles() -> None:
    assert not any(Watched().show(scene(), 3 * SETTLES_S, empty=False))


def test_who_comes_is_seen_at_the_next_frame_and_stays_seen_while_standing_still(settled: Watched) -> None:
    assert not any(settled.show(with_person(scene()), RESETTLES_S - 10))
    assert all(settled.show(scene(), 5))  # gone: at once the known scene again


def test_a_code_that_can_just_be_read_is_a_change(settled: Watched) -> None:
    shown = scene()
    modules = np.where(np.random.default_rng(1).random((57, 57)) < 0.5, 30, 230).astype(np.uint8)
    shown[120:148, 200:228] = cv2.resize(
        modules, (28, 28), interpolation=cv2.INTER_AREA
    )  # 2 px a module at 720p
    assert not any(settled.show(shown, 60))


def test_light_that_changes_slowly_or_at_once_everywhere_is_no_person(settled: Watched) -> None:
    for step in range(20):
        assert all(settled.show(scene(), 4, light=step))
    assert all(settled.show(scene(), 4, light=0))


def test_a_parked_car_becomes_the_scene_after_a_quarter_of_an_hour(settled: Watched) -> None:
    settled.show(with_person(scene()), RESETTLES_S + 5)
    assert all(settled.show(with_person(scene()), 5))


def test_another_size_of_picture_is_another_scene(settled: Watched) -> None:
    assert not any(settled.show(scene(240), 10))


def test_a_live_reader_still_searches_a_settled_scene_now_and_then_and_reads_who_comes() -> None:
    reader, rng, at_s = Reader(live=True), np.random.default_rng(RNG), 0.0
    empty = scene(1280)
    quiet = []
    for _ in range(round(SETTLES_S / FRAME_S) + 4 * QUIET_SEARCH_EVERY):
        at_s += FRAME_S
        quiet.append(reader.look(Views(noisy(empty, rng, sigma=2.5)), at_s).quiet)
    tail = quiet[-2 * QUIET_SEARCH_EVERY :]
    assert tail.count(False) == 2, "one frame in eight is searched all the same"
    shown = render("GP1:HELD UP", Look(difficulty=Difficulty.EASY), 3)
    held = np.asarray(cv2.cvtColor(cv2.resize(shown, (1280, 720)), cv2.COLOR_BGR2GRAY), np.uint8)
    for _ in range(40):
        at_s += FRAME_S
        reading = reader.look(Views(noisy(held, rng, sigma=2.5)), at_s)
        assert (reading.quiet, [code.text for code in reading.codes]) == (False, ["GP1:HELD UP"])
