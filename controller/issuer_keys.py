"""The private keys that sign passes: one for residents, one for visitors, in files that only the centre may read."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from pydantic import ValidationError

from passes.gp1 import Algorithm, protected_header
from passes.keys import KeyEntry, KeySetError, KeySetFile, ed25519_public, key_id
from passes.vocabulary import Category, Colour
from shell.files import write_secret

CLOCKS_APART: Final = timedelta(minutes=2)
COLOUR_OF_FILE: Final = {"resident": Colour.GREEN, "visitor": Colour.BLUE}


class IssuerKeyError(Exception):
    """A key cannot be used; the message names the file and what to do."""


@dataclass(frozen=True, slots=True)
class IssuerKey:
    """One issuer: it signs passes of one colour only, whatever else is asked of it."""

    colour: Colour
    private: Ed25519PrivateKey

    @property
    def public(self) -> bytes:
        """The 32 bytes that stand in the key set."""
        return ed25519_public(self.private)

    @property
    def kid(self) -> bytes:
        """The key id in a pass's header."""
        return key_id(self.public)

    def sign(self, message: bytes) -> bytes:
        """An Ed25519 signature of 64 bytes."""
        return self.private.sign(message)


def key_path(keys_dir: Path, site: int, name: str) -> Path:
    """Where the key of one issuer of one site lies; ``name`` is resident or visitor."""
    return keys_dir / f"site-{site}-{name}.pem"


def create_keys(keys_dir: Path, site: int) -> dict[Colour, IssuerKey]:
    """Make and write both issuer keys of a site; raises ``FileExistsError`` rather than replace one."""
    return {
        colour: IssuerKey(colour, create_private(key_path(keys_dir, site, name)))
        for name, colour in COLOUR_OF_FILE.items()
    }


def create_private(path: Path) -> Ed25519PrivateKey:
    """Make a new key and write it; raises ``FileExistsError`` rather than replace one."""
    private = Ed25519PrivateKey.generate()
    write_secret(path, pem_of(private))
    return private


def pem_of(private: Ed25519PrivateKey) -> bytes:
    """A private key as it stands in its file."""
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def load_keys(keys_dir: Path, site: int) -> tuple[IssuerKey, ...]:
    """All issuer keys of a site: the first of each colour, and those that rotations added.

    Raises:
        IssuerKeyError: There is none of a colour, or a file is readable by others or not an Ed25519 key.
    """
    keys = []
    for name, colour in COLOUR_OF_FILE.items():
        first = key_path(keys_dir, site, name)
        added = sorted(keys_dir.glob(f"{first.stem}-????????.pem"))
        keys += [
            IssuerKey(colour, load_private(path)) for path in (first, *added) if not added or path.exists()
        ]
    return tuple(keys)


def signing_key(
    keys: Iterable[IssuerKey],
    published: KeySetFile,
    category: Category,
    now: datetime,
    *,
    expires_at: datetime,
) -> IssuerKey | None:
    """The key to sign a pass of this category with now: the newest that gates take, None when they take none.

    A key that became valid a moment ago waits for slower clocks at the gates, unless there is no other. A key that
    ends before the pass signs nothing: gates would refuse the pass from then on.
    """
    able = [key for key in keys if may_sign(key, published, category, now, expires_at)]
    starts = {bytes.fromhex(entry.kid): entry.not_before for entry in published.keys}
    settled = [key for key in able if starts[key.kid] + CLOCKS_APART <= now]
    return max(settled or able, key=lambda key: starts[key.kid], default=None)


def load_private(path: Path) -> Ed25519PrivateKey:
    """A private key from its file; raises ``IssuerKeyError`` as ``load_keys`` does."""
    try:
        mode, data = path.stat().st_mode, path.read_bytes()
    except OSError as error:
        raise IssuerKeyError(
            f"{path}: cannot be read ({error.strerror}). centre.keys_dir names the folder of the keys"
        ) from error
    if mode & 0o077:
        raise IssuerKeyError(f"{path}: others may read this private key. Run: chmod 600 {path}")
    try:
        private = load_pem_private_key(data, password=None)
    except (ValueError, TypeError) as error:
        raise IssuerKeyError(f"{path}: is not a private key in PEM form") from error
    if not isinstance(private, Ed25519PrivateKey):
        raise IssuerKeyError(f"{path}: is not an Ed25519 key")
    return private


def key_set(
    keys: Iterable[IssuerKey], *, site: int, seq: int, not_before: datetime, not_after: datetime
) -> KeySetFile:
    """The public key set of a site: each key may issue the categories of its colour and no others."""
    return KeySetFile(
        site=site,
        seq=seq,
        keys=[
            KeyEntry(
                kid=key.kid.hex(),
                alg="ed25519",
                public=key.public.hex(),
                use="pass",
                categories=[category.code for category in Category if category.colour is key.colour],
                not_before=not_before,
                not_after=not_after,
            )
            for key in keys
        ],
    )


def load_key_set(path: Path, site: int) -> KeySetFile:
    """The key set that the gates of a site were given.

    Raises:
        IssuerKeyError: The file is missing or wrong, or belongs to another site.
    """
    try:
        found = KeySetFile.model_validate_json(path.read_bytes())
        found.to_domain()
    except OSError as error:
        raise IssuerKeyError(f"{path}: cannot be read ({error.strerror}). site.keyset names it") from error
    except (ValidationError, KeySetError) as error:
        raise IssuerKeyError(f"{path}: is not a key set: {error}") from error
    if found.site != site:
        raise IssuerKeyError(f"{path}: is the key set of site {found.site}, not of site {site}")
    return found


def may_sign(
    key: IssuerKey, published: KeySetFile, category: Category, now: datetime, expires_at: datetime
) -> bool:
    """Whether gates take this key's signature under a pass of this category from now until the pass expires."""
    entry = published.to_domain().find(protected_header(Algorithm.ED25519, key.kid))
    return (
        entry is not None
        and category.colour is key.colour
        and category in entry.categories
        and entry.not_before <= now < entry.not_after
        and expires_at <= entry.not_after
    )
