"""The nursery: children within milliseconds, killed exactly, none left behind."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edge.vision.nursery import Forked, Nursery, NurseryError
from edge.vision.shared_memory import SharedArea
from shell.clock import SystemClock
from tests.eyes.children import KINDS
from tests.waiting import until

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    """One for the whole file: it takes a second to start. Who kills it leaves the next one to the others."""
    made = Nursery(SystemClock(), KINDS)
    try:
        yield made
    finally:
        made.close()


def child_of(nursery: Nursery, kind: str, fds: list[int]) -> Forked:
    """A child, however long the nursery takes to start."""

    def asked() -> Forked | None:
        try:
            return nursery.fork(kind, fds)
        except NurseryError as error:
            assert "still starting" in str(error), error
            return None

    return until(asked, within_s=20, what="a child")


def idle_child(nursery: Nursery) -> tuple[Forked, socket.socket]:
    """A child that waits for its first request, and the link to it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with closing(SharedArea("nothing", 4096)) as area, theirs:
        return child_of(nursery, "eye", [theirs.fileno(), area.fileno(), area.fileno()]), ours


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_a_child_is_forked_killed_and_reaped(nursery: Nursery) -> None:
    child, link = idle_child(nursery)
    with link:
        assert link.recv(100)  # it lives
        assert not child.ended()
        child.kill()
        assert child.ended(within_s=5)
        until(lambda: not Path(f"/proc/{child.pid}").exists(), what="the nursery's wait for its child")
        child.kill()  # nothing happens, whoever has the number now
    child.close()


def test_a_stopped_child_is_killed_too(nursery: Nursery) -> None:
    child, link = idle_child(nursery)
    with link:
        os.kill(child.pid, signal.SIGSTOP)
        child.close()
        until(lambda: gone(child.pid), what="the end of a stopped child")


def test_children_inherit_nothing_but_what_they_were_given(nursery: Nursery) -> None:
    first, first_link = idle_child(nursery)
    child, link = idle_child(nursery)
    with first_link, link:
        assert link.recv(100)
        open_now = sorted(str(each.readlink()) for each in Path(f"/proc/{child.pid}/fd").iterdir())
        assert open_now[:3] == ["/dev/null"] * 3
        assert len(open_now) == 4
        assert open_now[3].startswith("socket:")
        child.close()
        first.close()


def test_what_cannot_be_had_is_said_and_costs_no_other_child(nursery: Nursery) -> None:
    child, link = idle_child(nursery)
    with link:
        for kind, why in (("absent", "ModuleNotFoundError"), ("anything", "unknown")):
            with pytest.raises(NurseryError, match=why):
                nursery.fork(kind, [])
        assert not child.ended()
        child.close()


def test_signals_to_everybody_are_the_daemons_to_answer(nursery: Nursery) -> None:
    child, link = idle_child(nursery)
    assert nursery.pid
    with link:
        for pid in (nursery.pid, child.pid):
            os.kill(pid, signal.SIGTERM)
            os.kill(pid, signal.SIGINT)
        assert not child.ended(within_s=0.2)
        child_of(nursery, "broken", []).close()
        child.close()


def test_children_die_with_their_nursery_and_another_takes_its_place(nursery: Nursery) -> None:
    child, link = idle_child(nursery)
    with link:
        assert link.recv(100)  # it waits for requests, and its link stays open
        before = nursery.pid
        assert before
        os.kill(before, signal.SIGKILL)
        assert child.ended(within_s=5)
        child.close()
    until(lambda: gone(before), what="the end of the nursery")

    def replaced() -> Forked | None:
        try:
            return nursery.fork("broken", [])
        except NurseryError:
            return None

    until(replaced, within_s=20, what="a child of the next nursery").close()
    assert nursery.pid != before


def test_a_nursery_that_hangs_is_replaced(nursery: Nursery) -> None:
    child_of(nursery, "broken", []).close()
    before = nursery.pid
    assert before
    os.kill(before, signal.SIGSTOP)
    with pytest.raises(NurseryError, match="replaced"):
        nursery.fork("broken", [])
    child_of(nursery, "broken", []).close()
    assert nursery.pid != before
    assert gone(before)


def test_closing_leaves_no_process_and_no_descriptor() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    nursery = Nursery(SystemClock(), KINDS)
    child, link = idle_child(nursery)
    held = nursery.pid
    assert held
    assert link.recv(100)
    nursery.close()
    assert gone(held)
    assert not Path(f"/proc/{child.pid}").exists()
    child.close()
    link.close()
    with pytest.raises(NurseryError, match="closed"):
        nursery.fork("eye", [])
    nursery.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_daemon_that_is_killed_takes_nursery_and_children_with_it() -> None:
    daemon = subprocess.Popen(
        [sys.executable, "-m", "tests.eyes.daemon"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    assert daemon.stderr
    with daemon.stderr:
        nursery, eye = (int(word) for word in daemon.stderr.readline().split())
        assert not gone(nursery)
        assert not gone(eye)
        daemon.kill()
        daemon.wait()
        until(lambda: gone(nursery) and gone(eye), what="the end of nursery and eye")


def test_many_threads_may_ask_at_once(nursery: Nursery) -> None:
    child_of(nursery, "broken", []).close()
    pids: list[int] = []

    def ask() -> None:
        child = nursery.fork("broken", [])
        pids.append(child.pid)
        child.close()

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(pids)) == 8


def test_the_daemons_side_imports_nothing_that_decodes() -> None:
    code = "import sys, edge.vision.eye; print(sorted({'cv2', 'numpy', 'zxingcpp'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
