"""The fuzzers run in the suite too, with fewer inputs than ``make fuzz`` gives them."""

import importlib.util
import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

from passes.claims import encode_claims
from passes.gp1 import to_text
from passes.keys import KeySetError
from passes.trust import open_key_set
from tests.bundling import Office
from tests.fuzz.bundling import bundle_seeds, judge_bundle
from tests.fuzz.judging import ForgeryError, judge, judge_claims
from tests.fuzz.quick_text import quick_text
from tests.minting import Mint, claims

ROOT = Path(__file__).parents[2]
HAS_WHEELS = sys.version_info < (3, 14) and (platform.system(), platform.machine()) == ("Linux", "x86_64")


def fuzzed(name: str, folder: Path, *, runs: int) -> dict[str, int]:
    """Run one fuzzer in a process of its own, always from the same seed, and hand back its tally."""
    if importlib.util.find_spec("atheris") is None:
        if os.environ.get("CI") and HAS_WHEELS:
            pytest.fail("atheris is not installed; run: make test")
        pytest.skip("atheris has no wheel for this Python or machine")
    ran = subprocess.run(
        [
            sys.executable,
            "-m",
            f"tests.fuzz.{name}",
            f"--runs={runs}",
            "--seed=20261122",
            f"--folder={folder}",
        ],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr[-4000:]
    assert re.search(rf"^Done {runs} runs in ", ran.stderr, re.MULTILINE)
    tally: dict[str, int] = json.loads(ran.stdout)
    return tally


@pytest.mark.real
def test_q5_q6_q7_q19_two_hundred_thousand_fuzzed_texts_are_answered_and_none_is_a_forgery(
    tmp_path: Path,
) -> None:
    tally = fuzzed("parser", tmp_path, runs=200_000)
    assert sum(tally.values()) == 200_000
    # It did get through to every answer, the good passes among them.
    refusals = "malformed", "stale_code", "unknown_key", "unknown_pass", "bad_signature"
    assert {"verified", "foreign", *refusals} <= tally.keys()


@pytest.mark.real
def test_q7_fuzzed_claims_behind_a_good_signature_are_refused_or_in_range(tmp_path: Path) -> None:
    assert {"taken", "refused"} == fuzzed("claims", tmp_path, runs=200_000).keys()


@pytest.mark.real
def test_q7_q8_fifty_thousand_fuzzed_bundles_are_answered_behind_a_good_signature_too(tmp_path: Path) -> None:
    tally = fuzzed("bundles", tmp_path, runs=50_000)
    assert sum(tally.values()) == 50_000
    # It did get behind each signature, and both ways out from there.
    parts = "file", "state", "certificate", "key set"
    assert {f"{part} taken" for part in parts} <= tally.keys()
    assert {"file bad_signature", "state malformed", "certificate refused", "key set refused"} <= tally.keys()


def test_the_fuzzers_judge_knows_a_bundle_that_nobody_published() -> None:
    office = Office()
    assert judge_bundle(next(bundle_seeds())) == "file taken"
    with pytest.raises(ForgeryError):
        judge_bundle(b"f" + office.sealed(office.bundle(77)))
    stranger = office.sealed(office.bundle(77), secret=b"\x66" * 32)
    assert judge_bundle(b"f" + stranger) == "file unknown_key"


def test_the_fuzzers_seeds_of_bundles_get_to_every_part() -> None:
    assert {judge_bundle(seed) for seed in bundle_seeds()} >= {
        "file taken",
        "file malformed",
        "file bad_signature",
        "state taken",
        "state malformed",
        "certificate taken",
        "certificate refused",
        "key set taken",
        "key set refused",
    }


def test_q7_a_public_key_of_an_odd_number_of_digits_is_a_bad_key_set() -> None:
    office = Office()
    entries = office.key_set(2).keys
    odd = entries[0].model_copy(update={"public": entries[0].public + "0"})
    data = office.signed_key_set(office.key_set(2, keys=[odd, *entries[1:]]))
    with pytest.raises(KeySetError):
        open_key_set(data, office.key_set())


def test_the_fuzzers_judge_knows_a_pass_that_nobody_published() -> None:
    vectors = json.loads((ROOT / "tests" / "vectors" / "gp1.json").read_text("utf-8"))
    published = Mint(secret=bytes.fromhex(vectors["issuer"]["secret"]))
    assert judge(vectors["vectors"][0]["text"]) == "verified"
    with pytest.raises(ForgeryError):
        judge(published.paper())


def test_the_fuzzers_judge_tells_claims_that_are_taken_from_those_refused() -> None:
    assert judge_claims(encode_claims(claims())) == "taken"
    assert judge_claims(b"\x81" * 300) == "refused"


@pytest.mark.parametrize("length", [0, 1, 2, 141, 256])
def test_the_quick_text_is_the_one_that_ships(length: int) -> None:
    body = bytes(range(256))[:length]
    assert quick_text(body) == to_text(body)
