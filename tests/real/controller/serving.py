"""The centre's interface on a socket, with a demo folder whose centre.toml names that socket's port."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
from typer.testing import CliRunner, Result

from controller.api import api_router
from controller.bundles import BundlePublisher, load_signer
from controller.bundles_api import bundles_router
from controller.cli import app
from controller.config import read_api_token
from controller.console import Console
from controller.gate_api import gate_router
from controller.gate_keys import GateKeys
from controller.gate_registry import GateRegistry
from controller.identity_api import identity_routers
from controller.issuer_keys import load_key_set
from controller.keys_api import KeysInForce, keys_router
from controller.phone.enrolment import Enrolment
from controller.phone.routers import phone_routers
from controller.registrations import holder_of
from controller.web.app import create_console
from controller.withdrawals import Withdrawals
from shell.pages.server import PageServer
from tests.real.controller.centre import SITE
from tests.real.controller.demo import Demo, demo_at

BROKER_URL = "mqtts://broker.example:8883"


@dataclass
class Served:
    demo: Demo
    folder: Path
    publisher: BundlePublisher
    sent: list[bytes]
    gates: GateKeys
    url: str
    registry: GateRegistry

    @property
    def config(self) -> str:
        return str(self.folder / "centre.toml")

    def run(self, *arguments: str, text: str | None = None) -> Result:
        """One command of postern-controller with this configuration."""
        return CliRunner().invoke(app, [*arguments, "--config", self.config], input=text)

    def post(self, path: str, body: dict[str, Any], *, token: str | None = None) -> int:
        """The status that the interface answers to a JSON body."""
        given = token or read_api_token(self.demo.config)
        answer = httpx2.post(
            f"{self.url.rstrip('/')}/api/v1{path}",
            json=body,
            headers={"Authorization": f"Bearer {given}"},
            trust_env=False,
        )
        return answer.status_code


@contextmanager
def served_at(folder: Path, *, public_url: str | None = None) -> Iterator[Served]:
    with demo_at(folder, public_url=public_url) as demo:
        config, store, clock = demo.config, demo.centre.store, demo.centre.clock
        site = config.sites[SITE]
        signer = load_signer(config.keys_dir, site.keyset, load_key_set(site.keyset, SITE))
        sent: list[bytes] = []
        publisher = BundlePublisher(store, clock, [signer], lambda _topic, data: sent.append(data))
        token = read_api_token(config)
        assert token is not None
        gates = GateKeys(store, clock, lambda: {SITE: demo.issuer.published}, publisher.wake.set)
        registry = GateRegistry(store, clock, keys_dir=config.keys_dir, sites=config.sites, strict=True)
        routers = [
            api_router(token=token, store=store, clock=clock, issuers={SITE: demo.issuer}),
            bundles_router(
                token=token,
                withdrawals=Withdrawals(store, clock, publisher.wake.set),
                publisher=publisher,
                holder=partial(holder_of, store),
            ),
            keys_router(
                token=token,
                keys=KeysInForce(
                    config=config,
                    issuers={SITE: demo.issuer},
                    publisher=publisher,
                    store=store,
                    clock=clock,
                ),
            ),
            gate_router(token=token, gates=gates, secrets=demo.person_secrets),
            *identity_routers(token=token, registry=registry, clock=clock, broker_url=BROKER_URL),
        ]
        enrolment = Enrolment(
            store=store, issuers={SITE: demo.issuer}, clock=clock, random_bytes=secrets.token_bytes
        )
        routers += phone_routers(enrolment, clock=clock, config=config, token=token)
        console = Console(store=store, clock=clock, config=config, units={})
        server = PageServer(create_console(console, clock=clock, routers=routers), port=0, setting="none")
        server.start()
        toml = folder / "centre.toml"
        port = server.url.rpartition(":")[2].strip("/")
        toml.write_text(toml.read_text("utf-8").replace("port = 8080", f"port = {port}"), "utf-8")
        try:
            yield Served(demo, folder, publisher, sent, gates, server.url, registry)
        finally:
            server.stop()
