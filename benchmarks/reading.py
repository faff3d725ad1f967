"""How many codes of real photographs are read, and what a picture costs: ours against plain zxing-cpp.

Run: python -m benchmarks.reading --qr-real DIR [--json FILE] [--limit N], or with the others: make bench

DIR holds pictures, ``truth.json`` ({file: [payload, ...]}, empty for pictures without a code) and ``meta.json``
(per file perhaps ``unconfirmed``: payloads that are neither right nor wrong). A picture is read when at
least one of its codes was read, exactly, and nothing wrong beside it. Times are CPU time; compare ratios.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import cv2
import zxingcpp

from benchmarks.result import Options, Outcome, Result, Skipped
from edge.vision.filters import Picture, as_picture
from edge.vision.passes import Views
from edge.vision.picture import load
from edge.vision.reader import Reader
from edge.vision.zbar import decoder_of_zbar, second_opinion

ONE_CORE: Final = True
Read = Callable[[Picture, int], set[str]]
BASELINE: Final = "zxing-cpp's default call"
TIMES: Final = 3  # that each of the two is timed, in turns; the median counts
ONE_FRAME: Final = "postern, one frame of a camera"
IN_FILE: Final = "postern, a file"


def zxing(*, full: bool) -> Read:
    """The decoder alone, on grey: one pass, all options off or all on."""
    formats = zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCodeModel2])

    def read(picture: Picture, _turn: int) -> set[str]:
        found = zxingcpp.read_barcodes(
            grey_of(picture),
            formats=formats,
            try_rotate=full,
            try_downscale=full,
            try_invert=full,
            text_mode=zxingcpp.TextMode.Plain,
        )
        return {code.text for code in found}

    return read


def zbar(picture: Picture, _turn: int) -> set[str]:
    """zbar alone; nothing where it is not installed."""
    return {text for text, _ in second_opinion(grey_of(picture))}


def ours(*, live: bool) -> Read:
    """Our cascade: the first frame of a camera, whose late pass is the one whose turn it is, or a file."""

    def read(picture: Picture, turn: int) -> set[str]:
        views = Views(grey_of(picture), lambda: picture if picture.ndim == 3 else None)
        return {code.text for code in Reader(live=live, deep=not live, turn=turn).look(views).codes}

    return read


def grey_of(picture: Picture) -> Picture:
    """What a camera's eye makes of a JPEG; every decoder is given it, so its price is in every figure."""
    return picture if picture.ndim == 2 else as_picture(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY))


DECODERS: Final[Mapping[str, Read]] = {
    BASELINE: zxing(full=True),
    "zxing-cpp, one plain pass": zxing(full=False),
    ONE_FRAME: ours(live=True),
    IN_FILE: ours(live=False),
} | ({"zbar (pyzbar)": zbar} if decoder_of_zbar() is not None else {})
# Codes that are plainly in a picture, and in no list of its payloads: found by looking at it.
UNLISTED: Final[Mapping[str, frozenset[str]]] = {"boof-curved__image022.jpg": frozenset({"hudson"})}
# What we promise against the baseline of the same run: least read rate, most CPU where both read, and without a code.
P99_MS: Final = 30.0
PROMISES: Final = {ONE_FRAME: (90.0, 0.7, 1.5)}


@dataclass(slots=True)
class Tally:
    """What one decoder did."""

    with_code: int = 0
    read: int = 0
    read_all: int = 0
    misread: int = 0
    other_letters: int = 0
    without_code: int = 0
    invented: int = 0
    ms_with: list[float] = field(default_factory=list)
    ms_readable: list[float] = field(default_factory=list)
    ms_without: list[float] = field(default_factory=list)

    def add(
        self, got: set[str], truth: set[str], unconfirmed: set[str], ms: float, *, readable: bool
    ) -> None:
        """Judge one picture; ``readable`` says that the baseline and a camera's frame of ours read it."""
        if not truth:
            self.without_code += 1
            self.invented += bool(got - unconfirmed)
            self.ms_without.append(ms)
            return
        recoded = {text for text in got - truth if any(same_bytes(text, known) for known in truth)}
        wrong = got - truth - unconfirmed - recoded
        self.with_code += 1
        self.read += bool(got & truth) and not wrong
        self.read_all += truth <= got and not wrong
        self.misread += bool(wrong)
        self.other_letters += bool(recoded)
        self.ms_with.append(ms)
        if readable:
            self.ms_readable.append(ms)

    def figures(self) -> dict[str, float]:
        """The counts, and shares in percent, and times in ms."""
        with_code, without_code = max(1, self.with_code), max(1, self.without_code)
        return {
            "pictures_with_code": self.with_code,
            "read_percent": round(100 * self.read / with_code, 2),
            "all_codes_percent": round(100 * self.read_all / with_code, 2),
            "misread": self.misread,
            "other_letters": self.other_letters,
            "pictures_without_code": self.without_code,
            "invented": self.invented,
            "invented_percent": round(100 * self.invented / without_code, 2),
            "ms_with_median": _middle(self.ms_with),
            "ms_with_p95": _p95(self.ms_with),
            "ms_readable_median": _middle(self.ms_readable),
            "ms_readable_p99": _p99(self.ms_readable),
            "ms_without_median": _middle(self.ms_without),
            "ms_without_p95": _p95(self.ms_without),
        }


def unsure_of(file: str, meta: Mapping[str, Any]) -> set[str]:
    """Texts that are neither right nor wrong for a picture."""
    return set(meta[file].get("unconfirmed", [])) | UNLISTED.get(file, frozenset())


def same_bytes(text: str, known: str) -> bool:
    """Whether ``known`` is the UTF-8 bytes of ``text`` taken for Shift JIS or Latin-1: right, other letters."""
    for letters in ("cp932", "latin-1"):
        try:
            if known.encode(letters).decode() == text:
                return True
        except UnicodeError:
            continue
    return False


def measure(folder: Path, limit: int | None) -> dict[str, Tally]:
    """Run all decoders over all pictures, picture by picture, in an order that rotates."""
    truth = json.loads((folder / "truth.json").read_text("utf-8"))
    meta = json.loads((folder / "meta.json").read_text("utf-8"))
    tallies = {name: Tally() for name in DECODERS}
    names = list(DECODERS)
    files = sorted(truth)
    if limit is not None:
        files = files[:: max(1, len(files) // limit)][:limit]
    for number, file in enumerate(files):
        picture, known = load(folder / file), set(truth[file])
        turn = number % len(names)
        got, ms = dict[str, set[str]](), {name: list[float]() for name in names}
        for time_of_it in range(TIMES):
            for name in names[turn:] + names[:turn]:
                if time_of_it == 0 or name in {BASELINE, *PROMISES}:
                    before_s = time.process_time()
                    got[name] = DECODERS[name](picture, number)
                    ms[name].append((time.process_time() - before_s) * 1000)
        readable = bool(got[BASELINE] & known and got[ONE_FRAME] & known)
        for name, tally in tallies.items():
            tally.add(got[name], known, unsure_of(file, meta), statistics.median(ms[name]), readable=readable)
    return tallies


def report(tallies: Mapping[str, Tally]) -> dict[str, Any]:
    """The figures of all decoders, and each as a ratio to the baseline of the same run."""
    figures = {name: tally.figures() for name, tally in tallies.items()}
    base = figures[BASELINE]
    compared = ("read_percent", "all_codes_percent", "ms_with_median", "ms_without_median")
    ratios = {
        name: {key: round(row[key] / base[key], 3) if base[key] else None for key in compared}
        for name, row in figures.items()
    }
    return {"benchmark": "reading", "baseline": BASELINE, "decoders": figures, "ratios": ratios}


def run(options: Options) -> list[Outcome]:
    """The read rates and times as lines of the common table."""
    if options.qr_real is None or not (options.qr_real / "truth.json").is_file():
        return [Skipped(name="reading of photographs", why="name the photographs' folder with --qr-real")]
    cv2.setNumThreads(1)
    figures = report(measure(options.qr_real, None))["decoders"]
    base = figures[BASELINE]
    wanted = (
        ("read_percent", "photographs read", "%"),
        ("all_codes_percent", "photographs with all codes read", "%"),
        ("ms_with_median", "CPU for a photograph with a code", "ms"),
        ("ms_readable_median", "CPU for a photograph that both read", "ms"),
        ("ms_without_median", "CPU for a photograph without", "ms"),
    )
    outcomes: list[Outcome] = [
        Result(
            name=f"{what}, {name}",
            value=row[key],
            unit=unit,
            baseline=BASELINE,
            baseline_value=base[key],
            ratio_max=_promised(name, key),
        )
        for key, what, unit in wanted
        for name, row in figures.items()
        if name != BASELINE
    ]
    for name, (least, _, _) in PROMISES.items():
        outcomes += [
            Result(
                name=f"photographs read, {name}: the promise",
                value=figures[name]["read_percent"],
                unit="%",
                baseline="what is promised",
                baseline_value=least,
                ratio_min=1.0,
            ),
            Result(
                name=f"CPU for a photograph that both read, {name}: p99",
                value=figures[name]["ms_readable_p99"],
                unit="ms",
                baseline="what is promised",
                baseline_value=P99_MS,
                ratio_max=1.0,
            ),
        ]
    wrong = sum(int(row["misread"] + row["invented"]) for name, row in figures.items() if name in PROMISES)
    outcomes.append(
        Result(
            name="wrong texts, one frame (plus one, so that a ratio exists)",
            value=1.0 + wrong,
            unit="texts",
            baseline="none",
            baseline_value=1.0,
            ratio_max=1.0,
        )
    )
    return outcomes


def _promised(name: str, key: str) -> float | None:
    promise = PROMISES.get(name)
    if promise is None:
        return None
    return {"ms_readable_median": promise[1], "ms_without_median": promise[2]}.get(key)


def table(result: Mapping[str, Any]) -> str:
    """The report for people."""
    lines = [
        f"{'':24}{'read %':>8}{'all %':>8}{'misread':>9}{'invented':>10}"
        f"{'ms with code':>15}{'p95':>7}{'ms without':>13}{'p95':>7}   read x, ms x of {result['baseline']}"
    ]
    for name, row in result["decoders"].items():
        ratio = result["ratios"][name]
        lines.append(
            f"{name:24}{row['read_percent']:8.1f}{row['all_codes_percent']:8.1f}{row['misread']:9}"
            f"{row['invented']:10}{row['ms_with_median']:15.2f}{row['ms_with_p95']:7.1f}"
            f"{row['ms_without_median']:13.2f}{row['ms_without_p95']:7.1f}"
            f"   {ratio['read_percent'] or 0:.2f} x, {ratio['ms_without_median'] or 0:.1f} x without code"
        )
    first = next(iter(result["decoders"].values()))
    lines.append(
        f"{first['pictures_with_code']} pictures with a code, {first['pictures_without_code']} without; CPU ms; "
        f"right bytes in other letters (neither right nor wrong): {first['other_letters']}"
    )
    return "\n".join(lines)


def _middle(values: list[float]) -> float:
    return round(statistics.median(values), 3) if values else 0.0


def _p95(values: list[float]) -> float:
    return round(statistics.quantiles(values, n=20)[-1], 3) if len(values) > 1 else 0.0


def _p99(values: list[float]) -> float:
    return round(statistics.quantiles(values, n=100)[-1], 3) if len(values) > 1 else 0.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.reading", description=__doc__)
    parser.add_argument(
        "--qr-real", type=Path, required=True, help="folder with pictures, truth.json, meta.json"
    )
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--limit", type=int, help="only so many pictures, evenly over the folder")
    given = parser.parse_args()
    if not (given.qr_real / "truth.json").is_file():
        print(f"skipped: no truth.json in {given.qr_real}", file=sys.stderr)
        return 1
    cv2.setNumThreads(1)
    result = report(measure(given.qr_real, given.limit))
    print(table(result))
    if given.json is not None:
        given.json.write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
