"""What the parser of passes may answer to whatever comes: nothing, a refusal, or one of the passes that exist."""

import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, derive_private_key
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from passes.check import Checked, Foreign, Rejected, Verified, check
from passes.claims import ClaimsError, decode_claims, encode_claims
from passes.gp1 import PREFIX, TEXT_CHARACTERS_MAX, Algorithm, MalformedError, SignedPass, open_body
from passes.keys import KeyTable, TrustedKey
from passes.shortcode import make_short
from passes.vocabulary import Category
from tests.fuzz.quick_text import quick_text

_FILE: Final[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "gp1.json").read_text("utf-8")
)
_NOW: Final = datetime.fromisoformat(_FILE["now"])
_KEYS: Final = KeyTable(
    [
        TrustedKey(
            algorithm=Algorithm[_FILE["issuer"]["alg"].upper()],
            public=bytes.fromhex(_FILE["issuer"]["public"]),
            categories=frozenset(Category),
            not_before=_NOW - timedelta(days=1),
            not_after=_NOW + timedelta(days=1),
        )
    ]
)
_TEXT, _OURS, _BODY = b"t", b"g", b"b"
_BODY_MAX: Final = TEXT_CHARACTERS_MAX  # more than fits a text, so that both sides of the limit are met
_ACCEPTED: Final = [
    checked
    for vector in _FILE["vectors"]
    if isinstance(checked := check(vector["text"], _KEYS, now=_NOW), Verified)
]
_HELD: Final = {
    accepted.claims.pass_id: accepted.sealed for accepted in _ACCEPTED if accepted.claims.holder_key
}
_PHONE: Final = derive_private_key(int(_FILE["phone"]["secret"], 16), SECP256R1())


def _phone_sign(message: bytes) -> bytes:
    """The same signature each time, so that a fuzzer's run can be repeated."""
    r, s = decode_dss_signature(_PHONE.sign(message, ECDSA(SHA256(), deterministic_signing=True)))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


_SHORT: Final = [
    make_short(pass_id, shown_at=int(_NOW.timestamp()) - 5, sign=_phone_sign) for pass_id in _HELD
]


def _checked(text: str) -> Checked:
    return check(text, _KEYS, now=_NOW, stored=_HELD.get)


_KNOWN: Final = {*_ACCEPTED, *(_checked(quick_text(body)) for body in _SHORT)}


class ForgeryError(AssertionError):
    """A pass that nobody issued was verified."""


def text_of(data: bytes) -> str:
    """The scanned text that these bytes of a fuzzer stand for.

    ``b`` and what a text of ours carries; ``g`` and what follows our prefix; anything else is the text itself. Bytes
    that are not UTF-8 become lone surrogates, as a careless reader would hand them on.
    """
    if data[:1] == _BODY:
        return quick_text(data[1 : 1 + _BODY_MAX])
    prefix = PREFIX if data[:1] == _OURS else ""
    return prefix + data[1:].decode("utf-8", "surrogateescape")


def judge(text: str) -> str:
    """Check one text as a gate does, and name the answer; raises ``ForgeryError`` for a pass nobody issued."""
    match _checked(text):
        case Verified() as verified:
            if verified not in _KNOWN:
                raise ForgeryError(repr(verified))
            return "verified"
        case Rejected() as rejected:
            return rejected.reason.value
        case Foreign():
            return "foreign"


def judge_claims(payload: bytes) -> str:
    """Decode claims that an issuer signed, whatever they are; what is taken must be in range and stay itself."""
    try:
        claims = decode_claims(payload)
    except ClaimsError:
        return "refused"
    assert decode_claims(encode_claims(claims)) == claims
    return "taken"


def seeds() -> Iterator[bytes]:
    """Where a fuzzer starts: every published vector as text and as bytes, and shapes that broke other readers."""
    for vector in _FILE["vectors"]:
        text = vector["text"]
        yield _OURS + text.removeprefix(PREFIX).encode() if text.startswith(PREFIX) else _TEXT + text.encode()
        if vector.get("bytes"):
            yield _BODY + bytes.fromhex(vector["bytes"])
    for body in _SHORT:
        yield _BODY + body
        yield _OURS + quick_text(body).removeprefix(PREFIX).encode()
    yield from (
        _OURS + text for text in (b"", b"\x00", b"\xff\xfe", b"\xed\xa0\x80", b"0" * 2953, b"0" * 7089)
    )
    yield from (_BODY + b"\x84" + hostile for hostile in hostile_cbor())


def claims_seeds() -> Iterator[bytes]:
    """Where a fuzzer of the claims starts: those of the published passes, and what CBOR allows and we do not."""
    for vector in _FILE["vectors"]:
        if vector.get("bytes"):
            with suppress(MalformedError):
                opened = open_body(bytes.fromhex(vector["bytes"]))
                yield opened.payload if isinstance(opened, SignedPass) else opened.signed_pass.payload
    yield from hostile_cbor()


def hostile_cbor() -> Iterator[bytes]:
    """Deep nesting, maps as keys, a huge length, no number, a key twice, no length at all, a regular expression."""
    yield b"\x81" * 300
    yield b"\xa1" * 40 + bytes(41)
    yield b"\x5b" + b"\xff" * 8
    yield b"\xf9\x7e\x00"
    yield b"\xa2\x04\x00\x04\x00"
    yield b"\xbf\x04\x00\xff"
    yield b"\xd8\x23\x63(a+"
