"""``/api/v1/sites/{site}/keys``: what each key signed that still lives, and taking new key files over while running."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from pydantic import BaseModel
from sqlalchemy import func, select

from controller import audit, schema
from controller.api import BODY_BYTES_MAX
from controller.bundles import BundlePublisher, load_signer
from controller.bundles_api import RevokeRequest
from controller.config import CentreConfig
from controller.issuer_keys import IssuerKeyError, load_key_set, load_keys
from controller.issuing import Issuer
from controller.phone.guarding import bearer, bounded, guarded
from controller.store import Store
from shell.clock import Clock


class KeysInForce:
    """The keys that the running centre signs with.

    Args:
        config: Where the files are.
        issuers: The issuer of each site.
        publisher: Signs and publishes the bundles.
        store: For the audit, and for what was issued.
        clock: Wall time.
    """

    def __init__(
        self,
        *,
        config: CentreConfig,
        issuers: Mapping[int, Issuer],
        publisher: BundlePublisher,
        store: Store,
        clock: Clock,
    ) -> None:
        self._config, self._issuers, self._publisher = config, issuers, publisher
        self._store, self._clock = store, clock

    def seq(self, site: int) -> int | None:
        """Number of the key set in force, None for a site that is not here."""
        issuer = self._issuers.get(site)
        return None if issuer is None else issuer.published.seq

    def live(self, site: int) -> dict[str, int]:
        """How many passes each key signed that have not expired."""
        issued = schema.pass_issued.c
        query = (
            select(issued.key_id, func.count())
            .where(issued.site == site, issued.expires_at > self._clock.now())
            .group_by(issued.key_id)
        )
        with self._store.transaction() as connection:
            return {key: int(count) for key, count in connection.execute(query)}

    def reload(self, site: int, *, by: str, reason: str) -> int:
        """Sign with what the files say now; all of it or, when a file is wrong, none.

        Raises:
            IssuerKeyError: A file cannot be used, or the key set is older than the one in force.
        """
        where, issuer = self._config.sites[site], self._issuers[site]
        published = load_key_set(where.keyset, site)
        if published.seq < issuer.published.seq:
            raise IssuerKeyError(
                f"{where.keyset}: is key set {published.seq}, and {issuer.published.seq} is in force"
            )
        keys = load_keys(self._config.keys_dir, site)
        signer = load_signer(self._config.keys_dir, where.keyset, published)
        with self._store.transaction() as connection:
            audit.note(
                connection,
                at=self._clock.now(),
                site=site,
                actor=by,
                action="key_set",
                subject=str(published.seq),
                detail=reason,
            )
        issuer.take_over(keys, published)
        self._publisher.take_over(signer)
        return published.seq


class KeysAnswer(BaseModel):
    """Number of the key set in force, and how many living passes each key signed."""

    seq: int
    live: dict[str, int]


def keys_router(*, token: str, keys: KeysInForce) -> APIRouter:
    """The routes.

    Args:
        token: What callers must send as ``Authorization: Bearer …``.
        keys: What they ask for and change.
    """

    def look(request: Request) -> None:
        bearer(request, token)
        bounded(request, bytes_max=BODY_BYTES_MAX)

    router = APIRouter(prefix="/api/v1", route_class=guarded(look))

    @router.get("/sites/{site}/keys")
    def in_force(site: int) -> KeysAnswer:
        """What is in force."""
        return KeysAnswer(seq=_known(keys, site), live=keys.live(site))

    @router.post("/sites/{site}/keys/reload")
    def reload(site: int, wanted: RevokeRequest) -> dict[str, Any]:
        """Take the key files over."""
        _known(keys, site)
        try:
            return {"seq": keys.reload(site, by=wanted.by, reason=wanted.reason)}
        except IssuerKeyError as error:
            raise HTTPException(409, str(error)) from error

    return router


def _known(keys: KeysInForce, site: int) -> int:
    seq = keys.seq(site)
    if seq is None:
        raise HTTPException(404, "no such site at this centre")
    return seq
