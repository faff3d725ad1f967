"""One camera's eye, as the daemon sees it: a picture in, what it shows out, whatever the picture does.

The picture is looked at in a child process (``eye_process``) that is killed when it hangs and replaced when it
died. That costs the shot in hand and nothing else. Nothing that comes back is believed before it was judged
(``eye_messages``). This module and all it imports leave every pixel alone.

EyeError            of ``edge.vision.shot``: the eye hung, died or could not be had
└── ShotError       this shot cannot be looked at: too large, damaged or no picture; the eye is well
"""

import socket
import struct
import threading
from dataclasses import replace
from typing import Final

from edge.vision.eye_messages import (
    ANSWER_MAX,
    Answer,
    BadAnswerError,
    Hello,
    Refusal,
    Request,
    pack_request,
    unpack_answer,
)
from edge.vision.eye_pace import Pace, Patience
from edge.vision.nursery import Forked, Nursery, NurseryError
from edge.vision.shared_memory import AreaError, SharedArea
from edge.vision.shot import EyeError, Seen, Shot, Wanted
from edge.vision.telling import tell
from shell.clock import Clock

PICTURE_BYTES: Final = 8 * 1024 * 1024  # a JPEG of 12 megapixels; 1920 x 1080 in raw colour has 6.2
PREVIEW_BYTES: Final = 1024 * 1024
LOOK_WITHIN_S: Final = 0.7  # a whole look, the wait for another eye and its start in it
CPU_WITHIN_S: Final = (
    0.4  # ordinary pictures take 5 to 50 ms, the worst 100, on a slow machine three times that
)
GONE_WITHIN_S: Final = 0.1
SENT_WITHIN_S: Final = 0.05  # one small packet into an empty socket
_JPEG_BEGINS: Final = b"\xff\xd8\xff"
_NUMBERS: Final = 1 << 32


class ShotError(EyeError):
    """This shot cannot be looked at, for that reason; another may be tried at once."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"A picture of {name} cannot be looked at: {reason}")
        self.reason = reason


class Eye:
    """Looks at the pictures of one camera.

    Args:
        name: Of the camera, for messages.
        nursery: Where its processes come from.
        clock: For the pace of replacements.
        kind: Of child process; tests bring others.
        within_s: How long a look may take; files are larger than a camera's, and searched longer.
        cpu_within_s: How much processor time of that; a process that gets none is slow, and does not hang.
        picture_bytes: The largest picture that it takes.
    """

    def __init__(
        self,
        name: str,
        nursery: Nursery,
        clock: Clock,
        *,
        kind: str = "eye",
        within_s: float = LOOK_WITHIN_S,
        cpu_within_s: float = CPU_WITHIN_S,
        picture_bytes: int = PICTURE_BYTES,
    ) -> None:
        self.name = name
        self._nursery = nursery
        self._clock = clock
        self._kind = kind
        self._within_s = within_s
        self._cpu_within_s = cpu_within_s
        self._pace = Pace()
        self._number = 0
        self._held: Hello | None = None
        self._stop = threading.Event()
        self._looking = threading.Lock()  # held for a whole look
        self._child_lock = threading.Lock()  # held to touch the child, so that close() can kill it meanwhile
        self._child: _Child | None = None
        self._pictures = SharedArea("pictures", picture_bytes)
        self._previews = SharedArea("previews", PREVIEW_BYTES)

    @property
    def pid(self) -> int | None:
        """Process id of the child that looks, None when there is none now."""
        child = self._child
        return None if child is None else child.forked.pid

    @property
    def held(self) -> Hello | None:
        """How the child is held, which depends on the kernel; None before the first one opened."""
        return self._held

    def look(self, shot: Shot, wanted: Wanted | None = None) -> Seen:
        """Look at one shot; blocks for 0.8 s at most, also when an eye was lost before and this one hangs.

        Raises:
            ShotError: The shot is too large, damaged or no picture.
            EyeError: The eye hung, died or could not be had. The next look has another.
        """
        with self._looking:
            if self._stop.is_set():
                raise EyeError(f"The eye of {self.name} is closed")
            request = self._put(shot, wanted or Wanted())
            patience = Patience(
                self._clock.monotonic_s(), within_s=self._within_s, cpu_within_s=self._cpu_within_s
            )
            child = self._have_child(patience)
            try:
                return self._judged(child.ask(request, patience), shot)
            except TimeoutError as error:
                self._lose_child()
                raise EyeError(
                    f"The eye of {self.name} hung on one picture: {error}; it is replaced"
                ) from error
            except (OSError, BadAnswerError) as error:
                self._lose_child()
                raise EyeError(f"The eye of {self.name} is replaced: {error}") from error

    def close(self) -> None:
        """End the child and give everything back; at once, from any thread, also in the middle of a look."""
        closed_before = self._stop.is_set()
        self._stop.set()
        with self._child_lock:
            if self._child is not None:
                self._child.forked.kill()
        with self._looking:
            self._lose_child()
            if not closed_before:
                self._pictures.close()
                self._previews.close()

    def _put(self, shot: Shot, wanted: Wanted) -> bytes:
        self._number = (self._number + 1) % _NUMBERS
        try:
            request = Request(
                number=self._number,
                pixels=shot.pixels,
                at_s=shot.at_s,
                length=self._pictures.put(shot.data),
                width=shot.width,
                height=shot.height,
                wanted=wanted,
            )
            return pack_request(request)
        except (AreaError, struct.error) as error:
            raise ShotError(self.name, str(error)) from error

    def _have_child(self, patience: Patience) -> "_Child":
        child = self._child
        if child is not None:
            return child
        if self._stop.wait(self._pace.wait_s(self._clock.monotonic_s())):
            raise EyeError(f"The eye of {self.name} is closed")
        self._pace.started(self._clock.monotonic_s())
        try:
            fds = [self._pictures.fileno(), self._previews.fileno()]
            child = _Child(self._nursery, self._kind, fds, self._clock)
        except NurseryError as error:
            raise EyeError(f"The eye of {self.name} cannot be had: {error}") from error
        with self._child_lock:
            self._child = child
        try:
            if self._stop.is_set():
                raise ConnectionAbortedError("it is closed")
            self._say_how_held(child.hello(patience))
        except (OSError, BadAnswerError) as error:
            self._lose_child()
            raise EyeError(f"The eye of {self.name} did not open: {error}") from error
        return child

    def _lose_child(self) -> None:
        with self._child_lock:
            child, self._child = self._child, None
            if child is not None:
                child.end()

    def _say_how_held(self, held: Hello) -> None:
        """Log it once: what the kernel of this machine does not give is worth knowing, and does not change."""
        if held != self._held:
            self._held = held
            tell(
                "eye",
                "info",
                "open",
                camera=self.name,
                own_network=held.network,
                calls_restricted=held.calls,
            )

    def _judged(self, answer: Hello | Answer | Refusal, shot: Shot) -> Seen:
        if isinstance(answer, Hello) or answer.number != self._number:
            raise BadAnswerError("it answered what was not asked")
        if isinstance(answer, Refusal):
            raise ShotError(self.name, answer.reason)
        preview = None
        if answer.preview_bytes:
            try:
                preview = self._previews.take(answer.preview_bytes)
            except AreaError as error:
                raise BadAnswerError(f"a preview of {error}") from error
            if not preview.startswith(_JPEG_BEGINS):
                raise BadAnswerError("a preview that is no JPEG")
        return replace(answer.seen, at_s=shot.at_s, preview=preview)


class _Child:
    """One process and the link to it.

    Raises:
        NurseryError: None can be had.
    """

    def __init__(self, nursery: Nursery, kind: str, areas: list[int], clock: Clock) -> None:
        self._clock = clock
        self._room = bytearray(
            ANSWER_MAX + 1
        )  # to receive into: a new one for each answer would crumble the heap
        self._link, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with theirs:
                self.forked: Forked = nursery.fork(kind, [theirs.fileno(), *areas])
        except BaseException:
            self._link.close()
            raise

    def hello(self, patience: Patience) -> Hello:
        """What it says when it is held and ready."""
        answer = self._answer(patience)
        if not isinstance(answer, Hello):
            raise BadAnswerError("it answered before it was ready")
        return answer

    def ask(self, request: bytes, patience: Patience) -> Hello | Answer | Refusal:
        """Send one request and wait for what comes back.

        Raises:
            TimeoutError: It hangs.
        """
        self._link.settimeout(SENT_WITHIN_S)
        self._link.send(request)
        return self._answer(patience)

    def end(self) -> None:
        """Kill it and let go of it."""
        self._link.close()
        self.forked.kill()
        self.forked.ended(GONE_WITHIN_S)
        self.forked.close()

    def _answer(self, patience: Patience) -> Hello | Answer | Refusal:
        began_s = self.forked.cpu_s()
        while True:
            used_s = self.forked.cpu_s() - began_s
            self._link.settimeout(patience.wait_s(self._clock.monotonic_s(), cpu_s=used_s))
            try:
                length = self._link.recv_into(self._room)
            except TimeoutError:
                continue
            if not length:
                raise ConnectionResetError("it died")
            return unpack_answer(bytes(memoryview(self._room)[:length]))
