"""What comes from a line can be anything: the tool's readers never raise, and only an answer counts as one."""

from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus_rtu import crc16
from drivers.registry import PROTOCOLS
from drivers.tool.candidates import overheard
from drivers.tool.families import FAMILIES
from drivers.tool.frames import in_words
from drivers.tool.modbus_asking import READS, answer, question
from drivers.tool.switching import harmless

BYTES = st.binary(max_size=80)
HEADS = st.sampled_from(
    [b"", b"\x5a\x5a\x45", b"\x66\x66", b"\x7f", b"\xa4\x03\x08\x06", b"\x01\x03\x02", b"CH1:O"]
)


@given(HEADS, BYTES)
def test_nothing_that_a_line_says_makes_a_reader_raise(head: bytes, rest: bytes) -> None:
    data = head + rest
    overheard(data)
    for family in FAMILIES.values():
        family.read(data)
    for protocol in PROTOCOLS:
        for sent in (True, False):
            in_words(protocol, data, sent=sent)


@given(st.integers(1, 247), st.sampled_from(READS), BYTES, BYTES, st.data())
def test_an_answer_is_found_in_any_noise(
    unit: int, function: int, before: bytes, behind: bytes, data: st.DataObject
) -> None:
    asked = question(unit, function)
    if asked is None:
        return
    count = int.from_bytes(asked[4:6], "big")
    size = 2 * count if function == 3 else (count + 7) // 8
    body = bytes((unit, function, size)) + data.draw(st.binary(min_size=size, max_size=size))
    found = answer(before + body + crc16(body) + behind, asked)
    assert found is not None
    assert found.unit == unit


@given(st.integers(1, 247), st.sampled_from(READS), st.binary(max_size=40))
def test_a_question_alone_or_noise_is_no_answer(unit: int, function: int, noise: bytes) -> None:
    asked = question(unit, function)
    if asked is None:
        return
    assert answer(asked, asked) is None
    assert answer(noise.replace(bytes((unit,)), b""), asked) is None


@given(st.integers(1, 255), st.sampled_from(READS), BYTES)
def test_a_question_is_harmless_behind_whatever_was_sent_before(
    unit: int, function: int, before: bytes
) -> None:
    asked = question(unit, function, before=before)
    assert asked is None or harmless(before[-8:] + asked)
