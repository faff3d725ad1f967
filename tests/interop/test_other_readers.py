"""A CWT library that knows nothing of us reads our passes with the issuer's public key alone."""

import json
import os
import subprocess
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from passes.check import Verified, check
from passes.claims import Claims
from passes.gp1 import Algorithm
from passes.keys import KeyTable, TrustedKey, key_id, p256_public
from passes.vocabulary import Category
from tests.minting import Mint, claims, phone_key

ROOT = Path(__file__).parents[2]
VECTORS = ROOT / "tests" / "vectors" / "gp1.json"
PYTHON = ROOT / ".venv-interop" / "bin" / "python"

pytestmark = pytest.mark.real


def opened_by_cwt(vectors: Path) -> dict[str, dict[str, Any]]:
    """What python-cwt says to each vector that carries a pass."""
    if not PYTHON.exists():
        missing = "python-cwt has no environment here; run: make .venv-interop/.interop"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    # -I: neither this folder nor anything of ours can be imported there.
    ran = subprocess.run(
        [PYTHON, "-I", Path(__file__).with_name("open_with_cwt.py"), vectors],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    opened: dict[str, dict[str, Any]] = json.loads(ran.stdout)
    return opened


def as_cwt(content: Claims) -> dict[str, Any]:
    """The claims as docs/gp1.md describes them to other teams, in JSON."""
    labelled: dict[str, Any] = {"4": content.expires_at, "5": content.not_before, "7": content.pass_id}
    if content.issued_at is not None:
        labelled["6"] = content.issued_at
    if content.holder_key is not None:
        sign = content.holder_key[0] == 3
        labelled["8"] = {"1": {"1": 2, "-1": 1, "-2": content.holder_key[1:].hex(), "-3": sign}}
    labelled["-65537"] = [
        content.site,
        int(content.category),
        content.person,
        content.unit,
        content.purpose,
        content.gates,
        content.directions,
        content.entries,
        content.stay,
        content.status,
        content.flags,
    ]
    return labelled


def first_eleven(answer: dict[str, Any]) -> dict[str, Any]:
    """The claims without fields that a later version appended to the group."""
    return {**answer["claims"], "-65537": answer["claims"]["-65537"][:11]}


def test_python_cwt_reads_each_accepted_pass_and_says_what_we_say() -> None:
    published = json.loads(VECTORS.read_text("utf-8"))
    now = datetime.fromisoformat(published["now"])
    issuer = TrustedKey(
        algorithm=Algorithm[published["issuer"]["alg"].upper()],
        public=bytes.fromhex(published["issuer"]["public"]),
        categories=frozenset(Category),
        not_before=now - timedelta(days=1),
        not_after=now + timedelta(days=1),
    )
    opened = opened_by_cwt(VECTORS)
    ours, theirs = {}, {}
    for vector in published["vectors"]:
        if vector.get("valid") and vector["name"] in opened:
            checked = check(vector["text"], KeyTable([issuer]), now=now)
            assert isinstance(checked, Verified), vector["name"]
            ours[vector["name"]] = as_cwt(checked.claims)
            theirs[vector["name"]] = first_eleven(opened[vector["name"]])
    assert theirs == ours
    assert {"static pass", "rotating code, five seconds old"} <= ours.keys()


def test_python_cwt_refuses_a_pass_that_was_changed_or_names_another_key() -> None:
    opened = opened_by_cwt(VECTORS)
    assert opened["one bit of the claims changed"] == {"error": "VerifyError"}
    assert opened["unknown key id"] == {"error": "ValueError"}  # python-cwt has no key to try


def test_python_cwt_reads_a_pass_of_a_p256_issuer_and_not_with_another_key(tmp_path: Path) -> None:
    issuer, other = (Mint(algorithm=Algorithm.P256, secret=bytes([number]) * 32) for number in (1, 2))
    content = claims(holder_key=p256_public(phone_key()))
    answers = []
    for public in (issuer.public, other.public):
        path = tmp_path / f"{public.hex()}.json"
        given = {
            "issuer": {"alg": "p256", "public": public.hex(), "kid": key_id(issuer.public).hex()},
            "vectors": [{"name": "one", "bytes": issuer.sealed(content).hex()}],
        }
        path.write_text(json.dumps(given), "utf-8")
        answers.append(opened_by_cwt(path)["one"])
    assert answers == [{"claims": as_cwt(content)}, {"error": "VerifyError"}]
