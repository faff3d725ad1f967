"""Rows that a real journal never takes: they keep nobody waiting, and are lost to nobody."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import apsw
import pytest
from pydantic import BaseModel, Field

from edge.journal import Journal, JournalError, Recorded, RowError
from edge.owed import Owed
from edge.set_aside import FILE, SetAside
from sync.messages import EVENT_BYTES_MAX, DeviceData, Kind, LaneData
from tests.gate_world import World
from tests.ticking import HandClock

pytestmark = pytest.mark.real


class Anything(BaseModel):
    words: str


class Short(BaseModel):
    phone: str
    name: str = Field(max_length=3)


class Desk:
    """A journal, what is owed to it, and what is counted."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.clock, self.counted = folder, HandClock(), list[str]()
        self.journal = Journal(folder, self.clock)
        self.owed = Owed(
            recorded=lambda: None,
            count=self.counted.append,
            set_aside=SetAside(folder, self.clock.now),
            fault=lambda words: partial(
                self.journal.append,
                Kind.DEVICE,
                DeviceData(device="journal", state="fault", detail=words[:200]),
            ),
        )

    def good(self, lane: str = "entry") -> None:
        self.owed.write(partial(self.journal.append, Kind.FORCED, LaneData(lane=lane), at=self.clock.now()))

    def rows(self) -> list[tuple[str, Any]]:
        found = self.journal.read("select kind, body from event order by seq")
        return [(kind, json.loads(body)["data"]) for kind, body in found]

    def aside(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / FILE).read_text("ascii").splitlines()]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.journal.close()


def breaks_a_rule(db: apsw.Connection, _: Recorded) -> None:
    db.execute("insert into meta values ('a', null)")


def no_such_table(db: apsw.Connection, _: Recorded) -> None:
    db.execute("insert into nowhere values (1)")


def error_of_ours(_db: apsw.Connection, _recorded: Recorded) -> None:
    raise LookupError("an error of ours")


NEVER: dict[str, dict[str, Any]] = {
    "too large": {"data": Anything(words="x" * EVENT_BYTES_MAX)},
    "a text that is none": {"data": Anything(words="\udc80")},
    "against a rule of the file": {"data": Anything(words="rule"), "change": breaks_a_rule},
    "of a table that is not there": {"data": Anything(words="table"), "change": no_such_table},
    "an error of ours": {"data": Anything(words="ours"), "change": error_of_ours},
}


@pytest.mark.parametrize("name", NEVER)
def test_i8_a_row_that_can_never_be_written_is_set_aside_and_named_and_others_go_on(
    desk: Desk, name: str
) -> None:
    desk.good("entry")
    desk.owed.write(partial(desk.journal.append, Kind.OVERRIDE, **NEVER[name]))
    desk.good("exit")
    assert [kind for kind, _ in desk.rows()] == ["forced", "device", "forced"]
    fault = desk.rows()[1][1]
    assert (fault["device"], fault["state"]) == ("journal", "fault")
    assert FILE in fault["detail"]
    (row,) = desk.aside()
    assert NEVER[name]["data"].words in json.dumps(row["row"], ensure_ascii=False)
    assert row["why"]
    assert desk.counted == ["events_set_aside"]
    assert (desk.folder / FILE).stat().st_mode & 0o777 == 0o600


def test_rows_behind_it_that_already_wait_are_recorded_in_their_order(desk: Desk) -> None:
    desk.journal.read("pragma query_only = on")
    desk.good("first")
    desk.owed.write(partial(desk.journal.append, Kind.OVERRIDE, **NEVER["too large"]), reserved=True)
    desk.good("last")
    assert (desk.owed.reserved, (desk.folder / FILE).exists()) == (1, False)
    desk.journal.read("pragma query_only = off")
    desk.owed.pay()
    assert [data.get("lane", "fault") for _, data in desk.rows()] == ["first", "fault", "last"]
    assert desk.owed.reserved == 0  # a reset of an emergency waits for those


class Odd:
    """Nothing can be said of it."""

    def __repr__(self) -> str:
        raise LookupError("an error of ours")

    def __call__(self) -> None:
        raise KeyError(self)


def about(_row: Odd) -> None:
    raise KeyError(_row)


def test_n4_a_row_of_which_nothing_can_be_said_is_set_aside_and_ends_no_gate(desk: Desk) -> None:
    desk.owed.write(partial(about, Odd()))
    desk.owed.write(Odd())  # no function
    desk.owed.write(partial(Odd()))
    desk.good()
    assert [kind for kind, _ in desk.rows()] == ["device"] * 3 + ["forced"]
    assert "KeyError" in desk.rows()[0][1]["detail"]
    assert desk.aside()[0]["row"]["call"] == "about"
    assert len(desk.aside()) == 3


def test_n4_what_the_centre_is_told_of_such_a_row_says_nothing_of_a_person(desk: Desk) -> None:
    def refuses() -> None:
        Short.model_validate({"phone": "13800138000", "name": "Zhang San"})

    def names() -> None:
        raise RowError("no room for +86 138 0013 8000")

    desk.owed.write(refuses)
    desk.owed.write(names)
    told = json.dumps([data["detail"] for _, data in desk.rows()])
    assert [word for word in ("13800138000", "138 0013", "Zhang") if word in told] == []
    assert ("ValidationError" in told, "no room for ****8000" in told) == (True, True)
    assert ["Zhang San" in row["why"] for row in desk.aside()] == [True, False]  # for who puts it right


def test_d1_a_full_disk_sets_nothing_aside(desk: Desk) -> None:
    pages = desk.journal.read("pragma page_count")[0][0]
    desk.journal.read(f"pragma max_page_count = {pages}")
    written = 0
    while desk.journal.last_seq() == written:  # until no page is left
        desk.good()
        written += 1
        assert written < 2000
    for _ in range(5):
        desk.owed.pay()
    assert not (desk.folder / FILE).exists()
    desk.journal.read("pragma max_page_count = 100000")
    desk.owed.pay()
    assert desk.journal.last_seq() == written
    assert desk.counted == []


def test_a_row_that_cannot_be_kept_stays_first_and_is_kept_later(desk: Desk) -> None:
    blocked = desk.folder / FILE
    blocked.mkdir()
    desk.owed.write(partial(desk.journal.append, Kind.OVERRIDE, **NEVER["too large"]))
    desk.good()
    for _ in range(3):
        desk.owed.pay()
    assert desk.rows() == []
    blocked.rmdir()
    desk.owed.pay()
    assert [kind for kind, _ in desk.rows()] == ["device", "forced"]
    assert len(desk.aside()) == 1


def test_a_fault_that_cannot_be_recorded_either_goes_aside_and_that_is_the_end_of_it(desk: Desk) -> None:
    desk.journal.forget("create trigger t before insert on event begin select raise(abort, 'none'); end", ())
    desk.good()
    assert [row["row"]["call"] for row in desk.aside()] == ["Journal.append"] * 2
    assert desk.rows() == []
    desk.journal.forget("drop trigger t", ())
    desk.good()
    assert [kind for kind, _ in desk.rows()] == ["forced"]


def test_rows_are_added_behind_those_that_are_there(desk: Desk) -> None:
    for _ in range(3):
        desk.owed.write(partial(desk.journal.append, Kind.OVERRIDE, **NEVER["too large"]))
    assert len(desk.aside()) == 3


def test_who_asks_the_journal_directly_is_told_which_of_the_two_it_is(desk: Desk) -> None:
    with pytest.raises(RowError):
        desk.journal.append(Kind.OVERRIDE, **NEVER["against a rule of the file"])
    desk.journal.read("pragma query_only = on")
    with pytest.raises(JournalError) as caught:
        desk.journal.append(Kind.FORCED, LaneData(lane="entry"))
    assert not isinstance(caught.value, RowError)


def test_a_gate_names_the_row_in_a_device_fault_and_goes_on(tmp_path: Path) -> None:
    world = World(tmp_path, HandClock())
    world.start()
    world.gate.note(Kind.OVERRIDE, Anything(words="y" * EVENT_BYTES_MAX))
    world.gate.note(Kind.FORCED, LaneData(lane="entry"))
    faults = [row for row in world.events("device") if row["device"] == "journal"]
    assert [FILE in row["detail"] for row in faults] == [True]
    assert len(world.events("forced")) == 1
    assert (tmp_path / FILE).exists()
    world.journal.close()
