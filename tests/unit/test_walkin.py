import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from passes.check import Checked, Rejected, Verified, check
from passes.gp1 import Algorithm, to_text, wrap
from passes.keys import KeySetError, KeySetFile, KeyTable, key_id, p256_public, p256_signer
from passes.vocabulary import Category, Reason
from passes.walkin import CATEGORIES, CERTIFICATE_LIFE_MAX, Delegation, WalkInError, seal_walk_in
from tests.minting import NOW, NOW_UNIX, SITE, Mint, claims, phone_key

GATE_KEY = Mint(secret=b"\x33" * 32)  # the key of gate 2
SINCE, UNTIL = NOW - timedelta(hours=10), NOW + timedelta(hours=14)
FITTING = {"gates": 0b100, "status": 0, "entries": 1}


def key_set(**changes: Any) -> KeySetFile:
    """The site's key set: its issuer, and the certificate of gate 2."""
    issuer = Mint()
    walk_in = {
        "kid": key_id(GATE_KEY.public).hex(),
        "alg": "ed25519",
        "public": GATE_KEY.public.hex(),
        "use": "walkin",
        "categories": ["courier", "other"],
        "gate": 2,
        "not_before": SINCE.isoformat(),
        "not_after": UNTIL.isoformat(),
    }
    regular = {
        "kid": key_id(issuer.public).hex(),
        "alg": "ed25519",
        "public": issuer.public.hex(),
        "use": "pass",
        "categories": [category.code for category in Category],
        "not_before": (NOW - timedelta(days=30)).isoformat(),
        "not_after": (NOW + timedelta(days=30)).isoformat(),
    }
    file = {"v": 1, "site": SITE, "seq": 4, "keys": [regular, walk_in | changes]}
    return KeySetFile.model_validate_json(json.dumps(file))


KEYS = key_set().to_domain()
DELEGATION = Delegation(
    site=SITE,
    gate=2,
    categories=frozenset({Category.COURIER, Category.OTHER}),
    not_before=SINCE,
    not_after=UNTIL,
)


def ask(text: str, keys: KeyTable = KEYS, now: datetime = NOW) -> Checked:
    return check(text, keys, now=now)


def paper(**changes: Any) -> str:
    """A printed pass that gate 2 made, without asking whether it may."""
    return to_text(GATE_KEY.sealed(claims(**FITTING | changes)))


def test_a_paper_pass_of_a_gates_walk_in_key_is_good_at_every_gate_of_the_site() -> None:
    assert ask(paper()) == Verified(claims(**FITTING), None)


def test_a_walk_in_on_a_phone_is_good_too() -> None:
    phone = phone_key()
    content = claims(**FITTING | {"gates": 0b111}, holder_key=p256_public(phone))
    text = to_text(wrap(GATE_KEY.sealed(content), shown_at=NOW_UNIX, sign=p256_signer(phone)))
    assert ask(text) == Verified(content, NOW_UNIX)


@pytest.mark.parametrize(
    "change",
    [
        {"category": Category.RESIDENT},
        {"category": Category.INVITED},
        {"category": Category.FOOD},  # a walk-in category, but not one of this certificate
        {"site": 8},
        {"gates": 0b010},
        {"gates": 0b110},
        {"expires_at": NOW_UNIX - 600 + 12 * 3600 + 1},
        {"expires_at": int(UNTIL.timestamp()) + 1, "not_before": int(UNTIL.timestamp()) - 3600},
        {"status": 5},
    ],
    ids=str,
)
def test_q11_what_is_beyond_the_delegation_is_refused_by_verifier_and_issuer(change: dict[str, Any]) -> None:
    content = claims(**FITTING | change)
    answer = ask(paper(**change))
    assert isinstance(answer, Rejected)
    assert answer.reason is Reason.UNKNOWN_KEY
    with pytest.raises(WalkInError):
        seal_walk_in(
            content,
            DELEGATION,
            algorithm=Algorithm.ED25519,
            kid=key_id(GATE_KEY.public),
            sign=GATE_KEY.sign,
        )


@pytest.mark.parametrize(
    "change",
    [
        {"expires_at": NOW_UNIX - 600 + 12 * 3600},
        {"expires_at": int(UNTIL.timestamp()), "not_before": int(UNTIL.timestamp()) - 12 * 3600},
        {"not_before": int(SINCE.timestamp()) - 3600},  # made under the certificate before a renewal
        {"category": Category.OTHER},
    ],
    ids=str,
)
def test_what_the_gate_seals_within_its_delegation_is_accepted(change: dict[str, Any]) -> None:
    content = claims(**FITTING | change)
    sealed = seal_walk_in(
        content, DELEGATION, algorithm=Algorithm.ED25519, kid=key_id(GATE_KEY.public), sign=GATE_KEY.sign
    )
    assert ask(to_text(sealed)) == Verified(content, None)


def test_k13_a_walk_in_key_is_known_within_its_certificate_only() -> None:
    second = timedelta(seconds=1)
    answers = [ask(paper(), now=moment) for moment in (SINCE - second, SINCE, UNTIL - second, UNTIL)]
    assert [isinstance(answer, Verified) for answer in answers] == [False, True, True, False]
    withdrawn = ask(paper(), keys=Mint().table)  # taken out of the key set
    assert isinstance(withdrawn, Rejected)
    assert withdrawn.reason is Reason.UNKNOWN_KEY


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"categories": ["resident"]}, "walk-in categories"),
        ({"categories": ["courier", "invited"]}, "walk-in categories"),
        ({"categories": []}, "walk-in categories"),
        ({"gate": None}, "names its gate"),
        ({"not_after": (SINCE + CERTIFICATE_LIFE_MAX + timedelta(seconds=1)).isoformat()}, "24 hours"),
        ({"not_after": SINCE.isoformat()}, "24 hours"),
        ({"kid": "00000000"}, "does not match"),
    ],
    ids=str,
)
def test_a_key_set_with_a_certificate_beyond_the_limits_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(KeySetError, match=said):
        key_set(**change).to_domain()


def test_a_gate_knows_the_delegation_of_its_own_entry() -> None:
    entry = key_set().keys[1].to_domain(SITE)
    assert entry.delegation == DELEGATION
    assert set(Category) - {Category.RESIDENT, Category.INVITED} == CATEGORIES


def test_q11_a_gates_everyday_key_signs_no_passes() -> None:
    for use in ("gate", "status", "config"):
        answer = ask(paper(), keys=key_set(use=use).to_domain())
        assert isinstance(answer, Rejected)
        assert answer.reason is Reason.UNKNOWN_KEY
