"""The short code: a phone's proof for a pass that the gate holds already (GP1 envelope type 2).

``02 | t:4 | pass id:8 | signature:64``, 77 bytes. It carries no pass: a gate that has read the full code once, or got
the pass from the centre, looks it up by its id and checks it in full, each time.
"""

from dataclasses import dataclass
from typing import Final

from passes.gp1 import SIGNATURE_BYTES, MalformedError, Sign
from passes.vocabulary import PassId

SHORT_BYTES: Final = 77  # 120 characters with the prefix: QR version 5, at level L and at level M
ENVELOPE: Final = 0x02

_DOMAIN: Final = b"GP1/short\x00"


@dataclass(frozen=True, slots=True)
class ShortCode:
    """A short code cut into its parts: the code's own time, which pass, and the phone's signature."""

    shown_at: int
    pass_id: PassId
    to_be_signed: bytes
    signature: bytes


def make_short(pass_id: PassId, *, shown_at: int, sign: Sign) -> bytes:
    """Make a short code, as the holder's phone does.

    Args:
        pass_id: The pass that the gate holds.
        shown_at: The moment that the code claims, Unix seconds.
        sign: Signs with the phone's P-256 key.
    """
    body = bytes([ENVELOPE]) + shown_at.to_bytes(4, "big") + bytes.fromhex(pass_id)
    return body + sign(_DOMAIN + body)


def cut_short(body: bytes) -> ShortCode:
    """Cut the bytes of a short code; raises ``MalformedError`` for any other length."""
    if len(body) != SHORT_BYTES:
        raise MalformedError(f"a short code of {len(body)} bytes")
    signed, signature = body[:-SIGNATURE_BYTES], body[-SIGNATURE_BYTES:]
    return ShortCode(
        shown_at=int.from_bytes(signed[1:5], "big"),
        pass_id=PassId(signed[5:13].hex()),
        to_be_signed=_DOMAIN + signed,
        signature=signature,
    )
