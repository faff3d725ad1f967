"""K15: a child of the gate dies again and again: evenly replaced, its lane in fault, others live, and it heals."""

import socket
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from edge.vision.camera import CameraState
from edge.vision.eye_pace import AT_ONCE, EVERY_S
from edge.vision.nursery import Forked, Nursery
from shell.clock import SystemClock
from tests.eyes.children import KINDS, Fault
from tests.waiting import until
from tests.watching import Seen, card, part, stream

pytestmark = pytest.mark.real
PICTURE_EVERY_S = 0.05  # twenty deaths a second, were each picture to get an eye
DEATHS_FOR_S = 6.0


class Counting(Nursery):
    """Counts the children that it has made, by kind."""

    def __init__(self, kinds: Mapping[str, str]) -> None:
        super().__init__(SystemClock(), kinds)
        self.made: list[str] = []

    def fork(self, kind: str, fds: Sequence[int], options: Mapping[str, Any] | None = None) -> Forked:
        self.made.append(kind)
        return super().fork(kind, fds, options)


def test_k15_an_eye_that_dies_of_every_picture_is_replaced_evenly_and_other_lanes_read_on() -> None:
    harmless = threading.Event()

    def deadly(line: socket.socket, stop: threading.Event) -> None:
        while not stop.wait(PICTURE_EVERY_S):
            picture = card("LATER") if harmless.is_set() else np.full((200, 200, 3), Fault.EXIT, np.uint8)
            line.sendall(part(picture))

    def good(line: socket.socket, stop: threading.Event) -> None:
        shade = 200
        while not stop.wait(PICTURE_EVERY_S):
            shade = 200 + (shade + 1) % 50
            line.sendall(part(card("OTHER", shade=shade)))

    with stream(deadly) as bad_spec, stream(good) as good_spec:
        nursery = Counting(KINDS)
        dying, living = Seen(nursery), Seen(nursery)
        try:
            with living.watching(good_spec), dying.watching(bad_spec, eye="faulty"):
                until(lambda: living.scans, within_s=60, what="the other lane")
                until(lambda: dying.states() == [CameraState.FAULT], within_s=60, what="the fault")
                before, began_s = nursery.made.count("faulty"), time.monotonic()
                until(lambda: time.monotonic() > began_s + DEATHS_FOR_S, within_s=60, what="many deaths")
                passed_s, deaths = time.monotonic() - began_s, nursery.made.count("faulty") - before
                assert 0 < deaths <= AT_ONCE + passed_s / EVERY_S + 1
                assert living.looked[-1] > began_s
                assert living.states() == [CameraState.OK]
                assert dying.states() == [CameraState.FAULT]
                harmless.set()
                until(lambda: dying.texts() == [("LATER",)], within_s=60, what="the first harmless picture")
            assert dying.states() == [CameraState.FAULT, CameraState.OK]
        finally:
            nursery.close()
