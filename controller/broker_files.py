"""The folder that a broker's machine needs: its own key and certificate, and the rules about everybody else."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

from controller import broker_rules
from controller.broker_rules import (
    ACCESS,
    AUTHORITY,
    BRIDGE_CERTIFICATE,
    BRIDGE_KEY,
    CERTIFICATE,
    KEY,
    REVOKED,
    Party,
)
from controller.certificates import CENTRE, GateCa, own_uri
from shell.broker_url import BrokerAddress
from shell.files import write_whole
from sync.tls import TlsFiles


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteBroker:
    """A broker of one site: which, and where the centre's broker is."""

    site: int
    uplink: BrokerAddress


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be written.

    ``here`` is where the folder will lie on the broker's machine, ``names`` how the broker is reached, ``bridges`` the
    sites whose own brokers come to this one, ``found`` the certificates of gates as the centre lists them.
    """

    folder: Path
    here: PurePosixPath
    names: tuple[str, ...]
    port: int
    bridges: tuple[int, ...]
    found: list[dict[str, Any]]

    def parties(self, site: int | None = None) -> list[Party]:
        """The certificates that are good, of one site or of all."""
        rows = [row for row in self.found if row["state"] == "valid" and site in (None, row["site"])]
        return [Party(site=row["site"], gate=row["gate"], uri=row["uri"]) for row in rows]


def write_mosquitto(plan: Plan, ca: GateCa, now: datetime, own: SiteBroker | None) -> list[str]:
    """Write Mosquitto's files, with a bridge where it is a site's own; returns their names.

    Raises:
        CertificateError: A key in the folder cannot be used.
        OSError: The folder cannot be written.
    """
    files = _about_all(plan, ca, now)
    text = broker_rules.mosquitto_config(plan.here, port=plan.port)
    if own is not None:
        ca.keep_client(
            _files(plan.folder, BRIDGE_CERTIFICATE, BRIDGE_KEY), broker_rules.bridge_name(own.site), now
        )
        text += broker_rules.mosquitto_bridge(
            plan.here, site=own.site, host=own.uplink.host, port=own.uplink.port
        )
        files[ACCESS] = broker_rules.mosquitto_access(plan.parties(own.site), centre=False)
    else:
        files[ACCESS] = broker_rules.mosquitto_access(plan.parties(), bridges=plan.bridges)
    return _write(plan.folder, files | {"mosquitto.conf": text})


def write_nats(plan: Plan, ca: GateCa, now: datetime) -> list[str]:
    """Write the parts of a NATS server's file, which includes them; returns their names and raises as above."""
    files = _about_all(plan, ca, now)
    centre = own_uri(ca.party(CENTRE, now).certificate)
    files["mqtt.conf"] = broker_rules.nats_mqtt(plan.here, port=plan.port)
    files["users.conf"] = broker_rules.nats_users(plan.parties(), centre_uri=centre)
    return _write(plan.folder, files)


def _about_all(plan: Plan, ca: GateCa, now: datetime) -> dict[str, str]:
    """Keep the broker's own key and certificate, and answer with authority and revoked certificates."""
    ca.keep_server(_files(plan.folder, CERTIFICATE, KEY), plan.names, now)
    revoked = [
        (row["serial"], datetime.fromisoformat(row["revoked_at"]))
        for row in plan.found
        if row["state"] == "revoked"
    ]
    return {AUTHORITY: ca.pem, REVOKED: ca.revocation_list(revoked, now).decode("ascii")}


def _files(folder: Path, certificate: str, key: str) -> TlsFiles:
    return TlsFiles(ca=folder / AUTHORITY, certificate=folder / certificate, key=folder / key)


def _write(folder: Path, files: dict[str, str]) -> list[str]:
    for name, text in files.items():
        write_whole(folder / name, text.encode())
    return sorted(files)
