"""Reads the codes of files, folders, videos and cameras once, for ``postern-edge scan``.

Pictures are looked at in jailed children (decision 0017): a hostile one costs its own line. Whether a text is a good
pass is asked of a function that the caller gives.
"""

import os
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from edge.vision.annotate_files import AnnotateError, Annotations
from edge.vision.eye import ShotError
from edge.vision.frames import SourceError, SourceMissingError, shown
from edge.vision.nursery import Nursery
from edge.vision.picture_size import size_px
from edge.vision.scan_eyes import FILE_BYTES_MAX, PatientEye, looked_at, patient_eye, side_by_side
from edge.vision.scan_film import film_shots
from edge.vision.scan_kinds import KINDS, READ_MS
from edge.vision.scan_streams import Moving, is_camera, live_shots
from edge.vision.shot import EyeError, Pixels, Seen, Shot, Wanted
from edge.vision.source_words import Trouble
from edge.vision.sources_file import SUFFIXES, pictures_of
from shell.clock import Clock
from shell.file_reading import open_regular

Judge = Callable[[str], tuple[bool, str | None]]
Tell = Callable[[int, int, str], None]

FILM_SUFFIXES: Final = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm"})
ANNOTATED_PX: Final = 1920
FILM_PICTURES_MAX: Final = 16  # annotated pictures of one film or camera: one for each new code


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
        ms: Processor time spent on reading codes; opening and decompressing pictures is not in it.
        error: What could not be read or written, why, and what to do; or None.
        zh: The same in Chinese, as far as there are words for it.
        unreachable: It is a camera, and could not be opened.
    """

    source: str
    codes: tuple[Code, ...] = ()
    ms: float = 0.0
    error: str | None = None
    zh: str = ""
    unreachable: bool = False

    def as_json(self) -> dict[str, Any]:
        """The line that ``--json`` prints; ``error`` is there only when something failed."""
        codes = [{"text": code.text, "valid": code.valid, "reason": code.reason} for code in self.codes]
        line: dict[str, Any] = {"source": self.source, "codes": codes, "ms": round(self.ms, 3)}
        return line if self.error is None else line | {"error": self.error}


@dataclass(frozen=True, slots=True)
class _Item:
    """One line to come: a picture file, or what moves, or what cannot be read at all."""

    source: str
    is_file: bool
    error: SourceError | None = None


class Scanning:
    """One run over several sources.

    Args:
        judge: Text -> whether it is a good pass, and the reason when it is not.
        clock: For the wait at cameras.
        annotations: Where annotated pictures go, or None.
        tell: Called before each line: how many are done, of how many, and which comes next.
        kinds: The children that look; tests bring others.

    Attributes:
        skipped: Files of folders that were passed over: neither pictures nor videos by their names.
    """

    def __init__(
        self,
        judge: Judge,
        clock: Clock,
        *,
        annotations: Annotations | None = None,
        tell: Tell = lambda _done, _total, _name: None,
        kinds: dict[str, str] | None = None,
    ) -> None:
        self._judge = judge
        self._clock = clock
        self._annotations = annotations
        self._tell = tell
        self._kinds = kinds or dict(KINDS)
        self.skipped = 0

    def run(self, sources: Iterable[str]) -> Generator[Scanned, None, None]:
        """Read each source; a folder gives one result for each picture in it, sorted by name."""
        items = [item for source in sources for item in self._items(source)]
        if not items:
            return
        done = 0
        with ExitStack() as open_things:
            nursery = Nursery(self._clock, self._kinds)
            open_things.callback(nursery.close)
            nursery.start()
            eyes: list[PatientEye] = []
            for is_file, group in groupby(items, key=lambda item: item.is_file):
                together = list(group)
                if is_file and not eyes:
                    for number in range(min(side_by_side(), sum(item.is_file for item in items))):
                        eyes.append(patient_eye(f"scan {number + 1}", nursery, self._clock, kind="file"))
                        open_things.callback(eyes[-1].close)
                results = (
                    looked_at(together, eyes, self._file)
                    if is_file
                    else (self._moving(item, nursery) for item in together)
                )
                self._tell(done, len(items), together[0].source)
                for item, result in zip(together, results, strict=True):
                    done += 1
                    self._tell(done, len(items), item.source)
                    yield result

    def _items(self, source: str) -> Iterator[_Item]:
        path = Path(source)
        if path.is_dir():
            yield from self._entries(source, path)
        elif is_camera(source):
            yield _Item(source, is_file=False)
        elif not os.path.lexists(path):
            yield _Item(source, is_file=False, error=SourceMissingError(source, Trouble.ABSENT))
        else:
            yield _Item(source, is_file=path.suffix.lower() in SUFFIXES)

    def _entries(self, source: str, folder: Path) -> Iterator[_Item]:
        try:
            pictures = pictures_of(folder)
            others = [one for one in folder.iterdir() if one.suffix.lower() not in SUFFIXES]
            films = [one for one in others if one.suffix.lower() in FILM_SUFFIXES and one.is_file()]
            self.skipped += sum(not one.is_dir() for one in others) - len(films)
        except OSError as error:
            why = SourceMissingError(source, Trouble.FOLDER_UNREADABLE, error.strerror or str(error))
            yield _Item(source, is_file=False, error=why)
            return
        if not pictures and not films:
            suffixes = ", ".join(sorted(SUFFIXES | FILM_SUFFIXES))
            yield _Item(
                source, is_file=False, error=SourceMissingError(source, Trouble.FOLDER_EMPTY, suffixes)
            )
        yield from (_Item(str(one), is_file=one in set(pictures)) for one in sorted((*pictures, *films)))

    def _wanted(self) -> Wanted:
        return Wanted(preview_px=ANNOTATED_PX if self._annotations else 0, measure=bool(self._annotations))

    def _file(self, eye: PatientEye, item: _Item) -> Scanned:
        try:
            data = _bytes_of(Path(item.source))
            seen = eye.look(Shot(Pixels.JPEG, data, self._clock.monotonic_s()), self._wanted())
        except SourceError as error:
            return _failed(item.source, error)
        except ShotError as error:
            return _failed(
                item.source, SourceMissingError(item.source, Trouble.PICTURE_REFUSED, error.reason)
            )
        except EyeError as error:
            detail = str(error.__cause__ or error)
            return _failed(item.source, SourceMissingError(item.source, Trouble.PICTURE_LOST, detail))
        texts = {code.text for code in seen.codes}
        return self._result(
            item.source, texts, seen.measured.get(READ_MS, 0.0), self._drawn(item.source, seen)
        )

    def _drawn(self, source: str, seen: Seen, number: int | None = None) -> str | None:
        """Write the annotated picture; what went wrong, or None."""
        if self._annotations is None:
            return None
        if not seen.preview:
            return "its annotated picture is too large to be written"
        try:
            self._annotations.put(source, seen.preview, number)
        except AnnotateError as error:
            return str(error)
        return None

    def _moving(self, item: _Item, nursery: Nursery) -> Scanned:
        name = shown(item.source)
        if item.error is not None:
            return _failed(name, item.error)
        live = is_camera(item.source)
        shots = partial(live_shots if live else film_shots, item.source, self._clock, nursery)
        moving = Moving(stop_at_first=live, wanted=self._wanted())
        with closing(patient_eye(name, nursery, self._clock, kind="mounting")) as eye:
            try:
                for number, seen in enumerate(moving.looks(shots(), eye)):
                    problem = self._drawn(name, seen, number) if number < FILM_PICTURES_MAX else None
                    moving.problem = moving.problem or problem
            except SourceError as error:  # what was read before stands
                missing = live and isinstance(error, SourceMissingError)
                failed = _failed(name, error, unreachable=missing)
                return replace(failed, codes=self._codes(moving.texts), ms=moving.ms)
        return self._result(name, moving.texts, moving.ms, moving.problem)

    def _result(self, source: str, texts: set[str], ms: float, error: str | None) -> Scanned:
        return Scanned(source, self._codes(texts), ms, error)

    def _codes(self, texts: set[str]) -> tuple[Code, ...]:
        judged = [(text, *self._judge(text)) for text in sorted(texts)]
        return tuple(Code(text=text, valid=valid, reason=reason) for text, valid, reason in judged)


def _failed(source: str, error: SourceError, *, unreachable: bool = False) -> Scanned:
    return Scanned(source, error=error.words.en, zh=error.words.zh, unreachable=unreachable)


def _bytes_of(path: Path) -> bytes:
    """A picture file, unpacked by nobody yet; its header alone is read here.

    Raises:
        SourceMissingError: It cannot be shown to an eye.
    """
    try:
        with open_regular(path) as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise SourceMissingError(str(path), Trouble.FILE_UNREADABLE, error.strerror or str(error)) from error
    if len(data) > FILE_BYTES_MAX:
        raise SourceMissingError(str(path), Trouble.FILE_TOO_LARGE, f"{FILE_BYTES_MAX // 1024 // 1024}")
    if size_px(data) is None:
        raise SourceMissingError(str(path), Trouble.NO_PICTURE)
    return data
