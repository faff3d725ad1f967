"""Counting the modules of a code in a picture."""

import random

import cv2
import numpy as np
import pytest
import segno

from edge.vision.advice import KnownBy
from edge.vision.passes import Corners
from edge.vision.scan_gauge import modules_of
from simulators.cameras.pixels import Picture, array

TEXT = "GP1:A7B3"


def held_up(version: int, module_px: float, seed: int) -> tuple[Picture, Corners]:
    """A code seen at a slant, a little soft and noisy; and where its corners are."""
    rng, r = np.random.default_rng(seed), random.Random(seed)
    modules = np.array(segno.make(TEXT, version=version, error="l").matrix, np.uint8)
    count = len(modules)
    card = cv2.resize(
        np.where(np.pad(modules, 4) > 0, 30, 220).astype(np.uint8),
        None,
        fx=8,
        fy=8,
        interpolation=cv2.INTER_NEAREST,
    )
    side = len(card)
    wide = (count + 8) * module_px
    to = np.array([[40, 40], [40 + wide, 40], [40 + wide, 40 + wide], [40, 40 + wide]], np.float32)
    to += np.array([[r.uniform(-8, 8), r.uniform(-8, 8)] for _ in range(4)], np.float32)
    turn = cv2.getPerspectiveTransform(np.array([[0, 0], [side, 0], [side, side], [0, side]], np.float32), to)
    whole = int(wide) + 90
    seen = cv2.warpPerspective(card, turn, (whole, whole), borderValue=(120,), flags=cv2.INTER_AREA)
    seen = cv2.GaussianBlur(seen, (0, 0), 0.3 * module_px)
    grey = array(np.clip(seen + rng.normal(0, 4, seen.shape), 0, 255).astype(np.uint8))
    ends = np.array([[[32, 32], [side - 32, 32], [side - 32, side - 32], [32, side - 32]]], np.float32)
    a, b, c, d = ((float(x), float(y)) for x, y in cv2.perspectiveTransform(ends, turn)[0])
    return grey, (a, b, c, d)


@pytest.mark.parametrize("version", [1, 2, 4, 6, 7, 10, 14])
def test_the_decoder_tells_what_it_reads(version: int) -> None:
    grey, corners = held_up(version, 4.0, version)
    assert modules_of(grey, corners, TEXT) == (17 + 4 * version, KnownBy.VERSION)


@pytest.mark.parametrize("version", [2, 5, 6, 8, 10, 14])
def test_a_code_that_cannot_be_read_is_counted_on_its_timing_pattern(version: int) -> None:
    grey, (a, b, c, d) = held_up(version, 4.0, version)
    middle = (np.array([a, b, c, d]).mean(axis=0)).astype(int)
    reach = round(version * 4)
    x, y = (int(value) for value in middle)
    cv2.circle(grey, (x + reach // 2, y + reach // 2), 2 * reach, (255,), -1)  # a thumb over the data
    known = modules_of(grey, (a, b, c, d), None)
    assert known is not None
    assert known[0] == 17 + 4 * version


def test_an_even_wall_has_no_modules_and_a_text_needs_at_least_some() -> None:
    wall = np.full((200, 200), 128, np.uint8)
    corners: Corners = ((20.0, 20.0), (180.0, 20.0), (180.0, 180.0), (20.0, 180.0))
    assert modules_of(wall, corners, None) is None
    assert modules_of(wall, corners, "GP1:" + "A" * 150) == (37, KnownBy.TEXT)
