"""``postern-edge journal`` on a gate that runs, and on one that does not."""

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import chdir
from pathlib import Path
from typing import NamedTuple

import apsw
import pytest
from typer.testing import CliRunner

from edge.cli import app
from edge.disk_watch import COPIES
from edge.journal import Journal
from edge.journal_requests import journal_handlers
from shell.control import ControlServer
from sync.messages import Kind, LaneData
from tests.ticking import HandClock

pytestmark = pytest.mark.real
FIRST = Path(__file__).parents[1] / "data" / "journal-schema-1.db"
CONFIG = """
[gate]
id = "south"
site = 7
number = 0
name = "南门"
zone = "Asia/Shanghai"
data_dir = "data"
keys = "k"
units = "u"
[broker]
url = "mqtt://127.0.0.1:1"
[[board]]
name = "relays"
protocol = "lcus"
port = "a"
[[lane]]
name = "entry"
direction = "entry"
camera = "none"
board = "relays"
channel = 1
passage = "assumed"
release = "pulse_to_open"
on_power_loss = "open"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "gate.toml").write_text(CONFIG, encoding="utf-8")
    (tmp_path / "data").mkdir()
    shutil.copyfile(FIRST, tmp_path / "data" / "journal.db")
    return tmp_path


@pytest.fixture
def running(folder: Path) -> Iterator[Journal]:
    journal = Journal(folder / "data", HandClock())
    server = ControlServer(folder / "data" / "control.sock", journal_handlers(journal))
    server.start()
    yield journal
    server.stop()
    journal.close()


class Ended(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


def command(folder: Path, *words: str) -> Ended:
    """What the command says and ends with, run in ``folder``; in this process, for it takes long to load."""
    with chdir(folder):
        found = CliRunner().invoke(app, ["journal", *words], env={"COLUMNS": "200"})
    assert found.exception is None or isinstance(found.exception, SystemExit), found.exception
    return Ended(found.exit_code, found.stdout, found.stderr)


def files(folder: Path) -> Sequence[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_a_running_gate_gives_a_copy_which_is_gone_afterwards_and_records_on(
    folder: Path, running: Journal
) -> None:
    before = running.last_seq()
    shown = command(folder, "show", "--json", "--limit", "3")
    assert shown.returncode == 0, shown.stderr
    assert [row["seq"] for row in json.loads(shown.stdout)] == [before - 2, before - 1, before]
    verified = command(folder, "verify")
    assert verified.returncode == 0, verified.stderr
    assert "纪元 epoch" in verified.stdout
    assert list((folder / "data" / COPIES).iterdir()) == []
    assert running.append(Kind.FORCED, LaneData(lane="entry")).seq == before + 1


def test_rows_are_shown_by_kind_and_time_in_the_gates_zone_with_ids_masked(folder: Path) -> None:
    shown = command(folder, "show", "--kind", "decision", "--since", "2026-11-22 17:30:20")
    assert shown.returncode == 0, shown.stderr
    head, *rows = shown.stdout.splitlines()
    assert "时间 time" in head
    assert rows
    assert all("17:30:" in row and "decision" in row for row in rows)
    assert "000000000000000c" not in shown.stdout
    whole = command(folder, "show", "--unmasked", "--json")
    assert "000000000000000c" in whole.stdout


def test_nothing_is_changed_in_a_folder_whose_gate_does_not_run(folder: Path) -> None:
    before = (folder / "data" / "journal.db").read_bytes()
    for words in (["show"], ["verify"], ["export"]):
        assert command(folder, *words).returncode == 0
    assert (folder / "data" / "journal.db").read_bytes() == before
    assert files(folder) == ["gate.toml", "journal.db"]


@pytest.mark.parametrize(
    ("spoil", "what", "first", "last"),
    [
        ("delete from event where seq between 20 and 22", "missing", 20, 22),
        (
            """update event set body = replace(body, '"lane":"entry"', '"lane":"exit"') where seq = 9""",
            "changed",
            9,
            9,
        ),
    ],
)
def test_i22_verify_says_where_the_chain_breaks(
    folder: Path, spoil: str, what: str, first: int, last: int
) -> None:
    db = apsw.Connection(str(folder / "data" / "journal.db"))
    db.execute(spoil)
    assert db.total_changes() > 0
    db.close()
    verified = command(folder, "verify", "--json")
    assert verified.returncode == 1
    answer = json.loads(verified.stdout)
    assert answer["ok"] is False
    assert answer["epochs"][-1]["breaks"] == [{"first": first, "last": last, "what": what}]
    words = command(folder, "verify")
    assert words.returncode == 1
    assert f"{first}-{last}" in words.stdout


def test_an_export_is_written_once_and_replaced_only_by_force(folder: Path) -> None:
    assert command(folder, "export", "--out", "rows.csv").returncode == 0
    rows = (folder / "rows.csv").read_text("utf-8-sig").splitlines()
    assert len(rows) == 41
    assert rows[0].startswith("epoch,seq,at,kind")
    refused = command(folder, "export", "--out", "rows.csv")
    assert refused.returncode == 4
    assert "--force" in refused.stderr
    assert command(folder, "export", "--out", "rows.csv", "--force", "--kind", "passage").returncode == 0
    assert len((folder / "rows.csv").read_text("utf-8-sig").splitlines()) < 30
    assert command(folder, "export", "--out", "rows.jsonl").returncode == 0
    lines = (folder / "rows.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["seq"] for line in lines] == list(range(1, 41))


def test_an_event_that_was_carried_into_another_epoch_is_exported_once(folder: Path) -> None:
    journal = Journal(folder / "data", HandClock())
    journal.new_epoch(centre_upto=50)  # carries 28 rows
    epoch = journal.epoch()
    journal.close()
    assert command(folder, "export", "--out", "rows.jsonl").returncode == 0
    rows = [json.loads(line) for line in (folder / "rows.jsonl").read_text("utf-8").splitlines()]
    assert len({row["id"] for row in rows}) == len(rows) == 40
    assert [row["seq"] for row in rows if row["epoch"] == epoch] == list(range(1, 29))
    shown = json.loads(command(folder, "show", "--json", "--limit", "30").stdout)
    assert [row["id"] for row in shown] == [row["id"] for row in rows[-30:]]


def test_a_kind_that_there_is_not_and_a_folder_that_there_is_not_are_wrong_usage(folder: Path) -> None:
    for word in ("show", "export"):
        refused = command(folder, word, "--kind", "nonsense")
        assert refused.returncode == 2
        assert "decision" in refused.stderr
    refused = command(folder, "salvage", "data/journal.db", "--out", "nowhere/saved.db")
    assert refused.returncode == 2
    assert "nowhere" in refused.stderr
    assert "journal.db" not in refused.stderr


def test_a_broken_file_is_saved_into_a_new_one_also_while_the_gate_runs(
    folder: Path, running: Journal
) -> None:
    data = bytearray(FIRST.read_bytes())
    data[:4096] = bytes(4096)
    broken = folder / "data" / "journal.db.broken-x"
    broken.write_bytes(data)
    tried = command(folder, "salvage", str(broken), "--out", "saved.db", "--dry-run")
    assert (tried.returncode, (folder / "saved.db").exists()) == (0, False)
    saved = command(folder, "salvage", str(broken), "--out", "saved.db", "--json")
    assert saved.returncode == 0, saved.stderr
    assert json.loads(saved.stdout)["rows"] == 40
    assert broken.read_bytes() == data
    verified = command(folder, "verify", "--file", "saved.db", "--json")
    assert verified.returncode == 0, verified.stderr
    assert command(folder, "salvage", str(broken), "--out", "saved.db").returncode == 4
    live = command(folder, "salvage", str(running.path), "--out", "live.db")
    assert live.returncode == 4
    assert "open" in live.stderr


def test_a_gate_that_runs_and_does_not_answer_is_not_read(folder: Path) -> None:
    journal = Journal(folder / "data", HandClock())
    try:
        shown = command(folder, "show")
        assert shown.returncode == 3
        assert "gives no copy" in shown.stderr
    finally:
        journal.close()


def test_what_is_no_journal_is_refused_in_words(folder: Path) -> None:
    (folder / "letter.txt").write_text("dear journal" * 1000)
    assert command(folder, "verify", "--file", "no-such-file").returncode == 2
    for words in (["verify"], ["show"]):
        refused = command(folder, *words, "--file", "letter.txt")
        assert refused.returncode == 1
        assert "letter.txt cannot be read" in refused.stderr
        assert "postern-journal-" not in refused.stderr  # the copy that was looked at is gone by now
    nothing = command(folder, "salvage", "letter.txt", "--out", "saved.db")
    assert nothing.returncode == 1
    assert not (folder / "saved.db").exists()


def test_every_command_has_help_with_an_example() -> None:
    for word in ("show", "verify", "export", "salvage"):
        found = command(Path.cwd(), word, "--help")
        assert found.returncode == 0
        assert f"Example: postern-edge journal {word}" in " ".join(found.stdout.split())
