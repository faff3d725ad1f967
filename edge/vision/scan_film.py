"""The frames of a video file for a scan, decoded in a child (``scan_film_process``). No pixel is looked at here."""

import socket
import struct
from collections.abc import Iterator
from typing import Final

from edge.vision.frames import SourceLostError, SourceMissingError
from edge.vision.nursery import START_WITHIN_S, Forked, Nursery, NurseryError
from edge.vision.shared_memory import SharedArea
from edge.vision.shot import Pixels, Shot
from edge.vision.source_words import Trouble
from shell.clock import Clock

PER_S: Final = 12.0  # frames of each second of a film: a code is held up for a second or more
FRAME_BYTES: Final = 3840 * 2160 * 3
WITHIN_S: Final = 10.0  # for one frame, and to open the film

ASK, END, FAILED = b"next", b".", b"!"
FRAME: Final = struct.Struct("<IIB")


def film_shots(path: str, clock: Clock, nursery: Nursery) -> Iterator[Shot]:
    """Some shots of each second of a film, as fast as they come; their times are those of the film.

    Raises:
        SourceMissingError: It is no film, or no process can be had.
        SourceLostError: It hung or ended the process that decoded it.
    """
    memory = SharedArea("film", FRAME_BYTES)
    link, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    child: Forked | None = None
    try:
        with theirs:
            child = _forked(path, clock, nursery, [theirs.fileno(), memory.fileno()])
        link.settimeout(WITHIN_S)
        number = 0
        while (shot := _next(link, memory, path, number / PER_S)) is not None:
            yield shot
            number += 1
    finally:
        link.close()
        if child is not None:
            child.close()
        memory.close()


def _forked(path: str, clock: Clock, nursery: Nursery, fds: list[int]) -> Forked:
    until_s = clock.monotonic_s() + START_WITHIN_S
    while True:
        try:
            return nursery.fork("film", fds, {"path": path})
        except NurseryError as error:  # it has waited for half a second
            if clock.monotonic_s() > until_s:
                raise SourceMissingError(path, Trouble.NO_PROCESS, str(error)) from error


def _next(link: socket.socket, memory: SharedArea, path: str, at_s: float) -> Shot | None:
    try:
        link.send(ASK)
        answer = link.recv(FRAME.size + 1)
    except TimeoutError:
        raise SourceLostError(path, Trouble.FILM_HUNG, f"{WITHIN_S:g}") from None
    except OSError:
        answer = b""
    if answer == END:
        return None
    if answer == FAILED:
        raise SourceMissingError(path, Trouble.NO_VIDEO)
    if len(answer) != FRAME.size:
        raise SourceLostError(path, Trouble.FILM_KILLED)
    width, height, channels = FRAME.unpack(answer)
    length = width * height * channels
    if channels not in {1, 3} or not 0 < length <= memory.size:
        raise SourceLostError(path, Trouble.FILM_LIED)
    pixels = Pixels.BGR if channels == 3 else Pixels.GREY
    return Shot(pixels, memory.take(length), at_s, width, height)
