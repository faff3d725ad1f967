"""What the real daemon's machine refuses it: a disk that takes its time or fails, no more files, no more memory."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from shell.control import ControlError
from tests.faults_tools import needs
from tests.faults_tools.amounts import seen
from tests.faults_tools.gate_process import ENTRY, EXIT, GUARD, Site, fresh, injected, site
from tests.gate_world import FOREIGN
from tests.waiting import until

pytestmark = pytest.mark.real
SLOW_S = 40.0  # of one sync
FLOOD = 200
LOG_BYTES_EACH = 100  # less than a line


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Site]:
    with site(tmp_path, people=False) as made:
        made.start()
        yield made


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A gate for tests that leave it as it was, each with a pass of its own."""
    with site(tmp_path_factory.mktemp("lasting"), people=False) as made:
        made.start()
        yield made


def test_d9_while_a_sync_hangs_the_exit_opens_and_no_entry_does(gate: Site, tmp_path: Path) -> None:
    needs.strace()
    with injected(gate.pid, "fdatasync", f"delay_enter={int(SLOW_S * 1e6)}", tmp_path):
        gate.show("entry", fresh(1))
        gate.show("exit", f"{FOREIGN}1")
        until(lambda: gate.opened(EXIT), within_s=SLOW_S / 5, what="the exit, long before the sync is done")
        assert gate.opened(ENTRY) == 0


def test_d4_a_gate_whose_disk_fails_a_sync_moves_nothing_ends_and_serves_again(
    gate: Site, tmp_path: Path
) -> None:
    needs.strace()
    with injected(gate.pid, "fdatasync", "error=EIO:when=1", tmp_path):
        gate.show("entry", fresh(1))
        assert gate.ended(30) > 0
    assert gate.opened(ENTRY) == 0
    gate.start()
    gate.opens("exit", lambda: f"{FOREIGN}1")
    gate.opens("entry", lambda: fresh(2))


def test_d11_without_another_file_the_lanes_go_on_and_the_tools_are_back_when_there_is_one(
    lasting: Site,
) -> None:
    soft, hard = resource.prlimit(lasting.pid, resource.RLIMIT_NOFILE)
    held = len(list(Path(f"/proc/{lasting.pid}/fd").iterdir()))
    resource.prlimit(lasting.pid, resource.RLIMIT_NOFILE, (held, hard))
    with suppress(ControlError):
        lasting.ask("watch")
    lasting.opens("entry", lambda: fresh(11))
    lasting.opens("exit", lambda: f"{FOREIGN}11")
    resource.prlimit(lasting.pid, resource.RLIMIT_NOFILE, (soft, hard))
    until(lasting.works, within_s=30, what="the tools")


def test_d13_a_flood_of_codes_does_not_fill_the_log_and_the_next_visitor_is_let_in(lasting: Site) -> None:
    before = len(lasting.log())
    for number in range(FLOOD):
        lasting.show("entry", f"{FOREIGN}{number}")
        lasting.show("entry", f"GP1:{number:X}")
    lasting.opens("entry", lambda: fresh(13))
    grown = len(lasting.log()) - before
    seen(f"{2 * FLOOD} codes that are no passes, {grown} bytes of log")
    assert grown < FLOOD * LOG_BYTES_EACH


@contextmanager
def without_memory(pid: int) -> Iterator[None]:
    """The process gets no page more."""
    group = needs.memory_groups() / f"postern-{pid}"
    group.mkdir()
    try:
        (group / "memory.limit_in_bytes").write_text(str(256 << 10))
        (group / "cgroup.procs").write_text(str(pid))
        yield
    finally:
        until(lambda: not (group / "cgroup.procs").read_text("ascii"), what="a group without processes")
        group.rmdir()


def test_d12_a_gate_that_is_killed_for_want_of_memory_leaves_its_relay_open_and_starts_again(
    gate: Site,
) -> None:
    def dead() -> bool:
        with suppress(ControlError):
            gate.ask("pulse", lane="entry", **GUARD)
        return gate.has_ended

    with without_memory(gate.pid):
        until(dead, within_s=30, what="the kernel's answer to want of memory")
    until(lambda: gate.closed_now() == set(), what="the end of the last pulse, which the board times")
    moved = gate.opened(ENTRY)
    gate.start()
    gate.opens("exit", lambda: f"{FOREIGN}1")
    seen(f"killed after {moved} pulses")
    assert gate.opened(ENTRY) == moved
