"""What moves: the shots of cameras, and what an eye reads in them, and in films, until they end."""

from collections.abc import Iterator
from contextlib import closing
from typing import Final
from urllib.parse import urlsplit

from edge.vision.nursery import Nursery
from edge.vision.scan_eyes import PatientEye
from edge.vision.scan_kinds import READ_MS
from edge.vision.shot import EyeError, Seen, Shot, Wanted
from edge.vision.sources import open_when_ready
from shell.clock import Clock

LIVE_WAIT_S: Final = 10.0  # how long a camera is watched for a code


def is_camera(source: str) -> bool:
    """Whether a source shows what happens now: an address or a device, no file."""
    scheme = urlsplit(source).scheme
    return scheme in {"http", "https", "rtsp", "rtsps"} or source.startswith("/dev/")


class Moving:
    """The texts of the shots of one film or camera, and the time that reading them took.

    Args:
        stop_at_first: End with the first shot that shows a code.
        wanted: Of each shot.

    Attributes:
        texts: What was read.
        ms: Processor time of that.
        problem: What kept a shot from being looked at, if anything did.
    """

    def __init__(self, *, stop_at_first: bool, wanted: Wanted) -> None:
        self._stop_at_first, self._wanted = stop_at_first, wanted
        self.texts: set[str] = set()
        self.ms = 0.0
        self.problem: str | None = None

    def looks(self, shots: Iterator[Shot], eye: PatientEye) -> Iterator[Seen]:
        """Look at each; gives those that show a text for the first time, and leaves out what cannot be looked at."""
        for shot in shots:
            try:
                seen = eye.look(shot, self._wanted)
            except EyeError as error:
                self.problem = self.problem or str(error)
                continue
            self.ms += seen.measured.get(READ_MS, 0.0)
            texts = {code.text for code in seen.codes}
            if not texts <= self.texts:
                self.texts |= texts
                yield seen
            if self.texts and self._stop_at_first:
                return


def live_shots(spec: str, clock: Clock, nursery: Nursery) -> Iterator[Shot]:
    """The shots of a camera as they happen, for ten seconds at most.

    Raises:
        SourceError: It cannot be opened, or broke off.
    """
    with closing(open_when_ready(spec, clock, nursery)) as source:
        until_s = clock.monotonic_s() + LIVE_WAIT_S
        while clock.monotonic_s() < until_s:
            shot = source.read(0.0)
            if shot is None:
                return
            yield shot
