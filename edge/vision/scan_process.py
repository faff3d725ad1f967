"""The child that looks at files, and at a camera while it is mounted: it searches deeper, measures more, and draws.

Held in the same jail as the eye of a camera (``eye_process``). A file may be larger than a camera's picture, and is
searched longer; nobody waits at a lane for it.
"""

import mmap
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np

from edge.vision import eye_process, jail
from edge.vision.advice import Size, shortest_px
from edge.vision.annotate import Mark, drawn
from edge.vision.eye_messages import Answer, Hello, Refusal, Request, pack_answer, unpack_request
from edge.vision.eye_pictures import View, ViewError
from edge.vision.eye_process import Found, ReaderSight, Sight
from edge.vision.passes import Corners, Views
from edge.vision.reader import PIXELS_MAX, Reader
from edge.vision.scan_gauge import modules_of
from edge.vision.scan_kinds import READ_MS
from edge.vision.shared_memory import attach
from edge.vision.shot import Pixels, Region, Seen

MEMORY_BYTES: Final = (
    1024 * 1024 * 1024
)  # 40 million pixels in colour with their transparency, and again in grey
GAUGED_MAX: Final = 6  # codes, and as many places: an answer has room for 16 figures
REQUEST_MAX: Final = 4096


class FileSight:
    """Reads single pictures, where there is no next frame: every pass on each."""

    def __init__(self) -> None:
        self._reader = Reader(deep=True)

    def find(self, view: View, region: Region, at_s: float) -> Found:  # noqa: ARG002  # a file has neither
        """Read the codes of the whole picture."""
        reading = self._reader.look(Views(view.grey, view.colour))
        return Found(codes=reading.codes, located=reading.located)


@dataclass(frozen=True, slots=True)
class _Desk:
    """What every picture is looked at with."""

    sight: Sight
    pictures: memoryview
    previews: mmap.mmap


def prepare() -> None:
    """Run once in the nursery: inside the jail nothing can be loaded any more."""
    eye_process.prepare()
    picture = np.full((240, 240), 255, np.uint8)
    picture[40:200, 40:200] = np.kron(np.indices((20, 20)).sum(axis=0) % 2, np.ones((8, 8))) * 255
    _, encoded = cv2.imencode(".png", picture)
    view = View(Pixels.JPEG, memoryview(encoded.tobytes()), 0, 0)
    FileSight().find(view, Region(), 0.0)
    corners: Corners = ((40.0, 40.0), (200.0, 40.0), (200.0, 200.0), (40.0, 200.0))
    for text in (None, "GP1:A"):
        modules_of(picture, corners, text)
        drawn(picture, [Mark(corners=corners, text=text)], 160, 100_000)


def look_at_files(fds: list[int], _options: Mapping[str, Any]) -> None:
    """Be the child that looks at picture files."""
    _serve(fds, FileSight())


def look_at_camera(fds: list[int], _options: Mapping[str, Any]) -> None:
    """Be the child that looks at the frames of one camera, as its eye does, and measures and draws."""
    _serve(fds, ReaderSight())


def _serve(fds: list[int], sight: Sight) -> None:
    """Answer until the parent closes the link."""
    link = socket.socket(fileno=fds[0])
    desk = _Desk(sight, memoryview(attach(fds[1], writable=False)), attach(fds[2], writable=True))
    held = jail.enter([link.fileno()], memory_bytes=MEMORY_BYTES)
    link.send(pack_answer(Hello(held.network, held.calls)))
    while data := link.recv(REQUEST_MAX):
        link.send(pack_answer(_answer(unpack_request(data), desk)))


def _answer(request: Request, desk: _Desk) -> Answer | Refusal:
    try:
        return _looked(request, desk)
    except ViewError as error:
        return Refusal(request.number, str(error))
    except MemoryError:
        return Refusal(request.number, "more memory than a picture may have")
    except Exception as error:  # noqa: BLE001  # a library that raises must not cost what the reader remembers
        return Refusal(request.number, f"{type(error).__name__}: {error}")


def _looked(request: Request, desk: _Desk) -> Answer:
    began_s, wanted = time.process_time(), request.wanted
    data = desk.pictures[: request.length]
    view = View(request.pixels, data, request.width, request.height, pixels_max=PIXELS_MAX)
    reading_s = time.process_time()
    found = desk.sight.find(view, wanted.region, request.at_s)
    measured = {READ_MS: (time.process_time() - reading_s) * 1000}
    marks = [Mark(corners=code.corners, text=code.text) for code in found.codes]
    marks += [Mark(corners=corners, text=None) for corners in found.located]
    if wanted.measure:
        measured |= view.measured()
        marks, figures = _gauged(view, marks)
        measured |= figures
    picture = b""
    if wanted.preview_px:
        colour = view.colour()
        shown = view.grey if colour is None else colour
        read = None if wanted.region == Region() else view.box(wanted.region)
        picture = drawn(shown, marks, wanted.preview_px, len(desk.previews), read=read)
        desk.previews[: len(picture)] = picture
    light, contrast = view.light()
    seen = Seen(
        at_s=0.0,
        codes=found.codes,
        located=found.located,
        width=view.width,
        height=view.height,
        digest=view.digest(),
        light=light,
        contrast=contrast,
        quiet=found.quiet,
        cpu_ms=(time.process_time() - began_s) * 1000,
        measured=measured,
    )
    return Answer(request.number, seen, len(picture))


def _gauged(view: View, marks: list[Mark]) -> tuple[list[Mark], dict[str, float]]:
    """The marks with their sizes, and the same as figures: ``code 0 version`` -> 41, ``place 1 timing`` -> 33."""
    sized: list[Mark] = []
    figures: dict[str, float] = {}
    counts = {"code": 0, "place": 0}
    for mark in marks:
        what = "place" if mark.text is None else "code"
        number = counts[what]
        counts[what] += 1
        known = None
        if number < GAUGED_MAX and len(mark.corners) == 4:
            first, second, third, fourth = mark.corners
            known = modules_of(view.grey, (first, second, third, fourth), mark.text)
        side_px = shortest_px(mark.corners)
        if known is None:
            sized.append(Mark(corners=mark.corners, text=mark.text))
            continue
        modules, known_by = known
        figures[f"{what} {number} {known_by}"] = modules
        size = Size(side_px=side_px, modules=modules, known_by=known_by)
        sized.append(Mark(corners=mark.corners, text=mark.text, size=size))
    return sized, figures
