"""What scanner engines read becomes presentations: once while it is held (C7), each code by itself, and text only."""

import pytest

from drivers.peripherals import Scanned
from edge.scanners import TEXT_MAX, Scanner, text_of_reading

PASS, OTHER = "GP1:ABCDEF", "GP1:GHIJKL"


class Lens:
    """An engine's readings, and what came of them."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, float]] = []
        self.dropped = 0
        self.scanner = Scanner("entry", self._take, self._drop)

    def _take(self, lane: str, texts: tuple[str, ...], at_s: float) -> None:
        assert lane == "entry"
        (text,) = texts
        self.seen.append((text, at_s))

    def _drop(self) -> None:
        self.dropped += 1

    def read(self, text: str | bytes, at_s: float) -> None:
        self.scanner.read(Scanned(data=text if isinstance(text, bytes) else text.encode(), at_s=at_s))


def test_c7_a_code_that_is_held_is_shown_once_and_again_when_it_was_away_for_a_second_and_a_half() -> None:
    lens = Lens()
    for tenths in range(0, 100, 3):
        lens.read(PASS, tenths / 10)
    lens.read(PASS, 11.3)
    lens.read(PASS, 12.9)
    assert lens.seen == [(PASS, 0.0), (PASS, 12.9)]
    assert lens.dropped == 0


def test_several_codes_right_behind_each_other_are_each_shown_once() -> None:
    lens = Lens()
    for at_s in (1.0, 1.05, 1.1, 1.15):
        lens.read(PASS, at_s)
        lens.read(OTHER, at_s + 0.01)
    assert lens.seen == [(PASS, 1.0), (OTHER, 1.01)]


def test_a_code_of_several_lines_is_one_and_whoever_comes_behind_it_is_seen() -> None:
    lens = Lens()
    for at_s in (1.0, 1.6, 2.2):
        for number, line in enumerate(("BEGIN:VCARD", "FN:Somebody", "END:VCARD")):
            lens.read(line, at_s + number * 0.02)
    assert lens.seen == [("BEGIN:VCARD", 1.0)]
    assert lens.dropped == 6
    lens.read("https://example.org/a", 2.3)
    lens.read("https://example.org/a", 2.6)
    lens.read(PASS, 2.61)
    assert lens.seen[1:] == [("https://example.org/a", 2.6), (PASS, 2.61)]


def test_look_again_shows_the_held_code_once_more() -> None:
    lens = Lens()
    lens.read(PASS, 1.0)
    lens.scanner.look_again()
    lens.read(PASS, 1.3)
    lens.read(PASS, 1.6)
    assert lens.seen == [(PASS, 1.0), (PASS, 1.3)]


def test_a_flood_of_codes_is_forgotten_but_for_the_newest() -> None:
    lens = Lens()
    for number in range(5_000):
        lens.read(f"GP1:{number:05}", 1.0 + number * 1e-5)
    assert len(lens.seen) == 5_000
    lens.read("GP1:04999", 1.1)
    assert len(lens.seen) == 5_000
    lens.read("GP1:00000", 1.1)
    assert lens.seen[-1] == ("GP1:00000", 1.1)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"GP1:ABC", "GP1:ABC"),
        (b" GP1:ABC ", "GP1:ABC"),
        ("访客通行码".encode(), "访客通行码"),
        ("访客通行码".encode("gb18030"), "访客通行码"),
        (b"A" * TEXT_MAX, "A" * TEXT_MAX),
        (b"A" * (TEXT_MAX + 1), None),
        (b"", None),
        (b"   ", None),
        (b"U", None),
        (b"\xff\xff\xff\xff\xff", None),
        (b"\x00\x12\x34\x56\x78", None),  # a card
        (b"GP1:\x1b[2J", None),
        ("GP1:\u202eABC".encode(), None),
    ],
)
def test_what_is_no_text_is_dropped_and_counted(data: bytes, text: str | None) -> None:
    assert text_of_reading(data) == text
    lens = Lens()
    lens.read(data, 1.0)
    assert (lens.seen, lens.dropped) == (([(text, 1.0)], 0) if text else ([], 1))
