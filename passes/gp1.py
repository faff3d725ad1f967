"""GP1 as text and bytes: ``GP1:`` + base45 of a signed pass, bare (static) or in a rotating envelope.

The signed part is a COSE_Sign1 whose wrapper has one fixed byte shape, so it is compared and sliced here and no
decoder sees a byte before the issuer's signature has been verified. This module knows shapes and signing input; keys
and verification are in ``passes.keys`` and ``passes.check``.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final

from passes import base45
from passes.claims import Claims, ClaimsError, encode_claims

PREFIX: Final = "GP1:"
TEXT_CHARACTERS_MAX: Final = 512
STATIC_BYTES_MAX: Final = 144  # fits QR version 8 at level M
ROTATING_BYTES_MAX: Final = 260  # fits QR version 10 at level L
SCHEDULED_BYTES_MAX: Final = 309  # a rotating code of a pass with a schedule: QR version 11 at level L
SIGNATURE_BYTES: Final = 64
KID_BYTES: Final = 4
ENVELOPE_BYTES: Final = (
    1 + 1 + 4 + SIGNATURE_BYTES
)  # what a rotating code adds to a pass, without a challenge

_BARE: Final = 0x84
_ENVELOPE: Final = 0x01
_HOLDER_DOMAIN: Final = b"GP1/pop\x00"

Sign = Callable[[bytes], bytes]
"""Signs a message and returns 64 bytes: Ed25519, or P-256 as r || s."""


class Algorithm(IntEnum):
    """Issuer signature algorithms, as the byte that stands in the protected header."""

    ED25519 = 0x32  # COSE -19
    P256 = 0x28  # COSE -9, ESP256


class MalformedError(ValueError):
    """The text or the bytes do not have the shape of GP1."""


@dataclass(frozen=True, slots=True)
class SignedPass:
    """A pass cut into its parts, nothing verified yet."""

    protected: bytes
    payload: bytes
    signature: bytes

    @property
    def to_be_signed(self) -> bytes:
        """The COSE ``Sig_structure`` that the issuer signed."""
        return b"\x84\x6aSignature1" + _byte_string(self.protected) + b"\x40" + _byte_string(self.payload)

    @property
    def sealed(self) -> bytes:
        """The bytes of the pass, as ``seal`` makes them."""
        return (
            b"\x84"
            + _byte_string(self.protected)
            + b"\xa0"
            + _byte_string(self.payload)
            + b"\x58\x40"
            + self.signature
        )


@dataclass(frozen=True, slots=True)
class Envelope:
    """A rotating code cut into its parts: the pass, the code's own time, and the phone's signature."""

    shown_at: int
    challenge: bytes | None
    signed_pass: SignedPass
    to_be_signed: bytes
    signature: bytes


def protected_header(algorithm: Algorithm, kid: bytes) -> bytes:
    """The nine bytes that name algorithm and key; a gate's key table is looked up by exactly these."""
    return b"\xa2\x01" + bytes([algorithm]) + b"\x04\x44" + kid


def seal(claims: Claims, *, algorithm: Algorithm, kid: bytes, sign: Sign) -> bytes:
    """Sign ``claims`` into the bytes of a pass.

    Raises:
        ClaimsError: A value is out of range, or the pass would outgrow the QR code that its kind is promised.
    """
    unsigned = SignedPass(protected_header(algorithm, kid), encode_claims(claims), b"")
    signature = sign(unsigned.to_be_signed)
    assert len(signature) == SIGNATURE_BYTES
    sealed = replace(unsigned, signature=signature).sealed
    size, most = len(sealed), _bytes_max(claims)
    if size > most:
        raise ClaimsError(f"the pass takes {size} bytes and may take {most}: leave out iat or some hours")
    return sealed


def _bytes_max(claims: Claims) -> int:
    """The longest pass of this kind; what the envelope adds to one on a phone is counted already."""
    if claims.holder_key is None:
        return STATIC_BYTES_MAX
    return (ROTATING_BYTES_MAX if claims.schedule is None else SCHEDULED_BYTES_MAX) - ENVELOPE_BYTES


def wrap(sealed: bytes, *, shown_at: int, sign: Sign, challenge: bytes | None = None) -> bytes:
    """Put a pass into a rotating envelope, as its holder's phone does.

    Args:
        sealed: The bytes of the pass.
        shown_at: The moment that the code claims, Unix seconds.
        sign: Signs with the phone's P-256 key.
        challenge: Four bytes shown at the gate, where the pass asks for them.
    """
    assert challenge is None or len(challenge) == 4
    head = bytes([_ENVELOPE, 0 if challenge is None else 1]) + shown_at.to_bytes(4, "big")
    body = head + (challenge or b"") + sealed
    return body + sign(_HOLDER_DOMAIN + body)


def to_text(body: bytes) -> str:
    """The text of a QR code for these bytes."""
    return PREFIX + base45.encode(body)


def from_text(text: str) -> bytes:
    """The bytes behind a GP1 text; raises ``MalformedError``. The caller has seen the prefix."""
    if len(text) > TEXT_CHARACTERS_MAX:
        raise MalformedError(f"longer than {TEXT_CHARACTERS_MAX} characters")
    try:
        body = base45.decode(text.removeprefix(PREFIX))
    except base45.Base45Error as error:
        raise MalformedError(f"not base45: {error}") from None
    if not body:
        raise MalformedError("empty")
    return body


def open_body(body: bytes) -> SignedPass | Envelope:
    """Cut the bytes by the fixed template; raises ``MalformedError`` for any other shape."""
    if body[0] == _BARE:
        return _cut_pass(body)
    if body[0] != _ENVELOPE:
        raise MalformedError(f"body type {body[0]:#04x} is not known")
    if len(body) < 6 + SIGNATURE_BYTES or body[1] not in {0, 1}:
        raise MalformedError("the envelope is short or its flags are not known")
    start = 10 if body[1] else 6
    signed, signature = body[:-SIGNATURE_BYTES], body[-SIGNATURE_BYTES:]
    return Envelope(
        shown_at=int.from_bytes(body[2:6], "big"),
        challenge=body[6:10] if body[1] else None,
        signed_pass=_cut_pass(signed[start:]),
        to_be_signed=_HOLDER_DOMAIN + signed,
        signature=signature,
    )


def _cut_pass(data: bytes) -> SignedPass:
    if data[:5] != b"\x84\x49\xa2\x01" + data[4:5] or data[5:7] != b"\x04\x44" or data[11:12] != b"\xa0":
        raise MalformedError("the wrapper is not that of a pass")
    head = data[12:13]
    if head == b"\x58":
        start, length = 14, int.from_bytes(data[13:14], "big")
    elif head == b"\x59":
        start, length = 15, int.from_bytes(data[13:15], "big")
        if length < 256:
            raise MalformedError("the payload length is not in its shortest form")
    else:
        raise MalformedError("the payload is not a byte string")
    end = start + length
    if data[end : end + 2] != b"\x58\x40" or len(data) != end + 2 + SIGNATURE_BYTES:
        raise MalformedError("the lengths do not add up")
    return SignedPass(protected=data[2:11], payload=data[start:end], signature=data[end + 2 :])


def _byte_string(data: bytes) -> bytes:
    """CBOR byte string with its shortest head."""
    if len(data) < 24:
        return bytes([0x40 + len(data)]) + data
    if len(data) < 256:
        return b"\x58" + bytes([len(data)]) + data
    return b"\x59" + len(data).to_bytes(2, "big") + data
