"""A demo folder with an issuer on a database of its own."""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    derive_private_key,
)

from controller.config import CentreConfig, load_centre
from controller.hours import read_hours
from controller.init import PEPPER_FILE, DemoPlan, create_demo
from controller.issuer_keys import load_key_set, load_keys
from controller.issuing import Issuer, Order
from controller.people import read_pepper
from controller.person_secrets import PersonSecrets
from passes.claims import KeyLevel
from passes.keys import KeyTable, p256_public
from passes.vocabulary import Category
from tests.real.controller.centre import NOON, SITE, Centre, centre_at

PHONE_KEY: EllipticCurvePrivateKey = derive_private_key(20261122, SECP256R1())
HOLDER: bytes = p256_public(PHONE_KEY)


@dataclass
class Demo:
    config: CentreConfig
    centre: Centre
    issuer: Issuer
    keys: KeyTable
    person_secrets: PersonSecrets


@contextmanager
def demo_at(
    folder: Path, *, static_needs_guard: bool = True, public_url: str | None = None
) -> Iterator[Demo]:
    create_demo(DemoPlan(folder=folder), now=NOON)
    if public_url is not None:
        toml = folder / "centre.toml"
        named = f'[web]\npublic_url = "{public_url}"\n'
        toml.write_text(toml.read_text("utf-8").replace("[web]\n", named), "utf-8")
    config = load_centre(folder / "centre.toml")
    site = replace(config.sites[SITE], static_needs_guard=static_needs_guard)
    with centre_at(config.database_path) as centre:
        published = load_key_set(site.keyset, SITE)
        randbytes = random.Random(8).randbytes
        person_secrets = PersonSecrets(config.keys_dir, config.sites, centre.store, centre.clock, randbytes)
        issuer = Issuer(
            site=site,
            keys=load_keys(config.keys_dir, SITE),
            published=published,
            pepper=read_pepper(config.keys_dir / PEPPER_FILE),
            store=centre.store,
            clock=centre.clock,
            random_bytes=random.Random(7).randbytes,
            person_secret=partial(person_secrets.of, SITE),
        )
        yield Demo(config, centre, issuer, published.to_domain(), person_secrets)


def walk_in_key(demo: Demo, phone: str) -> bytes:
    """Who this number is as a walk-in, as bundles name him."""
    secret = demo.person_secrets.of(SITE)
    assert secret is not None
    return bytes.fromhex(secret.person(phone))


def order(
    category: Category = Category.COURIER,
    *,
    phone: str = "13800138001",
    name: str = "李雷",
    unit: int = 12,
    purpose: int = 0,
    valid: timedelta = timedelta(hours=2),
    gates: frozenset[int] = frozenset({0}),
    stay_minutes: int | None = None,
    holder_key: bytes | None = HOLDER,
    static: bool = False,
    key_level: KeyLevel = KeyLevel.KEPT,
    hours: Sequence[str] = (),
) -> Order:
    return Order(
        name=name,
        phone=phone,
        category=category,
        unit=unit,
        purpose=purpose,
        valid=valid,
        gates=gates,
        stay_minutes=stay_minutes,
        holder_key=None if static else holder_key,
        static=static,
        key_level=key_level,
        schedule=read_hours(hours) if hours else None,
    )
