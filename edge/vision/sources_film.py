"""Frames out of a video file as pixels: for tools, and for the process that plays films."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from edge.vision.frames import SourceMissingError
from edge.vision.source_words import Trouble


class FilmFrames:
    """Some of the frames of a video file, as fast as they come; iterate once.

    Args:
        path: The file.
        per_s: How many frames of each second of the film are wanted.

    Raises:
        SourceMissingError: It is no video that OpenCV can open.
    """

    def __init__(self, path: Path, *, per_s: float) -> None:
        self._capture = cv2.VideoCapture(str(path))
        if not self._capture.isOpened():
            self._capture.release()
            raise SourceMissingError(str(path), Trouble.NO_VIDEO)
        self._each = max(1, round(1 / (frame_s(self._capture) * per_s)))

    def __iter__(self) -> Iterator[npt.NDArray[np.uint8]]:
        try:
            number = 0
            while self._capture.grab():
                if number % self._each == 0:
                    whole, picture = self._capture.retrieve()
                    if whole:
                        yield np.asarray(picture, np.uint8)
                number += 1
        finally:
            self._capture.release()


def frame_s(capture: cv2.VideoCapture) -> float:
    """How long a frame of this film is in view, in seconds."""
    per_s = capture.get(cv2.CAP_PROP_FPS)
    return 1 / per_s if 1 <= per_s <= 240 else 1 / 25
