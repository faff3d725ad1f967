from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passes.base45 import ALPHABET, Base45Error, decode, encode

# RFC 9285 section 4.3 and 4.4
PUBLISHED = [(b"AB", "BB8"), (b"Hello!!", "%69 VD92EX0"), (b"base-45", "UJCLQE7W581"), (b"ietf!", "QED8WEX0")]


@pytest.mark.parametrize(("data", "text"), PUBLISHED)
def test_the_published_examples_hold_both_ways(data: bytes, text: str) -> None:
    assert (encode(data), decode(text)) == (text, data)


@given(st.binary(max_size=300))
def test_whatever_is_encoded_comes_back(data: bytes) -> None:
    assert decode(encode(data)) == data


@given(st.text(alphabet=ALPHABET, max_size=60))
def test_a_text_decodes_only_if_it_is_the_one_spelling(text: str) -> None:
    try:
        data = decode(text)
    except Base45Error:
        return
    assert encode(data) == text


@pytest.mark.parametrize("text", ["A", "GGW", ":::", "::", "ab8", "BB8é", "B\nB", "ＢＢ８"])
def test_overflows_wrong_lengths_and_foreign_characters_are_refused(text: str) -> None:
    with pytest.raises(Base45Error):
        decode(text)


def test_every_pair_of_last_characters_is_either_one_byte_or_refused() -> None:
    good = 0
    for low, high in product(ALPHABET, repeat=2):
        try:
            good += len(decode(low + high))
        except Base45Error:
            continue
    assert good == 256
