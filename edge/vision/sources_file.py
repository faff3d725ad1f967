"""Frames out of files: a folder of pictures, or a video, both at their own pace."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from edge.vision.filters import Picture
from edge.vision.frames import Frame, SourceMissingError
from edge.vision.picture import SUFFIXES, PictureError, load
from shell.clock import Clock

PICTURE_SHOWN_S: Final = 1.0  # how long each picture of a folder stays in view


def pictures_of(folder: Path) -> list[Path]:
    """The picture files of a folder, by name; other files and folders in it are left out."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())


class Pictures:
    """A folder of pictures (or one), in the order of their names, each in view for a second.

    Raises:
        SourceMissingError: It is not there, or there is no picture in it.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._clock = clock
        self._woken = threading.Event()
        try:
            files = pictures_of(path) if path.is_dir() else [path] if path.is_file() else []
        except OSError as error:
            raise SourceMissingError(
                str(path), f"cannot be listed ({error.strerror})", "Check its permissions"
            ) from error
        if not files:
            raise SourceMissingError(
                str(path), "holds no picture", f"Put files there that end in {', '.join(sorted(SUFFIXES))}"
            )
        self._left = iter(files)
        self._picture: Picture | None = None
        self._until_s = 0.0

    def read(self, not_before_s: float) -> Frame | None:
        """The picture in view at that time; None after the last one. Unreadable files are passed over."""
        if self._woken.wait(max(0.0, not_before_s - self._clock.monotonic_s())):
            return None
        now_s = self._clock.monotonic_s()
        if self._picture is None or now_s >= self._until_s:
            self._picture = next(self._readable(), None)
            self._until_s = now_s + PICTURE_SHOWN_S
        return None if self._picture is None else Frame(self._picture, now_s)

    def _readable(self) -> Iterator[Picture]:
        for path in self._left:
            try:
                yield load(path)
            except PictureError:
                continue

    def interrupt(self) -> None:
        """End the pictures now."""
        self._woken.set()

    def close(self) -> None:
        """Nothing is held open."""


class FilmFrames:
    """Some of the frames of a video file, as fast as they come; iterate once.

    Args:
        path: The file.
        per_s: How many frames of each second of the film are wanted.

    Raises:
        SourceMissingError: It is no video that OpenCV can open.
    """

    def __init__(self, path: Path, *, per_s: float) -> None:
        self._capture = _open_film(path)
        self._each = max(1, round(1 / (_frame_s(self._capture) * per_s)))

    def __iter__(self) -> Iterator[Picture]:
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


def _open_film(path: Path) -> cv2.VideoCapture:
    capture = cv2.VideoCapture(str(path))
    if not capture.isOpened():
        capture.release()
        raise SourceMissingError(str(path), "is no video", "Play it with ffplay to see what is wrong")
    return capture


def _frame_s(capture: cv2.VideoCapture) -> float:
    per_s = capture.get(cv2.CAP_PROP_FPS)
    return 1 / per_s if 1 <= per_s <= 240 else 1 / 25


class Film:
    """A video file, played at its own pace; what is late is dropped.

    Raises:
        SourceMissingError: It is no video that OpenCV can open.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._clock = clock
        self._woken = threading.Event()
        self._capture = _open_film(path)
        self._frame_s = _frame_s(self._capture)
        self._next_s = clock.monotonic_s()  # when the next frame of the file is due

    def read(self, not_before_s: float) -> Frame | None:
        """The frame of the film at that time; None at its end."""
        while self._capture.grab():
            due_s = self._next_s
            self._next_s += self._frame_s
            if due_s + self._frame_s <= max(not_before_s, self._clock.monotonic_s()):
                continue
            if self._woken.wait(max(0.0, max(due_s, not_before_s) - self._clock.monotonic_s())):
                return None
            whole, picture = self._capture.retrieve()
            if whole:
                return Frame(np.asarray(picture, np.uint8), self._clock.monotonic_s())
        return None

    def interrupt(self) -> None:
        """End the film now."""
        self._woken.set()

    def close(self) -> None:
        """Close the file."""
        self._capture.release()
