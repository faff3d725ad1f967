"""The published vectors: what another team's reader must also say."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from passes.check import Foreign, Rejected, Verified, check
from passes.gp1 import Algorithm, from_text
from passes.keys import KeyTable, TrustedKey
from passes.vocabulary import Category

FILE: dict[str, Any] = json.loads((Path(__file__).parents[1] / "vectors" / "gp1.json").read_text("utf-8"))
NOW = datetime.fromisoformat(FILE["now"])
KEYS = KeyTable(
    [
        TrustedKey(
            algorithm=Algorithm.ED25519,
            public=bytes.fromhex(FILE["issuer"]["public"]),
            categories=frozenset(Category),
            not_before=NOW - timedelta(days=1),
            not_after=NOW + timedelta(days=1),
        )
    ]
)


@pytest.mark.parametrize("vector", FILE["vectors"], ids=lambda vector: vector["name"])
def test_each_published_vector_is_answered_as_published(vector: dict[str, Any]) -> None:
    if "bytes" in vector:
        assert from_text(vector["text"]).hex() == vector["bytes"]
    checked = check(vector["text"], KEYS, now=NOW)
    match checked:
        case Verified():
            assert vector["valid"]
            assert checked.shown_at == vector["shown_at"]
            assert (checked.claims.unit, checked.claims.category) == (1202, Category.COURIER)
        case Rejected():
            assert checked.reason.value == vector["reason"]
        case Foreign():
            assert vector["reason"] == "foreign"


def test_the_vectors_hold_passes_that_verify_and_each_way_not_to() -> None:
    reasons = {vector.get("reason") for vector in FILE["vectors"]}
    assert reasons == {None, "stale_code", "malformed", "bad_signature", "unknown_key", "foreign"}
