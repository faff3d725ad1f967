"""Which keys a gate trusts for what: keys by their use, and key sets that the operator's root has signed.

The key set that was installed with the gate is its anchor and is never replaced. Its ``status`` keys sign site
bundles, its ``config`` keys certificates of gates that issue walk-in passes, its ``root`` keys sign newer key sets.
So a stolen status key withdraws passes, but makes none.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from pydantic import ValidationError

from passes.cose import cut_file, seal_file
from passes.gp1 import Algorithm, MalformedError, Sign
from passes.keys import KeySetError, KeySetFile, KeyTable
from passes.walkin import Certificate, CertificateError, open_certificate

STATUS_USE: Final = "status"
ROOT_USE: Final = "root"
CONFIG_USE: Final = "config"
KEY_SET_BYTES_MAX: Final = 32 * 1024  # about a hundred keys

_DOMAIN: Final = b"postern/keyset/1"


class Certificates(NamedTuple):
    """The certificates that a bundle carries: those that hold, and what is wrong with the others."""

    good: tuple[Certificate, ...]
    problems: tuple[str, ...]


def open_certificates(found: Iterable[bytes], keys: KeySetFile) -> Certificates:
    """Open each walk-in certificate of a bundle under the ``config`` keys of the key set in force.

    Whatever the bytes, this does not raise: a bad certificate costs neither the bundle nor another certificate.
    ``keys.to_domain(certificates.good)`` is the table to check passes with.
    """
    try:
        config = keys_for(CONFIG_USE, keys)
    except KeySetError as error:
        return Certificates((), (str(error),))
    good, problems = [], []
    for data in found:
        try:
            good.append(open_certificate(data, config, site=keys.site))
        except CertificateError as error:
            problems.append(str(error))
    return Certificates(tuple(good), tuple(problems))


def keys_for(use: str, keys: KeySetFile) -> KeyTable:
    """The keys of one use; raises ``KeySetError``. ``KeySetFile.to_domain`` has those that sign passes."""
    return KeyTable(entry.to_domain() for entry in keys.keys if entry.use == use)


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
    keys_for(CONFIG_USE, keys)
    return keys
