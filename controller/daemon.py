"""The centre as one process: broker child, intake, overstay monitor, SMS sender and pages around one database."""

import gc
import secrets
import threading
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from random import Random
from typing import Final

from sqlalchemy import func, select

from controller import registrations, schema
from controller.alerts import AlertOutbox
from controller.api import api_router
from controller.bundles import BundlePublisher, SiteSigner, load_signer
from controller.bundles_api import bundles_router
from controller.certificates import CENTRE as CENTRE_ON_BROKER
from controller.certificates import CertificateError, GateCa
from controller.commands import GateCommands
from controller.commands_api import commands_router
from controller.config import CentreConfig, read_api_token
from controller.console import Console
from controller.gate_api import gate_router
from controller.gate_keys import CENTRE, GateKeys
from controller.gate_registry import GateRegistry
from controller.identity_api import identity_routers
from controller.init import PEPPER_FILE
from controller.intake_store import CentreIntake
from controller.issuer_keys import IssuerKeyError, load_key_set, load_keys
from controller.issuing import Issuer
from controller.keys_api import KeysInForce, keys_router
from controller.overstay import OverstayMonitor
from controller.people import read_pepper
from controller.person_secrets import PersonSecrets
from controller.phone.enrolment import Enrolment
from controller.phone.routers import phone_routers
from controller.site_keys import load_config_key
from controller.sms import HttpSms
from controller.store import Store
from controller.units import load_units
from controller.web.app import create_console
from controller.withdrawals import Withdrawals
from shell.broker_url import parse_broker_url
from shell.clock import SystemClock
from shell.logs import get_logger
from shell.pages.server import PageServer
from shell.systemd import Systemd
from sync.broker import choose_broker
from sync.intake import Intake
from sync.link import LinkSettings
from sync.messages import Hello
from sync.tls import TlsFiles
from sync.topics import GateTopic

BROKER_READY_WITHIN_S: Final = 20.0
SENDER_STOP_WITHIN_S: Final = (
    0.5  # a gateway that hangs is left behind: its alert is repeated once after a restart
)
RETRY_MAX_S: Final = 10.0
IN_FLIGHT_MAX: Final = 1000
TIDY_EVERY_S: Final = 600.0
log = get_logger("centre")


class CentreDaemon:
    """One centre, from configuration to running threads.

    Raises:
        SettingsError, IssuerKeyError: A file that the configuration names cannot be used.
        CertificateError: The centre has no certificate for its broker and can make none.
        StoreError: The database cannot be used.
        PageServerError: The page's port cannot be used.
    """

    def __init__(self, config: CentreConfig) -> None:
        self._config, self._clock = config, SystemClock(follows=True)
        self._stop = threading.Event()
        self.failed = False
        token = read_api_token(config)
        units = {site.id: load_units(site.units) for site in config.sites.values()}
        with ExitStack() as undo:
            self._store = Store(config.database_path)
            undo.callback(self._store.close)
            self._raise_clock_floor()
            self._console = Console(store=self._store, clock=self._clock, config=config, units=units)
            person_secrets = PersonSecrets(
                config.keys_dir, config.sites, self._store, self._clock, secrets.token_bytes
            )
            issuers = self._issuers(person_secrets)
            self._sms = HttpSms(config.sms.url) if config.sms else None
            if self._sms:
                undo.callback(self._sms.close)
            self._alerts = self._make_alerts()
            self._monitor = OverstayMonitor(
                store=self._store,
                clock=self._clock,
                zone=config.zone,
                sites=config.sites,
                sms=config.sms,
                raised=self._raised,
            )
            self._broker = choose_broker(
                config.broker_url,
                port=config.broker_port,
                data_dir=config.data_dir,
                prefer=config.broker_embedded,
            )
            self._registry = GateRegistry(
                self._store,
                self._clock,
                keys_dir=config.keys_dir,
                sites=config.sites,
                strict=parse_broker_url(self._broker.url).tls,
            )
            self._intake = Intake(
                CentreIntake(store=self._store, clock=self._clock, changed=self._received),
                link=LinkSettings(
                    url=self._broker.url,
                    client_id=CENTRE_ON_BROKER,
                    tls=self._certified(),
                    retry_max_s=RETRY_MAX_S,
                    in_flight_max=IN_FLIGHT_MAX,
                ),
                clock=self._clock,
                rng=Random(),  # noqa: S311  # jitter, not a secret
                greeted=self._greeted,
                results=self._answered,
                known_gate=self._registry.known,
            )
            self._commands = GateCommands(
                self._store,
                self._clock,
                sites=config.sites,
                known=self._registry.known,
                key=lambda site: load_config_key(config.keys_dir, site, issuers[site].published),
                publish=self._intake.publish,
                connected=lambda: self._intake.status().connected,
            )
            self._bundles = BundlePublisher(self._store, self._clock, self._signers(), self._intake.hold)
            withdrawals = Withdrawals(self._store, self._clock, self._bundles.wake.set)
            self._enrolment = Enrolment(
                store=self._store,
                issuers=issuers,
                clock=self._clock,
                random_bytes=secrets.token_bytes,
                changed=self._console.changed,
                take_back=partial(withdrawals.revoke, by=CENTRE, reason="issued, but it reached no phone"),
            )
            routers = phone_routers(
                self._enrolment, clock=self._clock, config=config, token=token, short_codes=True
            )
            if token is not None:
                routers.append(
                    bundles_router(
                        token=token,
                        withdrawals=withdrawals,
                        publisher=self._bundles,
                        holder=partial(registrations.holder_of, self._store),
                    )
                )
                keys = KeysInForce(
                    config=config,
                    issuers=issuers,
                    publisher=self._bundles,
                    store=self._store,
                    clock=self._clock,
                )
                routers.append(keys_router(token=token, keys=keys))
                gates = GateKeys(
                    self._store,
                    self._clock,
                    lambda: {site: issuer.published for site, issuer in issuers.items()},
                    self._bundles.wake.set,
                )
                routers.append(gate_router(token=token, gates=gates, secrets=person_secrets))
                routers.append(commands_router(token=token, commands=self._commands))
                routers += identity_routers(
                    token=token, registry=self._registry, clock=self._clock, broker_url=self._broker.url
                )
                routers.append(
                    api_router(
                        token=token,
                        store=self._store,
                        clock=self._clock,
                        issuers=issuers,
                        changed=self._console.changed,
                    )
                )
            self._pages = PageServer(
                create_console(self._console, clock=self._clock, hosts=config.web_names, routers=routers),
                host=config.web_host,
                port=config.web_port,
                setting="[web] port in centre.toml",
            )
            undo.pop_all()
        self._threads = [
            threading.Thread(target=self._watch, name="overstay"),
            threading.Thread(target=self._publish, name="bundles"),
            threading.Thread(target=self._tidy, name="housekeeping"),
        ]
        self._sending = threading.Thread(target=self._send, name="sms", daemon=True)

    @property
    def url(self) -> str:
        """Address of the page."""
        return self._pages.url

    def run(self, stop: threading.Event) -> None:
        """Serve until ``stop`` is set, or until a part of the centre fails for good; then close everything.

        Raises:
            BrokerError: The embedded broker's port is taken, or it does not come up.
            PageServerError: The page cannot be served.
        """
        self._stop = stop
        gc.freeze()  # a backlog is many small objects: without this all modules are looked through again and again
        try:
            self._pages.start()
            self._broker.start()
            self._broker.wait_ready(BROKER_READY_WITHIN_S)
            self._intake.start()
            for thread in self._threads:
                thread.start()
            if self._alerts is not None:
                self._alerts.recover()
                self._sending.start()
            log.info("centre serves", page=self.url, broker=self._broker.url, kind=self._broker.kind)
            systemd = Systemd(self._clock.monotonic_s)
            systemd.ready(f"pages at {self.url}, broker {self._broker.url}")
            stop.wait()
            systemd.stopping()
        finally:
            self._close()

    def _close(self) -> None:
        self._stop.set()
        self._monitor.wake.set()
        self._bundles.wake.set()
        if self._alerts is not None:
            self._alerts.wake.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()
        self._commands.close()
        self._pages.stop()
        self._intake.stop()
        self._broker.stop()
        if self._sending.ident is not None:
            self._sending.join(SENDER_STOP_WITHIN_S)
        if self._sms is not None and not self._sending.is_alive():
            self._sms.close()
        self._store.close()
        log.info("centre stopped")

    def _issuers(self, person_secrets: PersonSecrets) -> dict[int, Issuer]:
        path = self._config.keys_dir / PEPPER_FILE
        try:
            pepper = read_pepper(path)
        except (OSError, ValueError) as error:
            raise IssuerKeyError(f"{path}: is not the pepper that init writes ({error})") from error
        return {
            site.id: Issuer(
                site=site,
                keys=load_keys(self._config.keys_dir, site.id),
                published=load_key_set(site.keyset, site.id),
                pepper=pepper,
                store=self._store,
                clock=self._clock,
                random_bytes=secrets.token_bytes,
                person_secret=partial(person_secrets.of, site.id),
            )
            for site in self._config.sites.values()
        }

    def _signers(self) -> list[SiteSigner]:
        return [
            load_signer(self._config.keys_dir, site.keyset, load_key_set(site.keyset, site.id))
            for site in self._config.sites.values()
        ]

    def _make_alerts(self) -> AlertOutbox | None:
        if self._sms is None:
            return None
        return AlertOutbox(
            store=self._store,
            sender=self._sms,
            clock=self._clock,
            random=secrets.SystemRandom().random,
            changed=self._console.changed,
        )

    def _certified(self) -> TlsFiles | None:
        """The centre's certificate for a broker elsewhere, renewed where it is time; None for one on this machine."""
        if not parse_broker_url(self._broker.url).tls:
            return None
        now = self._clock.now()
        return GateCa(self._config.keys_dir, now).party(CENTRE_ON_BROKER, now)

    def _raise_clock_floor(self) -> None:
        """Nothing that was recorded lies in the future: a clock below it is not to be trusted."""
        with self._store.transaction() as connection:
            newest = connection.execute(select(func.max(schema.gate.c.last_heard))).scalar()
        if newest is not None:
            self._clock.raise_floor(newest)

    def _received(self) -> None:
        self._monitor.wake.set()
        self._bundles.wake.set()
        self._commands.changed()
        self._console.changed()

    def _greeted(self, hello: Hello) -> None:
        self._commands.greeted(hello)

    def _answered(self, topic: GateTopic, payload: bytes) -> None:
        self._commands.heard(topic, payload)

    def _raised(self) -> None:
        if self._alerts is not None:
            self._alerts.wake.set()
        self._bundles.wake.set()
        self._console.changed()

    def _watch(self) -> None:
        self._keep(self._monitor.run)

    def _publish(self) -> None:
        self._keep(self._bundles.run)

    def _tidy(self) -> None:
        """Forget what is not to be kept, for as long as the centre runs."""
        while True:
            try:
                self._certified()
            except CertificateError as error:
                log.error("the centre's certificate for the broker cannot be renewed", error=str(error))
            try:
                self._enrolment.forget()
            except Exception:  # it is tried again soon, and nobody waits for it
                log.exception("dead links could not be forgotten")
            if self._stop.wait(TIDY_EVERY_S):
                return

    def _send(self) -> None:
        assert self._alerts is not None
        self._keep(self._alerts.run)

    def _keep(self, run: Callable[[threading.Event], None]) -> None:
        """Run one part; if it fails, the centre stops as a whole and is started again by its supervisor."""
        try:
            run(self._stop)
        except Exception:
            if not self._stop.is_set():
                log.exception("a part of the centre failed; the centre stops")
                self.failed = True
                self._stop.set()
