"""Every way in which a source fails has words: what and what to do, in both languages."""

import re

import pytest

from edge.vision.frames import SourceLostError
from edge.vision.source_words import SOURCE_WORDS, Trouble, words_of


@pytest.mark.parametrize("trouble", Trouble)
def test_each_trouble_says_what_happened_and_what_to_do_in_both_languages(trouble: Trouble) -> None:
    what, then = SOURCE_WORDS[trouble]
    assert re.search(r"[\u4e00-\u9fff]", what.zh)
    assert re.search(r"[\u4e00-\u9fff]", then.zh)
    assert what.en.isascii()
    assert then.en.isascii()
    assert ("{detail}" in what.zh + then.zh) == ("{detail}" in what.en + then.en)
    said = words_of(trouble, "THIS")
    assert "{" not in said.zh + said.en


def test_no_words_are_idle() -> None:
    assert set(SOURCE_WORDS) == set(Trouble)


def test_a_message_names_its_source_without_a_password_and_without_what_a_terminal_obeys() -> None:
    error = SourceLostError("rtsp://guard:secret@10.0.0.5/a\x1b[2J", Trouble.BROKE_OFF, "\x1b]0;owned\x07")
    assert str(error) == (
        r"rtsp://***@10.0.0.5/a\x1b[2J broke off (\x1b]0;owned\x07). Check its power and its cable"
    )
    assert (
        error.words.zh == r"rtsp://***@10.0.0.5/a\x1b[2J 断开了（\x1b]0;owned\x07）。请检查摄像头的电源和网线"
    )
