"""Open the published passes as a stranger would: python-cwt, the issuer's public key, and tag 18 in front.

Run in .venv-interop, which has python-cwt and none of our code: ``python open_with_cwt.py gp1.json`` prints, for each
vector that carries a pass, its claims or why it was not opened, as JSON.
"""

import json
import sys
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cwt import CWT, COSEKey
from cwt.exceptions import CWTError

TAG_18 = b"\xd2"  # COSE_Sign1
CENTURY_S = (
    100 * 365 * 86_400
)  # the vectors have a time of their own; this reader goes by the machine's clock


def public_key(issuer: dict[str, str]) -> Any:
    """The issuer's public half as a COSE key."""
    public, kid = bytes.fromhex(issuer["public"]), bytes.fromhex(issuer["kid"])
    if issuer["alg"] == "ed25519":
        return COSEKey.new({1: 1, 2: kid, 3: -19, -1: 6, -2: public})
    # python-cwt wants y itself, not its sign.
    point = EllipticCurvePublicKey.from_encoded_point(SECP256R1(), public).public_numbers()
    return COSEKey.new(
        {1: 2, 2: kid, 3: -9, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")}
    )


def pass_within(body: bytes) -> bytes | None:
    """The pass: all of a static code, what the envelope of a rotating one holds, None for anything else."""
    if body[0] == 0x84:
        return body
    if body[0] == 0x01:
        return body[10 if body[1] else 6 : -64]
    return None


def plain(value: Any) -> Any:
    """CBOR's values as JSON has them: byte strings in hex, keys as text."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, list) else value


def main() -> None:
    """Print what was opened."""
    published = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    key, reader = public_key(published["issuer"]), CWT.new(leeway=CENTURY_S)
    opened: dict[str, Any] = {}
    for vector in published["vectors"]:
        signed = pass_within(bytes.fromhex(vector["bytes"])) if vector.get("bytes") else None
        if signed is None:
            continue
        try:
            opened[vector["name"]] = {"claims": plain(reader.decode(TAG_18 + signed, keys=[key]))}
        except (CWTError, ValueError) as error:
            opened[vector["name"]] = {"error": type(error).__name__}
    json.dump(opened, sys.stdout)


if __name__ == "__main__":
    main()
