"""Which keys a gate trusts for what: keys by their use, and key sets that the operator's root has signed.

The key set that was installed with the gate is its anchor and is never replaced. Its ``status`` keys sign site
bundles, its ``root`` keys sign newer key sets. So a stolen status key withdraws passes, but makes none.
"""

from typing import Final

from pydantic import ValidationError

from passes.cose import cut_file, seal_file
from passes.gp1 import Algorithm, MalformedError, Sign
from passes.keys import KeySetError, KeySetFile, KeyTable

STATUS_USE: Final = "status"
ROOT_USE: Final = "root"
KEY_SET_BYTES_MAX: Final = 32 * 1024  # about a hundred keys

_DOMAIN: Final = b"postern/keyset/1"


def keys_for(use: str, keys: KeySetFile) -> KeyTable:
    """The keys of one use; raises ``KeySetError``. ``KeySetFile.to_domain`` has those that sign passes."""
    return KeyTable(entry.to_domain(keys.site) for entry in keys.keys if entry.use == use)


def seal_key_set(keys: KeySetFile, *, algorithm: Algorithm, kid: bytes, sign: Sign) -> bytes:
    """Sign a key set with the operator's root key."""
    payload = keys.model_dump_json(exclude_none=True).encode()
    return seal_file(payload, domain=_DOMAIN, algorithm=algorithm, kid=kid, sign=sign)


def open_key_set(data: bytes, anchor: KeySetFile) -> KeySetFile:
    """The key set that a root key of ``anchor`` has signed, for the same site.

    A root key is asked for its signature only, not for its dates: a gate that lost its clock must still learn keys.

    Raises:
        KeySetError: Not a signed key set, signed by nobody whom ``anchor`` names, of another site, or not usable.
    """
    if len(data) > KEY_SET_BYTES_MAX:
        raise KeySetError(f"a signed key set of {len(data)} bytes is too large")
    try:
        signed = cut_file(data)
    except MalformedError as error:
        raise KeySetError(f"not a signed key set: {error}") from None
    root = keys_for(ROOT_USE, anchor).find(signed.protected)
    if root is None or not root.verifies(signed.to_be_signed(_DOMAIN), signed.signature):
        raise KeySetError("the key set is not signed by the operator's root key")
    try:
        keys = KeySetFile.model_validate_json(signed.payload)
    except ValidationError as error:
        raise KeySetError(f"the signed key set has {error.error_count()} problems") from None
    if keys.site != anchor.site:
        raise KeySetError(f"the signed key set is of site {keys.site}, not of site {anchor.site}")
    keys.to_domain()
    keys_for(STATUS_USE, keys)
    return keys
