"""Boards that should answer and never do: what was sent is not called done without a word, and what was not is not."""

import json
from typing import Any

import pytest

from simulators.boards.catalogue import make_board
from simulators.boards.device import Answer
from simulators.boards.kmtronic import Kmtronic
from simulators.boards.modbus_makes import WaveshareRelay
from tests.real.drivers.tool.conftest import Plug
from tests.real.drivers.tool.twins import Twin, run

pytestmark = pytest.mark.real
NEVER = "Nothing was ever heard of this board"


class Fading(Kmtronic):
    """Says how its relays are, and after ``left`` answers no more."""

    left = 1_000_000

    def _hear(self, data: bytes, now_s: float) -> list[Answer]:
        said = super()._hear(data, now_s)
        self.left -= len(said)
        return said if self.left >= 0 else []


class Unswitched(WaveshareRelay):
    """Answers who reads, and nobody who switches."""

    def receive(self, data: bytes, now_s: float) -> list[Answer]:
        return super().receive(data, now_s) if data[1] in {1, 2, 3, 4} else []


def fade(twin: Twin) -> None:
    """One answer is left, with which the board proves itself; or none, where nobody asks."""
    board = twin.devices[0]
    if isinstance(board, Fading):
        twin.station.ask(lambda: setattr(board, "left", 1))
    else:
        twin.station.ask(lambda: board.power_off(0.0))


def pulse(twin: Twin, protocol: str, *more: str, command: str = "pulse") -> tuple[int, dict[str, Any], str]:
    where = ("--port", twin.link, "--protocol", protocol, "--confirm", "entry", "--json")
    code, out, err = run(command, "1", *where, *more)
    return code, json.loads(out), err


@pytest.mark.parametrize("protocol", ["kmtronic", "lcus"])
def test_a_board_that_should_answer_and_never_did_is_told_from_one_that_never_does(
    plug: Plug, protocol: str
) -> None:
    board: Any = Fading() if protocol == "kmtronic" else make_board(protocol)
    twin = plug(board)
    code, row, err = pulse(twin, protocol)
    assert (code, row["result"], NEVER in err) == (0, "done", False)
    fade(twin)
    code, row, err = pulse(twin, protocol)
    assert (code, row["grade"], NEVER in err) == (0, "sent", protocol == "kmtronic")
    assert row["sent_ms"] is not None
    assert row["answered_ms"] is None
    fade(twin)
    code, row, err = pulse(twin, protocol, "--n", "1", "--every", "0", command="soak")
    assert (code, row["done"], NEVER in err) == (0, 1, protocol == "kmtronic")


def test_of_a_pulse_that_was_never_sent_no_moment_is_told(plug: Plug) -> None:
    twin = plug(Unswitched())
    code, row, err = pulse(twin, "modbus-relay", "--profile", "waveshare-relay-8")
    assert code == 3, row
    if row["result"] == "timed_out":  # on a busy machine the opening overtakes it, and nothing is timed
        assert (row["maybe_executed"], row["sent_ms"], row["answered_ms"]) == (False, None, None)
    assert "orders to open every relay WERE" in err


def test_a_board_that_never_answers_is_told_nothing_that_could_switch_a_stranger(plug: Plug) -> None:
    twin = plug(make_board("kmtronic"))
    twin.station.ask(lambda: twin.devices[0].power_off(0.0))
    where = ("--port", twin.link, "--protocol", "kmtronic", "--confirm", "entry")
    code, out, err = run("pulse", "1", *where)
    assert (code, out, "nothing else was sent" in err) == (3, "", True), err


def test_a_stranger_at_the_port_is_moved_by_no_order_to_open(plug: Plug) -> None:
    twin = plug(make_board("devantech-usb"))
    generic = ("--protocol", "modbus-relay", "--profile", "generic-0100-4")
    for command in (("pulse", "1"), ("soak", "1", "--n", "1")):
        code, out, err = run(*command, "--port", twin.link, *generic, "--confirm", "bench")
        assert (code, out, "nothing else was sent" in err) == (3, "", True), err
        assert twin.moved() == []


def test_where_a_stranger_cannot_be_asked_it_is_said_that_orders_went_out(plug: Plug) -> None:
    """A Numato module is told by its USB number alone, and a bench has none."""
    twin = plug(make_board("devantech-usb"))
    where = ("--port", twin.link, "--protocol", "numato", "--confirm", "bench")
    for language, words in (
        ("C", "orders to open every relay WERE"),
        ("zh_CN.UTF-8", "令继电器断开的命令已发出"),
    ):
        code, _, err = run("pulse", "1", *where, language=language)
        assert (code, words in err, "the command was not sent" in err) == (3, True, False), err
