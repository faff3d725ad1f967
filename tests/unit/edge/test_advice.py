"""What figures of a camera mean: words in both languages, and how near a code has to come."""

import pytest

from edge.vision.advice import (
    KnownBy,
    Size,
    distance_cm,
    for_contrast,
    for_light,
    for_picture,
    for_sharpness,
    for_size,
    shortened,
    shortest_px,
)


@pytest.mark.parametrize(
    ("light", "burnt", "word"),
    [(20, 0, "too dark"), (120, 0, "good"), (230, 0, "too bright"), (120, 0.4, "parts are burnt out")],
)
def test_light_in_a_word(light: float, burnt: float, word: str) -> None:
    assert for_light(light, burnt=burnt).en == word


def test_contrast_and_sharpness_in_a_word() -> None:
    assert [for_contrast(value).en for value in (5, 40, 150)] == ["hardly any", "low", "good"]
    assert [for_sharpness(value).en for value in (5, 40, 400)] == ["blurred", "soft", "sharp"]


def test_the_worst_of_a_picture_is_said_first_and_a_good_one_needs_nothing() -> None:
    assert for_picture(120, 150, 400, burnt=0) is None
    words = [
        for_picture(10, 2, 1, burnt=0),
        for_picture(20, 80, 1, burnt=0),
        for_picture(120, 150, 400, burnt=0.5),
        for_picture(120, 150, 5, burnt=0),
    ]
    said = [pair.en.partition(":")[0] for pair in words if pair is not None]
    assert said == [
        "The lens is covered, or there is no light",
        "Add light on the visitor's side, or expose longer",
        "Turn away from glare and backlight, or expose shorter",
        "The picture is blurred",
    ]


@pytest.mark.parametrize(("side_px", "width_px", "cm"), [(301, 1280, 15), (151, 1280, 30), (339, 1920, 20)])
def test_distances_are_those_of_a_phone_before_a_common_lens(
    side_px: float, width_px: int, cm: float
) -> None:
    assert distance_cm(side_px, width_px) == pytest.approx(cm, rel=0.02)


def test_a_code_that_is_too_small_is_told_how_near_it_has_to_come() -> None:
    small = Size(side_px=2.9 * 45, modules=45, known_by=KnownBy.VERSION)
    assert for_size(small, 1280).en == "4.5 px a module needed; you have 2.9: come to 22 cm"
    middle = Size(side_px=3.2 * 45, modules=45, known_by=KnownBy.VERSION)
    assert (
        for_size(middle, 1280).en
        == "4.5 px a module needed; you have 3.2 (still hands): come to 22 cm or use 1080p"
    )
    assert (
        for_size(middle, 1280).zh == "每模块需 4.5 像素，现为 3.2（手稳时可读）：靠近到 22 厘米，或改用 1080p"
    )
    assert for_size(Size(side_px=5 * 41, modules=41), 1280).en == "5.0 px a module: enough"


def test_a_code_whose_modules_nobody_can_count_gets_no_figures() -> None:
    assert "cannot be told" in for_size(Size(side_px=100), 1280).en
    assert "cannot be told" in for_size(Size(side_px=0, modules=21), 1280).en


def test_the_shortest_side_counts() -> None:
    assert shortest_px([(0, 0), (100, 0), (100, 80), (0, 80)]) == 80
    assert shortest_px([]) == 0


def test_a_pass_is_never_shown_whole_and_nothing_drives_the_terminal() -> None:
    text = "GP1:" + "6BF+70" * 25
    assert shortened(text) == "GP1:... 154 characters"
    assert shortened("https://example.org/menu") == "https://example.org/menu"
    assert shortened("x\x1b[2J" + "y" * 30) == "x\\x1b[2Jyyyyyyyyyyyyyyyy... 35 characters"
