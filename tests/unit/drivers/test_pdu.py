"""Short messages as octets: published ones, and whatever else comes."""

import pytest

from drivers.devices.pdu import (
    PART_UNITS_MAX,
    PARTS_MAX,
    Delivered,
    Pdu,
    StatusReport,
    UnsendableError,
    decode,
    encode_submit,
    split,
)

NATIONAL = 0xA1


def test_the_message_of_a_makers_manual() -> None:
    manual = "0001000B813124819396F300080A00680065006C006C006F"
    assert encode_submit("13421839693", "hello", report=False) == [Pdu(manual, 23)]


def test_the_message_that_another_program_made() -> None:
    other = "0021000BA13108108300F00008108BBF5BA252308FBEFF1A003153F795E8"
    assert encode_submit("13800138000", "访客到达：1号门", number_type=NATIONAL) == [Pdu(other, 29)]


def test_seventy_characters_are_one_part_and_seventy_one_are_two() -> None:
    assert len(encode_submit("+8613800138000", "访" * 70)) == 1
    first, second = encode_submit("+8613800138000", "访" * 71, reference=0x2A)
    assert (first.length, second.length) == (154, 28)  # as another program's
    assert first.hex.startswith("0061000D91683108108300F000088C0500032A0201" + "8BBF" * 67)
    assert second.hex.endswith("0E0500032A0202" + "8BBF" * 4)


def test_a_character_of_two_units_is_never_cut() -> None:
    parts = split("访" * 66 + "😀" * 40)
    assert "".join(part.decode("utf-16-be") for part in parts) == "访" * 66 + "😀" * 40
    assert [len(part) // 2 for part in parts] == [66, 66, 14]
    assert max(map(len, parts)) <= 2 * PART_UNITS_MAX


def test_half_a_character_is_a_question_mark() -> None:
    assert split("a\ud83d") == ["a?".encode("utf-16-be")]


@pytest.mark.parametrize(
    "to", ["", "+", "12", "1" * 16, "+86 138", "138\r\nAT", "13８00138000", '1";+', "+138\n"]
)
def test_what_is_no_number_is_refused_and_not_repeated(to: str) -> None:
    with pytest.raises(UnsendableError) as caught:
        encode_submit(to, "hello")
    assert str(caught.value) == "A phone number is 3 to 15 digits, with a plus before the country's code"


@pytest.mark.parametrize("text", ["", "x" * (PARTS_MAX * PART_UNITS_MAX + 1)])
def test_no_text_and_too_much_text_are_refused(text: str) -> None:
    with pytest.raises(UnsendableError):
        encode_submit("+8613800138000", text)


def test_the_longest_text_is_taken() -> None:
    assert len(encode_submit("+8613800138000", "x" * (PARTS_MAX * PART_UNITS_MAX))) == PARTS_MAX


def test_neither_number_nor_text_shows_in_what_is_logged() -> None:
    (pdu,) = encode_submit("+8613800138000", "hello")
    assert repr(pdu) == "Pdu(length=24)"


def report(status: int, *, first: int = 0x06, reference: int = 0x2A) -> str:
    octets = (
        bytes((0, first, reference, 13, 0x91))
        + bytes.fromhex("683108108300F0")
        + bytes(14)
        + bytes((status,))
    )
    return octets.hex().upper()


@pytest.mark.parametrize(
    ("status", "delivered"),
    [
        (0x00, True),
        (0x02, True),
        (0x01, None),
        (0x20, None),
        (0x30, None),
        (0x40, False),
        (0x46, False),
        (0x60, False),
    ],
)
def test_a_receipt_says_delivered_given_up_or_not_yet(status: int, delivered: bool | None) -> None:
    assert decode(report(status)) == StatusReport(reference=0x2A, delivered=delivered)


def test_a_receipt_behind_the_number_of_a_service_centre() -> None:
    centre = "0891683108200005F0"
    assert decode(centre + report(0)[2:]) == StatusReport(reference=0x2A, delivered=True)


def incoming(text: bytes, *, first: int = 0x04, coding: int = 8, address: str = "0D91683108108300F0") -> str:
    head = bytes((0, first)) + bytes.fromhex(address) + bytes((0, coding)) + bytes(7)
    return (head + bytes((len(text),)) + text).hex()


@pytest.mark.parametrize(
    ("pdu", "message"),
    [
        (incoming("好的".encode("utf-16-be")), Delivered(sender="+8613800138000", text="好的")),
        (
            incoming(bytes.fromhex("0500032A0202") + "好".encode("utf-16-be"), first=0x44),
            Delivered(sender="+8613800138000", text="好"),
        ),
        (incoming(b"\xc8\x32", coding=0), Delivered(sender="+8613800138000", text=None)),
        (incoming("a".encode("utf-16-be"), address="05A10186F0"), Delivered(sender="10680", text="a")),
        (incoming("a".encode("utf-16-be"), address="08D0C2303B0C"), Delivered(sender="", text="a")),
        (incoming(b"ab")[:-2], None),
    ],
)
def test_incoming_messages_are_read_or_are_none(pdu: str, message: Delivered | None) -> None:
    assert decode(pdu) == message


@pytest.mark.parametrize(
    "text", ["", "0", "00", "zz", "0006", "00062A", "FF06", report(0)[:-2], "00" * 400, "٠٠"]
)
def test_what_is_cut_short_too_long_or_no_hexadecimal_is_none(text: str) -> None:
    assert decode(text) is None
