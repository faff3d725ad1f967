"""The process that owns a camera which OpenCV must open, forked by the nursery.

OpenCV and FFmpeg block, crash, and read what a stranger's network sends. Here they can cost a picture, and no
more: the daemon kills this process and asks for another. It needs its device or the network, so that it is not
jailed as an eye is, but it has no descriptor of the daemon's and a bounded memory.
"""

import ctypes
import os
import resource
import socket
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import cv2

from edge.vision.capture_feeds import FEEDS, Feed, FeedError
from edge.vision.capture_messages import Ended, Failed, Opened, pack_capture, unpack_ask
from edge.vision.capture_ring import Ring
from edge.vision.jail import OOM_SCORE
from edge.vision.shared_memory import attach

MEMORY_BYTES: Final = (
    1024 * 1024 * 1024
)  # on top of what is mapped at the fork: FFmpeg with a 4K stream and its threads
ASK_MAX: Final = 64
_PR_SET_NO_NEW_PRIVS: Final = 38  # linux/prctl.h


def prepare() -> None:
    """Run once in the nursery."""
    cv2.setNumThreads(1)
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # what goes wrong is said on the link


def main(fds: list[int], options: Mapping[str, Any]) -> None:
    """Grab from one camera until the daemon closes the link.

    Args:
        fds: The link, and the memory of the ring.
        options: ``kind`` of feed, and what it needs.
    """
    link = socket.socket(fileno=fds[0])
    ring = Ring(memoryview(attach(fds[1], writable=True)))
    limit()
    try:
        feed = FEEDS[str(options["kind"])](options)
    except FeedError as error:
        link.send(pack_capture(Failed(error.trouble)))
        return
    serve(link, ring, feed)


def serve(link: socket.socket, ring: Ring, feed: Feed) -> None:
    """Fill the ring from this thread, and answer from another."""
    link.send(pack_capture(Opened(feed.refused)))
    threading.Thread(target=_answer, args=(link, ring), name="answers", daemon=True).start()
    try:
        for grabbed in feed.pictures():
            if not ring.wants(grabbed.at_s):
                continue
            made = grabbed.picture()
            if made is not None:
                ring.put(*made, grabbed.at_s)
        ring.end(Ended())
    except FeedError as error:
        ring.end(Failed(error.trouble))
    threading.Event().wait()  # the last answer is the other thread's; it, or the daemon, ends this process


def limit() -> None:
    """Give up what no camera needs."""
    Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE), encoding="ascii")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    limit_bytes = pages * resource.getpagesize() + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit_bytes, limit_bytes))
    ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def _answer(link: socket.socket, ring: Ring) -> None:
    try:
        while data := link.recv(ASK_MAX):
            link.send(pack_capture(ring.take(unpack_ask(data))))
    finally:
        os._exit(0)
