"""Every text a page shows is there in Chinese."""

import re
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from shell.pages.i18n import CHINESE, ENGLISH, Tongue
from tests.unit.pages.catalogues import FOLDERS, messages_in

PLACES = re.compile(r"%\((\w+)\)[sd]")


def catalogue(folder: Path) -> dict[str, str]:
    with (folder / "locale" / "zh_CN.po").open("rb") as source:
        entries = [entry for entry in read_po(source, locale="zh_CN", abort_invalid=True) if entry.id]
    assert not [entry.id for entry in entries if entry.fuzzy]
    return {str(entry.id): str(entry.string or "") for entry in entries}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_text_of_a_page_has_chinese_words(folder: Path) -> None:
    asked = messages_in(folder)
    assert len(asked) >= 10
    known = catalogue(FOLDERS[0]) | catalogue(folder)
    assert {text for text in asked if not known.get(text)} == set()


def test_no_entry_is_left_that_no_page_asks_for() -> None:
    asked = {folder: messages_in(folder) for folder in FOLDERS}
    kit = FOLDERS[0]
    assert set(catalogue(kit)) <= set().union(*asked.values())
    for folder in FOLDERS[1:]:
        assert set(catalogue(folder)) <= asked[folder]
        assert not set(catalogue(folder)) & set(catalogue(kit))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_translation_keeps_the_places_for_values(folder: Path) -> None:
    for english, chinese in catalogue(folder).items():
        assert sorted(PLACES.findall(chinese)) == sorted(PLACES.findall(english)), english


def test_a_length_of_time_is_said_in_both_languages() -> None:
    said = {
        minutes: (Tongue(CHINESE).duration(minutes), Tongue(ENGLISH).duration(minutes))
        for minutes in (0, 1, 59, 120, 125)
    }
    assert said == {
        0: ("1 分钟内", "<1 min"),
        1: ("1 分钟", "1 min"),
        59: ("59 分钟", "59 min"),
        120: ("2 小时", "2 h"),
        125: ("2 小时 5 分", "2 h 5 min"),
    }


def test_an_unknown_language_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"'fr'.*zh-CN, en"):
        Tongue("fr")
