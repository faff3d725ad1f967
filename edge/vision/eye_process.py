"""The eye of one camera: the child process that looks at pictures, forked by the nursery.

It enters its jail first, then answers one request after the other until the parent closes the link. It is
written to be killed at any moment: it owns nothing but its memory of the scene.
"""

import contextlib
import importlib
import mmap
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol

import cv2
import numpy as np

from edge.vision import jail
from edge.vision.annotate import Mark, outlined
from edge.vision.eye_messages import Answer, Hello, Refusal, Request, pack_answer, unpack_request
from edge.vision.eye_pictures import REGION_MIN_PX, Picture, View, ViewError
from edge.vision.passes import Corners, Views
from edge.vision.reader import Reader
from edge.vision.shared_memory import attach
from edge.vision.shot import Decoded, Pixels, Point, Region, Seen

# On top of what is mapped at the fork: three times a 12-megapixel picture in colour, or a progressive JPEG of it.
MEMORY_BYTES: Final = 256 * 1024 * 1024
REQUEST_MAX: Final = 4096
PREPARING_LOOKS: Final = 16  # a live reader takes its late passes in turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the reader found in a picture, in pixels of the whole of it."""

    codes: tuple[Decoded, ...] = ()
    located: tuple[tuple[Point, ...], ...] = ()
    quiet: bool = False


class Sight(Protocol):
    """Finds codes in pictures."""

    def find(self, view: View, region: Region, at_s: float) -> Found:
        """Look at one part of one picture, which was taken at ``at_s``, monotonic seconds."""


class ReaderSight:
    """The reader of a live camera. This is the one place that knows its interface."""

    def __init__(self) -> None:
        self._reader = Reader(live=True)

    def find(self, view: View, region: Region, at_s: float) -> Found:
        """Read the codes in a region; colour is decoded only if the reader wants it."""
        left, top, right, bottom = view.box(region)
        if min(right - left, bottom - top) < REGION_MIN_PX:
            return Found()

        def colour() -> Picture | None:
            whole = view.colour()
            return None if whole is None else whole[top:bottom, left:right]

        reading = self._reader.look(
            Views(np.ascontiguousarray(view.grey[top:bottom, left:right]), colour), at_s
        )
        return Found(
            codes=tuple(
                Decoded(code.text, _moved(code.corners, left, top), code.how) for code in reading.codes
            ),
            located=tuple(_moved(corners, left, top) for corners in reading.located),
            quiet=reading.quiet,
        )


def _moved(corners: Corners, left: int, top: int) -> Corners:
    a, b, c, d = ((x + left, y + top) for x, y in corners)
    return a, b, c, d


def prepare() -> None:
    """Run once in the nursery: what libraries load and make at their first use, all eyes share.

    Inside the jail nothing can be loaded any more.
    """
    cv2.setNumThreads(1)
    with contextlib.suppress(ImportError, OSError):  # optional, and needs a library of the system
        importlib.import_module("pyzbar.pyzbar")
    sight, noise = ReaderSight(), np.random.default_rng(0)
    for number in range(PREPARING_LOOKS):
        picture = cv2.resize(noise.integers(0, 256, (24, 32, 3), dtype=np.uint8), (640, 480))
        _, encoded = cv2.imencode(".jpg", picture)
        view = View(Pixels.JPEG, memoryview(encoded.tobytes()), 0, 0)
        sight.find(view, Region(), float(number))
        marks = [Mark(corners=((8.0, 8.0), (80.0, 8.0), (80.0, 80.0), (8.0, 80.0)), text="")]
        _ = (
            view.digest(),
            view.light(),
            view.measured(),
            view.colour(),
            view.preview(160, partial(outlined, marks)),
        )


def main(fds: list[int], _options: Mapping[str, Any]) -> None:
    """Be the eye of one camera.

    Args:
        fds: The link, the memory with pictures, the memory for previews.
    """
    serve(fds, ReaderSight())


def serve(fds: list[int], sight: Sight) -> None:
    """Answer until the parent closes the link."""
    link = socket.socket(fileno=fds[0])
    pictures = memoryview(attach(fds[1], writable=False))
    previews = attach(fds[2], writable=True)
    held = jail.enter([link.fileno()], memory_bytes=MEMORY_BYTES)
    link.send(pack_answer(Hello(held.network, held.calls)))
    while data := link.recv(REQUEST_MAX):
        link.send(pack_answer(_answer(unpack_request(data), pictures, previews, sight)))


def _answer(request: Request, pictures: memoryview, previews: mmap.mmap, sight: Sight) -> Answer | Refusal:
    began_s = time.process_time()
    try:
        view = View(request.pixels, pictures[: request.length], request.width, request.height)
        found = sight.find(view, request.wanted.region, request.at_s) if request.wanted.read else Found()
        light, contrast = view.light()
        digest = view.digest()
        measured = view.measured() if request.wanted.measure else {}
        preview = b""
        if request.wanted.preview_px:
            marks = [Mark(corners=code.corners, text=code.text) for code in found.codes]
            preview = view.preview(request.wanted.preview_px, partial(outlined, marks))
    except ViewError as error:
        return Refusal(request.number, str(error))
    except MemoryError:
        return Refusal(request.number, "more memory than an eye may have")
    except Exception as error:  # noqa: BLE001  # a library that raises must not cost the eye what it remembers
        return Refusal(request.number, f"{type(error).__name__}: {error}")
    if len(preview) > len(previews):
        preview = b""
    previews[: len(preview)] = preview
    seen = Seen(
        at_s=0.0,
        codes=found.codes,
        located=found.located,
        width=view.width,
        height=view.height,
        digest=digest,
        light=light,
        contrast=contrast,
        quiet=found.quiet,
        cpu_ms=(time.process_time() - began_s) * 1000,
        measured=measured,
    )
    return Answer(request.number, seen, len(preview))
