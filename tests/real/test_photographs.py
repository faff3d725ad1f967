"""Real photographs that nobody here made: a sample of them, against their known texts."""

import json
from pathlib import Path

import cv2
import pytest

from benchmarks.reading import BASELINE, IN_FILE, ONE_FRAME, measure, same_bytes
from tests.real.test_scan import card

PHOTOGRAPHS = Path(__file__).parents[2].parent / "shared/data/qr-real"

pytestmark = pytest.mark.real


@pytest.mark.skipif(
    not (PHOTOGRAPHS / "truth.json").is_file(), reason="the photographs are not on this machine"
)
def test_photographs_are_read_better_than_by_the_decoder_alone_and_nothing_is_invented() -> None:
    tallies = measure(PHOTOGRAPHS, 64)
    ours, deep, plain = tallies[ONE_FRAME], tallies[IN_FILE], tallies[BASELINE]
    assert (ours.misread, ours.invented, deep.misread, deep.invented) == (0, 0, 0, 0)
    assert ours.with_code > 50
    assert plain.read < ours.read <= deep.read
    assert deep.read >= 0.85 * deep.with_code


def test_a_benchmark_of_a_small_folder_counts_right_wrong_and_unsure(tmp_path: Path) -> None:
    for name, text in (("right", "A"), ("wrong", "B"), ("unsure", "C"), ("none", "D")):
        cv2.imwrite(str(tmp_path / f"{name}.png"), card(text))
    truth = {"right.png": ["A"], "wrong.png": ["X"], "unsure.png": ["Y"], "none.png": []}
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    (tmp_path / "meta.json").write_text(
        json.dumps({name: {} for name in truth} | {"unsure.png": {"unconfirmed": ["C"]}})
    )
    tally = measure(tmp_path, None)[IN_FILE]
    figures = (tally.with_code, tally.read, tally.read_all, tally.misread, tally.without_code, tally.invented)
    assert figures == (3, 1, 1, 1, 1, 1)


def test_the_same_bytes_in_other_letters_are_known() -> None:
    assert same_bytes("正宗铁观音", "正宗铁观音".encode().decode("latin-1"))
    assert same_bytes("é", "Ã©")
    assert not same_bytes("e", "é")
