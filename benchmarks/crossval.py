"""Passes chosen by cross-validation: how many photographs are read that the choice never saw.

Run: make bench ARGS=crossval QR_REAL=DIR, or python -m benchmarks --qr-real DIR crossval

Each pass of the reader looks once at each photograph; what it read and what it costs on photographs without a code is
kept. Then passes are picked greedily, the most newly read photographs for the CPU first, until a price is reached: on
four fifths of the photographs, and counted on the last fifth. Folds are dealt at random, and by sets: then those
counted on are of kinds (glare, damage, screens) of which the choice saw none. The price of one frame is what we promise
of a frame without a code; that of twelve frames is spent once, for a code that is held up.
"""

import json
import random
import statistics
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import cv2

from benchmarks.held import FRAMES, cpu_ms
from benchmarks.reading import ONE_FRAME, PROMISES, grey_of, unsure_of, zxing
from benchmarks.result import Options, Outcome, Result, Skipped
from edge.vision.filters import Picture
from edge.vision.passes import CHEAP, CUTS, DEEP, FIRST, LATE, UNBENT, Corners, Views, apart, regions
from edge.vision.picture import load
from edge.vision.reader import REGIONS_MAX
from edge.vision.shot import Decoded

ONE_CORE: Final = True
FOLDS: Final = 5
DEALS: Final = 8  # how often folds are dealt anew
FRAME_PRICE: Final = PROMISES[ONE_FRAME][2]  # over the baseline's CPU on a photograph without a code
PRICES: Final = {"one frame": FRAME_PRICE, "twelve frames": FRAMES * FRAME_PRICE}
LEAST_COST: Final = 0.001  # of the baseline's: a region costs nothing where nothing was located
READ_MIN: Final = 0.9  # of the photographs that the choice never saw, by what twelve frames cost


@dataclass(slots=True)
class Tried:
    """What one pass did: the photographs that it read, and its CPU without a code, over the baseline's."""

    name: str = ""
    read: set[str] = field(default_factory=set)
    ms: list[float] = field(default_factory=list)
    cost: float = LEAST_COST


def tried(folder: Path) -> tuple[list[str], list[Tried]]:
    """The photographs with a code, and what each pass made of them; passes that read none are left out."""
    truth = json.loads((folder / "truth.json").read_text("utf-8"))
    meta = json.loads((folder / "meta.json").read_text("utf-8"))
    passes: dict[str, Tried] = defaultdict(Tried)
    plain, base_ms = zxing(full=True), []
    for file in sorted(truth):
        picture, known = load(folder / file), set(truth[file])
        if not known:
            base_ms.append(cpu_ms(partial(plain, picture, 0)))
        for place, codes, ms in _each_pass(Views(grey_of(picture), partial(_colour, picture))):
            one, texts = passes[place], {code.text for code in codes}
            if codes:
                one.name = codes[0].how
            if not known:
                one.ms.append(ms)
            elif texts & known and not texts - known - unsure_of(file, meta):
                one.read.add(file)
    base = statistics.median(base_ms)
    for one in passes.values():
        if len(one.ms) * 2 > len(base_ms):  # a region is worked on where one was located, which is seldom
            one.cost = statistics.median(one.ms) / base
    return sorted(file for file in truth if truth[file]), [one for one in passes.values() if one.read]


def _colour(picture: Picture) -> Picture | None:
    return picture if picture.ndim == 3 else None


def _each_pass(views: Views) -> Iterator[tuple[str, list[Decoded], float]]:
    """Every pass over one picture: its place, what it read, and its CPU in ms."""
    located: list[Corners] = []
    for kind, passes in (("first", FIRST), ("cheap", CHEAP), ("late", LATE), ("deep", DEEP)):
        for number, each in enumerate(passes):
            began_s = time.process_time()
            codes, places = each(views)
            yield f"{kind} {number}", codes, (time.process_time() - began_s) * 1000
            if kind in {"first", "cheap"}:
                located += places
    began_s = time.process_time()
    for number, codes in enumerate(regions(views.grey, apart(located)[:REGIONS_MAX])):
        yield (
            f"region {number % (len(CUTS) + 1 + len(UNBENT))}",
            codes,
            (time.process_time() - began_s) * 1000,
        )
        began_s = time.process_time()


def chosen(passes: list[Tried], files: Collection[str], price: float) -> list[Tried]:
    """Passes for these photographs: each time the one that reads the most new ones for its CPU."""
    left, missing, picked, spent = list(passes), set(files), list[Tried](), 0.0
    while left:
        best = max(left, key=lambda one: len(one.read & missing) / one.cost)
        left.remove(best)
        if best.read & missing and spent + best.cost <= price:
            picked.append(best)
            missing -= best.read
            spent += best.cost
    return picked


def _share(passes: list[Tried], files: Collection[str]) -> float:
    """Percent of these photographs that these passes read."""
    read = set[str]().union(*(one.read for one in passes))
    return 100 * len(read & set(files)) / len(files)


def folds(files: list[str], chance: random.Random, *, by_set: bool) -> list[list[str]]:
    """The photographs in five parts; ``by_set`` keeps those of one set (before ``__`` in the name) together."""
    groups: Mapping[str, list[str]] = defaultdict(list)
    for file in files:
        groups[file.partition("__")[0] if by_set else file].append(file)
    names = sorted(groups)
    chance.shuffle(names)
    parts: list[list[str]] = [[] for _ in range(FOLDS)]
    for name in names:
        min(parts, key=len).extend(groups[name])
    return parts


def validated(
    files: list[str], passes: list[Tried], price: float, *, by_set: bool
) -> tuple[float, float, Counter[str]]:
    """Mean percent read of photographs held out, and of those chosen on; and how often each pass was picked."""
    held_out, chosen_on, picks = list[float](), list[float](), Counter[str]()
    for deal in range(DEALS):
        parts = folds(files, random.Random(deal), by_set=by_set)
        for out in parts:
            others = [file for part in parts if part is not out for file in part]
            picked = chosen(passes, others, price)
            picks.update(one.name for one in picked)
            held_out += [_share(picked, out)] * len(out)  # each photograph counts once a deal
            chosen_on.append(_share(picked, others))
    return statistics.mean(held_out), statistics.mean(chosen_on), picks


def run(options: Options) -> list[Outcome]:
    """Read rates on photographs that the choice of passes never saw, against those that it was made on."""
    folder = options.qr_real
    if folder is None or not (folder / "truth.json").is_file():
        return [Skipped(name="passes by cross-validation", why="name the photographs' folder with --qr-real")]
    cv2.setNumThreads(1)
    files, passes = tried(folder)
    outcomes: list[Outcome] = []
    for what, price in PRICES.items():
        for how, by_set in (("photographs", False), ("kinds of photographs", True)):
            held_out, chosen_on, picks = validated(files, passes, price, by_set=by_set)
            outcomes.append(
                Result(
                    name=f"read of {how} never seen by the choice, price of {what}",
                    value=held_out,
                    unit="%",
                    baseline=f"where it was made; all our passes: {_share(passes, files):.1f}",
                    baseline_value=chosen_on,
                    ratio_min=READ_MIN if what == "one frame" else None,
                )
            )
        words = ", ".join(f"{name} {count / DEALS / FOLDS:.0%}" for name, count in picks.most_common(24))
        print(f"   picked for the price of {what}: {words}", file=sys.stderr)
    return outcomes
