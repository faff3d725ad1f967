"""A gate whose clock goes wrong says so: to the guard, and on the record."""

from datetime import timedelta
from pathlib import Path

import pytest

from edge.alarms import Alarms
from edge.clock_watch import ClockWatch
from edge.journal import Journal
from edge.kiosk.view import AlarmView
from shell.clock import SystemClock
from tests.unit.test_clock import Machine

pytestmark = pytest.mark.real


class Screen:
    """What the alarms tell the guard's screen."""

    def __init__(self) -> None:
        self.shown: tuple[AlarmView, ...] = ()

    def alarms_now(self, alarms: tuple[AlarmView, ...]) -> None:
        self.shown = alarms


def test_t4_a_step_is_on_record_with_the_time_that_went_on_and_so_is_its_end(tmp_path: Path) -> None:
    machine, screen = Machine(), Screen()
    clock: SystemClock = machine.clock()
    journal = Journal(tmp_path, clock)
    watch = ClockWatch(clock, Alarms(screen, clock), journal.append)  # type: ignore[arg-type]
    watch.tick()
    assert journal.last_seq() == 0
    began = clock.now()
    machine.wall_s -= 86_400
    machine.run(60)
    watch.tick()
    watch.tick()
    assert [(alarm.what, alarm.detail) for alarm in screen.shown] == [("clock", "stepped_back")]
    clock.confirm(machine.wall())
    watch.tick()
    rows = journal.read(
        "select at_ms, json_extract(body, '$.data.state'), json_extract(body, '$.data.why'),"
        " json_extract(body, '$.trust') from event where kind = 'clock' order by seq"
    )
    at_ms = int((began + timedelta(seconds=60)).timestamp() * 1000)
    assert rows[0] == (at_ms, "doubted", "stepped_back", "untrusted")
    assert (rows[1][1:], screen.shown) == (("trusted", None, "trusted"), ())
    journal.close()
