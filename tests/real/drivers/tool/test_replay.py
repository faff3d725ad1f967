"""A trace of a real session plays the device again: the same command comes to the same result."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from drivers.tool.trace_masking import sendable
from simulators.boards.catalogue import make_board
from simulators.boards.knobs import Knobs
from simulators.devices.modem import Modem
from simulators.replay import Replay, ReplayEnd
from simulators.replay_script import ScriptError, read_script
from tests.real.drivers.stations import running
from tests.real.drivers.tool.conftest import Plug
from tests.real.drivers.tool.twins import run
from tests.waiting import until

pytestmark = pytest.mark.real
SAME = (
    "lane",
    "channel",
    "ms",
    "timed_by",
    "result",
    "grade",
    "maybe_executed",
    "stays_closed",
    "moved",
    "old",
    "new",
)


@contextmanager
def playing(folder: Path, file: Path, *, strict: bool = False) -> Iterator[tuple[Path, Replay]]:
    replay = Replay(read_script(file), strict=strict)
    with running(folder, [ReplayEnd(folder / "played", replay)]):
        yield folder / "played", replay


def same(out: str) -> dict[str, Any]:
    row = json.loads(out) if out else {}  # who cannot be asked gets no order, and there is no row
    return {key: row[key] for key in SAME if key in row}


def relay(profile: str) -> tuple[str, ...]:
    return ("--protocol", "modbus-relay", "--profile", profile)


@pytest.mark.parametrize(
    ("device", "options", "knobs", "wanted"),
    [
        (make_board("modbus-relay"), relay("waveshare-relay-8"), Knobs(), 0),
        (make_board("modbus-relay", profile="lctech-2ch"), relay("lctech-2ch"), Knobs(), 0),
        (make_board("numato"), ("--protocol", "numato"), Knobs(), 0),
        (make_board("turnstile-7e"), ("--protocol", "turnstile-7e"), Knobs(), 0),
        (make_board("modbus-relay", unit=2), relay("generic-0100-4"), Knobs(), 3),
    ],
    ids=["waveshare", "lctech", "numato", "7e", "silent"],
)
def test_a_pulse_from_a_trace_comes_to_the_same_twice(
    plug: Plug, tmp_path: Path, device: Any, options: tuple[str, ...], knobs: Knobs, wanted: int
) -> None:
    pulse = ("pulse", "1", *options, "--confirm", "entry", "--json")
    trace = tmp_path / "trace.jsonl"
    code, out, err = run(*pulse, "--port", plug(device, knobs=knobs).link, "--trace", trace)
    assert code == wanted, err
    # Whether a 7E controller is asked for its state before it is told to open is a matter of who comes first.
    sure = "turnstile-7e" not in options
    with playing(tmp_path, trace) as (link, replay):
        for number in (1, 2):
            again, said, err = run(*pulse, "--port", link)
            assert (again, same(said)) == (code, same(out)), err
            until(lambda: replay.left, what="the host to close the line")
            until(lambda: replay.rounds == number or (replay.departures and not sure), what="the round")  # noqa: B023


def test_a_change_of_speed_is_played_over_its_openings(plug: Plug, tmp_path: Path) -> None:
    change = (
        "set-baud",
        "19200",
        "--profile",
        "lctech-2ch",
        "--up-to",
        "1",
        "--confirm",
        "isolated",
        "--json",
    )
    trace = tmp_path / "trace.jsonl"
    code, out, _ = run(
        *change, "--port", plug(make_board("modbus-relay", profile="lctech-2ch")).link, "--trace", trace
    )
    with playing(tmp_path, trace) as (link, _):
        again, said, err = run(*change, "--port", link)
    assert (code, again, same(said)) == (0, 0, same(out)), err


def test_a_lost_cable_is_lost_again_and_comes_back(tmp_path: Path) -> None:
    file = tmp_path / "t.jsonl"
    rows = [
        {"trace": 1, "protocol": "lcus", "port": "/dev/x", "baud": 9600},
        {"ms": 0, "do": "open", "baud": 9600},
        {"ms": 1, "do": "tx", "hex": "A0 01 01 A2"},
        {"ms": 50, "do": "lost", "why": "unplugged"},
        {"ms": 350, "do": "open", "baud": 9600},
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    with playing(tmp_path, file) as (link, _):
        first = link.resolve()
        code, _, _ = run("term", "--port", link, "--confirm", "isolated", stdin="A0 01 01 A2\n")
        assert code == 3
        until(link.exists, what="the line again")
        assert first.parent == Path("/dev/pts")


def test_a_modems_trace_is_played_whole_and_refused_masked(plug: Plug, tmp_path: Path) -> None:
    trace = tmp_path / "trace.jsonl"
    send = ("sms", "test", "--to", "13800138000", "--json")
    code, out, err = run(*send, "--port", plug(Modem(sends_in_s=0.2)).link, "--trace", trace)
    assert code == 0, err
    masked = tmp_path / "masked.jsonl"
    masked.write_text("\n".join(sendable(trace.read_text("utf-8").splitlines())) + "\n", "utf-8")
    with pytest.raises(ScriptError, match="taken out"):
        read_script(masked)
    with playing(tmp_path, trace) as (link, _):
        again, said, err = run(*send, "--port", link)
    assert (again, json.loads(said)["result"]) == (code, json.loads(out)["result"]), err


def test_the_command_plays_names_departures_and_ends_with_1_when_strict(plug: Plug, tmp_path: Path) -> None:
    trace, link = tmp_path / "trace.jsonl", tmp_path / "played"
    first = ("term", "--confirm", "isolated")
    assert (
        run(*first, "--port", plug(make_board("kmtronic")).link, "--trace", trace, stdin="FF 09 00\n")[0] == 0
    )
    argv = [sys.executable, "-m", "simulators.cli", "replay", str(trace), "--link", str(link)]
    for more, typed, ends in (((), "FF 09 00\n", 0), (("--strict",), "FF 01 00\n", 1)):
        with subprocess.Popen(
            [*argv, *more], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            until(link.is_symlink, within_s=30.0, what="the line")
            code, out, _ = run(*first, "--port", link, stdin=typed)
            assert (code in {0, 3 * ends}, out.count("<-")) == (
                True,
                1 - ends,
            )  # a strict play may be over first
            if not ends:
                process.send_signal(signal.SIGTERM)
            said, err = process.communicate(timeout=30)
        assert process.returncode == ends
        assert ("the host wrote FF 01 00, and line 3 has FF 09 00" in said) == bool(ends)
        assert err == f"rounds {1 - ends}, departures {ends}\n"
