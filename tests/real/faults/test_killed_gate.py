"""The real daemon dies at the moments that matter, and is started again: what the relays did, and what is recorded."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults_tools import needs
from tests.faults_tools.amounts import scaled, seen
from tests.faults_tools.cut_disk import cut_disk
from tests.faults_tools.gate_process import ENTRY, GUARD, Site, fresh, injected, site
from tests.faults_tools.lives import chain_faults
from tests.gate_world import FOREIGN
from tests.waiting import until

pytestmark = pytest.mark.real


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Site]:
    """Nobody walks by himself."""
    with site(tmp_path, people=False) as made:
        yield made


def decisions(gate: Site) -> list[tuple[str, str, str]]:
    return [(data["direction"], data["outcome"], data.get("reason", "")) for data in gate.events("decision")]


def test_p1_killed_between_the_row_and_the_relay_nothing_moves_then_or_later(
    gate: Site, tmp_path: Path
) -> None:
    needs.strace()
    gate.start()
    with injected(gate.pid, "fdatasync", "delay_exit=60000000", tmp_path):
        gate.show("entry", fresh(1))
        until(lambda: gate.events("decision"), what="the row of the grant")
        gate.strike()
    gate.kill()
    assert gate.opened(ENTRY) == 0
    assert decisions(gate) == [("entry", "grant", "")]
    gate.start()
    (passage,) = until(lambda: gate.events("passage"), what="the row about the grant without an end")
    assert (passage["direction"], passage["assumed"]) == ("entry", True)
    gate.opens("entry", lambda: fresh(2))  # it decides again, and the first one's opening is not made up for
    assert decisions(gate) == [("entry", "grant", "")] * 2
    assert gate.opened(ENTRY) == 1


def test_p2_p11_killed_between_the_relay_and_its_outcome_the_opening_is_not_repeated_and_the_exit_opens(
    gate: Site,
) -> None:
    gate.start()
    gate.opens("entry", lambda: fresh(1))
    gate.kill()
    until(lambda: gate.closed_now() == set(), what="the end of the pulse, which the board times")
    gate.start()  # there is no broker, and there was none
    (passage,) = until(lambda: gate.events("passage"), what="the row about the grant without an end")
    assert passage["assumed"]
    gate.show("entry", fresh(1))
    refused = ("entry", "deny", "already_inside")
    until(lambda: decisions(gate) == [("entry", "grant", ""), refused], what="the second answer")
    assert gate.opened(ENTRY) == 1
    gate.opens("exit", lambda: fresh(1))
    out, *_ = [data for data in gate.events("decision") if data["direction"] == "exit"]
    assert out["stay_id"]


def test_p12_asked_to_end_under_load_it_ends_soon_and_leaves_nothing_unknown(tmp_path: Path) -> None:
    with site(tmp_path, people=True) as gate:
        gate.start()
        for number in range(1, 7):
            gate.show("entry", fresh(number))
            gate.show("exit", f"{FOREIGN}{number}")
            until(lambda: len(gate.events("passage")) >= number, what=f"{number} passages")  # noqa: B023
        gate.show("exit", f"{FOREIGN}last")
        took_s = gate.terminate(30)
        rows, unknown = gate.rows(), gate.unknown()
    kinds = Counter(row["kind"] for row in rows)
    seen(f"ended in {took_s:.2f} s; rows {dict(kinds)}; {unknown} stays of which the next start would assume")
    assert chain_faults(rows) == []
    assert unknown == 0


def test_p9_after_power_cuts_in_a_row_the_daemon_starts_by_itself_and_moves_its_lane(tmp_path: Path) -> None:
    needs.loop_devices()
    cuts = scaled(2)
    with site(tmp_path, people=False, pulse_ms=200) as gate, cut_disk(tmp_path) as disk:
        gate.data.rmdir()
        gate.data.symlink_to(disk.folder / "south", target_is_directory=True)
        (disk.folder / "south").mkdir(mode=0o700)
        for _ in range(cuts):
            gate.start()
            gate.ask("pulse", lane="entry", **GUARD)
            disk.cut()
            gate.kill()
            disk.unmount()
            disk.mount()
        rows = gate.rows()
        assert chain_faults(rows) == []
        kinds = Counter(row["kind"] for row in rows)
        assert (kinds["boot"], kinds["override"]) == (cuts, cuts)
        assert gate.opened(ENTRY) == cuts
    seen(f"{cuts} cuts, rows {dict(kinds)}")
