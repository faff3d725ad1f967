"""The wires in virtual time: every knob does what its name says, and without knobs nothing is wrong."""

from dataclasses import fields

import pytest

from simulators.boards.cable import Cable
from simulators.boards.device import Answer, Device
from simulators.boards.first_boards import LcusDevice, ModbusInputsDevice
from simulators.boards.knobs import KnobError, Knobs, turn
from simulators.boards.modbus_io import check_bytes
from simulators.boards.modbus_makes import WaveshareRelay
from simulators.boards.turnstile_7e import Turnstile7E

READ = bytes.fromhex("01 02 00 00 00 08 79 CC")
ANSWER = bytes.fromhex("01 02 01 00 A1 88")


class Parrot(Device):
    """Says what it hears."""

    def _hear(self, data: bytes, now_s: float) -> list[Answer]:
        return [Answer(data=data, at_s=now_s)]


def line(**knobs: object) -> Cable:
    return Cable([ModbusInputsDevice()], knobs=Knobs(**knobs), seed=1)  # type: ignore[arg-type]


def heard(cable: Cable, until_s: float, step_s: float = 0.0005) -> list[tuple[float, bytes]]:
    """Everything that the host hears until then, with times."""
    found, now_s = [], 0.0
    while now_s <= until_s:
        found += [(round(now_s, 4), piece) for piece in cable.take(now_s)]
        now_s += step_s
    return found


def test_without_knobs_the_answer_comes_whole_and_at_once() -> None:
    cable = line()
    cable.send(READ, 0.0, baud=9600)
    assert heard(cable, 0.1) == [(0.0, ANSWER)]
    assert cable.next_deadline() is None


def test_latency_jitter_and_a_late_answer_add_up() -> None:
    cable = line(latency_ms=20, late=1.0, late_ms=300)
    cable.send(READ, 0.0, baud=9600)
    assert cable.next_deadline() == pytest.approx(0.32)
    assert heard(cable, 0.5) == [(0.32, ANSWER)]
    jittery = line(jitter_ms=10)
    jittery.send(READ, 0.0, baud=9600)
    [(at_s, _)] = heard(jittery, 0.1)
    assert 0 < at_s <= 0.01


def test_paced_bytes_take_their_time_both_ways_by_absolute_deadlines() -> None:
    cable = line(pace=True)
    cable.send(READ, 0.0, baud=9600)
    found = heard(cable, 0.1, step_s=0.0001)
    byte_s = 10 / 9600
    assert b"".join(piece for _, piece in found) == ANSWER
    assert [len(piece) for _, piece in found] == [1] * 6
    for count, (at_s, _) in enumerate(found, start=len(READ) + 1):
        assert at_s == pytest.approx(count * byte_s, abs=0.0002)


def test_a_split_answer_comes_in_pieces_and_merged_ones_come_together() -> None:
    cable = line(split=4, split_gap_ms=3)
    cable.send(READ, 0.0, baud=9600)
    assert heard(cable, 0.1) == [(0.0, ANSWER[:4]), (0.003, ANSWER[4:])]
    merged = Cable([Parrot()], knobs=Knobs(merge_ms=16))
    merged.send(b"a", 0.001, baud=9600)
    merged.send(b"b", 0.009, baud=9600)
    assert [at_s for at_s, _ in heard(merged, 0.1)] == [0.016, 0.016]


def test_bytes_are_dropped_doubled_and_flipped() -> None:
    for knobs, wanted in ((Knobs(drop=1.0), b""), (Knobs(duplicate=1.0), b"aabb")):
        cable = Cable([Parrot()], knobs=knobs)
        cable.send(b"ab", 0.0, baud=9600)
        assert b"".join(cable.take(0.0)) == wanted
    cable = Cable([Parrot()], knobs=Knobs(flip=1.0))
    cable.send(b"ab", 0.0, baud=9600)
    flipped = b"".join(cable.take(0.0))
    assert [(a ^ b).bit_count() for a, b in zip(flipped, b"ab", strict=True)] == [1, 1]


def test_the_hosts_own_bytes_may_be_hurt_too() -> None:
    board = LcusDevice()
    cable = Cable([board], knobs=Knobs(drop_sent=1.0))
    cable.send(bytes.fromhex("A0 01 01 A2"), 0.0, baud=9600)
    assert board.relays.mask() == 0
    cable.knobs = Knobs(flip_sent=1.0)
    cable.send(bytes.fromhex("A0 01 01 A2"), 1.0, baud=9600)
    assert board.relays.mask() == 0
    cable.knobs = Knobs()
    cable.send(bytes.fromhex("A0 01 01 A2"), 2.0, baud=9600)
    assert board.relays.mask() == 1


def test_local_echo_comes_before_the_answer() -> None:
    cable = line(echo=True)
    cable.send(READ, 0.0, baud=9600)
    assert b"".join(cable.take(0.0)) == READ + ANSWER


def test_an_answer_that_never_comes_does_not_mean_that_the_board_did_nothing() -> None:
    board = WaveshareRelay()
    cable = Cable([board], knobs=Knobs(no_reply=1.0))
    cable.send(bytes.fromhex("01 05 00 00 FF 00 8C 3A"), 0.0, baud=9600)
    assert (cable.take(1.0), board.relays.mask()) == ([], 1)


def test_the_wrong_unit_answers_with_a_check_that_is_right() -> None:
    cable = line(wrong_unit=1.0)
    cable.send(READ, 0.0, baud=9600)
    [answer] = cable.take(0.0)
    assert (answer[0], check_bytes(answer[:-2])) == (2, answer[-2:])


def test_a_stale_answer_is_that_to_the_command_before() -> None:
    cable = Cable([Parrot()])
    cable.send(b"one", 0.0, baud=9600)
    assert cable.take(0.0) == [b"one"]
    cable.knobs = Knobs(stale=1.0)
    cable.send(b"two", 1.0, baud=9600)
    assert cable.take(1.0) == [b"one"]
    cable.knobs = Knobs()
    cable.send(b"three", 2.0, baud=9600)
    assert cable.take(2.0) == [b"three"]


def test_another_speed_gives_silence_or_noise_and_moves_nothing() -> None:
    board = LcusDevice()
    cable = Cable([board], seed=3)
    cable.send(bytes.fromhex("A0 01 01 A2"), 0.0, baud=19200)
    assert (cable.take(1.0), board.relays.mask()) == ([], 0)
    cable.knobs = Knobs(wrong_baud="noise")
    cable.send(bytes.fromhex("A0 01 01 A2"), 2.0, baud=19200)
    [noise] = cable.take(3.0)
    assert (len(noise), board.relays.mask()) == (4, 0)
    cable.send(bytes.fromhex("A0 01 01 A2"), 4.0, baud=9600)
    assert board.relays.mask() == 1


def test_two_boards_share_a_pair_and_each_answers_for_itself() -> None:
    relays, inputs = WaveshareRelay(unit=1), ModbusInputsDevice(unit=2)
    cable = Cable([relays, inputs])
    cable.send(bytes.fromhex("01 05 00 00 FF 00 8C 3A"), 0.0, baud=9600)
    assert cable.take(0.0) == [bytes.fromhex("01 05 00 00 FF 00 8C 3A")]
    request = bytes.fromhex("02 02 00 00 00 08")
    cable.send(request + check_bytes(request), 1.0, baud=9600)
    assert [piece[:2] for piece in cable.take(1.0)] == [b"\x02\x02"]
    assert relays.relays.mask() == 1


def test_devices_of_different_speeds_on_one_pair_hear_only_their_own() -> None:
    cable = Cable([WaveshareRelay(), Turnstile7E()])
    status = bytes.fromhex("7E 00 01 10 00 00 00 70")
    cable.send(status, 0.0, baud=9600)
    assert cable.take(0.0) == []
    cable.send(status, 1.0, baud=19200)
    assert [len(piece) for piece in cable.take(1.0)] == [18]


def test_a_pulled_plug_loses_what_was_on_its_way_and_the_supply() -> None:
    board = LcusDevice()
    cable = Cable([board], knobs=Knobs(latency_ms=50))
    cable.send(bytes.fromhex("A0 01 01 A2"), 0.0, baud=9600)
    cable.unplug(0.01)
    cable.send(bytes.fromhex("A0 02 01 A3"), 0.02, baud=9600)
    assert (board.relays.mask(), cable.take(1.0), cable.next_deadline()) == (0, [], None)
    cable.plug(2.0)
    cable.send(bytes.fromhex("A0 02 01 A3"), 3.0, baud=9600)
    assert board.relays.mask() == 2


def test_a_cable_pulled_in_the_middle_of_a_paced_order_delivers_nothing() -> None:
    board = LcusDevice()
    cable = Cable([board], knobs=Knobs(pace=True))
    cable.send(bytes.fromhex("A0 01 01 A2"), 0.0, baud=9600)
    cable.unplug(0.003, powers=False)
    cable.plug(0.004)
    cable.take(1.0)
    assert board.relays.mask() == 0


def test_the_same_seed_hurts_the_same_bytes() -> None:
    def run(seed: int) -> list[bytes]:
        cable = Cable([Parrot()], knobs=Knobs(drop=0.2, flip=0.2, duplicate=0.1), seed=seed)
        for count in range(20):
            cable.send(bytes(range(20)), float(count), baud=9600)
        return cable.take(100.0)

    assert run(4) == run(4)
    assert run(4) != run(5)


def test_knobs_are_turned_by_name_and_every_name_is_reachable() -> None:
    settings = ["latency_ms=20", "pace=on", "split=3", "drop=0.5", "echo=yes", "wrong_baud=noise"]
    assert turn(Knobs(), settings) == Knobs(
        latency_ms=20.0, pace=True, split=3, drop=0.5, echo=True, wrong_baud="noise"
    )
    for field in fields(Knobs):
        value = {"wrong_baud": "noise"}.get(field.name, "1")
        assert turn(Knobs(), [f"{field.name}={value}"]) != Knobs(), field.name


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        ("speed=9", "there is no knob 'speed=9'; a line has latency_ms"),
        ("drop", "there is no knob 'drop'"),
        ("drop=2", "drop lies between 0 and 1, not at 2"),
        ("drop=nan", "drop lies between 0 and 1"),
        ("latency_ms=-1", "latency_ms lies between 0 and 600000"),
        ("split=1.5", "split takes a number, not '1.5'"),
        ("echo=perhaps", "echo is on or off, not 'perhaps'"),
        ("wrong_baud=loud", "wrong_baud is silent or noise"),
    ],
)
def test_a_knob_that_cannot_be_turned_so_is_named(setting: str, why: str) -> None:
    with pytest.raises(KnobError, match=why):
        turn(Knobs(), [setting])
