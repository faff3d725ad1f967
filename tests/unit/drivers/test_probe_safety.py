"""What careless bytes do to boards that did not expect them: the table behind the rules of ``detect``."""

import pytest

from simulators.boards.probing import BOARDS, HOPELESS, effects_of, released_by, switched_by

MODBUS_READ = bytes.fromhex("01 01 00 00 00 08 3D CC")
PROBES: dict[str, list[bytes]] = {
    "gy-614 read": [bytes.fromhex("A4 03 08 06 B5")],
    "gm65 find baud": [bytes.fromhex("7E 00 07 01 00 2A 02 D8 0F")],
    "7e status": [bytes.fromhex("7E 00 01 10 00 00 00 70")],
    "modbus read": [MODBUS_READ],
    "kmtronic status": [bytes.fromhex("FF 09 00")],
    "lcus status": [b"\xff"],
    "devantech version": [b"\x5a"],
    "honeywell query": [b"\x16M\rREVINF."],
    "newland query": [b"\x7e\x010000@TSUENA*;\x03"],
    "modem": [b"AT\r"],
    "numato ver": [b"ver\r"],
    "numato id": [b"id get\r"],
    "denkovi ask": [b"ask//"],
    "lcus, then modbus": [b"\xff", MODBUS_READ],
    "lcus, then conrad": [b"\xff", bytes.fromhex("02 01 00 03")],
    "conrad setup": [bytes.fromhex("01 01 00 00")],
    "icstation ask": [b"\x50"],
    "icstation ask and arm": [b"\x50", b"\x51"],
}
BOARDS_OF_THE_NOTE = (
    "lcus",
    "waveshare-relay-8",
    "numato",
    "kmtronic",
    "devantech",
    "conrad",
    "icstation-cold",
    "icstation-armed",
    "ftdi-bit-bang",
    "denkovi-16",
    "sainsmart-16",
)
OPENS = {  # besides the two kinds of board on which nearly everything does
    ("numato ver", "devantech"),
    ("numato id", "devantech"),
    ("denkovi ask", "devantech"),
    ("lcus, then modbus", "kmtronic"),
    ("lcus, then conrad", "kmtronic"),
}


def test_the_table_has_the_pairs_of_the_note_and_nearly_its_count() -> None:
    closed = {
        (probe, board)
        for probe, writes in PROBES.items()
        for board, relays in switched_by(writes).items()
        if relays and board in BOARDS_OF_THE_NOTE
    }
    assert len(PROBES) * len(BOARDS_OF_THE_NOTE) == 198
    assert {pair for pair in closed if pair[1] not in HOPELESS} == OPENS
    # The note counts 38 with a list of probes of its own; FF alone opens every relay of an armed ICStation.
    hopeless = {(probe, board) for probe in PROBES for board in HOPELESS} - {
        ("lcus status", "icstation-armed")
    }
    assert closed - OPENS == hopeless
    assert len(closed) == 40


@pytest.mark.parametrize("probe", list(PROBES)[:10])
def test_the_probes_called_safe_close_nothing_on_any_board_that_can_be_saved(probe: str) -> None:
    assert {board for board, relays in switched_by(PROBES[probe]).items() if relays} <= HOPELESS


def test_a_table_that_shows_danger_exists_beside_the_one_that_shows_none() -> None:
    assert switched_by([b"ver\r"])["devantech"] == {1}
    assert switched_by([b"id get\r"])["devantech"] == {1, 2, 3, 4, 5, 6, 7, 8}
    assert switched_by([b"ask//"])["devantech"] == {7}
    assert switched_by([b"\xff", MODBUS_READ])["kmtronic"] == {1}
    assert switched_by([bytes.fromhex("A0 02 01 A3")])["lcus"] == {2}


def test_an_armed_icstation_takes_every_byte_for_its_relays() -> None:
    assert switched_by([b"\x50"])["icstation-armed"] == {1, 2, 3, 4, 6, 8}
    assert switched_by([b"\x50", b"\x51"])["icstation-cold"] == set()
    assert switched_by([b"\x50", b"\x51", b"AT\r"])["icstation-cold"] != set()


def test_a_newland_query_with_a_q_in_it_may_arm_a_cold_icstation() -> None:
    assert switched_by([b"\x7e\x010000@TSUENA*;\x03"])["icstation-cold"] == set()
    assert switched_by([b"\x7e\x010000@QRYSYS*;\x03"])["icstation-cold"] != set()


def test_reading_eight_coils_begins_like_an_order_that_readdresses_a_conrad() -> None:
    effect = effects_of([MODBUS_READ])["conrad"]
    assert (effect.closed, effect.settings) == (frozenset(), ("address 1",))
    assert effects_of([b"\x5a"])["conrad"].settings == ()


def test_gates_that_are_locked_by_current_open_when_a_relay_drops() -> None:
    released = released_by([b"relay off 0\r"])
    assert released["numato"] == {1}
    assert released["lcus"] == set()
    assert released_by([b"n"])["devantech"] == {1, 2, 3, 4, 5, 6, 7, 8}


def test_a_board_that_times_its_own_pulse_is_watched_to_the_end() -> None:
    effect = effects_of([bytes.fromhex("01 05 02 00 00 07 8D B0")])["waveshare-relay-8"]
    assert effect.closed == effect.opened == frozenset({1})


def test_silence_moves_nothing_on_any_board() -> None:
    assert not any(effects_of([]).values())
    assert not any(effects_of([b""], relays_closed=True).values())
    assert set(effects_of([])) == set(BOARDS)
