"""Finds and decodes QR codes in one picture: a cascade of cheap passes, most pictures need only the first.

Pure but for what a live reader remembers of its camera: a picture goes in, texts come out, nothing is raised. It
stands alone, without the rest of ``edge``, so that it runs in a child process. What a text is worth is not its
business. Why these passes in this order: docs/cameras.md.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

import cv2
import numpy as np

from edge.vision.background import Background
from edge.vision.filters import Picture, as_picture, shrunk
from edge.vision.passes import (
    CHEAP,
    DEEP,
    FIRST,
    LATE,
    MIDDLE_PX,
    TINY_PX,
    Corners,
    Found,
    Views,
    apart,
    look,
    regions,
)
from edge.vision.shot import Decoded

PIXELS_MAX: Final = 40_000_000  # a phone photograph has 12 to 24 million; more is an attack or a mistake
LONGEST_PX: Final = 1920  # larger pictures are shrunk first
MIDDLE_ABOVE_PX: Final = 1400
REGIONS_MAX: Final = 2
# CPU time after which a live frame gets no further pass: a sheet of finder patterns costs 100 times a street.
LIVE_WITHIN_S: Final = 0.025
QUIET_SEARCH_EVERY: Final = (
    8  # frames of the settled scene of which one is searched as if somebody were there
)
KNOWN_SEARCH_EVERY: Final = 4  # frames with a known code of which one is searched for a badly seen other one
CODES_MAX: Final = 64  # more codes than this in one picture are not a visitor's

_MIDDLE: Final = look(MIDDLE_PX, "plain", both=True)


@dataclass(frozen=True, slots=True)
class Reading:
    """What one picture showed: codes, each text once; what only looks like one; whether it was the empty scene."""

    codes: tuple[Decoded, ...] = ()
    located: tuple[Corners, ...] = ()
    quiet: bool = False


class Reader:
    """Reads pictures of one camera, or single files.

    Args:
        live: The pictures are frames of one camera. Every frame gets the cheap passes, the located regions and one
            late pass, in rotation: a code is held up for dozens of frames. A frame of the settled empty scene gets
            less. Codes that were already read in the frame before (a poster on the wall) do not end the search
            for another one.
        deep: Try every pass on each picture: for single files, where there is no next frame.
        turn: Which late pass is the first.
    """

    def __init__(self, *, live: bool = False, deep: bool = False, turn: int = 0) -> None:
        self._live = live
        self._deep = deep
        self._turn = turn
        self._quiet_frames = 0
        self._known_frames = 0
        self._settled = False
        self._before: frozenset[str] = frozenset()
        self._background = Background() if live else None

    def read(self, picture: Picture) -> list[Decoded]:
        """Read the codes of one picture.

        Args:
            picture: (height, width) grey or (height, width, 3) BGR, uint8. Anything else, or more than 40
                million pixels, holds no code.

        Returns:
            The codes, each text once, in no particular order.
        """
        if not readable(picture):
            return []
        picture = np.ascontiguousarray(picture)
        if picture.ndim == 2:
            return list(self.look(Views(picture)).codes)
        grey = as_picture(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY))
        return list(self.look(Views(grey, lambda: picture)).codes)

    def look(self, views: Views, at_s: float | None = None) -> Reading:
        """The same for a picture whose colour is only made when a pass wants it.

        Args:
            views: The picture; its grey has at most 40 million pixels.
            at_s: When a live frame was taken, monotonic seconds; without it no frame counts as empty.
        """
        whole = views.grey.shape
        if max(whole) > LONGEST_PX:
            views, scale = _smaller(views)
        else:
            scale = 1.0
        quiet = self._is_quiet(views, at_s)
        found: dict[str, Decoded] = {}
        located: list[Corners] = []
        began_s = time.thread_time()
        try:
            for codes, places in self._passes(views, found, located, quiet=quiet):
                located += places
                for code in codes:
                    if len(found) < CODES_MAX:
                        found.setdefault(code.text, code)
                if found and not (self._live and found.keys() <= self._before):
                    break
                if self._live and time.thread_time() - began_s > LIVE_WITHIN_S:
                    break
        except cv2.error:  # a filter that cannot take this picture; what was read before it stands
            pass
        self._before = frozenset(found)
        self._tell_background(at_s, quiet=quiet, empty=not found and not located)
        codes_out = tuple(_scaled(code, 1 / scale) for code in found.values())
        return Reading(codes_out, tuple(_spread(corners, 1 / scale) for corners in located), quiet)

    def _is_quiet(self, views: Views, at_s: float | None) -> bool:
        """Whether this frame is to be looked at lightly: the settled scene, but for one frame in eight."""
        if self._background is None or at_s is None:
            return False
        self._settled = self._background.quiet(views.at(TINY_PX)[0], at_s)
        self._quiet_frames = self._quiet_frames + 1 if self._settled else 0
        return self._settled and self._quiet_frames % QUIET_SEARCH_EVERY != 0

    def _tell_background(self, at_s: float | None, *, quiet: bool, empty: bool) -> None:
        if self._background is None or at_s is None:
            return
        if self._settled and not empty:
            self._background.forget()
        elif not quiet:
            self._background.searched(at_s, empty=empty)

    def _passes(
        self, views: Views, found: dict[str, Decoded], located: list[Corners], *, quiet: bool
    ) -> Iterator[Found]:
        """The passes in their order; what is found and located grows while they are asked for."""
        if quiet:
            return
        yield from (each(views) for each in FIRST)
        if self._live and found:  # known ones, or the search had ended
            self._known_frames += 1
            if self._known_frames % KNOWN_SEARCH_EVERY != 0:
                return
        yield from (each(views) for each in CHEAP)
        if max(views.grey.shape) > MIDDLE_ABOVE_PX:
            yield _MIDDLE(views)
        unread = apart(located, besides=[code.corners for code in found.values()])
        yield from ((codes, []) for codes in regions(views.grey, unread[:REGIONS_MAX]))
        if self._deep:
            for each in (*LATE, *DEEP):
                yield each(views)[0], []
        elif self._live:
            self._turn = (self._turn + 1) % len(LATE)
            yield LATE[self._turn](views)[0], []


def readable(picture: Picture) -> bool:
    """Whether ``picture`` is a grey or BGR uint8 array of a size that the reader accepts."""
    if not isinstance(picture, np.ndarray) or picture.dtype != np.uint8:
        return False
    if picture.ndim != 2 and not (picture.ndim == 3 and picture.shape[2] == 3):
        return False
    height, width = picture.shape[:2]
    return bool(min(height, width) >= 1 and height * width <= PIXELS_MAX)


def _smaller(views: Views) -> tuple[Views, float]:
    grey, scale = shrunk(views.grey, LONGEST_PX)
    return Views(grey, partial(_smaller_colour, views)), scale


def _smaller_colour(views: Views) -> Picture | None:
    colour = views.colour()
    return None if colour is None else shrunk(colour, LONGEST_PX)[0]


def _scaled(code: Decoded, factor: float) -> Decoded:
    return code if factor == 1 else Decoded(code.text, _spread(code.corners, factor), code.how)


def _spread(corners: Corners, factor: float) -> Corners:
    first, second, third, fourth = ((x * factor, y * factor) for x, y in corners)
    return first, second, third, fourth
