"""``term``, ``trace`` and ``set-address`` against the virtual boards."""

import json
from pathlib import Path
from typing import Any

import pytest

from drivers.modbus_rtu import crc16
from simulators.boards.catalogue import make_board
from simulators.boards.device import Answer
from simulators.boards.modbus_makes import Generic0100
from simulators.devices.thermometers import Mcu90614
from tests.real.drivers.tool.conftest import Plug
from tests.real.drivers.tool.twins import run

pytestmark = pytest.mark.real
WRITE = "01 05 00 00 FF 00 8C 3A\n"


def test_term_sends_hex_and_shows_the_answer(plug: Plug) -> None:
    twin = plug(make_board("kmtronic"))
    code, out, _ = run("term", "--port", twin.link, stdin="ff 09 00\nno hex\n\n")
    assert (code, out.splitlines()[0]) == (0, "-> FF 09 00")
    assert out.splitlines()[1].startswith("<- 00 00 00 00 00 00 00 00")


@pytest.mark.parametrize("typed", ["FF 01 01\n", "FF 01\n01\n", "64\n", WRITE, f"{WRITE[:11]}\n{WRITE[12:]}"])
def test_term_names_the_board_and_sends_nothing_that_would_switch_it(plug: Plug, typed: str) -> None:
    boards = {"64": "devantech-usb", "01": "modbus-relay"}
    twin = plug(make_board(boards.get(typed[:2], "kmtronic")))
    code, _, err = run("term", "--port", twin.link, stdin=typed)
    assert (code, "WOULD SWITCH" in err, twin.moved()) == (4, True, [])
    assert run("term", "--port", twin.link, "--confirm", "isolated", stdin=typed)[0] == 0
    whole = typed.count("\n") == 1 or typed.startswith("FF")  # a Modbus board forgets a frame that pauses
    assert bool([one for one in twin.moved() if one[0] == "relay_on"]) is whole


def test_term_with_text_adds_the_end_of_line(plug: Plug) -> None:
    twin = plug(make_board("numato"))
    term = ("term", "--port", twin.link, "--baud", "19200", "--as-text", "--confirm", "isolated")
    code, out, _ = run(*term, stdin="ver\n")
    assert (code, out.splitlines()[0]) == (0, "-> 76 65 72 0D")


def test_a_recorded_line_can_be_shown(plug: Plug, tmp_path: Path) -> None:
    twin, out_file = plug(Mcu90614(person_c=36.5)), tmp_path / "t.jsonl"
    assert run("trace", "record", "--port", twin.link, "--out", out_file, "--seconds", "0.5")[0] == 0
    code, out, _ = run("trace", "show", out_file)
    assert (code, "<- 5A 5A 45 04 0E 42 09 C4 1A" in out) == (0, True)
    code, out, _ = run("trace", "show", out_file, "--json")
    assert {json.loads(line)["do"] for line in out.splitlines()} == {"open", "rx", "close"}


def test_what_a_command_wrote_is_shown_in_words(plug: Plug, tmp_path: Path) -> None:
    twin, trace = plug(make_board("modbus-relay")), tmp_path / "t.jsonl"
    where = ("--port", twin.link, "--protocol", "modbus-relay", "--profile", "waveshare-relay-8")
    assert run("pulse", "1", *where, "--confirm", "entry", "--trace", trace)[0] == 0
    code, out, _ = run("trace", "show", trace)
    assert code == 0
    assert "-> 01 05 02 00 00 03 8C 73" in out
    assert "unit 1 write coil address 0200 value 0003" in out
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize(
    "content", ["", "{", "[]\n", '{"trace": 2}\n', '{"trace": 1}\n{"do": "rx"}\n', "\x00"]
)
def test_a_file_that_is_no_trace_is_exit_1(tmp_path: Path, content: str) -> None:
    file = tmp_path / "t.jsonl"
    file.write_text(content, encoding="utf-8")
    assert run("trace", "show", file)[0] == 1
    assert run("trace", "show", tmp_path / "none")[0] == 2


PROFILE = "generic-0100-4"


@pytest.mark.usefixtures("nobody_else")
def test_an_address_is_written_and_read_back(plug: Plug) -> None:
    profile = PROFILE
    board: Any = make_board("modbus-relay", profile=profile)
    twin = plug(board)
    change = ("set-address", "5", "--port", twin.link, "--profile", profile)
    assert run(*change)[0] == 4
    assert (board.unit, run(*change, "--dry-run")[0], board.unit) == (1, 0, 1)
    code, out, err = run(*change, "--confirm", "isolated", "--json")
    assert (code, json.loads(out)["result"], board.unit) == (0, "done", 5), err
    assert [what for what, _ in twin.moved() if what != "setting"] == []


def test_two_boards_on_the_line_or_none_change_nothing(plug: Plug) -> None:
    boards: list[Any] = [make_board("modbus-relay", unit=unit, profile=PROFILE) for unit in (1, 2)]
    twin = plug(*boards)
    more = ("--profile", PROFILE, "--confirm", "isolated")
    code, _, err = run("set-address", "5", "--port", twin.link, *more)
    assert (code, "Units 1, 2 answer" in err, [board.unit for board in boards]) == (4, True, [1, 2])
    other = plug(make_board("modbus-relay", unit=40, profile=PROFILE), name="other")
    code, _, err = run("set-address", "5", "--port", other.link, *more)
    assert (code, "Units 40 answer, and only 1 may" in err) == (4, True), err


@pytest.mark.usefixtures("nobody_else")
def test_a_line_on_which_nobody_answers_is_exit_3(plug: Plug) -> None:
    twin = plug(make_board("kmtronic"))
    change = ("set-address", "5", "--port", twin.link, "--profile", PROFILE, "--confirm", "isolated")
    code, _, err = run(*change)
    assert (code, "No board answers" in err, twin.moved()) == (3, True, []), err


class Moving(Generic0100):
    """Takes the new address, and does not answer there."""

    def receive(self, data: bytes, now_s: float) -> list[Answer]:
        answers = super().receive(data, now_s)
        return [] if self.unit == 5 else answers


class Refusing(Generic0100):
    """Does not take an address."""

    def receive(self, data: bytes, now_s: float) -> list[Answer]:
        if data[1] == 6:
            body = bytes((data[0], 0x86, 3))
            return [Answer(data=body + crc16(body), at_s=now_s)]
        return super().receive(data, now_s)


@pytest.mark.parametrize(("board", "result"), [(Moving(), "restored"), (Refusing(), "refused")])
@pytest.mark.usefixtures("nobody_else")
def test_a_board_that_does_not_obey_keeps_its_old_address(
    plug: Plug, board: Generic0100, result: str
) -> None:
    more = ("--profile", PROFILE, "--confirm", "isolated", "--json")
    code, out, err = run("set-address", "5", "--port", plug(board).link, *more)
    assert (code, json.loads(out)["result"], board.unit) == (1, result, 1), err
