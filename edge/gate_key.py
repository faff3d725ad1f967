"""The gate's own key, which never leaves the box: it signs walk-in passes while the centre has certified it.

Errors::

    GateKeyError         the file cannot be used
    └─ NoGateKeyError    there is none: this gate is not enrolled
"""

import hashlib
import hmac
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from passes.keys import ed25519_public, key_id
from passes.vocabulary import PersonId
from shell.file_reading import open_regular
from shell.files import write_secret
from shell.phone_number import is_canonical

FILE: Final = "gate-key.pem"
FILE_BYTES_MAX: Final = 10_000
_PERSON_DOMAIN: Final = b"postern/gate-person/1"


class GateKeyError(Exception):
    """The gate's key cannot be used; the message names the file and what to do."""


class NoGateKeyError(GateKeyError):
    """This gate has no key yet."""


@dataclass(frozen=True, slots=True)
class GateKey:
    """An Ed25519 key that this gate made for itself."""

    private: Ed25519PrivateKey

    @property
    def public(self) -> bytes:
        """The 32 bytes that the centre's certificate names."""
        return ed25519_public(self.private)

    @property
    def kid(self) -> bytes:
        """The key id in a pass's header; in hex it is the fingerprint that people compare."""
        return key_id(self.public)

    def sign(self, message: bytes) -> bytes:
        """An Ed25519 signature of 64 bytes."""
        return self.private.sign(message)

    def pseudonym(self, phone: str) -> PersonId:
        """Who a canonical phone number is at this gate while it has no person secret of its site."""
        assert is_canonical(phone)
        secret = hmac.digest(self.private.private_bytes_raw(), _PERSON_DOMAIN, hashlib.sha256)
        return PersonId(hmac.digest(secret, phone.encode("ascii"), hashlib.sha256)[:8].hex())


def load_gate_key(folder: Path) -> GateKey:
    """The key in a gate's data folder; raises ``GateKeyError``."""
    path = folder / FILE
    try:
        with open_regular(path) as file:
            mode, data = os.fstat(file.fileno()).st_mode, file.read(FILE_BYTES_MAX)
    except FileNotFoundError as error:
        raise NoGateKeyError(f"{path}: there is none. Make it with: postern-edge enroll") from error
    except OSError as error:
        raise GateKeyError(
            f"{path}: cannot be read ({error.strerror}). It belongs to the gate's own user"
        ) from error
    if mode & 0o077:
        raise GateKeyError(f"{path}: others may read this private key. Run: chmod 600 {path}")
    try:
        private = load_pem_private_key(data, password=None)
    except (ValueError, TypeError) as error:
        raise GateKeyError(f"{path}: is not a private key in PEM form. Move it away, then enroll") from error
    if not isinstance(private, Ed25519PrivateKey):
        raise GateKeyError(f"{path}: is not an Ed25519 key. Move it away, then enroll")
    return GateKey(private)


def make_gate_key(folder: Path) -> GateKey:
    """Make a key and write it durably, for the folder's owner alone.

    Raises:
        FileExistsError: There is a file already; it is never replaced.
        OSError: The folder cannot be written.
    """
    key = GateKey(Ed25519PrivateKey.generate())
    data = key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_secret(folder / FILE, data)
    return key
