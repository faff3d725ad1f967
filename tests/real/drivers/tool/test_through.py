"""``pulse``, ``hold``, ``off`` and ``watch`` when a running gate has the boards: its control socket is asked."""

import json
import re
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from drivers.tool.gate_refusals import MEANINGS
from shell.control import ControlServer, RequestError
from tests.real.drivers.tool.test_moving import SIGNED, gate, hold, relays, started
from tests.real.drivers.tool.twins import run
from tests.waiting import until

pytestmark = pytest.mark.real
ROOT = Path(__file__).parents[4]
Answer = Callable[[Mapping[str, Any]], Mapping[str, Any]]


class Gate:
    """A daemon that answers by the table of its control socket, and keeps what it was asked."""

    def __init__(self, path: Path) -> None:
        self.asked: list[dict[str, Any]] = []  # without the looks at how it is
        self.first_seen = 8
        self.now: dict[str, Any] = {
            "emergency": "none",
            "lanes": [{"name": "entry", "board": "relays", "channel": 1, "held_s": 300.0}],
            "boards": [{"name": "relays", "line": "up", "fault": "", "active": []}],
        }
        self.answers: dict[str, Mapping[str, Any]] = {
            "pulse": {"lane": "entry", "outcome": "done", "grade": "confirmed"},
            "hold": {"lane": "entry", "seconds": 300, "outcome": "held"},
            "release": {"lane": "entry", "outcome": "done", "grade": "accepted"},
            "off": {"boards": {"relays": True}},
        }
        self.server = ControlServer(path, dict.fromkeys((*self.answers, "watch"), self.take))
        self.server.start()

    def take(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        if request["do"] == "watch":
            seq = self.first_seen
            edge = {
                "seq": seq,
                "board": "relays",
                "event": "input_edge",
                "channel": 2,
                "active": True,
                "at_s": 0,
            }
            news = [edge] if request.get("since") == 7 else []
            return {"seq": seq if "since" in request else 7, "events": news, "now": self.now}
        self.asked.append(dict(request))
        answer = self.answers[str(request["do"])]
        if "error" in answer:
            raise RequestError(
                **{"code": answer["error"], **{k: v for k, v in answer.items() if k != "error"}}
            )
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
        ({"outcome": "refused", "why": "busy"}, 1, "busy with another one"),
        ({"outcome": "refused", "why": "not_taken"}, 1, "took nothing"),
        ({"error": "unsafe", "problem": "fire", "why": "emergency"}, 4, "nothing is locked again"),
        ({"error": "unsafe", "problem": "of a later release"}, 4, "of a later release"),
        ({"error": "board_fault", "problem": "-", "board": "relays", "detail": "unplugged"}, 1, "unplugged"),
        (
            {"error": "busy", "problem": "-", "why": "walking", "lane": "entry"},
            1,
            "walking through lane entry",
        ),
        ({"error": "busy", "problem": "-"}, 3, "busy"),
        ({"error": "bad_request", "problem": "by: 应为 write one line"}, 2, "write one line"),
        ({"error": "unknown_lane", "problem": "-", "lane": "entry", "known": "exit"}, 2, "It has: exit"),
        ({"error": "no_answer", "problem": "-"}, 3, "may have been done"),
        ({"error": "new_code", "problem": "of a later release"}, 1, "of a later release"),
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


def test_every_refusal_of_the_gate_has_its_exit_code_and_words_in_both_languages() -> None:
    told = {
        found[0]
        for source in ("edge/hands.py", "edge/tool_requests.py", "edge/control.py", "shell/control.py")
        for found in re.findall(
            r'(?:HandsError|RequestError|_no)\(\s*(?:code\s*=\s*)?"(\w+)"()',
            (ROOT / source).read_text("utf-8"),
        )
    }
    assert {"busy", "unsafe", "bad_request", "not_whole", "internal"} <= told
    meant = {code for code, _ in MEANINGS}
    assert told - meant == {"not_allowed", "unknown_request"}  # said by ``ask`` and by ``held_by_daemon``
    for _, words in MEANINGS.values():
        assert words.zh != words.en


def test_an_edge_that_was_missed_is_not_taken_for_an_input_that_did_not_answer(
    daemon: Gate, tmp_path: Path
) -> None:
    io = relays(protocol='protocol = "modbus-relay"\nprofile = "waveshare-io-8ch"')
    pulse = ("pulse", "1", *NAMED, gate(tmp_path, io), "--confirm", "entry", "--within", "0.1")
    code, _, err = run(*pulse, "--expect", "in2")
    assert code == 0, err
    daemon.first_seen = 40  # the happenings before were not kept
    code, _, err = run(*pulse, "--expect", "in3")
    assert (code, "Whether in3 answered is not known" in err) == (1, True), err
    daemon.first_seen = 8
    code, _, err = run(*pulse, "--expect", "in3")
    assert (code, "in3 did not answer" in err) == (1, True), err


def test_a_gate_that_was_started_anew_meanwhile_holds_nothing(daemon: Gate, tmp_path: Path) -> None:
    with started(hold(gate(tmp_path, relays(), lane=SIGNED))) as process:
        until(lambda: daemon.asked, what="the request")
        daemon.first_seen = 1
        out, err = process.communicate(timeout=20)
    assert (process.returncode, json.loads(out)["ended"]) == (3, "gate"), err
    assert "look at lane entry" in err


def test_a_hold_of_which_the_gate_knows_nothing_is_released_all_the_same(
    daemon: Gate, tmp_path: Path
) -> None:
    daemon.answers["hold"] = {"lane": "entry", "outcome": "timed_out", "maybe_executed": True}
    code, out, err = outcome_of(hold(gate(tmp_path, relays(), lane=SIGNED)))
    assert (code, json.loads(out)["ended"], "MAY STILL STAND OPEN" in err) == (3, "unknown", True)
    assert [one["do"] for one in daemon.asked] == ["hold", "release"]


def outcome_of(argv: list[str]) -> tuple[int, str, str]:
    """Of a command in a process of its own: it takes over the signals."""
    with started(argv) as process:
        out, err = process.communicate(timeout=20)
    return process.returncode, out, err


def test_an_output_of_another_lane_is_not_opened_under_this_ones_name(daemon: Gate, tmp_path: Path) -> None:
    path = gate(tmp_path, relays())
    code, _, err = run("pulse", "2", *NAMED, path, "--confirm", "entry")
    assert (code, "nothing moved" in err, daemon.asked) == (2, True, []), err


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
