"""OSDP frames seen from outside, against those that libosdp said and that a reader of its answered."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.devices.osdp_frames import (
    ANYBODY,
    ASK_ID,
    OUTPUT,
    Called,
    Frame,
    called_in,
    frames_in,
    id_question,
    order,
    orders_output,
    replied_in,
)
from drivers.tool.families import FAMILIES
from drivers.tool.frames import in_words
from drivers.tool.switching import harmless, switched

# A conversation of libosdp 3.2.9 with its own peripheral, unit 5, up to the secure channel.
ASKED = bytes.fromhex("FF 53 05 09 00 04 61 00 C1 25")
NAMED = bytes.fromhex("53 85 14 00 04 45 01 FE CA 02 01 78 56 34 12 01 02 03 68 01")
CHALLENGE = bytes.fromhex("FF 53 05 13 00 0E 03 11 01 76 D7 64 C8 CC E9 32 55 C4 CD CF")
CRYPTOGRAM = bytes.fromhex(
    "53 85 2B 00 0E 03 12 01 76 01 FE 02 00 78 56 34 12 47 8D 7A A0 5D 83 F3 EA "
    "72 72 46 CB DD 92 35 FE EE A8 27 0B 98 34 3C DE 04 BA"
)
SUMMED = bytes.fromhex("53 7F 08 00 00 61 00 C5")  # with a sum instead of a CRC
WHO = Called(maker="cafe01", model="2.1", firmware="1.2.3", serial="12345678")


def test_our_question_is_the_one_that_libosdp_asks() -> None:
    assert id_question(5) == ASKED[1:]
    assert frames_in(id_question()) == [Frame(address=ANYBODY, reply=False, code=ASK_ID, data=b"\x00")]
    assert id_question(summed=True) == SUMMED
    assert frames_in(SUMMED) == frames_in(id_question())


def test_a_name_is_read_and_an_order_recognised() -> None:
    assert called_in(b"\x00\xff" + NAMED) == WHO
    assert (called_in(ASKED), called_in(CRYPTOGRAM), replied_in(ASKED), replied_in(CRYPTOGRAM)) == (
        None,
        None,
        False,
        True,
    )
    assert [(frame.code, frame.reply) for frame in frames_in(CHALLENGE + CRYPTOGRAM)] == [
        (0x76, False),
        (0x76, True),
    ]
    assert (order(1), order(2, tenths=3)) == (b"\x68\x00\x01\x00\x00", b"\x68\x01\x05\x03\x00")
    assert [orders_output(each) for each in (ASKED, NAMED, CHALLENGE)] == [False] * 3


def test_the_code_of_an_encrypted_order_is_still_read() -> None:
    body = bytes.fromhex("53 05 1E 00 0D 02 17 68") + bytes(16) + bytes(4)
    raw = body + crc(body)
    assert frames_in(raw) == [Frame(address=5, reply=False, code=OUTPUT, data=bytes(16), encrypted=True)]
    assert orders_output(raw)
    assert in_words("osdp", raw, sent=True) == ["reader 5 outputs encrypted"]


def crc(data: bytes) -> bytes:
    """CRC-16 of the standard, bit by bit."""
    register = 0x1D0F
    for byte in data:
        register ^= byte << 8
        for _ in range(8):
            register = (register << 1 ^ (0x1021 if register & 0x8000 else 0)) & 0xFFFF
    return register.to_bytes(2, "little")


def test_a_trace_says_what_is_not_hidden() -> None:
    assert in_words("osdp", ASKED, sent=True) == ["reader 5 who? 00"]
    assert in_words("osdp", NAMED, sent=False) == ["reader 5 name 01 FE CA 02 01 78 56 34 12 01 02 03"]
    assert in_words("osdp", NAMED[:-1], sent=False) == []


@given(garbage=st.binary(max_size=40), flip=st.integers(0, len(NAMED) * 8 - 1))
def test_s8_garbage_is_no_frame_and_no_flipped_bit_is_a_name(garbage: bytes, flip: int) -> None:
    assert called_in(garbage) is None
    spoilt = bytearray(NAMED)
    spoilt[flip // 8] ^= 1 << flip % 8
    assert called_in(bytes(spoilt)) is None
    assert called_in(garbage + bytes(1440) + NAMED) == WHO


def test_the_question_to_anybody_moves_no_board_and_an_address_may() -> None:
    family = FAMILIES["osdp"]
    assert (family.all_bytes, harmless(family.all_bytes)) == (id_question(), True)
    assert switched(id_question(0x64)) == ("Devantech USB-RLY",)
    safe = [
        unit for unit in range(127) if any(harmless(id_question(unit, summed=each)) for each in (False, True))
    ]
    orders = {0x51, 0x5C, *range(0x64, 0x77)}  # the address itself is one
    assert set(range(127)) - set(safe) == orders | {8}  # whose CRC and sum both have such a byte
    with pytest.raises(AssertionError):
        id_question(128)
