"""COSE_Sign1 by template, for signed files larger than a pass: the site bundle and the key set inside it.

As with a pass, the wrapper has one byte shape that is compared and sliced, so no decoder meets a byte before the
signature holds. The signature also covers a domain word (COSE's external data, empty for a pass): what was signed as
one kind of file is never valid as another kind, nor as a pass, even if somebody used one key for both.
"""

from dataclasses import dataclass, replace
from typing import Final

from passes.gp1 import SIGNATURE_BYTES, Algorithm, MalformedError, Sign, protected_header

_PROTECTED_BYTES: Final = 9
_HEAD: Final = b"\x84\x49"
_SIGNATURE_HEAD: Final = b"\x58\x40"


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed file cut into its parts, nothing verified yet."""

    protected: bytes
    payload: bytes
    signature: bytes

    def to_be_signed(self, domain: bytes) -> bytes:
        """The COSE ``Sig_structure`` with ``domain`` as its external data."""
        return b"\x84\x6aSignature1" + b"".join(map(_byte_string, (self.protected, domain, self.payload)))


def seal_file(payload: bytes, *, domain: bytes, algorithm: Algorithm, kid: bytes, sign: Sign) -> bytes:
    """Sign ``payload`` into the bytes of a file of the kind that ``domain`` names."""
    unsigned = Signed(protected_header(algorithm, kid), payload, b"")
    signed = replace(unsigned, signature=sign(unsigned.to_be_signed(domain)))
    assert len(signed.signature) == SIGNATURE_BYTES
    body = _HEAD + signed.protected + b"\xa0" + _byte_string(payload)
    return body + _SIGNATURE_HEAD + signed.signature


def cut_file(data: bytes) -> Signed:
    """Cut the bytes by the fixed template; raises ``MalformedError`` for any other shape."""
    if data[:2] != _HEAD or data[2:4] != b"\xa2\x01" or data[5:7] != b"\x04\x44" or data[11:12] != b"\xa0":
        raise MalformedError("the wrapper is not that of a signed file")
    start, end = _payload(data)
    if data[end : end + 2] != _SIGNATURE_HEAD or len(data) != end + 2 + SIGNATURE_BYTES:
        raise MalformedError("the lengths do not add up")
    return Signed(data[2 : 2 + _PROTECTED_BYTES], data[start:end], data[end + 2 :])


def _payload(data: bytes) -> tuple[int, int]:
    """Where the payload begins and ends, for a length in its shortest form only."""
    for head, length_bytes, least in ((b"\x58", 1, 24), (b"\x59", 2, 1 << 8), (b"\x5a", 4, 1 << 16)):
        if data[12:13] == head:
            start = 13 + length_bytes
            length = int.from_bytes(data[13:start], "big")
            if length < least:
                raise MalformedError("the payload length is not in its shortest form")
            return start, start + length
    raise MalformedError("the payload is not a byte string")


def _byte_string(data: bytes) -> bytes:
    """CBOR byte string with its shortest head."""
    size = len(data)
    if size < 24:
        return bytes([0x40 + size]) + data
    for head, length_bytes in ((0x58, 1), (0x59, 2), (0x5A, 4)):
        if size < 1 << 8 * length_bytes:
            return bytes([head]) + size.to_bytes(length_bytes, "big") + data
    raise AssertionError(f"{size} bytes are no file of ours")
