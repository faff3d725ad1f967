"""A drawn pass is read by the gate's own reader and taken by its check; no picture names anybody."""

import re
import unicodedata
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import cv2
import numpy as np
import pytest

from controller.pass_picture import Names, draw
from edge.vision.reader import Reader
from passes.check import Verified, check
from passes.vocabulary import Category, Colour
from shell.pass_picture import FRAME, HEAD, PNG_MODULE_PX, QUIET, PassPicture, Surface
from shell.pixels import ICONS, LETTERS
from tests.minting import NOW, Mint

MINT = Mint()
SHANGHAI = ZoneInfo("Asia/Shanghai")
PAPER = MINT.paper()
HEADS = {
    colour: [*ICONS[colour], *(row for sign in colour.value.upper() for row in LETTERS[sign])]
    for colour in Colour
}


def picture(text: str = PAPER, surface: Surface = Surface.PAPER) -> PassPicture:
    return draw(text, zone=SHANGHAI, surface=surface)


def read(image: np.ndarray) -> list[str]:
    return [code.text for code in Reader().read(image)]


def from_png(png: bytes) -> np.ndarray:
    found = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert found is not None
    return np.asarray(found, dtype=np.uint8)


@pytest.mark.parametrize("surface", Surface)
def test_the_gates_reader_reads_the_png_and_the_gate_takes_it(surface: Surface) -> None:
    (text,) = read(from_png(picture(surface=surface).png()))
    assert text == PAPER
    assert isinstance(check(text, MINT.table, now=NOW), Verified)


@pytest.mark.parametrize(("surface", "side"), [(Surface.PAPER, 49), (Surface.SCREEN, 45)])
def test_paper_is_drawn_at_level_m_and_screens_at_l(surface: Surface, side: int) -> None:
    assert len(picture(surface=surface).modules) == side + 2 * QUIET


@pytest.mark.parametrize(
    ("category", "colour", "bgr"),
    [
        (Category.COURIER, Colour.BLUE, (0xB0, 0x57, 0x15)),
        (Category.RESIDENT, Colour.GREEN, (0x3B, 0x7F, 0x1B)),
    ],
)
def test_the_colour_is_a_frame_around_dark_modules_on_white(
    category: Category, colour: Colour, bgr: tuple[int, int, int]
) -> None:
    drawn = picture(MINT.paper(category=category))
    assert drawn.colour is colour
    image = from_png(drawn.png())
    frame_px, quiet_px = FRAME * PNG_MODULE_PX, QUIET * PNG_MODULE_PX
    head_px = frame_px + HEAD * PNG_MODULE_PX
    assert tuple(image[0, 0]) == tuple(image[-1, -1]) == bgr
    inside = image[head_px:-frame_px, frame_px:-frame_px]
    assert (inside[:quiet_px] == 255).all() and (inside[:, -quiet_px:] == 255).all()
    assert tuple(inside[quiet_px, quiet_px]) == (0x11, 0x11, 0x11)
    dots = (image[:head_px] == 255).all(axis=2).sum()
    assert dots == sum(row.count("#") for row in HEADS[colour]) * 25  # icon and word, white on the colour


@pytest.mark.parametrize("colour", Colour)
def test_icon_and_letters_of_a_png_are_rows_of_one_length(colour: Colour) -> None:
    for bitmap in (ICONS[colour], *(LETTERS[sign] for sign in colour.value.upper())):
        assert {len(row) for row in bitmap} == {len(bitmap[0])}
    assert ICONS[Colour.GREEN] != ICONS[Colour.BLUE]


def test_the_svg_has_frame_icon_word_gate_and_end_in_both_languages() -> None:
    svg = picture().svg()
    words = "".join(ElementTree.fromstring(svg).itertext())
    assert "蓝码 BLUE" in words
    assert "门 Gate 0" in words and "快递 Courier" in words
    assert "有效至 Valid until 2026-11-22 18:30" in words
    assert 'rx="1.4"' in svg  # the rounded square
    assert "<circle" in picture(MINT.paper(category=Category.RESIDENT)).svg()


def test_the_slip_names_the_site_and_the_gate() -> None:
    drawn = draw(PAPER, zone=SHANGHAI, names=Names(site="阳光花园", gate="南门 <South> gate"))
    assert drawn.facts[0] == "阳光花园 · 南门 <South> gate"
    assert drawn.facts[0] in list(ElementTree.fromstring(drawn.svg()).itertext())


def test_a_name_that_is_too_long_is_drawn_smaller_and_then_cut() -> None:
    def drawn(name: str) -> tuple[str, float]:
        svg = ElementTree.fromstring(draw(PAPER, zone=SHANGHAI, names=Names(gate=name)).svg())
        line = next(one for one in svg.iter() if one.get("text-anchor") == "middle")
        return line.text or "", float(line.get("font-size") or 0)

    assert drawn("南门") == ("南门", 2.4)
    assert drawn("门" * 24)[0] == "门" * 24 and 1.7 <= drawn("门" * 24)[1] < 2.4
    cut, size = drawn("门" * 60)
    assert (cut[-2:], size) == ("门…", 1.7) and len(cut) < 40


def test_the_svg_names_neither_person_nor_unit() -> None:
    drawn = picture(MINT.paper(unit=4711))
    assert "4711" not in drawn.svg() and drawn.claims.person not in drawn.svg()


def test_the_svgs_path_holds_the_very_modules() -> None:
    drawn = picture()
    (path,) = re.findall(r' d="(M0?\d[^"]*h\d+v1[^"]*)"', drawn.svg())
    dark = {
        (int(x) + step, int(y))
        for x, y, length in re.findall(r"M(\d+) (\d+)h(\d+)v1", path)
        for step in range(int(length))
    }
    assert dark == {(x, y) for y, row in enumerate(drawn.modules) for x, on in enumerate(row) if on}


def test_the_terminals_half_blocks_hold_the_very_modules() -> None:
    drawn = picture()
    halves = {" ": (0, 0), "▀": (1, 0), "▄": (0, 1), "█": (1, 1)}
    rows: list[list[int]] = []
    for line in drawn.terminal().splitlines()[1:-1]:
        signs = re.sub(r"\x1b\[[0-9;]*m", "", line)
        rows += [[halves[sign][half] for sign in signs] for half in (0, 1)]
    grey = np.kron(np.array(rows), np.ones((6, 6)))
    image = np.where(grey > 0, 0, 255).astype(np.uint8)
    assert read(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)) == [PAPER]


@pytest.mark.parametrize(
    ("category", "shade", "label"),
    [(Category.COURIER, 25, "[→] 蓝码 BLUE"), (Category.RESIDENT, 28, "(✓) 绿码 GREEN")],
)
def test_the_terminal_says_the_colour_with_icon_and_word_in_a_band_of_it(
    category: Category, shade: int, label: str
) -> None:
    drawn = picture(MINT.paper(category=category), Surface.SCREEN)
    head, *_, foot = drawn.terminal().splitlines()
    assert label in head
    for band in (head, foot):
        assert band.startswith(f"\x1b[1;38;5;231;48;5;{shade}m") and band.endswith("\x1b[0m")
        text = re.sub(r"\x1b\[[0-9;]*m", "", band)
        wide = sum(2 if unicodedata.east_asian_width(sign) == "W" else 1 for sign in text)
        assert wide == len(drawn.modules)


def test_a_phones_code_is_not_drawn() -> None:
    with pytest.raises(ValueError, match="half a minute"):
        picture(MINT.phone())
