"""A camera that OpenCV must open, as the daemon sees it: a child process grabs, and is killed when it blocks.

The newest picture lies in memory that both see. Nothing that comes back is believed before it was judged
(``capture_messages``), and no pixel is looked at here.
"""

import contextlib
import mmap
import socket
from collections.abc import Mapping
from typing import Any, Final

from edge.vision.capture_messages import (
    ANSWER_MAX,
    SLOT_BYTES,
    SLOTS,
    BadCaptureError,
    CaptureAnswer,
    Ended,
    Failed,
    Opened,
    Taken,
    pack_ask,
    unpack_capture,
)
from edge.vision.frames import FRAME_WITHIN_S, OPEN_WITHIN_S, SourceLostError, SourceMissingError
from edge.vision.nursery import Nursery
from edge.vision.shared_memory import SharedArea
from edge.vision.shot import Shot
from edge.vision.source_words import Trouble
from passes.words import Pair
from shell.clock import Clock

KILL_AFTER_S: Final = 1.0  # past the time that the process itself gives a camera to open
GONE_WITHIN_S: Final = 0.1
_AHEAD_S: Final = 0.01  # both ends read one clock


class Capture:
    """Pictures of one device, stream or film.

    Args:
        spec: The source as it was configured, for messages.
        options: What ``edge.vision.capture_process`` is told.
        nursery: Where the process comes from.
        clock: For deadlines.
        kind: Of child process; tests bring others.

    Raises:
        NurseryError: No process can be had now.
    """

    def __init__(
        self, spec: str, options: Mapping[str, Any], nursery: Nursery, clock: Clock, *, kind: str = "capture"
    ) -> None:
        self._spec = spec
        self._clock = clock
        self._opened = False
        self._stopped = False
        self._view: memoryview | None = None
        self.refused: tuple[Pair, ...] = ()
        area = SharedArea("capture", SLOTS * SLOT_BYTES)
        self._map = mmap.mmap(area.fileno(), area.size, access=mmap.ACCESS_READ)
        self._link, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with theirs:
                self._forked = nursery.fork(kind, [theirs.fileno(), area.fileno()], options)
        except BaseException:
            self._link.close()
            self._map.close()
            raise
        finally:
            area.close()

    @property
    def pid(self) -> int:
        """Process id of the child that grabs."""
        return self._forked.pid

    def read(self, not_before_s: float) -> Shot | None:
        """The newest picture; it is overwritten after the next call."""
        if not self._opened:
            self._open()
        if self._view is not None:
            self._view.release()
            self._view = None
        wait_s = max(0.0, not_before_s - self._clock.monotonic_s()) + FRAME_WITHIN_S
        answer = self._answer(wait_s, ask=pack_ask(not_before_s))
        match answer:
            case None:
                self._forked.kill()
                raise SourceLostError(self._spec, Trouble.SILENT, f"{FRAME_WITHIN_S:g}")
            case Failed():
                raise SourceLostError(self._spec, answer.trouble)
            case Ended():
                return None
            case Opened():
                raise self._died("answered what was not asked")
            case Taken():
                return self._shot(answer)

    def interrupt(self) -> None:
        """Make a waiting ``read`` raise now."""
        self._stopped = True
        with contextlib.suppress(OSError):  # it is already closed
            self._link.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Kill the process, whatever it does."""
        self._link.close()
        self._forked.kill()
        self._forked.ended(GONE_WITHIN_S)
        self._forked.close()
        if self._view is not None:
            self._view.release()
        with contextlib.suppress(BufferError):  # somebody still has the last picture: it goes with that
            self._map.close()

    def _open(self) -> None:
        answer = self._answer(OPEN_WITHIN_S + KILL_AFTER_S)
        match answer:
            case Opened():
                self._opened, self.refused = True, answer.refused
            case Failed():
                raise SourceMissingError(self._spec, answer.trouble)
            case None:
                self._forked.kill()
                raise SourceMissingError(self._spec, Trouble.STREAM_SHUT)
            case _:
                raise self._died("answered before it was open")

    def _shot(self, taken: Taken) -> Shot:
        now_s = self._clock.monotonic_s()
        if taken.at_s > now_s + _AHEAD_S:
            raise self._died("sent a picture of the future")
        begin = taken.slot * SLOT_BYTES
        self._view = memoryview(self._map)[begin : begin + taken.length]
        return Shot(taken.pixels, self._view, taken.at_s, taken.width, taken.height)

    def _answer(self, within_s: float, *, ask: bytes = b"") -> CaptureAnswer | None:
        """What it says, or None when it said nothing in time."""
        try:
            self._link.settimeout(within_s)
            if ask:
                self._link.send(ask)
            data = self._link.recv(ANSWER_MAX + 1)
            if not data:
                raise ConnectionResetError("ended")
            return unpack_capture(data)
        except TimeoutError:
            return None
        except (OSError, BadCaptureError) as error:
            raise self._died(f"failed: {error}") from error

    def _died(self, what: str) -> SourceLostError:
        if self._stopped:
            return SourceLostError(self._spec, Trouble.CLOSED)
        self._forked.kill()
        return SourceLostError(self._spec, Trouble.PROCESS_LOST, f"it {what}")
