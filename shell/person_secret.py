"""The walk-in person secret of a site: under it one phone number is one person, at every gate and at the centre.

The centre makes it; a person carries it to each gate in a file of one JSON object. It signs nothing and opens nothing.

PersonSecretError           the file cannot be used; the message names it and what to do
└── NoPersonSecretError     there is none
"""

import hashlib
import hmac
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from passes.vocabulary import PersonId
from shell.file_reading import open_regular
from shell.files import SECRET
from shell.phone_number import is_canonical

SECRET_BYTES: Final = 32
FILE_BYTES_MAX: Final = 1024
FORMAT: Final = 1
_FINGERPRINT_DOMAIN: Final = b"postern/person-secret/1"  # no number begins so: it is nobody's pseudonym


class PersonSecretError(Exception):
    """The secret cannot be used."""


class NoPersonSecretError(PersonSecretError):
    """There is no such file."""


class _SecretFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    v: Annotated[int, Field(strict=True)]
    site: Annotated[int, Field(strict=True)]
    secret: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


@dataclass(frozen=True, slots=True)
class PersonSecret:
    """32 random bytes of one site."""

    site: int
    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        assert len(self.secret) == SECRET_BYTES

    @property
    def fingerprint(self) -> str:
        """Eight hex digits that people compare; they tell nothing of the secret."""
        return hmac.digest(self.secret, _FINGERPRINT_DOMAIN, hashlib.sha256)[:4].hex()

    def person(self, phone: str) -> PersonId:
        """Who a canonical phone number is as a walk-in: the first 64 bits of HMAC-SHA-256."""
        assert is_canonical(phone)
        return PersonId(hmac.digest(self.secret, phone.encode("ascii"), hashlib.sha256)[:8].hex())

    def to_file(self) -> bytes:
        """What stands in its file."""
        return (
            _SecretFile(v=FORMAT, site=self.site, secret=self.secret.hex()).model_dump_json().encode() + b"\n"
        )


def read_person_secret(path: Path, *, site: int, private: bool = True) -> PersonSecret:
    """The secret in a file; raises ``PersonSecretError``.

    Args:
        path: The file.
        site: Whose secret it must be.
        private: Refuse a file that others may read; off for one on a stick, whose file system knows no owners.
    """
    try:
        with open_regular(path) as file:
            mode, data = os.fstat(file.fileno()).st_mode, file.read(FILE_BYTES_MAX + 1)
    except FileNotFoundError as error:
        raise NoPersonSecretError(f"{path}: there is no such file") from error
    except OSError as error:
        raise PersonSecretError(f"{path}: cannot be read ({error.strerror})") from error
    if private and mode & 0o077:
        raise PersonSecretError(f"{path}: others may read this secret. Run: chmod 600 {path}")
    try:
        if len(data) > FILE_BYTES_MAX:
            raise ValueError("too long")
        found = _SecretFile.model_validate_json(data)
        if found.v != FORMAT:
            raise ValueError("of another format")
    except ValueError:  # its text would quote the secret
        raise PersonSecretError(
            f"{path}: is not a person secret, as postern-controller gate secret --out writes it"
        ) from None
    if found.site != site:
        raise PersonSecretError(f"{path}: is the person secret of site {found.site}, and this is site {site}")
    return PersonSecret(site, bytes.fromhex(found.secret))


def hand_out(path: Path, secret: PersonSecret) -> bool:
    """Write the secret for somebody to carry, for its owner alone; False where the same is there already.

    Made in place, since a stick's file system may have no links; what could not be finished is removed.

    Raises:
        FileExistsError: Something else is there; it is never replaced.
        OSError: It cannot be written.
    """
    data = secret.to_file()
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, SECRET)
    except FileExistsError:
        if path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data:
            return False
        raise
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        path.unlink(missing_ok=True)
        raise
    return True
