import hashlib
import hmac

import pytest

from controller.people import PersonError, canonical_phone, masked_name, pseudonym


@pytest.mark.parametrize(
    "text", ["13800138000", "+8613800138000", "138-0013-8000", " +86 138 0013 8000 ", "008613800138000"]
)
def test_every_spelling_of_a_number_is_one_person(text: str) -> None:
    assert canonical_phone(text) == "+8613800138000"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1380013800",
        "+86138001380000",
        "12345",
        "+1;DROP",
        "１３８００１３８０００",
        "+8613800138000\nTo: x",
        "95588",
    ],
)
def test_what_no_sms_reaches_is_refused(text: str) -> None:
    with pytest.raises(PersonError, match=r"^phone: "):
        canonical_phone(text)


def test_a_number_abroad_is_taken_as_it_is() -> None:
    assert canonical_phone("+44 20 7946 0018") == "+442079460018"


def test_the_pseudonym_is_the_head_of_a_keyed_hash() -> None:
    pepper = bytes(range(32))
    expected = hmac.new(pepper, b"+8613800138000", hashlib.sha256).hexdigest()[:16]
    assert pseudonym(pepper, "+8613800138000") == expected
    assert pseudonym(bytes(32), "+8613800138000") != expected


@pytest.mark.parametrize(
    ("name", "kept"),
    [("李雷", "李*"), ("欧阳震华", "欧**"), ("Al", "A*"), ("李", "李*"), (" 韩梅梅 ", "韩**")],
)
def test_of_a_name_its_first_character_is_kept(name: str, kept: str) -> None:
    assert masked_name(name) == kept


@pytest.mark.parametrize("name", ["", "   ", "x" * 41, "李\n雷", "\u202e李雷"])
def test_a_name_that_could_trick_a_page_is_refused(name: str) -> None:
    with pytest.raises(PersonError, match=r"^name: "):
        masked_name(name)
