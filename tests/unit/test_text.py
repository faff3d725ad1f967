"""One line is one line, wherever it was typed."""

import json

import pytest
from pydantic import TypeAdapter, ValidationError

from passes.vocabulary import ClockTrust
from shell.logs import mask
from shell.text import CONTROL, OneLine, one_line, visible, visible_json
from sync.messages import DeviceData, Hello, RegistrationData

WORDS = TypeAdapter(OneLine)
HARMFUL = [
    "a\nb",
    "a\rb",
    "a\tb",
    "a\x1b[2Jb",
    "a\x00b",
    "a\x7fb",
    "a\x9bb",
    "a\u2028b",
    "a\u202eb",
    "a\u2066b",
]


@pytest.mark.parametrize("text", HARMFUL)
def test_what_breaks_or_turns_a_line_is_refused_where_it_is_typed_and_shown_where_it_was(text: str) -> None:
    with pytest.raises(ValidationError):
        WORDS.validate_python(text)
    shown = one_line(text)
    assert (shown[0], shown[1], shown[-1], len(shown)) == ("a", "\ufffd", "b", len(text))
    assert CONTROL.search(mask(text)) is None


@pytest.mark.parametrize("text", ["王芳", "3-1202 门口", "O'Neill & söhne", "👩\u200d🚒"])
def test_what_people_write_is_taken_as_it_is(text: str) -> None:
    assert WORDS.validate_python(f"  {text} ") == text == one_line(text)


@pytest.mark.parametrize("text", ["", "   ", "\n"])
def test_nothing_is_no_line(text: str) -> None:
    with pytest.raises(ValidationError):
        WORDS.validate_python(text)


def test_what_gates_send_is_taken_whatever_it_holds_and_never_breaks_a_line() -> None:
    told = {"by": "Wa\x1bng", "reason": "x" * 199 + "\n", "pass_end": "2026-11-22T04:00:00Z"}
    registered = RegistrationData.model_validate(told)
    assert (registered.by, registered.reason) == ("Wa\ufffdng", "x" * 199 + "\ufffd")
    assert DeviceData(device="camera", state="fault", detail="first\nsecond").detail == "first\ufffdsecond"
    hello = {
        "gate": "south", "site": 7, "epoch": "e" * 16, "acked": 0, "last": 0, "boot": "b" * 16,
        "software": "1.0\x1b[2J", "now": "2026-11-22T04:00:00Z", "trust": ClockTrust.TRUSTED,
    }  # fmt: skip
    assert Hello.model_validate(hello).software == "1.0\ufffd[2J"
    with pytest.raises(ValidationError):
        DeviceData(device="camera", state="fault", detail="x" * 201)


@pytest.mark.parametrize("text", [*HARMFUL, "a\u200bb", "a\u200eb", "a\u061cb", "a\ufeffb", "a\xadb"])
def test_what_a_device_says_is_spelt_out_and_as_json_says_the_same(text: str) -> None:
    assert visible(text) == text.encode("unicode_escape").decode().replace(r"\n", r"\x0a").replace(
        r"\r", r"\x0d"
    ).replace(r"\t", r"\x09")
    dumped = visible_json(json.dumps({"said": text}, ensure_ascii=False, indent=1))
    assert (json.loads(dumped), dumped.count("\n")) == ({"said": text}, 2)
    assert visible(dumped, keep="\n") == dumped


def test_what_shows_itself_is_left_as_it_is() -> None:
    assert visible("王芳 \\x1b é 👩") == "王芳 \\x1b é 👩"
    assert visible("a\nb", keep="\n") == "a\nb"
