from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from controller.console import Console
from controller.overstay import OverstayMonitor
from controller.units import load_units
from controller.web.view import GateLane, GateRow, InsideRow, OverstayRow
from passes.vocabulary import ClockTrust, Direction
from sync.messages import GateState, Health
from tests.real.controller.centre import NOON, SUPERVISOR, Journal
from tests.real.controller.demo import Demo, demo_at, order

pytestmark = pytest.mark.real


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    with demo_at(tmp_path / "demo") as made:
        yield made


@pytest.fixture
def console(demo: Demo) -> Console:
    units = {site.id: load_units(site.units) for site in demo.config.sites.values()}
    return Console(store=demo.centre.store, clock=demo.centre.clock, config=demo.config, units=units)


def test_the_page_names_who_is_inside_and_who_overstays(demo: Demo, console: Console) -> None:
    person = demo.issuer.issue(order()).claims.person
    journal = Journal()
    journal.entry(NOON, minutes=1, person=person)
    demo.centre.receive(journal.sent())
    due = NOON + timedelta(minutes=1)
    inside = InsideRow(
        category="courier", person="李*", room="3-1202", gate="南门", entered_at=NOON, due_at=due
    )
    assert console.now().inside == (inside,)
    assert (console.now().overstays, console.now().sms_today) == ((), 0)
    demo.centre.clock.pass_by(60)
    monitor = OverstayMonitor(
        store=demo.centre.store,
        clock=demo.centre.clock,
        zone=demo.config.zone,
        sites=demo.config.sites,
        sms=demo.config.sms,
    )
    monitor.tick()
    shown = console.now()
    assert shown.overstays == (
        OverstayRow(
            incident=1, since=due, category="courier", person="李*", room="3-1202", gate="南门", sms="waiting"
        ),
    )
    (message,) = shown.sms
    assert (message.to, message.state, message.at) == (SUPERVISOR, "waiting", due)
    assert message.text == "【阳光物业】快递访客在南门超时，应于12:01离场，事件#1，请处理。"
    assert (shown.sms_today, shown.counts["inside"]) == (1, 1)


def test_a_gate_is_unheard_then_online_then_lost_when_it_falls_silent(demo: Demo, console: Console) -> None:
    assert console.now().gates == (GateRow(id="south", name="南门", state="unheard"),)
    health = Health.model_validate(
        {
            "now": NOON,
            "trust": "trusted",
            "software": "postern 0.1.0",
            "outbox_depth": 3,
            "lanes": [
                {"name": "entry", "direction": "entry", "state": "ready", "camera": "fault", "board": "ok"}
            ],
        }
    )
    demo.centre.intake.gate_state(7, "south", GateState(state="online", birth=1))
    demo.centre.intake.health(7, "south", health)
    online = GateRow(
        id="south",
        name="南门",
        state="online",
        heard_at=NOON,
        outbox_depth=3,
        clock_trust=ClockTrust.TRUSTED,
        software="postern 0.1.0",
        lanes=(
            GateLane(name="entry", direction=Direction.ENTRY, state="ready", camera_ok=False, board_ok=True),
        ),
    )
    assert console.now().gates == (online,)
    demo.centre.clock.pass_by(91)
    assert [gate.state for gate in console.now().gates] == ["lost"]


def test_a_listener_hears_each_change_until_it_ends(console: Console) -> None:
    heard: list[int] = []
    end = console.subscribe(lambda: heard.append(1))
    console.changed()
    end()
    end()
    console.changed()
    assert heard == [1]
