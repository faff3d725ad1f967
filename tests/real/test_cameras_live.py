"""Cameras with faults, through real processes: streams that hang and break, captures that block, eyes that die."""

import os
import signal
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from itertools import groupby
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.vision import presentation
from edge.vision.camera import About, CameraSettings, CameraState
from edge.vision.capture import Capture
from edge.vision.frames import Hints, SourceLostError, SourceMissingError
from edge.vision.nursery import Nursery
from edge.vision.shot import Region
from edge.vision.sources import open_source
from passes.words import Pair
from shell.clock import SystemClock
from simulators.cameras.rtsp import RtspServer
from simulators.cameras.server import CameraServer
from tests.eyes import captures
from tests.eyes.children import KINDS, Fault
from tests.unit.edge.test_capture_identity import plug
from tests.waiting import until
from tests.watching import EASY, Seen, card, part, ready, stream

pytestmark = pytest.mark.real

REPLACED_WITHIN_S = 3.0


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with ready(KINDS | {"capture": "edge.vision.capture_process:main"}) as made:
        yield made


@pytest.fixture
def streams() -> Iterator[RtspServer]:
    with ExitStack() as rest:
        cameras = CameraServer(port=0, names=["entry"], seed=3, frames_per_s=20)
        cameras.start()
        rest.callback(cameras.close)
        server = RtspServer(port=0, feeds=cameras.feeds)
        server.start()
        rest.callback(server.close)
        yield server


def address(server: RtspServer) -> str:
    return f"rtsp://127.0.0.1:{server.port}/entry"


def test_a_code_is_read_over_rtsp_and_read_again_when_the_stream_was_cut(
    streams: RtspServer, nursery: Nursery
) -> None:
    seen = Seen(nursery)
    stage = streams.feeds["entry"].stage
    with seen.watching(address(streams)):
        until(lambda: seen.states() == [CameraState.OK], what="the first frame")
        assert seen.scans == []
        stage.show("FIRST", EASY, 60)
        until(lambda: seen.scans, what="the scan")
        streams.cut()
        until(lambda: len(seen.health) == 3, what="the stream again")
        stage.show("SECOND", EASY, 60)
        until(lambda: seen.texts()[-1] == ("SECOND",), what="the scan after")
    assert seen.states() == [CameraState.OK, CameraState.FAULT, CameraState.OK]
    # The break may last longer than a presentation: the code that is still held up then begins another one.
    assert [text for text, _ in groupby(seen.texts())] == [("FIRST",), ("SECOND",)]


def test_an_rtsp_camera_that_hangs_in_the_middle_is_opened_anew_until_it_is_well(
    streams: RtspServer, nursery: Nursery
) -> None:
    seen = Seen(nursery)
    with seen.watching(address(streams)):
        until(lambda: seen.states() == [CameraState.OK], what="the first frame")
        streams.hold(on=True)
        until(lambda: len(seen.health) == 2, what="the fault")
        silent_s = seen.health[1].at_s - seen.looked[-1]
        streams.hold(on=False)
        until(lambda: len(seen.health) == 3, within_s=20, what="the recovery")
    assert seen.states() == [CameraState.OK, CameraState.FAULT, CameraState.OK]
    assert silent_s < REPLACED_WITHIN_S


@pytest.mark.parametrize(
    "kinds", [captures.BLOCKING, captures.DYING, captures.STOPPED], ids=["blocking", "dying", "stopped"]
)
def test_c2_a_capture_that_blocks_or_dies_is_killed_and_replaced_within_three_seconds(
    kinds: Mapping[str, str], tmp_path: Path
) -> None:
    film = tmp_path / "film"
    film.write_text("2", encoding="ascii")
    with ready(kinds) as nursery:
        seen = Seen(nursery)
        with seen.watching(str(film)):
            until(
                lambda: seen.states().count(CameraState.FAULT) == 2 and seen.states()[-1] is CameraState.OK,
                within_s=30,
                what="pictures after the second replacement",
            )
            replaced_s = seen.health[-1].at_s
            until(lambda: seen.looked[-1] > replaced_s + 0.2, what="pictures that go on")
    gaps = [after - before for before, after in zip(seen.looked, seen.looked[1:], strict=False)]
    assert max(gaps) < REPLACED_WITHIN_S + 1.0, "a slow machine may take a second for an opening"
    assert seen.texts()[0] == ("PASS",)


def test_a_camera_that_never_opens_is_killed_and_says_so(tmp_path: Path) -> None:
    film = tmp_path / "film"
    film.touch()
    with ready(captures.MUTE) as nursery:
        source = open_source(str(film), SystemClock(), nursery)
        assert isinstance(source, Capture)
        raised: list[Exception] = []
        waiting = threading.Thread(target=lambda: raised.append(_raised_by(source)))
        waiting.start()
        source.interrupt()
        waiting.join(1)
        assert [type(one) for one in raised] == [SourceLostError], "an opening can be given up at once"
        pid = source.pid
        source.close()
        until(lambda: not Path(f"/proc/{pid}").exists(), what="the end of its process")


def _raised_by(source: Capture) -> Exception:
    with pytest.raises(SourceLostError) as caught:
        source.read(0.0)
    return caught.value


def test_a_capture_that_lies_is_not_believed(tmp_path: Path) -> None:
    film = tmp_path / "film"
    film.touch()
    with ready(captures.LYING) as nursery:
        source = open_source(str(film), SystemClock(), nursery)
        assert source.read(0.0) is not None
        with pytest.raises(SourceLostError, match="of the future"):
            source.read(0.0)
        assert source.refused == (Pair("对焦不行", "focus = 3: no"),)
        source.close()
        seen = Seen(nursery)
        with seen.watching(str(film)):
            until(lambda: seen.notes, what="the note of what it refused")
        assert (seen.notes[0].about, seen.notes[0].state) == (About.SETTINGS, CameraState.FAULT)
        assert seen.notes[0].detail == "对焦不行 focus = 3: no"


def test_c4_an_eye_that_hangs_costs_its_picture_and_the_next_one_is_read(
    tmp_path: Path, nursery: Nursery
) -> None:
    for name, fault in (("b", Fault.HANG), ("d", Fault.SEGFAULT)):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.full((200, 200), fault, np.uint8))
    for name in "ace":
        cv2.imwrite(str(tmp_path / f"{name}.png"), card(name.upper()))
    seen = Seen(nursery)
    with seen.watching(str(tmp_path), CameraSettings(reads_per_s=2), eye="faulty"):
        until(lambda: len(seen.health) == 2, within_s=30, what="the end of the folder")
    assert seen.texts() == [("A",), ("C",), ("E",)]
    assert seen.states() == [CameraState.OK, CameraState.FAULT], "lost pictures are no fault"


def test_a_camera_of_whose_pictures_nothing_can_be_made_is_in_fault_and_heals(nursery: Nursery) -> None:
    """Whole parts that are no JPEG but in their first bytes, then good ones."""
    well = threading.Event()

    def send(line: socket.socket, stop: threading.Event) -> None:
        shade = 200
        while not stop.wait(0.05):
            shade = 200 + (shade + 1) % 50
            line.sendall(
                part(card("PASS", shade=shade))
                if well.is_set()
                else b"--x\r\nContent-Length: 9\r\n\r\n\xff\xd8\xff broken\r\n"
            )

    seen = Seen(nursery)
    with stream(send) as spec, seen.watching(spec):
        until(lambda: seen.states() == [CameraState.FAULT], what="the fault")
        assert "cannot be looked at" in seen.health[0].detail
        well.set()
        until(lambda: seen.scans, what="the scan")
    assert seen.states() == [CameraState.FAULT, CameraState.OK]


def test_a_truncated_jpeg_stream_gives_no_text_that_nobody_showed(nursery: Nursery) -> None:
    """Each part ends in the middle of its picture; then whole ones."""
    well = threading.Event()

    def send(line: socket.socket, stop: threading.Event) -> None:
        number = 0
        while not stop.wait(0.03):
            number += 1
            whole = part(card("PASS", shade=200 + number % 50))
            body = whole[whole.index(b"\xff\xd8") : -2]
            cut = body[: len(body) * (number % 9 + 1) // 10]
            line.sendall(
                whole if well.is_set() else b"--x\r\nContent-Length: %d\r\n\r\n%b\r\n" % (len(cut), cut)
            )

    seen = Seen(nursery)
    with stream(send) as spec, seen.watching(spec):
        until(lambda: len(seen.looked) > 20, what="looks at cut pictures")
        well.set()
        until(lambda: seen.scans, what="the scan")
    assert set(seen.texts()) == {("PASS",)}


def test_c6_two_codes_in_a_frame_are_reported_together(nursery: Nursery) -> None:
    both = np.hstack([card("LEFT")[:, :320], card("RIGHT")[:, :320]])

    def send(line: socket.socket, stop: threading.Event) -> None:
        number = 0
        while not stop.wait(0.05):
            number += 1
            line.sendall(part(np.clip(both.astype(int) - number % 40, 0, 255).astype(np.uint8)))

    seen = Seen(nursery)
    with stream(send) as spec, seen.watching(spec):
        until(lambda: len(seen.looked) > 10, what="some looks")
    assert ("LEFT", "RIGHT") in seen.texts()
    left = CameraSettings(region=Region(right=0.5))
    alone = Seen(nursery)
    with stream(send) as spec, alone.watching(spec, left):
        until(lambda: len(alone.looked) > 10, what="some looks at the left half")
    assert alone.texts() == [("LEFT",)]


def test_c8_a_pass_taped_to_the_lens_is_one_scan_and_a_note_until_it_goes(
    nursery: Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presentation, "LEFT_AFTER_S", 1.0)
    taped = threading.Event()
    taped.set()

    def send(line: socket.socket, stop: threading.Event) -> None:
        rng = np.random.default_rng(5)
        picture, empty = card("PASS", shade=220), np.full((480, 640, 3), 200, np.uint8)
        while not stop.wait(0.05):
            noise = rng.integers(-12, 12, (480, 640, 1))
            shown = picture if taped.is_set() else empty
            line.sendall(part(np.clip(shown + noise, 0, 255).astype(np.uint8)))

    seen = Seen(nursery)
    with stream(send) as spec, seen.watching(spec):
        until(lambda: seen.notes, what="the note")
        until(lambda: seen.looked[-1] > seen.notes[0].at_s + 0.5, what="more looks at the taped code")
        assert seen.texts() == [("PASS",)]
        taped.clear()
        until(lambda: len(seen.notes) == 2, what="the end of the note")
    assert [(note.about, note.state) for note in seen.notes] == [
        (About.VIEW, CameraState.FAULT),
        (About.VIEW, CameraState.OK),
    ]
    assert seen.states() == [CameraState.OK]
    assert seen.texts() == [("PASS",)]


def test_reads_a_second_are_capped_and_the_newest_frame_is_read(nursery: Nursery) -> None:
    def send(line: socket.socket, stop: threading.Event) -> None:
        number = 0
        while not stop.wait(0.01):
            number += 1
            line.sendall(part(np.full((120, 160, 3), 60 + number % 150, np.uint8)))

    seen = Seen(nursery)
    with stream(send) as spec, seen.watching(spec, CameraSettings(reads_per_s=5)):
        until(lambda: len(seen.looked) >= 8, what="some looks")
    looked = seen.looked[:8]
    assert (looked[-1] - looked[0]) / 7 > 0.19, "not more than five a second in the mean"


def test_c9_swapped_cameras_are_refused_by_identity(tmp_path: Path, nursery: Nursery) -> None:
    plug(tmp_path, "video0", "1-1")
    plug(tmp_path, "video1", "1-2")
    clock, sys, dev = SystemClock(), tmp_path / "sys", tmp_path / "dev"

    def opened(node: str, socket: str) -> Capture:
        source = open_source(str(dev / node), clock, nursery, Hints(identity=socket), sys=sys, dev=dev)
        assert isinstance(source, Capture)
        return source

    for node, place in (("video0", "1-1"), ("video1", "/dev/v4l/by-path/usb-1-2-video-index0")):
        source = opened(node, place)
        with pytest.raises(SourceMissingError, match="did not open"):  # a file, and no camera
            source.read(0.0)
        source.close()
    plug(tmp_path, "video0", "1-2")  # after the next start
    plug(tmp_path, "video1", "1-1")
    for node, place in (("video0", "1-1"), ("video1", "1-2")):
        with pytest.raises(SourceMissingError, match=f"is another camera: .*; view.device = {place}"):
            opened(node, place)
    (tmp_path / "dev" / "video0").unlink()
    with pytest.raises(SourceMissingError, match="is not there"):
        opened("video0", "1-1")


def test_the_daemons_own_process_neither_grows_nor_leaks(nursery: Nursery, tmp_path: Path) -> None:
    def send(line: socket.socket, stop: threading.Event) -> None:
        frames = [part(np.full((240, 320, 3), shade, np.uint8)) for shade in range(60, 200)]
        number = 0
        while not stop.wait(0.005):
            number += 1
            line.sendall(frames[number % len(frames)])

    def size() -> tuple[int, int]:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return pages * 4096, len(list(Path("/proc/self/fd").iterdir()))

    seen = Seen(nursery)
    with stream(send) as spec, seen.watching(spec, CameraSettings(reads_per_s=1000)):
        until(lambda: len(seen.looked) > 50, within_s=20, what="the first fifty")
        before = size()
        until(lambda: len(seen.looked) > 300, within_s=60, what="more")
        for _ in range(3):
            _lose_an_eye(seen)
        after = size()
    assert after[0] - before[0] < 4 * 1024 * 1024
    assert after[1] == before[1]


def _lose_an_eye(seen: Seen) -> None:
    """Kill the eye of the only camera of this test, and wait for another one's looks."""
    eye, count = _eye_pid(), len(seen.looked)
    os.kill(eye, signal.SIGKILL)
    until(lambda: len(seen.looked) > count + 3 and _eye_pid() != eye, what="another eye")


def _eye_pid() -> int:
    """The newest child of a child of this process."""
    own = str(os.getpid())
    parents: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = (entry / "stat").read_text().rpartition(")")[2].split()[1]
            except OSError:
                continue
    nurseries = {str(pid) for pid, parent in parents.items() if parent == own}
    return max((pid for pid, parent in parents.items() if parent in nurseries), default=0)
