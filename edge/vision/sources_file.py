"""Pictures out of a folder, encoded as they are, at a pace of their own."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from edge.vision.frames import SourceMissingError
from edge.vision.shot import Pixels, Shot
from edge.vision.source_words import Trouble
from passes.words import Pair
from shell.clock import Clock
from shell.file_reading import open_regular

SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})
PICTURE_SHOWN_S: Final = 1.0  # how long each picture of a folder stays in view
PICTURE_BYTES_MAX: Final = 8 * 1024 * 1024  # what an eye takes


def pictures_of(folder: Path) -> list[Path]:
    """What a folder holds under the name of a picture, sorted; other files, and folders in it, are left out."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and not path.is_dir())


class Pictures:
    """A folder of pictures (or one), in the order of their names, each in view for a second.

    Raises:
        SourceMissingError: It is not there, or there is no picture in it.
    """

    refused: tuple[Pair, ...] = ()

    def __init__(self, path: Path, clock: Clock) -> None:
        self._clock = clock
        self._woken = threading.Event()
        try:
            files = pictures_of(path) if path.is_dir() else [path] if path.is_file() else []
        except OSError as error:
            raise SourceMissingError(
                str(path), Trouble.FOLDER_UNREADABLE, error.strerror or str(error)
            ) from error
        if not files:
            raise SourceMissingError(str(path), Trouble.FOLDER_EMPTY, ", ".join(sorted(SUFFIXES)))
        self._left = iter(files)
        self._picture: bytes | None = None
        self._until_s = 0.0

    def read(self, not_before_s: float) -> Shot | None:
        """The picture in view at that time; None after the last one. Unreadable files are passed over."""
        if self._woken.wait(max(0.0, not_before_s - self._clock.monotonic_s())):
            return None
        now_s = self._clock.monotonic_s()
        if self._picture is None or now_s >= self._until_s:
            self._picture = next(self._readable(), None)
            self._until_s = now_s + PICTURE_SHOWN_S
        return None if self._picture is None else Shot(Pixels.JPEG, self._picture, now_s)

    def _readable(self) -> Iterator[bytes]:
        for path in self._left:
            try:
                with open_regular(path) as file:
                    data = file.read(PICTURE_BYTES_MAX + 1)
            except OSError:
                continue
            if 0 < len(data) <= PICTURE_BYTES_MAX:
                yield data

    def interrupt(self) -> None:
        """End the pictures now."""
        self._woken.set()

    def close(self) -> None:
        """Nothing is held open."""
