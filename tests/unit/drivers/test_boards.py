"""The first virtual boards against the vendors' frames, and the people behind them in virtual time."""

from simulators.boards.lcus import LcusBoard, RelayEdge
from simulators.boards.modbus_io import ModbusInputs
from simulators.boards.turnstile import (
    CONTACT_S,
    HESITATES_S,
    TAILGATES_AFTER_S,
    TURNS_IN_BEAM_S,
    WALKS_AFTER_S,
    ContactChange,
    Turnstile,
)

READ_8 = bytes.fromhex("01 02 00 00 00 08 79 CC")


def test_the_relay_board_obeys_the_vendors_frames() -> None:
    board = LcusBoard()
    assert board.receive(bytes.fromhex("A0 01 01 A2 A0 02 01 A3")) == [
        RelayEdge(channel=1, on=True),
        RelayEdge(channel=2, on=True),
    ]
    assert board.receive(bytes.fromhex("A0 02 00 A2")) == [RelayEdge(channel=2, on=False)]
    assert board.relays == (True, *[False] * 7)


def test_the_relay_board_ignores_what_it_does_not_understand() -> None:
    board = LcusBoard(channels=2)
    for text in ("A0 01 01 A3", "A0 03 01 A4", "A0 01 02 A3", "FF", "41 54 0D"):
        assert board.receive(bytes.fromhex(text)) == []
    assert board.receive(bytes.fromhex("A0 01 01 A2")) == [RelayEdge(channel=1, on=True)]


def test_the_relay_board_drops_everything_with_its_supply() -> None:
    board = LcusBoard()
    board.receive(bytes.fromhex("A0 03 01 A4 A0 01"))
    assert board.power_off() == [RelayEdge(channel=3, on=False)]
    assert board.receive(bytes.fromhex("01 A2")) == []


def test_the_input_module_answers_the_vendors_request() -> None:
    module = ModbusInputs()
    assert module.receive(READ_8, 0.0) == bytes.fromhex("01 02 01 00 A1 88")
    module.set_input(1, active=True)
    module.set_input(3, active=True)
    assert module.receive(READ_8[:3], 1.0) == b""
    assert module.receive(READ_8[3:], 1.001)[:4] == bytes.fromhex("01 02 01 05")


def test_the_input_module_is_silent_to_others_and_to_broken_frames() -> None:
    module = ModbusInputs()
    for at_s, text in enumerate(("FF 02 00 00 00 08 6C 12", "01 02 00 00 00 08 79 CD", "01 02 00")):
        assert module.receive(bytes.fromhex(text), float(at_s)) == b""
    assert module.receive(READ_8, 10.0) != b""  # the half frame was forgotten in the silence


def test_the_input_module_refuses_other_functions_with_an_exception() -> None:
    module = ModbusInputs()
    assert module.receive(bytes.fromhex("01 01 00 00 00 08 3D CC"), 0.0)[:3] == bytes.fromhex("01 81 01")


def test_a_released_person_walks_through_in_time() -> None:
    turnstile = Turnstile(lanes=2, seed=7)
    assert turnstile.released(2, 100.0)
    starts_s = turnstile.next_deadline()
    assert starts_s is not None
    assert 100.6 <= starts_s <= 101.4
    assert turnstile.take_due(starts_s - 0.001) == []
    assert turnstile.take_due(starts_s) == [ContactChange(lane=2, active=True, at_s=starts_s)]
    assert turnstile.take_due(starts_s + 0.36) == [ContactChange(lane=2, active=False, at_s=starts_s + 0.35)]
    assert turnstile.next_deadline() is None


def test_nobody_walks_behind_a_channel_without_a_lane() -> None:
    assert not Turnstile(lanes=2).released(3, 0.0)


def test_the_same_seed_moves_the_same_people() -> None:
    walks = []
    for _ in range(2):
        turnstile = Turnstile(lanes=1, seed=3, turn_back=0.5)
        went = [turnstile.released(1, 10.0 * n) for n in range(100)]
        walks.append((went, turnstile.take_due(2000.0)))
    assert walks[0] == walks[1]
    assert 30 < sum(walks[0][0]) < 70


def test_two_people_close_behind_each_other_are_two_passages() -> None:
    turnstile = Turnstile(lanes=1, seed=1)
    turnstile.released(1, 0.0)
    turnstile.released(1, 0.1)
    changes = turnstile.take_due(10.0)
    assert [change.active for change in changes] == [True, False, True, False]


def spans(turnstile: Turnstile) -> list[tuple[float, float]]:
    """When each body covered the sensor, and for how long."""
    changes = turnstile.take_due(1000.0)
    begins = [change.at_s for change in changes if change.active]
    ends = [change.at_s for change in changes if not change.active]
    return [(begin_s, end_s - begin_s) for begin_s, end_s in zip(begins, ends, strict=True)]


def test_who_hesitates_walks_later_and_still_walks() -> None:
    turnstile = Turnstile(lanes=1, seed=5, hesitate=1.0)
    assert turnstile.released(1, 0.0)
    [(begin_s, for_s)] = spans(turnstile)
    assert WALKS_AFTER_S[0] + HESITATES_S[0] <= begin_s <= WALKS_AFTER_S[1] + HESITATES_S[1]
    assert round(for_s, 6) == CONTACT_S


def test_a_tailgater_is_a_second_body_within_a_quarter_of_a_second() -> None:
    turnstile = Turnstile(lanes=1, seed=5, tailgate=1.0)
    turnstile.released(1, 0.0)
    (first_s, for_s), (second_s, _) = spans(turnstile)
    assert TAILGATES_AFTER_S[0] <= second_s - (first_s + for_s) <= 0.25


def test_who_dithers_touches_the_sensor_shortly_and_then_walks() -> None:
    turnstile = Turnstile(lanes=1, seed=5, dither=1.0)
    turnstile.released(1, 0.0)
    (_, short_s), (_, body_s) = spans(turnstile)
    assert (round(short_s, 6), round(body_s, 6)) == (TURNS_IN_BEAM_S, CONTACT_S)


def test_somebody_may_walk_through_a_lane_that_nobody_released() -> None:
    turnstile = Turnstile(lanes=1)
    turnstile.walk(1, 3.0)
    turnstile.walk(2, 3.0)  # there is no such lane
    assert [(begin_s, round(for_s, 6)) for begin_s, for_s in spans(turnstile)] == [(3.0, CONTACT_S)]
