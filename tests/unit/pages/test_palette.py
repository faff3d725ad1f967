"""The three colours are measured against each other, for every kind of colour vision."""

import math
import re
from itertools import combinations

import pytest

from shell.pages.templates import KIT_STATIC

Vector = tuple[float, float, float]
# Machado, Oliveira and Fernandes 2009, severity 1.0, on linear RGB.
DEUTAN = ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881))
PROTAN = ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998))
NORMAL = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
GREY = ((0.2126, 0.7152, 0.0722),) * 3
WHITE: Vector = (0.95047, 1.0, 1.08883)


def token(name: str) -> Vector:
    """A colour of the style sheet, linear."""
    found = re.search(
        rf"--{name}: #([0-9a-f]{{6}});", (KIT_STATIC / "tokens.css").read_text(encoding="utf-8")
    )
    assert found, name
    r, g, b = (int(found[1][place : place + 2], 16) / 255 for place in (0, 2, 4))
    return _linear(r), _linear(g), _linear(b)


def _linear(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def _times(matrix: tuple[Vector, ...], vector: Vector) -> Vector:
    x, y, z = (sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix)
    return x, y, z


def luminance(colour: Vector) -> float:
    return _times(GREY, colour)[0]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(token(one)), luminance(token(other))), reverse=True)
    return (high + 0.05) / (low + 0.05)


def lab(colour: Vector) -> Vector:
    clipped = (min(max(colour[0], 0), 1), min(max(colour[1], 0), 1), min(max(colour[2], 0), 1))
    to_xyz = (
        (0.4124564, 0.3575761, 0.1804375),
        (0.2126729, 0.7151522, 0.0721750),
        (0.0193339, 0.1191920, 0.9503041),
    )
    x, y, z = (
        part ** (1 / 3) if part > 216 / 24389 else (24389 / 27 * part + 16) / 116
        for part in (value / white for value, white in zip(_times(to_xyz, clipped), WHITE, strict=True))
    )
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def ciede2000(one: Vector, other: Vector) -> float:
    (l1, a1, b1), (l2, a2, b2) = one, other
    mean_c7 = ((math.hypot(a1, b1) + math.hypot(a2, b2)) / 2) ** 7
    g = 0.5 * (1 - math.sqrt(mean_c7 / (mean_c7 + 25**7)))
    a1, a2 = a1 * (1 + g), a2 * (1 + g)
    c1, c2 = math.hypot(a1, b1), math.hypot(a2, b2)
    h1, h2 = math.atan2(b1, a1) % math.tau, math.atan2(b2, a2) % math.tau
    turn = (h2 - h1 + math.pi) % math.tau - math.pi if c1 * c2 else 0.0
    mean_h = (h1 + turn / 2) % math.tau if c1 * c2 else h1 + h2
    mean_l, mean_c = (l1 + l2) / 2, (c1 + c2) / 2
    t = (
        1
        - 0.17 * math.cos(mean_h - math.radians(30))
        + 0.24 * math.cos(2 * mean_h)
        + 0.32 * math.cos(3 * mean_h + math.radians(6))
        - 0.20 * math.cos(4 * mean_h - math.radians(63))
    )
    s_l = 1 + 0.015 * (mean_l - 50) ** 2 / math.sqrt(20 + (mean_l - 50) ** 2)
    s_c, s_h = 1 + 0.045 * mean_c, 1 + 0.015 * mean_c * t
    spin = math.radians(30) * math.exp(-(((math.degrees(mean_h) - 275) / 25) ** 2))
    r_t = -2 * math.sqrt(mean_c**7 / (mean_c**7 + 25**7)) * math.sin(2 * spin)
    d_l, d_c = (l2 - l1) / s_l, (c2 - c1) / s_c
    d_h = 2 * math.sqrt(c1 * c2) * math.sin(turn / 2) / s_h
    return math.sqrt(d_l**2 + d_c**2 + d_h**2 + r_t * d_c * d_h)


@pytest.mark.parametrize(
    ("vision", "at_least"),
    [(NORMAL, 40), (DEUTAN, 30), (PROTAN, 30), (GREY, 9.5)],
    ids=["normal", "deutan", "protan", "no colour"],
)
def test_the_three_colours_differ_for_every_eye(vision: tuple[Vector, ...], at_least: float) -> None:
    seen = [lab(_times(vision, token(name))) for name in ("green", "blue", "red")]
    assert min(ciede2000(one, other) for one, other in combinations(seen, 2)) >= at_least


def test_the_measure_agrees_with_a_published_pair() -> None:
    # Sharma, Wu and Dalal 2005, pairs 1 and 17.
    assert ciede2000((50, 2.6772, -79.7751), (50, 0, -82.7485)) == pytest.approx(2.0425, abs=1e-4)
    assert ciede2000((50, 2.5, 0), (73, 25, -18)) == pytest.approx(27.1492, abs=1e-4)


@pytest.mark.parametrize(
    ("ink", "ground", "at_least"),
    [
        ("green-ink", "green", 7),
        ("blue-ink", "blue", 6),
        ("red-ink", "red", 7),
        ("amber-ink", "amber", 7),
        ("ink", "panel", 7),
        ("ink-2", "panel", 4.5),
    ],
)
def test_text_stands_out_from_its_ground(ink: str, ground: str, at_least: float) -> None:
    assert contrast(ink, ground) >= at_least
