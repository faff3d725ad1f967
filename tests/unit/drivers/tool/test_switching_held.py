"""Bytes that would move something at a board that nobody expected: each family's order is known for what it is."""

import pytest

from drivers.tool.switching import switched


@pytest.mark.parametrize(
    ("data", "board"),
    [
        ("FF 01 01", "KMtronic"),
        ("FF 08 00", "KMtronic"),
        ("00 FF 02 01 5A", "KMtronic"),
        ("64", "Devantech USB-RLY"),
        ("76", "Devantech USB-RLY"),
        ("5C", "Devantech USB-RLY"),
        ("A0 01 01 A2", "LCUS"),
        ("01 05 00 00 FF 00 8C 3A", "Modbus"),
        ("01 06 00 01 05 00 DB 5A", "Modbus"),
        ("01 01 00 00", "Conrad 197720"),
        ("50 51", "ICStation"),
        ("7E 00 01 80 01 00 00 FF", "turnstile-7e"),
        ("EB 01 40 00 AA", "turnstile-eb"),
    ],
)
def test_an_order_is_named_with_the_board_that_obeys_it(data: str, board: str) -> None:
    assert board in switched(bytes.fromhex(data))


@pytest.mark.parametrize(
    "data",
    [
        "FF 09 00",
        "FF 00 01",
        "5A",
        "5B",
        "63",
        "77",
        "A0 01 01 A3",
        "01 05 00 00 FF 00 8C 3B",
    ],
)
def test_a_question_or_half_an_order_is_nobodys(data: str) -> None:
    assert switched(bytes.fromhex(data)) == ()
