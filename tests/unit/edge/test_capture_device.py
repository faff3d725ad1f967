"""What a USB camera is asked for, and how a refusal is told. No real one was tried."""

import cv2
import pytest

from edge.vision.capture_device import EXPOSURE_AUTO, EXPOSURE_MANUAL, gives_jpegs, set_up
from edge.vision.frames import Hints
from simulators.cameras.device import WebcamSettings

EXPOSURE = {cv2.CAP_PROP_AUTO_EXPOSURE: float(EXPOSURE_AUTO), cv2.CAP_PROP_EXPOSURE: 156.0}
FOCUS = {cv2.CAP_PROP_AUTOFOCUS: 1.0, cv2.CAP_PROP_FOCUS: 0.0}


def test_jpegs_are_taken_as_they_are_where_the_camera_gives_them() -> None:
    webcam = WebcamSettings()
    assert set_up(webcam, Hints()) == ()
    assert gives_jpegs(webcam)
    assert webcam.get(cv2.CAP_PROP_CONVERT_RGB) == 0


def test_a_camera_without_jpegs_gives_pixels() -> None:
    webcam = WebcamSettings(gives_jpegs=False)
    assert set_up(webcam, Hints()) == ()
    assert not gives_jpegs(webcam)
    assert webcam.get(cv2.CAP_PROP_CONVERT_RGB) == 1


def test_nothing_is_touched_that_was_not_asked_for() -> None:
    webcam = WebcamSettings(has=EXPOSURE | FOCUS)
    set_up(webcam, Hints())
    assert {which: webcam.get(which) for which in EXPOSURE | FOCUS} == EXPOSURE | FOCUS


def test_exposure_is_told_in_milliseconds_and_focus_in_steps() -> None:
    webcam = WebcamSettings(has=EXPOSURE | FOCUS)
    assert set_up(webcam, Hints(exposure_ms=5.0, focus=40)) == ()
    assert webcam.get(cv2.CAP_PROP_AUTO_EXPOSURE) == EXPOSURE_MANUAL
    assert webcam.get(cv2.CAP_PROP_EXPOSURE) == 50
    assert (webcam.get(cv2.CAP_PROP_AUTOFOCUS), webcam.get(cv2.CAP_PROP_FOCUS)) == (0, 40)


def test_automatic_is_told_too() -> None:
    webcam = WebcamSettings(has=EXPOSURE | FOCUS | {cv2.CAP_PROP_AUTOFOCUS: 0.0})
    assert set_up(webcam, Hints(exposure_ms="auto", focus="auto")) == ()
    assert webcam.get(cv2.CAP_PROP_AUTO_EXPOSURE) == EXPOSURE_AUTO
    assert webcam.get(cv2.CAP_PROP_AUTOFOCUS) == 1


def test_a_camera_may_round_to_its_steps() -> None:
    webcam = WebcamSettings(has=EXPOSURE | FOCUS, step=5)
    assert set_up(webcam, Hints(exposure_ms=4.8, focus=42)) == ()


@pytest.mark.parametrize(
    ("hints", "words"),
    [
        (Hints(exposure_ms=5.0), "exposure = 5: the camera stays at 15.6 ms"),
        (Hints(focus=40), "focus = 40: the camera stays at 0"),
    ],
)
def test_a_camera_that_takes_a_value_and_keeps_its_own_is_told(hints: Hints, words: str) -> None:
    stuck = frozenset({cv2.CAP_PROP_EXPOSURE, cv2.CAP_PROP_FOCUS})
    (refused,) = set_up(WebcamSettings(has=EXPOSURE | FOCUS, stuck=stuck), hints)
    assert refused.en.startswith(words)


@pytest.mark.parametrize(
    ("hints", "words"),
    [
        (Hints(exposure_ms=5.0), "exposure = 5: the camera cannot be told"),
        (Hints(exposure_ms="auto"), 'exposure = "auto": the camera has no automatic exposure'),
        (Hints(focus=40), "focus = 40: the camera's lens is fixed"),
        (Hints(focus="auto"), 'focus = "auto": the camera has no automatic focus'),
    ],
)
def test_a_camera_that_lacks_a_setting_is_told(hints: Hints, words: str) -> None:
    (refused,) = set_up(WebcamSettings(), hints)
    assert refused.en.startswith(words)
    assert refused.en.endswith("out")
