"""The child that decodes a video file for a scan, frame by frame, as fast as it is asked.

FFmpeg reads what a stranger wrote: here it can cost that film, and no more. It has its link to the parent, no other of
its descriptors, and a bounded memory; the parent kills it when it hangs.
"""

import mmap
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from edge.vision.capture_process import limit
from edge.vision.frames import SourceError
from edge.vision.scan_film import ASK, END, FAILED, FRAME, PER_S
from edge.vision.shared_memory import attach
from edge.vision.sources_film import FilmFrames

_ANY: Final = np.uint8


def main(fds: list[int], options: Mapping[str, Any]) -> None:
    """Answer each request with the next frame until there is none.

    Args:
        fds: The link, and the memory for one frame.
        options: ``path`` of the film.
    """
    link, memory = socket.socket(fileno=fds[0]), attach(fds[1], writable=True)
    limit()
    path = Path(str(options["path"]))
    try:
        frames = iter(FilmFrames(path, per_s=PER_S))
        while link.recv(len(ASK)):
            frame = next(frames, None)
            link.send(END if frame is None else _put(memory, frame))
    except SourceError:
        link.recv(len(ASK))  # a question that nobody took would be an error of the link at the parent's end
        link.send(FAILED)


def _put(memory: mmap.mmap, frame: Any) -> bytes:
    """Leave the pixels in the memory, at half the size when they do not fit; what they are."""
    while frame.nbytes > len(memory):
        frame = cv2.resize(frame, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    flat = np.ascontiguousarray(frame, _ANY)
    memory[: flat.nbytes] = flat.data.cast("B")
    height, width = flat.shape[:2]
    return FRAME.pack(width, height, 3 if flat.ndim == 3 else 1)
