"""What the fuzzers share: their command line, their corpus, and a tally at the end. libFuzzer does the rest."""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import atheris

SLOW = (
    "-timeout=10"  # seconds for one input, far more than any needs: a find too, for a gate would stand still
)


def fuzz(name: str, about: str, judge: Callable[[bytes], str], seeds: Iterable[bytes]) -> None:
    """Hand ``judge`` inputs led by coverage, as the command line says.

    ``judge`` names the answer to one input. Whatever it raises is a find, and so is an input that it cannot finish:
    the process ends with a traceback, and the input is kept. What leads to new code is kept in the corpus and is where
    the next run starts.
    """
    parser = argparse.ArgumentParser(prog=f"python -m tests.fuzz.{name}", description=about)
    parser.add_argument("--runs", type=int, default=1_000_000, help="how many inputs (default: 1,000,000)")
    parser.add_argument("--seed", type=int, default=0, help="any but 0 makes the run repeatable (default: 0)")
    parser.add_argument("--folder", type=Path, default=Path("build/fuzz"), help="for corpus and finds")
    given = parser.parse_args()
    corpus = given.folder / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds):
        (corpus / f"seed-{number}").write_bytes(seed)
    tally: Counter[str] = Counter()

    def one_input(data: bytes) -> None:
        tally[judge(data)] += 1
        if tally.total() == given.runs:  # libFuzzer does not return
            sys.stdout.write(json.dumps(tally) + "\n")
            sys.stdout.flush()

    prefix = f"{given.folder}/{name}-"
    flags = (
        f"-runs={given.runs}",
        f"-seed={given.seed}",
        f"-artifact_prefix={prefix}",
        "-max_len=8192",
        SLOW,
    )
    atheris.Setup([sys.argv[0], *flags, str(corpus)], one_input)
    atheris.Fuzz()
