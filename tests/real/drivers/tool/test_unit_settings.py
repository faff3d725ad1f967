"""``set-address`` and ``set-baud`` against every virtual board that has such a register, and those that have none."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from simulators.boards.catalogue import make_board
from simulators.boards.device import Answer
from simulators.boards.modbus_makes import LcTech2, WaveshareRelay
from tests.real.drivers.tool.conftest import Plug
from tests.real.drivers.tool.test_moving import gate
from tests.real.drivers.tool.twins import run

pytestmark = pytest.mark.real
SURE = ("--confirm", "isolated", "--json")
NEAR = ("--up-to", "3", *SURE)  # for what is written to one board alone
WAVESHARE, LCTECH, GENERIC = "waveshare-relay-8", "lctech-2ch", "generic-0100-4"


def relays_moved(moved: list[tuple[str, int]]) -> list[tuple[str, int]]:
    return [each for each in moved if each[0] != "setting"]


def written(trace: Path) -> Iterator[bytes]:
    """What was sent, until something was written."""
    for line in trace.read_text("utf-8").splitlines():
        row = json.loads(line)
        if row.get("do") == "tx":
            frame = bytes.fromhex(row["hex"])
            yield frame
            if frame[1] not in (1, 3):
                return


@pytest.mark.parametrize(
    ("profile", "asked"),
    [
        (GENERIC, {*range(1, 256)}),
        (LCTECH, {*range(1, 256)}),
        (WAVESHARE, {*range(1, 33), 255}),
        ("waveshare-io-8ch", {*range(1, 33), 255}),
    ],
)
@pytest.mark.usefixtures("nobody_else")
def test_an_address_is_written_after_all_were_asked_who_would_obey_and_moves_no_relay(
    plug: Plug, tmp_path: Path, profile: str, asked: set[int]
) -> None:
    board: Any = make_board("modbus-relay", profile=profile)
    twin, old, trace = plug(board), board.unit, tmp_path / "trace.jsonl"
    change = ("set-address", "2", "--port", twin.link, "--profile", profile, "--trace", trace, *SURE)
    code, out, err = run(*change)
    assert (code, board.unit, relays_moved(twin.moved())) == (0, 2, []), err
    row = json.loads(out)
    assert (row["old"], row["new"], row["result"]) == (old, 2, "done")
    *questions, write = written(trace)
    assert {question[0] for question in questions} == asked
    everybody = len(asked) == 255
    assert (write[0] == 0, "all 255 addresses are asked first" in err) == (everybody, everybody)


@pytest.mark.parametrize("profile", [GENERIC, LCTECH])
@pytest.mark.parametrize("more", [(), ("--up-to", "5")], ids=["as delivered", "up to 5"])
def test_m6_a_board_anywhere_is_found_before_a_write_that_every_board_obeys(
    plug: Plug, profile: str, more: tuple[str, ...]
) -> None:
    board: Any = make_board("modbus-relay", profile=profile)
    far: Any = make_board("modbus-relay", profile=profile, unit=40)
    twin, old = plug(board, far), board.unit
    code, out, err = run("set-address", "5", "--port", twin.link, "--profile", profile, *more, *SURE)
    assert (code, out, f"Units {old}, 40 answer" in err) == (4, "", True), err
    assert (board.unit, far.unit, twin.moved()) == (old, 40, [])


def test_m6_a_board_far_away_keeps_its_address_where_one_alone_is_written_to(plug: Plug) -> None:
    board, far = WaveshareRelay(), WaveshareRelay(unit=100)
    twin = plug(board, far)
    code, _, err = run("set-address", "5", "--port", twin.link, "--profile", WAVESHARE, *NEAR)
    assert (code, board.unit, far.unit) == (0, 5, 100), err


class Late(WaveshareRelay):
    """Answers when the next question has been asked."""

    def receive(self, data: bytes, now_s: float) -> list[Answer]:
        return [replace(answer, at_s=now_s + 0.07) for answer in super().receive(data, now_s)]


def test_a_board_that_answers_late_is_not_overheard(plug: Plug) -> None:
    board, late = WaveshareRelay(), Late(unit=3)
    twin = plug(board, late)
    code, _, err = run("set-address", "2", "--port", twin.link, "--profile", WAVESHARE, *NEAR)
    assert (code, "more was heard than one answer" in err) == (4, True), err
    assert (board.unit, late.unit) == (1, 3)


@pytest.mark.parametrize(
    ("profile", "new"),
    [(WAVESHARE, 115200), ("waveshare-io-8ch", 38400), (LCTECH, 19200)],
)
def test_a_speed_is_written_and_read_back_at_the_new_one(
    plug: Plug, tmp_path: Path, profile: str, new: int
) -> None:
    board: Any = make_board("modbus-relay", profile=profile)
    twin, trace = plug(board), tmp_path / "trace.jsonl"
    where = ("--port", twin.link, "--profile", profile)
    code, out, err = run("set-baud", str(new), *where, *NEAR, "--trace", trace)
    assert (code, board.speed, relays_moved(twin.moved())) == (0, new, []), err
    assert json.loads(out)["result"] == "done"
    rows = [json.loads(line) for line in trace.read_text("utf-8").splitlines()]
    assert [row["baud"] for row in rows if row.get("do") == "open"] == [new, 9600, 9600, new]
    entry = f'name = "relays"\nport = "{twin.link}"\nprotocol = "modbus-relay"\nprofile = "{profile}"\nbaud = {new}'
    named = ("--board", "relays", "--config", gate(tmp_path, entry))
    code, out, err = run("identify", *named, "--confirm", "isolated", "--json")
    assert code == 0, err
    assert profile in [found["options"].get("profile") for found in json.loads(out)["found"]], err
    code, _, err = run("watch", *named, "--timeout", "0.5", "--confirm", "isolated")
    assert code == 0, err  # it could be read
    code, _, err = run("pulse", "1", *named, "--confirm", "entry")
    assert code == 0, err
    code, _, err = run("set-baud", "9600", *where, "--baud", str(new), *NEAR)
    assert (code, board.speed) == (0, 9600), err


def test_a_board_at_another_speed_gets_its_address_there(plug: Plug) -> None:
    board = WaveshareRelay()
    board.set_speed(19200, 0.0)
    where = ("--port", plug(board).link, "--profile", WAVESHARE)
    assert run("set-address", "2", *where, *NEAR)[0] == 3
    assert run("set-address", "2", *where, "--baud", "19200", *NEAR)[0] == 0
    assert board.unit == 2


def test_nothing_is_written_without_a_word(plug: Plug) -> None:
    board: Any = make_board("modbus-relay", profile=WAVESHARE)
    twin = plug(board)
    change = ("set-baud", "19200", "--port", twin.link, "--profile", WAVESHARE)
    assert run(*change)[0] == 4
    code, out, _ = run(*change, "--dry-run")
    assert (code, out) == (0, "01 06 20 00 00 02 03 CB\n")
    assert (board.speed, twin.moved()) == (9600, [])


@pytest.mark.parametrize(
    ("command", "new"), [("set-address", "2"), ("set-baud", "19200")], ids=["address", "baud"]
)
def test_two_boards_with_one_address_are_noticed_and_keep_what_they_have(
    plug: Plug, command: str, new: str
) -> None:
    boards = [WaveshareRelay(), WaveshareRelay()]
    twin = plug(*boards)
    code, _, err = run(command, new, "--port", twin.link, "--profile", WAVESHARE, *NEAR)
    assert (code, "more was heard than one answer" in err) == (4, True), err
    assert [(board.unit, board.speed) for board in boards] == [(1, 9600)] * 2
    assert twin.moved() == []


@pytest.mark.parametrize("other_speed", [9600, 19200])
def test_another_unit_at_either_speed_changes_nothing(plug: Plug, other_speed: int) -> None:
    other = WaveshareRelay(unit=3)
    other.set_speed(other_speed, 0.0)
    twin = plug(WaveshareRelay(), other)
    more = ("--profile", WAVESHARE, *NEAR)
    code, _, err = run("set-baud", "19200", "--port", twin.link, *more)
    assert (code, "take the others off" in err) == (4, True), err
    assert [each for each in twin.moved() if each != ("setting", 0)] == []


class OtherList(WaveshareRelay):
    """Its codes are one off, as some lists have them."""

    def _register(self, address: int) -> int:
        return super()._register(address) - (address == 0x2000)


def test_a_board_whose_register_says_another_speed_is_left_alone(plug: Plug) -> None:
    board = OtherList()
    code, _, err = run("set-baud", "19200", "--port", plug(board).link, "--profile", WAVESHARE, *NEAR)
    assert (code, board.kept_speed, "register says 0000" in err) == (4, 9600, True), err


class Refusing(WaveshareRelay):
    """Its speed is fixed."""

    def _write_register(self, body: bytes, now_s: float) -> bytes:  # noqa: ARG002  # what the board calls
        return self._read_registers(b"\xff\xff\x00\x01", now_s)


class Deaf(WaveshareRelay):
    """Takes 19200 baud and then answers no reading there."""

    def receive(self, data: bytes, now_s: float) -> list[Answer]:
        answers = super().receive(data, now_s)
        return [] if self.speed == 19200 else answers


class Lost(WaveshareRelay):
    """Takes any speed for 115200."""

    def set_speed(self, baud: int, now_s: float) -> None:  # noqa: ARG002  # what the board calls
        super().set_speed(115200, now_s)


class Waiting(LcTech2):
    """Takes a new speed with the next power cycle."""

    def __init__(self) -> None:
        super().__init__(unit=1)
        self.restarts_for_speed = True


@pytest.mark.parametrize(
    ("board", "code", "result", "speed"),
    [
        (Refusing(), 1, "refused", 9600),
        (Deaf(), 1, "restored", 9600),
        (Lost(), 3, "unknown", 115200),
        (Waiting(), 1, "power_cycle", 9600),
    ],
    ids=["refused", "restored", "unknown", "power-cycle"],
)
def test_a_board_that_does_not_do_as_told_is_put_back_or_named(
    plug: Plug, board: WaveshareRelay | LcTech2, code: int, result: str, speed: int
) -> None:
    profile = LCTECH if isinstance(board, LcTech2) else WAVESHARE
    twin = plug(board)
    found, out, err = run(
        "set-baud", "19200", "--port", twin.link, "--profile", profile, "--unit", "1", *NEAR
    )
    assert (found, json.loads(out)["result"]) == (code, result), err
    twin.station.ask(lambda: None)
    assert board.speed == speed
    if result == "power_cycle":
        twin.station.ask(lambda: twin.station.do("reboot"))
        assert board.speed == 19200


@pytest.mark.parametrize(
    ("arguments", "where"),
    [
        (("set-address", "5", "--profile", "eletechsup-r421a08"), "six switches"),
        (("set-address", "5", "--profile", "kmtronic-modbus-8"), "switches and jumpers"),
        (("set-address", "5", "--profile", "turnstile-7e"), "own menu"),
        (("set-address", "5", "--profile", "turnstile-eb"), "switches on the controller"),
        (("set-baud", "19200", "--profile", "generic-0100-4"), "switches and jumpers"),
        (("set-baud", "19200", "--profile", "eletechsup-r421a08"), "9600"),
        (("set-baud", "38400", "--profile", LCTECH), "4800, 9600, 19200"),
        (("set-baud", "9600", "--profile", LCTECH), "already"),
        (("set-address", "5", "--profile", "nothing"), "there is none of this name"),
    ],
)
def test_what_no_document_tells_is_refused_with_where_to_look(arguments: tuple[str, ...], where: str) -> None:
    code, out, err = run(*arguments, "--port", "/dev/none", "--confirm", "isolated")
    assert (code, out, where in " ".join(err.split())) == (2, "", True), err


def test_a_scan_at_two_speeds_is_one_trace(plug: Plug, tmp_path: Path) -> None:
    twin, trace = plug(make_board("modbus-relay")), tmp_path / "trace.jsonl"
    speeds = ("--baud", "9600", "--baud", "19200")
    assert run("modbus", "scan", "--port", twin.link, "--units", "1", *speeds, "--trace", trace)[0] == 0
    rows = [json.loads(line) for line in trace.read_text("utf-8").splitlines()]
    assert [row["baud"] for row in rows if row.get("do") == "open"] == [9600, 19200]
