"""Reads the codes of files, folders, videos and cameras once, for ``postern-edge scan``.

Whether a text is a good pass is asked of a function that the caller gives.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from edge.vision.filters import Picture
from edge.vision.frames import SourceError, shown
from edge.vision.picture import SUFFIXES, PictureError, load
from edge.vision.reader import Reader
from edge.vision.sources import open_source
from edge.vision.sources_file import FilmFrames, pictures_of
from shell.clock import Clock

Judge = Callable[[str], tuple[bool, str | None]]

LIVE_WAIT_S: Final = 10.0  # how long a camera is watched for a code
FILM_READS_PER_S: Final = 12.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """One text that was read, whether it is a good pass, and the reason when it is not."""

    text: str
    valid: bool
    reason: str | None


@dataclass(frozen=True, slots=True)
class Scanned:
    """What one file or camera showed.

    Attributes:
        source: The file or address, as given; without a password.
        codes: The codes, in the order of their texts.
        ms: Time spent on reading codes; opening and decompressing pictures is not in it.
        error: Why nothing could be read, or None.
    """

    source: str
    codes: tuple[Code, ...] = ()
    ms: float = 0.0
    error: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The line that ``--json`` prints; ``error`` is there only when something failed."""
        codes = [{"text": code.text, "valid": code.valid, "reason": code.reason} for code in self.codes]
        line: dict[str, Any] = {"source": self.source, "codes": codes, "ms": round(self.ms, 3)}
        return line if self.error is None else line | {"error": self.error}


class Scanning:
    """One run over several sources.

    Args:
        judge: Text -> whether it is a good pass, and the reason when it is not.
        clock: For the times reported and the wait at cameras.

    Attributes:
        skipped: Files of folders that were passed over because they are no pictures.
    """

    def __init__(self, judge: Judge, clock: Clock) -> None:
        self._judge = judge
        self._clock = clock
        self.skipped = 0

    def run(self, sources: Iterable[str]) -> Iterator[Scanned]:
        """Read each source; a folder gives one result for each picture in it, sorted by name."""
        for source in sources:
            path = Path(source)
            if path.is_dir():
                yield from self._folder(path)
            elif urlsplit(source).scheme in {"http", "https", "rtsp", "rtsps"} or source.startswith("/dev/"):
                yield self._camera(source)
            elif path.suffix.lower() in SUFFIXES or not path.exists():
                yield self._file(path)
            else:
                yield self._film(path)

    def _folder(self, folder: Path) -> Iterator[Scanned]:
        try:
            pictures = pictures_of(folder)
            self.skipped += sum(path.is_file() for path in folder.iterdir()) - len(pictures)
        except OSError as error:
            yield Scanned(str(folder), error=f"cannot be listed: {error.strerror or error}")
            return
        for path in pictures:
            yield self._file(path)

    def _file(self, path: Path) -> Scanned:
        try:
            picture = load(path)
        except PictureError as error:
            return Scanned(str(path), error=str(error))
        reading = _Reading(Reader(deep=True), self._clock)
        reading.take(picture)
        return self._result(str(path), reading)

    def _film(self, path: Path) -> Scanned:
        reading = _Reading(Reader(live=True), self._clock)
        try:
            for picture in FilmFrames(path, per_s=FILM_READS_PER_S):
                reading.take(picture)
        except SourceError as error:
            return Scanned(str(path), error=str(error))
        return self._result(str(path), reading)

    def _camera(self, source: str) -> Scanned:
        reading = _Reading(Reader(live=True), self._clock)
        try:
            frames = open_source(source, self._clock)
            try:
                until_s = self._clock.monotonic_s() + LIVE_WAIT_S
                while not reading.texts and self._clock.monotonic_s() < until_s:
                    frame = frames.read(0.0)
                    if frame is None:
                        break
                    reading.take(frame.picture)
            finally:
                frames.close()
        except SourceError as error:
            return Scanned(shown(source), error=str(error))
        return self._result(shown(source), reading)

    def _result(self, source: str, reading: "_Reading") -> Scanned:
        codes = tuple(self._code(text) for text in sorted(reading.texts))
        return Scanned(source, codes, reading.ms)

    def _code(self, text: str) -> Code:
        valid, reason = self._judge(text)
        return Code(text=text, valid=valid, reason=reason)


class _Reading:
    """The texts of several pictures, and the time that reading them took."""

    def __init__(self, reader: Reader, clock: Clock) -> None:
        self._reader = reader
        self._clock = clock
        self.texts: set[str] = set()
        self.ms = 0.0

    def take(self, picture: Picture) -> None:
        before_s = self._clock.monotonic_s()
        self.texts.update(code.text for code in self._reader.read(picture))
        self.ms += (self._clock.monotonic_s() - before_s) * 1000
