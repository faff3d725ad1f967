"""Starts of the whole gate that end before it serves, and what they make of its journal."""

import json
import threading
from pathlib import Path

import apsw
import pytest

from drivers.gate.config import load_config
from edge.daemon import EdgeDaemon
from edge.journal import Journal, JournalBusyError, JournalNewerError
from edge.journal.schema import SCHEMA_VERSION
from shell.clock import SystemClock
from tests.real.test_daemon_start import GATE
from tests.real.test_gate_boards import write_gate

pytestmark = pytest.mark.real
TIMES = 6  # at which nothing would be believed any more


def version(path: Path, number: int) -> None:
    db = apsw.Connection(str(path))
    db.execute(f"pragma user_version = {number}")
    db.close()


def test_k9_a_second_process_and_a_later_version_make_no_journal_doubtful(tmp_path: Path) -> None:
    path = write_gate(tmp_path, GATE, code=False)
    config = load_config(path)
    folder = config.gate.data_dir
    first = Journal(folder, SystemClock())
    for _ in range(TIMES):
        with pytest.raises(JournalBusyError):
            EdgeDaemon(config, path)
    epoch = first.epoch()
    first.close()
    version(first.path, SCHEMA_VERSION + 1)
    for _ in range(TIMES):
        with pytest.raises(JournalNewerError):
            EdgeDaemon(config, path)
    version(first.path, SCHEMA_VERSION)
    daemon, stop = EdgeDaemon(config, path), threading.Event()
    assert (daemon.journal.set_aside, daemon.journal.epoch()) == (None, epoch)
    assert json.loads((folder / "starts").read_text())["failed"] == 1
    stop.set()
    daemon.run(stop)
    assert json.loads((folder / "starts").read_text())["failed"] == 0
