"""Pulses and holds of OSDP readers that answer which outputs are closed, in virtual time."""

from pathlib import Path

import pytest

from drivers.devices.osdp_commands import Reports
from drivers.devices.osdp_jobs import Ask, Job, Jobs
from drivers.devices.osdp_key import KeyFileError, read_key, write_new_key
from drivers.devices.osdp_library import has_libosdp
from drivers.devices.osdp_outputs import HOLD_AGAIN_S, LOOKS, SETTLE_S, OutputRuns
from drivers.devices.osdp_panel import Levels
from drivers.devices.osdp_states import States
from drivers.faults import Faults
from drivers.model import (
    Alarm,
    AnyEvent,
    Done,
    Fault,
    Grade,
    Hold,
    InputEdge,
    Outputs,
    Pulse,
    Refusal,
    Refused,
    TimedOut,
    Urgency,
)
from drivers.outcomes import Outcomes

pytestmark = pytest.mark.skipif(
    not has_libosdp(), reason="libosdp has no wheel here: the extra osdp is not installed"
)


class Reader:
    """Outputs, and a reader that takes everything at once."""

    def __init__(self) -> None:
        self.tell, self.jobs, self.states = Outcomes(), Jobs(), States(2)
        self.runs = OutputRuns(jobs=self.jobs, tell=self.tell, faults=Faults(), states=self.states)
        self.given: list[tuple[Ask, int]] = []

    def begin(self, command: Pulse | Hold, now_s: float = 0.0) -> None:
        self.tell.begin(command.id)
        self.runs.begin(command, now_s)

    def obey(self, now_s: float, closed: int = 0) -> list[AnyEvent]:
        """It takes what waits; ``closed``: its outputs, as bits."""
        self.runs.tick(now_s)
        while (job := self.jobs.next()) is not None:
            self.jobs.finish()
            self.given.append((job.ask, int(job.command.get("timer_count", 0))))
            if job.ask in {Ask.PULSE, Ask.HOLD}:
                self.runs.taken(job, now_s)
            elif job.ask is Ask.OUTPUTS:
                self.states.take(
                    Levels(what=Reports.OUTPUTS, levels=bytes([closed & 1, closed >> 1 & 1])), now_s
                )
                self.runs.was_reported(2)
                self.runs.was_read(now_s)
        return self.tell.take()


def pulse(ms: int = 300) -> Pulse:
    return Pulse(channel=1, ms=ms, id="p", issued_s=0.0)


def test_a_pulse_that_was_seen_closed_and_then_open_is_confirmed() -> None:
    reader = Reader()
    reader.begin(pulse())
    assert reader.obey(0.0, closed=1) == []
    assert reader.obey(0.3) == []
    assert reader.obey(0.3 + SETTLE_S) == [Done(id="p", grade=Grade.CONFIRMED)]
    assert reader.given == [(Ask.PULSE, 3), (Ask.OUTPUTS, 0), (Ask.OUTPUTS, 0)]


def test_a_pulse_that_was_not_seen_closed_is_accepted() -> None:
    reader = Reader()
    reader.begin(pulse())
    reader.obey(0.0)
    assert reader.obey(0.3 + SETTLE_S) == [Done(id="p", grade=Grade.ACCEPTED)]


def test_an_output_that_stays_closed_is_a_fault_and_is_opened() -> None:
    reader = Reader()
    reader.begin(pulse())
    events, now_s = reader.obey(0.0, closed=1), 0.3
    for _ in range(LOOKS):
        now_s += 2 * SETTLE_S
        events += reader.obey(now_s, closed=1)
    fault, done = events
    assert isinstance(fault, Fault)
    assert "output 1 stays closed after its pulse" in fault.why
    assert done == Done(id="p", grade=Grade.CONFIRMED)
    assert reader.given[-1] == (Ask.OFF, 0)
    reader.runs.read()
    assert reader.obey(now_s + 1.0) == [Fault(active=False, why=f"over: {fault.why}")]


def test_a_long_hold_is_given_again_before_the_readers_timer_ends_it() -> None:
    reader = Reader()
    reader.begin(Hold(channel=1, seconds=25.0, id="h", issued_s=0.0))
    assert reader.obey(0.0) == [Outputs(id="h", bits=1, read=False)]
    reader.obey(HOLD_AGAIN_S)
    reader.obey(2 * HOLD_AGAIN_S)
    reader.obey(3 * HOLD_AGAIN_S)
    assert reader.obey(25.0) == [Done(id="h", grade=Grade.ACCEPTED)]
    assert reader.given == [(Ask.HOLD, 200), (Ask.HOLD, 170), (Ask.HOLD, 90), (Ask.HOLD, 10), (Ask.OFF, 0)]


def test_what_was_not_said_is_refused_and_what_was_is_in_doubt() -> None:
    reader = Reader()
    reader.begin(pulse(1000))
    reader.obey(0.0)
    reader.begin(Hold(channel=2, seconds=5.0, id="h", issued_s=0.0))
    reader.runs.overtake_all()
    assert reader.tell.take() == [
        Refused(id="h", why=Refusal.OVERTAKEN),
        TimedOut(id="p", maybe_executed=True),
    ]
    assert ("p" in reader.runs, "h" in reader.runs, len(reader.jobs)) == (False, False, 0)


def test_of_a_lost_channel_survives_only_what_nobody_heard_of() -> None:
    reader = Reader()
    reader.begin(pulse(1000))
    reader.obey(0.0)
    reader.begin(Hold(channel=2, seconds=5.0, id="h", issued_s=0.0))
    reader.runs.end_all({"h"})
    assert reader.tell.take() == [TimedOut(id="p", maybe_executed=True)]
    assert ("p" in reader.runs, "h" in reader.runs) == (False, True)


def hold(id_: str, seconds: float, now_s: float = 0.0) -> Hold:
    return Hold(channel=1, seconds=seconds, id=id_, issued_s=now_s)


def test_a_hold_goes_on_from_the_one_before_and_the_later_end_counts() -> None:
    reader = Reader()
    reader.begin(hold("long", 30.0))
    assert reader.obey(0.0) == [Outputs(id="long", bits=1, read=False)]
    reader.begin(hold("short", 2.0, 7.0), 7.0)
    assert reader.obey(HOLD_AGAIN_S) == [  # when the one before would have been given again
        Done(id="long", grade=Grade.ACCEPTED),
        Outputs(id="short", bits=1, read=False),
    ]
    for now_s in (16.0, 24.0, 29.9):
        assert reader.obey(now_s) == []
    assert reader.obey(30.0) == [Done(id="short", grade=Grade.ACCEPTED)]
    assert reader.given == [(Ask.HOLD, 200), (Ask.HOLD, 200), (Ask.HOLD, 140), (Ask.HOLD, 60), (Ask.OFF, 0)]


def test_a_hold_takes_over_a_pulse_and_one_that_was_never_taken_leaves_the_one_before_alone() -> None:
    reader = Reader()
    reader.begin(pulse(2000))
    reader.obey(0.0, closed=1)
    reader.begin(hold("h", 60.0, 0.5), 0.5)
    assert reader.obey(0.5, closed=1) == [
        Done(id="p", grade=Grade.ACCEPTED),
        Outputs(id="h", bits=1, read=False),
    ]
    reader.begin(hold("late", 60.0, 1.0), 1.0)
    (job,) = reader.jobs.stale(3.1)
    reader.runs.forget(job)
    assert ("h" in reader.runs, "late" in reader.runs) == (True, False)
    assert reader.obey(60.5) == [Done(id="h", grade=Grade.ACCEPTED)]


def test_an_exit_is_busy_while_a_pulse_runs_and_not_while_its_end_is_looked_at() -> None:
    reader = Reader()
    reader.begin(pulse())
    reader.obey(0.0, closed=1)
    second = Pulse(channel=1, ms=300, id="second", issued_s=0.3, insist=True)
    assert [reader.runs.is_busy(second, now_s) for now_s in (0.29, 0.3, 0.39)] == [True, False, False]
    assert reader.runs.is_busy(pulse(), 0.39)  # that of an entry
    reader.begin(second, 0.3)
    assert reader.obey(0.31, closed=1) == [Done(id="p", grade=Grade.ACCEPTED)]
    reader.obey(0.61)
    assert reader.obey(0.61 + SETTLE_S) == [Done(id="second", grade=Grade.CONFIRMED)]
    assert reader.given.count((Ask.PULSE, 3)) == 2


def test_states_are_told_by_their_changes() -> None:
    states = States(1)
    both = Levels(what=Reports.INPUTS, levels=b"\x01\x01\x00")
    assert states.take(both, 5.0) == [InputEdge(channel=1, active=True, at_s=5.0)]
    assert states.take(both, 6.0) == []
    local = Levels(what=Reports.LOCAL, levels=b"\x00\x01")
    assert states.take(local, 7.0) == [Alarm(what="power", active=True)]
    assert states.take(Levels(what=Reports.OUTPUTS, levels=b"\x00\x01"), 8.0) == []
    assert (states.is_closed(1), states.is_closed(2)) == (False, True)


def test_a_command_that_was_taken_back_keeps_its_place() -> None:
    jobs = Jobs()
    first, second = (Job(ask=Ask.PULSE, command={}, urgency=Urgency.OPEN, id=id_) for id_ in "ab")
    jobs.put(first)
    jobs.put(second)
    assert jobs.next() is first
    jobs.put_back(first)
    assert jobs.next() is first


@pytest.mark.parametrize(
    ("text", "mode", "why"),
    [
        (bytes(range(0x30, 0x40)).hex(), 0o600, "is the published default key"),
        ("00" * 16, 0o640, "can be read by others"),
        ("00" * 15, 0o600, "is not 32 hexadecimal digits"),
        ("key", 0o600, "is not 32 hexadecimal digits"),
    ],
)
def test_a_file_that_holds_no_key_of_our_own_is_refused(
    tmp_path: Path, text: str, mode: int, why: str
) -> None:
    path = tmp_path / "reader.key"
    path.write_text(text, encoding="ascii")
    path.chmod(mode)
    with pytest.raises(KeyFileError, match=why) as refused:
        read_key(path)
    assert "reader.key" in str(refused.value)
    assert str(tmp_path) not in str(refused.value)  # a guard reads it


def test_a_new_key_is_kept_for_its_owner_and_replaces_none(tmp_path: Path) -> None:
    path = tmp_path / "reader.key"
    key = write_new_key(path)
    assert (read_key(path), path.stat().st_mode & 0o777, len(key)) == (key, 0o600, 16)
    with pytest.raises(KeyFileError, match="is there already"):
        write_new_key(path)
    assert read_key(path) == key
