"""The walk-in person secrets of a centre's sites: read at the start, made when the first gate is enrolled.

A gate that holds its site's secret calls a walk-in what the centre calls him, too: who is RED is RED at every gate.
"""

import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from controller import aliases, audit
from controller.issuer_keys import IssuerKeyError
from controller.store import Store
from shell.clock import Clock
from shell.files import write_secret
from shell.logs import get_logger
from shell.person_secret import (
    SECRET_BYTES,
    NoPersonSecretError,
    PersonSecret,
    PersonSecretError,
    read_person_secret,
)

log = get_logger("person_secrets")


def secret_path(keys_dir: Path, site: int) -> Path:
    """Where the person secret of one site lies."""
    return keys_dir / f"site-{site}-walkin.secret"


def create_person_secret(keys_dir: Path, site: int, random_bytes: Callable[[int], bytes]) -> PersonSecret:
    """Make and write a site's secret; raises ``FileExistsError`` rather than replace one, and other ``OSError``."""
    secret = PersonSecret(site, random_bytes(SECRET_BYTES))
    write_secret(secret_path(keys_dir, site), secret.to_file())
    return secret


def load_person_secret(keys_dir: Path, site: int) -> PersonSecret | None:
    """A site's secret, None where there is none; raises ``IssuerKeyError`` when the file cannot be used."""
    try:
        return read_person_secret(secret_path(keys_dir, site), site=site)
    except NoPersonSecretError:
        return None
    except PersonSecretError as error:
        raise IssuerKeyError(str(error)) from error


class PersonSecrets:
    """The secrets of all sites of a centre, and with them the walk-in names of all whose number is known.

    Args:
        keys_dir: The folder of private keys.
        sites: The sites of this centre.
        store: The database.
        clock: For the time of a deed.
        random_bytes: Unpredictable bytes, such as ``secrets.token_bytes``.

    Raises:
        IssuerKeyError: A file cannot be used.
    """

    def __init__(
        self,
        keys_dir: Path,
        sites: Iterable[int],
        store: Store,
        clock: Clock,
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._keys_dir, self._store, self._clock, self._random_bytes = keys_dir, store, clock, random_bytes
        self._making = threading.Lock()
        self._held = {site: load_person_secret(keys_dir, site) for site in sites}
        for secret in self._held.values():
            if secret is not None:
                self._fill(secret)

    def of(self, site: int) -> PersonSecret | None:
        """The secret of a site; None until a gate was enrolled there."""
        return self._held[site]

    def demand(self, site: int, *, by: str) -> tuple[PersonSecret, bool]:
        """The secret of a site, made where there is none, and whether it was made now.

        Raises:
            IssuerKeyError: There is a file that cannot be used.
            OSError: It cannot be written; there is no secret then.
        """
        with self._making:
            held = self._held[site]
            if held is not None:
                return held, False
            held = load_person_secret(self._keys_dir, site)  # restored from a backup, meanwhile
            made = held is None
            if held is None:
                held = create_person_secret(self._keys_dir, site, self._random_bytes)
            self._held[site] = held  # before the names are filled in: who is remembered from here on has his
            self._fill(held)
            with self._store.transaction() as connection:
                audit.note(
                    connection,
                    at=self._clock.now(),
                    site=site,
                    actor=by,
                    action="person_secret_made" if made else "person_secret_found",
                    subject=held.fingerprint,
                    detail="walk-ins are the same persons at every gate that has it",
                )
            return held, made

    def _fill(self, secret: PersonSecret) -> None:
        added = aliases.fill(self._store, secret.site, secret)
        if added:
            log.info("walk-in names of known people were filled in", site=secret.site, people=added)
