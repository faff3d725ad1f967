"""The keys beside the issuers': a site's status key and config key, and the operator's root key.

The status key signs bundles, the config key certificates of gates that issue walk-in passes.

The root key signs key sets, so that gates take over new keys without a visit. Nothing that runs needs it: outside of
a demo it belongs on a medium in a safe. What it signed lies beside the key set, as ``keyset.signed``.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from controller.issuer_keys import IssuerKeyError, create_private, key_path, load_private
from passes.bundle import Bundle, seal_bundle
from passes.gp1 import Algorithm
from passes.keys import KeyEntry, KeySetError, KeySetFile, ed25519_public, key_id
from passes.trust import CONFIG_USE, ROOT_USE, STATUS_USE, keys_for, open_key_set, seal_key_set

ROOT_FILE: Final = "operator-root.pem"
SIGNED_SUFFIX: Final = ".signed"


@dataclass(frozen=True, slots=True)
class SiteKey:
    """A private key that signs no passes; ``use`` is what gates take its signature for."""

    use: str
    private: Ed25519PrivateKey

    @property
    def kid(self) -> bytes:
        """The key id in headers and in the key set."""
        return key_id(ed25519_public(self.private))

    def entry(self, *, not_before: datetime, not_after: datetime) -> KeyEntry:
        """This key as it stands in the key set."""
        return KeyEntry(
            kid=self.kid.hex(),
            alg="ed25519",
            public=ed25519_public(self.private).hex(),
            use=self.use,
            categories=[],
            not_before=not_before,
            not_after=not_after,
        )


@dataclass(frozen=True, slots=True)
class ConfigKey:
    """The site's config key with its dates in the key set: no certificate may lie outside them."""

    key: SiteKey
    not_before: datetime
    not_after: datetime


def create_site_keys(keys_dir: Path, site: int) -> tuple[SiteKey, SiteKey, SiteKey]:
    """Make and write status, config and root key; raises ``FileExistsError`` rather than replace one."""
    return (
        SiteKey(STATUS_USE, create_private(key_path(keys_dir, site, STATUS_USE))),
        SiteKey(CONFIG_USE, create_private(key_path(keys_dir, site, CONFIG_USE))),
        SiteKey(ROOT_USE, create_private(keys_dir / ROOT_FILE)),
    )


def load_status_key(keys_dir: Path, site: int, published: KeySetFile) -> SiteKey:
    """The site's status key.

    Raises:
        IssuerKeyError: Its file cannot be used, or the key set does not name it, so that no gate would believe it.
    """
    path = key_path(keys_dir, site, STATUS_USE)
    key = SiteKey(STATUS_USE, load_private(path))
    if not any(entry.use == STATUS_USE and entry.kid == key.kid.hex() for entry in published.keys):
        raise IssuerKeyError(f"{path}: the site's key set has no status key {key.kid.hex()}")
    return key


def load_config_key(keys_dir: Path, site: int, published: KeySetFile) -> ConfigKey | None:
    """The site's config key; None for a site that has none yet, whose gates then issue nothing.

    Raises:
        IssuerKeyError: There is a file, and it cannot be used.
    """
    path = key_path(keys_dir, site, CONFIG_USE)
    if not path.exists():
        return None
    key = SiteKey(CONFIG_USE, load_private(path))
    for entry in published.keys:
        if entry.use == CONFIG_USE and entry.kid == key.kid.hex():
            return ConfigKey(key, entry.not_before, entry.not_after)
    return None


def sign_key_set(keys: KeySetFile, root: SiteKey) -> bytes:
    """The key set under the operator's signature."""
    return seal_key_set(keys, algorithm=Algorithm.ED25519, kid=root.kid, sign=root.private.sign)


def sign_bundle(bundle: Bundle, status: SiteKey, key_set: bytes) -> bytes:
    """The bundle file; raises ``ValueError`` as ``passes.bundle.seal_bundle`` does."""
    return seal_bundle(
        bundle, algorithm=Algorithm.ED25519, kid=status.kid, sign=status.private.sign, key_set=key_set
    )


def load_signed_key_set(keyset: Path, published: KeySetFile) -> bytes:
    """What the root key signed, from beside the key set; empty when the key set names no root key.

    Raises:
        IssuerKeyError: The file is missing, or does not hold this very key set.
    """
    if not len(keys_for(ROOT_USE, published)):
        return b""
    path = keyset.with_suffix(SIGNED_SUFFIX)
    try:
        data = path.read_bytes()
        held = open_key_set(data, published)
    except OSError as error:
        raise IssuerKeyError(f"{path}: cannot be read ({error.strerror}); it lies beside {keyset}") from error
    except KeySetError as error:
        raise IssuerKeyError(f"{path}: {error}") from error
    if held != published:
        raise IssuerKeyError(f"{path}: is key set {held.seq}, and {keyset.name} is another")
    return data
