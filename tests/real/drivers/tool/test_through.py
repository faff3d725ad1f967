"""``pulse``, ``hold``, ``off`` and ``watch`` when a running gate has the boards: its control socket is asked."""

import json
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from shell.control import ControlServer, RequestError
from tests.real.drivers.tool.test_moving import SIGNED, gate, hold, relays, started
from tests.real.drivers.tool.twins import run
from tests.waiting import until

pytestmark = pytest.mark.real
Answer = Callable[[Mapping[str, Any]], Mapping[str, Any]]


class Gate:
    """A daemon that answers by the table of its control socket, and keeps what it was asked."""

    def __init__(self, path: Path) -> None:
        self.asked: list[dict[str, Any]] = []
        self.answers: dict[str, Mapping[str, Any]] = {
            "pulse": {"lane": "entry", "outcome": "done", "grade": "confirmed"},
            "hold": {"lane": "entry", "seconds": 300, "outcome": "held"},
            "release": {"lane": "entry", "outcome": "done", "grade": "accepted"},
            "off": {"boards": {"relays": True}},
        }
        self.server = ControlServer(path, dict.fromkeys((*self.answers, "watch"), self.take))
        self.server.start()

    def take(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        self.asked.append(dict(request))
        if request["do"] == "watch":
            edge = {"seq": 8, "board": "relays", "event": "input_edge", "channel": 2, "active": True}
            return {"seq": 8, "events": [edge] if "since" in request else [], "now": {}}
        answer = self.answers[str(request["do"])]
        if "error" in answer:
            raise RequestError(answer["error"], answer["problem"])
        return answer


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Gate]:
    running = Gate(tmp_path / "control.sock")
    yield running
    running.server.stop()


NAMED = ("--board", "relays", "--config")


def test_a_pulse_goes_through_the_running_gate_and_is_recorded_there(daemon: Gate, tmp_path: Path) -> None:
    pulse = ("pulse", "1", *NAMED, gate(tmp_path, relays()), "--by", "Li", "--json")
    assert (run(*pulse)[0], daemon.asked) == (4, [])
    code, out, err = run(*pulse, "--confirm", "entry")
    row = json.loads(out)
    assert (code, err, row["result"], row["grade"], row["through"]) == (0, "", "done", "confirmed", "daemon")
    assert daemon.asked == [
        {"do": "pulse", "lane": "entry", "ms": 300, "by": "Li", "reason": "postern-driver pulse"}
    ]


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        ({"outcome": "timed_out", "maybe_executed": True}, 3, "MAYBE EXECUTED"),
        ({"outcome": "refused", "why": "busy"}, 1, "busy"),
        ({"error": "unsafe", "problem": "fire"}, 4, "fire"),
        ({"error": "board_fault", "problem": "the board is gone"}, 1, "gone"),
    ],
)
def test_what_the_gate_says_of_a_pulse_is_said(
    daemon: Gate, tmp_path: Path, answer: dict[str, Any], code: int, words: str
) -> None:
    daemon.answers["pulse"] = answer
    found, _, err = run("pulse", "1", *NAMED, gate(tmp_path, relays()), "--confirm", "entry")
    assert (found, words in err) == (code, True)


def test_a_hold_through_the_gate_is_released_by_ctrl_c(daemon: Gate, tmp_path: Path) -> None:
    with started(hold(gate(tmp_path, relays(), lane=SIGNED))) as process:
        until(lambda: daemon.asked, what="the request")
        assert process.stderr is not None
        assert "IS HELD OPEN" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, json.loads(out)["ended"]) == (0, "released"), err
    assert [(one["do"], one.get("seconds")) for one in daemon.asked] == [("hold", 300), ("release", None)]


def test_off_and_watch_ask_the_gate(daemon: Gate, tmp_path: Path) -> None:
    path = gate(tmp_path, relays())
    code, out, _ = run("off", *NAMED, path, "--confirm", "entry", "--json")
    assert (code, json.loads(out)[0]["state"], daemon.asked[-1]["board"]) == (0, "daemon", "relays")
    path = gate(tmp_path, relays(protocol='protocol = "modbus-relay"\nprofile = "waveshare-io-8ch"'))
    code, out, _ = run("watch", "--board", "relays", "--config", path, "--count", "1", "--json")
    row = json.loads(out)
    assert (code, row["channel"], row["active"], row["role"]) == (0, 2, True, "entry contact")


def test_what_the_gate_cannot_do_for_us_names_the_program_to_stop(daemon: Gate, tmp_path: Path) -> None:
    path = gate(tmp_path, relays())
    code, _, err = run("soak", "1", "--n", "1", *NAMED, path, "--confirm", "entry")
    assert (code, "systemctl stop postern-edge" in err) == (3, True)
    line = tmp_path / "line"
    code, _, err = run("term", "--port", line, "--config", path, stdin="")
    assert (code, "systemctl stop postern-edge" in err) == (3, True)
