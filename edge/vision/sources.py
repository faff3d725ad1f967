"""Picks the source of frames that a configured text names."""

from pathlib import Path
from urllib.parse import urlsplit

import cv2

from edge.vision.frames import Source, SourceMissingError
from edge.vision.picture import SUFFIXES
from edge.vision.sources_file import Film, Pictures
from edge.vision.sources_live import LiveCapture, open_http
from shell.clock import Clock


def open_source(spec: str, clock: Clock) -> Source:
    """Open what ``spec`` names.

    Args:
        spec: A folder of pictures, a picture, a video file, an ``http(s)://`` MJPEG or ``rtsp://`` address,
            or ``/dev/videoN``.
        clock: Time of the frames.

    Raises:
        SourceMissingError: It is not there or shows no pictures.
    """
    cv2.setNumThreads(1)  # frames are small, and a pool of spinning threads costs more than it gives
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # what goes wrong is raised
    scheme = urlsplit(spec).scheme
    if scheme in {"http", "https"}:
        return open_http(spec, clock)
    if scheme in {"rtsp", "rtsps"}:
        return LiveCapture(spec, clock)
    path = Path(spec)
    if spec.startswith("/dev/"):
        if not path.exists():
            raise SourceMissingError(spec, "is not there", "Check its plug, then: ls /dev/video*")
        return LiveCapture(spec, clock)
    if path.is_dir() or path.suffix.lower() in SUFFIXES:
        return Pictures(path, clock)
    if path.is_file():
        return Film(path, clock)
    raise SourceMissingError(
        spec, "does not exist", "Give a folder, a video file, an http or rtsp address, or /dev/videoN"
    )
