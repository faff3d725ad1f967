"""Boards that should answer and never do: what was sent is not called done without a word, and what was not is not."""

import json
from typing import Any

import pytest

from simulators.boards.catalogue import make_board
from tests.real.drivers.tool.conftest import Plug
from tests.real.drivers.tool.twins import Twin, run

pytestmark = pytest.mark.real
NEVER = "Nothing was ever heard of this board"


def pulse(twin: Twin, protocol: str, *more: str, command: str = "pulse") -> tuple[int, dict[str, Any], str]:
    where = ("--port", twin.link, "--protocol", protocol, "--confirm", "entry", "--json")
    code, out, err = run(command, "1", *where, *more)
    return code, json.loads(out), err


@pytest.mark.parametrize("protocol", ["kmtronic", "lcus"])
def test_a_board_that_should_answer_and_never_did_is_told_from_one_that_never_does(
    plug: Plug, protocol: str
) -> None:
    twin = plug(make_board(protocol))
    code, row, err = pulse(twin, protocol)
    assert (code, row["result"], NEVER in err) == (0, "done", False)
    twin.station.ask(lambda: twin.devices[0].power_off(0.0))
    code, row, err = pulse(twin, protocol)
    assert (code, row["grade"], NEVER in err) == (0, "sent", protocol == "kmtronic")
    assert row["sent_ms"] is not None
    code, row, err = pulse(twin, protocol, "--n", "1", "--every", "0", command="soak")
    assert (code, row["done"], NEVER in err) == (0, 1, protocol == "kmtronic")


def test_of_a_pulse_that_was_never_sent_no_moment_is_told(plug: Plug) -> None:
    twin = plug(make_board("modbus-relay", profile="waveshare-relay-8"))
    twin.station.ask(lambda: twin.devices[0].power_off(0.0))
    code, row, _ = pulse(twin, "modbus-relay", "--profile", "waveshare-relay-8")
    assert (code, row["maybe_executed"], row["sent_ms"], row["answered_ms"]) == (3, False, None, None)
