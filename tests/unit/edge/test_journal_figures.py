import csv
import io
import json

import pytest

from edge.journal.limits import Limits, Room, beyond_quota
from edge.journal.reading import Found
from edge.journal_export import Format, as_event, harmless, lines

LIMITS = Limits(receipted_bytes=1000)
ROW = {
    "seq": 7,
    "at": "2026-11-22T09:30:00.000Z",
    "kind": "override",
    "trust": "trusted",
    "id": "ab" * 8,
    "data": {
        "pass_id": "0011223344556677",
        "person": "8899aabbccddeeff",
        "by": "=cmd|' /C calc'!A0",
        "reason": "call 13800138001",
        "unit": -3,
    },
}
FOUND = Found("ee" * 8, 7, ROW)


@pytest.mark.parametrize(
    ("used", "rows", "receipted", "beyond"),
    [(0, 0, 0, 0), (5000, 50, 10, 0), (5000, 50, 11, 1), (5000, 50, 50, 40), (10**9, 3, 2, 2)],
)
def test_rows_beyond_the_quota_are_counted_by_what_a_row_takes(
    used: int, rows: int, receipted: int, beyond: int
) -> None:
    assert beyond_quota(used_bytes=used, rows=rows, receipted=receipted, limits=LIMITS) == beyond


def test_d2_what_the_reserve_held_is_for_exits_and_freed_pages_count_as_room() -> None:
    limits = Limits()
    assert not Room(disk=limits.reserve_bytes, inside=0).for_entries(limits)
    assert Room(disk=0, inside=2 * limits.reserve_bytes).for_entries(limits)
    assert not Room(disk=limits.reserve_bytes, inside=1 << 30).for_reserve(limits)
    assert Room(disk=2 * limits.reserve_bytes, inside=0).for_reserve(limits)


def test_a_reserve_that_a_checkpoint_could_use_up_is_none() -> None:
    with pytest.raises(AssertionError):
        Limits(reserve_bytes=400_000)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "－1"])
def test_i13_no_cell_is_a_formula(text: str) -> None:
    assert harmless(text)[0] in {"'", " "}
    assert "\n" not in harmless(text)


def test_numbers_and_words_stay_as_they_are() -> None:
    assert [harmless(one) for one in (-3, 1.5, "entry", None)] == ["-3", "1.5", "entry", ""]


def test_i17_an_export_masks_ids_and_typed_numbers_unless_asked_for_whole() -> None:
    masked, whole = (as_event(FOUND, masked=masked)["data"] for masked in (True, False))
    assert (masked["pass_id"], masked["person"]) == ("…6677", "…eeff")
    assert "13800138001" not in json.dumps(masked)
    assert whole == ROW["data"]


def test_a_csv_reads_back_cell_by_cell_and_json_lines_are_rows() -> None:
    head, row = csv.reader(io.StringIO("\n".join(lines([FOUND], Format.CSV, masked=False))))
    cells = dict(zip(head, row, strict=True))
    assert (cells["seq"], cells["unit"], cells["pass_id"]) == ("7", "-3", "0011223344556677")
    assert cells["by"] == "'=cmd|' /C calc'!A0"
    (line,) = lines([FOUND], Format.JSONL, masked=False)
    assert json.loads(line) == {"epoch": FOUND.epoch, **ROW}


def test_a_row_that_cannot_be_read_is_a_line_of_its_own() -> None:
    (line,) = lines([Found("ee" * 8, 9, None)], Format.JSONL, masked=True)
    assert json.loads(line) == {"epoch": "ee" * 8, "seq": 9, "kind": "unreadable", "data": {}}
