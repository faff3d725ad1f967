"""What a guard's gate may not do, at the very edge of it: the certificate's end, equal key ids, long stays."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from edge.gate_key import FILE, make_gate_key
from edge.standing import Registration
from passes.claims import ClaimsError
from passes.keys import p256_public
from passes.vocabulary import Category
from tests.gate_world import granted
from tests.minting import COLLIDING, NOW, NOW_UNIX, Mint, claims, phone_key
from tests.real.test_walkin import OFFICE, Post, made
from tests.ticking import HandClock

pytestmark = pytest.mark.real


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Post]:
    """A gate that was never enrolled."""
    post = made(tmp_path / "bare", HandClock(), 0)
    yield post
    post.journal.close()


@pytest.fixture
def post(bare: Post) -> Post:
    """An enrolled gate that may register."""
    bare.take(OFFICE.certificate(make_gate_key(bare.folder).public))
    return bare


@pytest.mark.parametrize(("left_s", "code"), [(60, "certificate_expired"), (61, None)])
def test_a_certificate_in_its_last_minute_gives_no_pass(bare: Post, left_s: int, code: str | None) -> None:
    key = make_gate_key(bare.folder)
    bare.take(OFFICE.certificate(key.public, not_after=NOW + timedelta(seconds=left_s)))
    if code is None:
        assert bare.issue().claims.expires_at == NOW_UNIX + left_s
    else:
        assert bare.refusal().code == code


def test_k13_a_certificate_for_another_key_with_the_same_id_does_not_help(bare: Post) -> None:
    ours, other = (number.to_bytes(32, "big") for number in COLLIDING)
    private = Ed25519PrivateKey.from_private_bytes(ours)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (bare.folder / FILE).write_bytes(pem)
    (bare.folder / FILE).chmod(0o600)
    bare.take(OFFICE.certificate(Mint(secret=other).public))
    assert bare.refusal().code == "no_certificate"
    bare.take(OFFICE.certificate(Mint(secret=ours).public))
    assert granted(bare.show(bare.issue().text))


def test_a_sites_stay_of_a_day_is_twelve_hours_for_a_walk_in(bare: Post) -> None:
    key = make_gate_key(bare.folder)
    bare.take(OFFICE.certificate(key.public))
    day = bare.settings.stay.model_copy(update={"service": 1440})
    bare.walk_ins._config = bare.settings.model_copy(update={"stay": day})
    assert bare.issue(category=Category.SERVICE).claims.stay == 720
    assert bare.refusal(category=Category.SERVICE, stay_minutes=721).code == "stay_too_long"
    assert granted(bare.show(bare.issue(category=Category.SERVICE, stay_minutes=719).text))


def test_what_no_pass_can_say_leaves_no_row(post: Post) -> None:
    with pytest.raises(ClaimsError, match="unit 70000"):
        post.issue(unit=70_000)
    assert post.events("registration") == []
    assert post.issue(unit=65_535).claims.unit == 65_535


def test_a_registration_confirms_a_printed_pass_and_not_one_on_a_phone(post: Post) -> None:
    row = Registration(by="王强", reason="已致电业主", phone_last4=None)
    for number, phone in ((1, None), (2, p256_public(phone_key(2)))):
        content = claims(number, entries=1, holder_key=phone)
        post.standings.record_registration(content, row)
        assert post.standings.of(content, NOW).confirmed is (phone is None)
