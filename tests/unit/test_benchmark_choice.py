"""How passes are chosen on some photographs and counted on others, and what scenes and machines are told of."""

import random

import numpy as np
import pytest

from benchmarks.crossval import Tried, chosen, folds, validated
from benchmarks.forms import FORMS
from benchmarks.machine import MISSING, versions
from benchmarks.minted import minted
from benchmarks.reading import unsure_of
from benchmarks.scenes import NOW, SIZES, measured, scene

FILES = [
    f"{kind}__{number}.jpg" for kind in ("glare", "damage", "screens", "paper", "far") for number in range(6)
]


def passes() -> list[Tried]:
    glare, easy = {file for file in FILES if file.startswith("glare")}, set(FILES[6:24])
    return [
        Tried(name="easy", read=easy, cost=0.5),
        Tried(name="dear", read=easy | glare, cost=5.0),
        Tried(name="glare", read=glare, cost=0.4),
        Tried(name="nothing new", read=set(FILES[6:8]), cost=0.1),
    ]


def test_the_most_new_photographs_for_the_price_are_picked_first_and_nothing_beyond_it() -> None:
    assert [one.name for one in chosen(passes(), FILES, 1.0)] == ["easy", "glare"]
    assert [one.name for one in chosen(passes(), FILES, 0.5)] == ["easy"]
    assert chosen(passes(), FILES, 0.05) == []


@pytest.mark.parametrize("by_set", [False, True])
def test_each_photograph_is_held_out_once_and_sets_stay_together_when_asked(by_set: bool) -> None:
    parts = folds(FILES, random.Random(3), by_set=by_set)
    assert sorted(file for part in parts for file in part) == sorted(FILES)
    assert all(parts)
    kinds = [{file.partition("__")[0] for file in part} for part in parts]
    assert (sum(map(len, kinds)) == 5) is by_set


def test_a_kind_that_the_choice_never_saw_is_not_read_and_is_read_when_some_of_it_was_seen() -> None:
    by_kind = validated(FILES, passes(), 1.0, by_set=True)[0]
    by_file = validated(FILES, passes(), 1.0, by_set=False)[0]
    assert by_kind < by_file == pytest.approx(80.0)  # nothing reads the last kind


def test_a_code_that_no_list_names_is_neither_right_nor_wrong() -> None:
    file = "boof-curved__image022.jpg"
    assert unsure_of(file, {file: {"unconfirmed": ["B"]}}) == {"B", "hudson"}
    assert unsure_of("other.jpg", {"other.jpg": {}}) == set()


def test_every_library_that_the_figures_hang_on_is_named() -> None:
    found = versions()
    assert {
        "zxing-cpp",
        "opencv-python-headless",
        "numpy",
        "pyzbar",
        "libzbar",
        "SQLite of apsw",
        "kernel",
    } <= set(found)
    assert found["zxing-cpp"] != MISSING


def test_a_plain_pass_in_a_rendered_scene_is_read_exactly_and_forms_differ_from_it() -> None:
    tally = measured(FORMS["black on white"], SIZES["720p"], 2, "a seed")
    assert (tally.frames, tally.ours, tally.held, tally.plain, tally.wrong) == (2, 2, 2, 2, 0)
    text = minted(random.Random(1), NOW).printed()
    drawn = {
        name: scene(text, "m", form, SIZES["720p"], np.random.default_rng(1)).tobytes()
        for name, form in FORMS.items()
    }
    assert len(set(drawn.values())) == len(FORMS)
