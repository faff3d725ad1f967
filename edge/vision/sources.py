"""Picks the source of pictures that a configured text names."""

from pathlib import Path
from urllib.parse import urlsplit

from edge.vision.capture import Capture
from edge.vision.capture_identity import DEV, SYS, identity_of
from edge.vision.frames import Hints, Source, SourceMissingError
from edge.vision.nursery import START_WITHIN_S, Nursery, NurseryError
from edge.vision.source_words import Trouble
from edge.vision.sources_file import SUFFIXES, Pictures
from edge.vision.sources_http import NoMultipartError, open_http
from shell.clock import Clock

STREAMS = frozenset({"rtsp", "rtsps"})


def open_source(
    spec: str, clock: Clock, nursery: Nursery, hints: Hints | None = None, *, sys: Path = SYS, dev: Path = DEV
) -> Source:
    """Open what ``spec`` names.

    Args:
        spec: A folder of pictures, a picture, a video file, an ``http(s)://`` MJPEG or ``rtsp://`` address,
            or ``/dev/videoN``.
        clock: Time of the pictures.
        nursery: For what OpenCV must open: that happens in a process of its own.
        hints: What is asked of a camera of this machine.
        sys: Where the kernel tells of devices.
        dev: Where device files are.

    Raises:
        SourceMissingError: It is not there, is another one than it must be, or shows no pictures.
        NurseryError: No process can be had now.
    """
    scheme = urlsplit(spec).scheme
    if scheme in {"http", "https"}:
        try:
            return open_http(spec, clock)
        except NoMultipartError:  # other containers, redirects and digest passwords are FFmpeg's
            return Capture(spec, {"kind": "stream", "address": spec}, nursery, clock)
    if scheme in STREAMS:
        return Capture(spec, {"kind": "stream", "address": spec}, nursery, clock)
    path = Path(spec)
    if path.is_relative_to(dev):
        return Capture(spec, _device(path, hints or Hints(), sys, dev), nursery, clock)
    if path.is_dir() or path.suffix.lower() in SUFFIXES:
        return Pictures(path, clock)
    if path.is_file():
        return Capture(spec, {"kind": "film", "path": spec}, nursery, clock)
    raise SourceMissingError(spec, Trouble.ABSENT)


def open_when_ready(spec: str, clock: Clock, nursery: Nursery, hints: Hints | None = None) -> Source:
    """Open what ``spec`` names for a tool, which may wait until the nursery has started.

    Raises:
        SourceMissingError: As ``open_source``, or no process could be had.
    """
    until_s = clock.monotonic_s() + START_WITHIN_S
    while True:
        try:
            return open_source(spec, clock, nursery, hints)
        except NurseryError as error:  # it has waited for half a second
            if clock.monotonic_s() > until_s:
                raise SourceMissingError(spec, Trouble.NO_PROCESS, str(error)) from error


def _device(path: Path, hints: Hints, sys: Path, dev: Path) -> dict[str, str | float | None]:
    if not path.exists():
        raise SourceMissingError(str(path), Trouble.UNPLUGGED)
    if hints.identity is not None:
        found = identity_of(path, sys=sys, dev=dev)
        if not found.fits(hints.identity):
            detail = f"{found}; view.device = {hints.identity}"
            raise SourceMissingError(str(path), Trouble.OTHER_CAMERA, detail)
    return {
        "kind": "device",
        "path": str(path.resolve()),
        "exposure_ms": hints.exposure_ms,
        "focus": hints.focus,
    }
