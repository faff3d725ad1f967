"""What the process that looks at pictures cannot do, tried inside a real one; beside it, that others can."""

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edge.vision.eye import Eye
from edge.vision.jail import NICE, OOM_SCORE
from edge.vision.jail_calls import program
from edge.vision.nursery import Forked, Nursery, NurseryError
from edge.vision.shot import EyeError
from shell.clock import SystemClock
from tests.eyes.children import ATTEMPTS, KINDS, Fault
from tests.eyes.pictures import grey_shot
from tests.waiting import until

pytestmark = pytest.mark.real

FILTERS = Path("/proc/sys/kernel/seccomp/actions_avail").exists() and program(os.uname().machine) is not None
PROBE = grey_shot(np.full((16, 16), Fault.PROBE, np.uint8))


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    made = Nursery(SystemClock(), KINDS)
    try:
        yield made
    finally:
        made.close()


def outcomes(lines: list[str]) -> dict[str, str]:
    return dict(line.split(": ") for line in lines)


def tried_by(eye: Eye) -> dict[str, str]:
    def lines() -> list[str]:
        try:
            return [code.text for code in eye.look(PROBE).codes]
        except EyeError as error:
            assert "starting" in str(error), error
            return []

    return outcomes(until(lines, within_s=20, what="what the eye tried"))


def test_before_the_jail_a_child_can_do_all_of_it(nursery: Nursery) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    def child() -> Forked | None:
        try:
            return nursery.fork("free", [theirs.fileno()])
        except NurseryError as error:
            assert "starting" in str(error), error
            return None

    with ours, theirs:
        free = until(child, within_s=20, what="a child")
        tried = outcomes(ours.recv(4096).decode().splitlines())
        free.close()
    assert tried.pop("trace") in {"ok", "EPERM"}  # some systems let nobody trace but root
    assert tried == dict.fromkeys(ATTEMPTS.keys() - {"trace"}, "ok")


def test_an_eye_can_do_none_of_it(nursery: Nursery) -> None:  # C5
    eye = Eye("entry", nursery, SystemClock(), kind="faulty")
    try:
        tried = tried_by(eye)
        if not FILTERS:
            pytest.skip("this kernel does not restrict system calls, or we lack its numbers")
        assert eye.held
        assert eye.held.calls
        refused = dict.fromkeys(ATTEMPTS, "EPERM")
        assert tried == refused | {"memory": "ENOMEM", "raise limits": tried["raise limits"]}
        assert tried["raise limits"] in {"EPERM", "refused"}
        assert tried_by(eye) == tried  # and it goes on looking
    finally:
        eye.close()


def test_without_a_filter_of_calls_the_limits_hold_alone(nursery: Nursery) -> None:
    eye = Eye("entry", nursery, SystemClock(), kind="limits")
    try:
        tried = tried_by(eye)
        assert eye.held
        assert not eye.held.calls
        assert [tried[what] for what in ("socket", "file", "new file")] == ["EMFILE"] * 3
        assert tried["memory"] == "ENOMEM"
        assert tried["raise limits"] in {"EPERM", "refused"}
    finally:
        eye.close()


def test_the_kernel_shows_what_an_eye_gave_up(nursery: Nursery) -> None:
    eye = Eye("entry", nursery, SystemClock(), kind="faulty")
    try:
        tried_by(eye)
        assert eye.held
        process = Path(f"/proc/{eye.pid}")
        limits = {
            line[:26].strip(): line[26:].split()[:2]
            for line in (process / "limits").read_text(encoding="ascii").splitlines()
        }
        for name in ("Max open files", "Max core file size", "Max file size", "Max processes"):
            assert limits[name] == ["0", "0"], name
        assert limits["Max address space"][1] != "unlimited"
        status = dict(
            line.split(":\t", 1) for line in (process / "status").read_text(encoding="ascii").splitlines()
        )
        assert status["NoNewPrivs"] == "1"
        assert status["Threads"] == "1"
        assert {int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff")} == {0}
        assert (process / "oom_score_adj").read_text(encoding="ascii") == f"{OOM_SCORE}\n"
        assert os.getpriority(os.PRIO_PROCESS, eye.pid or 0) == os.getpriority(os.PRIO_PROCESS, 0) + NICE
        own_network = (process / "ns/net").readlink() != Path("/proc/self/ns/net").readlink()
        ways = (["unshare", "--net", "true"], ["unshare", "--user", "--net", "true"])
        possible = any(
            subprocess.run(way, stderr=subprocess.DEVNULL, check=False).returncode == 0 for way in ways
        )
        assert own_network == eye.held.network == possible
    finally:
        eye.close()
