"""The published vectors: what another team's reader must also say."""

import json
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from passes.check import Checked, Foreign, Rejected, Verified, check
from passes.gp1 import Algorithm, from_text
from passes.keys import KeySetFile, KeyTable, TrustedKey, key_id
from passes.schedule import ScheduleError, decode_schedule
from passes.stay import due_at, rule_of_claim
from passes.trust import open_certificates
from passes.vocabulary import Category

ROOT = Path(__file__).parents[2]
PATH = ROOT / "tests" / "vectors" / "gp1.json"
FILE: dict[str, Any] = json.loads(PATH.read_text("utf-8"))
NOW = datetime.fromisoformat(FILE["now"])
HELD = {pass_id: bytes.fromhex(sealed) for pass_id, sealed in FILE["short_codes"]["held"].items()}


def table_of(issuer: dict[str, str]) -> KeyTable:
    public = bytes.fromhex(issuer["public"])
    assert key_id(public).hex() == issuer["kid"]
    return KeyTable(
        [
            TrustedKey(
                algorithm=Algorithm[issuer["alg"].upper()],
                public=public,
                categories=frozenset(Category),
                not_before=NOW - timedelta(days=1),
                not_after=NOW + timedelta(days=1),
            )
        ]
    )


def walk_in_table() -> KeyTable:
    keys = KeySetFile.model_validate(FILE["walk_in"]["key_set"])
    found = (bytes.fromhex(one["bytes"]) for one in FILE["walk_in"]["certificates"])
    return keys.to_domain(open_certificates(found, keys).good)


KEYS = table_of(FILE["issuer"])
TABLES = {
    "vectors": KEYS,
    "p256_issuer": table_of(FILE["p256_issuer"]["issuer"]),
    "short_codes": KEYS,
    "walk_in": walk_in_table(),
}
LISTS = {name: FILE[name] if name == "vectors" else FILE[name]["vectors"] for name in TABLES}


def as_published(checked: Checked) -> dict[str, Any]:
    match checked:
        case Verified():
            assert (checked.claims.unit, checked.claims.category) == (1202, Category.COURIER)
            return {"valid": True, "shown_at": checked.shown_at}
        case Rejected():
            return {"valid": False, "reason": checked.reason.value}
        case Foreign():
            return {"reason": "foreign"}


@pytest.mark.parametrize(
    ("name", "vector"),
    [
        pytest.param(name, vector, id=f"{name}-{vector['name']}")
        for name, vectors in LISTS.items()
        for vector in vectors
    ],
)
def test_each_published_vector_is_answered_as_published(name: str, vector: dict[str, Any]) -> None:
    if "bytes" in vector:
        assert from_text(vector["text"]).hex() == vector["bytes"]
    answer = as_published(check(vector["text"], TABLES[name], now=NOW, stored=HELD.get))
    assert answer.items() >= {key: value for key, value in vector.items() if key in answer}.items()
    assert answer.get("reason") == vector.get("reason")
    assert answer.get("valid", False) == vector.get("valid", False)


def test_the_vectors_hold_passes_that_verify_and_each_way_not_to() -> None:
    reasons = {name: {vector.get("reason") for vector in vectors} for name, vectors in LISTS.items()}
    assert reasons == {
        "vectors": {None, "stale_code", "malformed", "bad_signature", "unknown_key", "foreign"},
        "p256_issuer": {None, "unknown_key"},
        "short_codes": {None, "stale_code", "unknown_pass", "bad_signature", "malformed"},
        "walk_in": {None, "unknown_key"},
    }


@pytest.mark.parametrize("vector", FILE["walk_in"]["certificates"], ids=lambda vector: vector["name"])
def test_each_published_certificate_is_taken_or_left_as_published(vector: dict[str, Any]) -> None:
    keys = KeySetFile.model_validate(FILE["walk_in"]["key_set"])
    found = open_certificates([bytes.fromhex(vector["bytes"])], keys)
    assert (len(found.good), len(found.problems)) == ((1, 0) if vector["valid"] else (0, 1))
    assert [one.public.hex() for one in found.good] == [FILE["walk_in"]["public"]] * len(found.good)


@pytest.mark.parametrize("vector", FILE["schedules"], ids=lambda vector: vector["bytes"])
def test_each_published_schedule_is_read_as_published(vector: dict[str, Any]) -> None:
    encoded = bytes.fromhex(vector["bytes"])
    if "reason" in vector:
        with pytest.raises(ScheduleError):
            decode_schedule(encoded)
    else:
        at = datetime.fromisoformat(vector["at"])
        assert decode_schedule(encoded).allows(at, ZoneInfo(vector["zone"])) is vector["opens"]


@pytest.mark.parametrize("vector", FILE["stays"], ids=lambda vector: f"{vector['stay']} {vector['entered']}")
def test_each_published_stay_ends_as_published(vector: dict[str, Any]) -> None:
    end = due_at(
        rule_of_claim(vector["stay"]),
        entered_at=datetime.fromisoformat(vector["entered"]),
        zone=ZoneInfo(vector["zone"]),
        pass_end=None,
    )
    assert end == datetime.fromisoformat(vector["ends"])


def test_the_file_is_what_its_script_writes() -> None:
    written = subprocess.run(
        [sys.executable, "-m", "scripts.gp1_vectors"], cwd=ROOT, capture_output=True, check=True, timeout=60
    )
    assert json.loads(written.stdout) == FILE
