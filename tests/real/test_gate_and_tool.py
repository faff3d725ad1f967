"""The installer's tool and the running gate, both real: one holds the port, the other asks it."""

import json
from pathlib import Path

import pytest

from tests.real.drivers.tool.twins import run
from tests.real.test_gate_boards import on_io
from tests.waiting import until

pytestmark = pytest.mark.real


def test_the_tool_pulses_and_watches_through_the_gate_that_has_the_port(tmp_path: Path) -> None:
    named = ("--board", "io", "--config", tmp_path / "gate.toml")
    with on_io(tmp_path) as (station, _, gate):
        code, _, said = run("pulse", "1", *named, "--confirm", "exit", "--by", "李工")
        assert (code, station.whats()) == (4, []), said  # another lane's name moves nothing
        code, out, said = run("pulse", "1", *named, "--confirm", "entry", "--by", "李工", "--json")
        assert (code, said) == (0, "")
        assert (json.loads(out)["grade"], json.loads(out)["through"]) == ("confirmed", "daemon")
        until(lambda: station.whats() == [("relay_on", 1), ("relay_off", 1)], what="one pulse")
        code, _, said = run("off", "--all", *named[2:], "--confirm", "entry", "--by", "李工")
        assert code == 0, said
        (pulse, *_) = gate.events("override")
        assert (pulse["act"], pulse["lane"], pulse["by"]) == ("pulse", "entry", "李工")
        code, _, said = run("watch", *named, "--timeout", "0.2", "--json")
        assert code == 0, said
        assert station.whats() == [("relay_on", 1), ("relay_off", 1)]


def test_the_tool_is_refused_by_a_gate_in_an_emergency_where_that_would_shut_a_lane(tmp_path: Path) -> None:
    named = ("--board", "io", "--config", tmp_path / "gate.toml")
    with on_io(tmp_path) as (station, _, gate):
        station.station.ask(lambda: station.station.do("fire_on"))
        until(lambda: gate.status()["emergency"] == "active", what="the emergency")
        code, _, said = run("off", "--all", *named[2:], "--confirm", "entry", "--by", "李工")
        assert code == 4, said
        code, _, said = run("pulse", "1", *named, "--confirm", "entry", "--by", "李工")
        assert code == 0, said  # opening is allowed
        until(lambda: station.whats() == [("relay_on", 1), ("relay_off", 1)], what="one pulse")
