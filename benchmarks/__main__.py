"""Run every benchmark module, or the named ones; print one table and write ``build/bench.json``.

A benchmark is a module of this package with ``run(options: Options) -> list[Outcome]``. One that says ``ONE_CORE =
True`` is kept on one core while it runs.
"""

import argparse
import importlib
import json
import pkgutil
import platform
import subprocess
import sys
import time
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import benchmarks
from benchmarks.machine import load, one_core, versions
from benchmarks.result import Options, Outcome, Result, Skipped

REPORT: Final = Path("build/bench.json")


def module_names() -> list[str]:
    """The modules of this package that are benchmarks: those with a ``run``."""
    names = [module.name for module in pkgutil.iter_modules(benchmarks.__path__) if module.name != "__main__"]
    return [name for name in names if hasattr(importlib.import_module(f"benchmarks.{name}"), "run")]


def table(outcomes: list[Outcome]) -> str:
    """The outcomes as text, skips last and counted."""
    results = [one for one in outcomes if isinstance(one, Result)]
    skips = [one for one in outcomes if isinstance(one, Skipped)]
    rows = [("", "ours", "baseline", "ratio", "limit", "against")]
    rows += [
        (
            one.name,
            f"{one.value:,.1f} {one.unit}",
            f"{one.baseline_value:,.1f}",
            f"{one.ratio:.2f}",
            one.limit,
            one.baseline + ("" if one.kept else "  <- BEYOND ITS LIMIT"),
        )
        for one in results
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines = [
        "  ".join(
            [
                f"{row[0]:<{widths[0]}}",
                *(f"{row[column]:>{widths[column]}}" for column in range(1, 5)),
                row[5],
            ]
        )
        for row in rows
    ]
    lines += [f"skipped: {one.name}: {one.why}" for one in skips]
    beyond = sum(not one.kept for one in results)
    return "\n".join([*lines, f"{len(results)} figures, {beyond} beyond their limit, {len(skips)} skipped"])


def report(outcomes: list[Outcome]) -> dict[str, object]:
    """The outcomes with what they were measured on, for ``build/bench.json``."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], check=False, capture_output=True, text=True
    ).stdout.strip()
    return {
        "v": 1,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit or None,
        "machine": f"{platform.machine()} {platform.system()} {platform.release()}",
        "load": load(),
        "versions": versions(),
        "results": [
            {
                "name": one.name,
                "value": one.value,
                "unit": one.unit,
                "baseline": one.baseline,
                "baseline_value": one.baseline_value,
                "ratio": one.ratio,
                "ratio_max": one.ratio_max,
                "ratio_min": one.ratio_min,
            }
            for one in outcomes
            if isinstance(one, Result)
        ],
        "skipped": [{"name": one.name, "why": one.why} for one in outcomes if isinstance(one, Skipped)],
    }


def main() -> int:
    """Parse the command line, run, print and write."""
    names = module_names()
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("module", nargs="*", help=f"which ones (default: all): {', '.join(names)}")
    parser.add_argument("--qr-real", type=Path, help="folder of photographs with truth.json")
    parser.add_argument("--seconds", type=float, default=2.0, help="time for one comparison (default: 2)")
    parser.add_argument(
        "--quick", action="store_true", help="fewer repetitions: whether it runs, not what it says"
    )
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.module) - set(names))
    if unknown:
        parser.error(f"no benchmark named {', '.join(unknown)}; there are: {', '.join(names)}")
    options = Options(qr_real=arguments.qr_real, seconds=arguments.seconds, quick=arguments.quick)
    outcomes: list[Outcome] = []
    for name in arguments.module or names:
        module, began_s = importlib.import_module(f"benchmarks.{name}"), time.monotonic()
        with one_core() if getattr(module, "ONE_CORE", False) else nullcontext():
            outcomes += module.run(options)
        print(f"-- {name}: {time.monotonic() - began_s:.0f} s", file=sys.stderr, flush=True)
    print(table(outcomes))
    print("; ".join(f"{library} {number}" for library, number in versions().items()))
    print(load())
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(json.dumps(report(outcomes), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"written: {REPORT}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
