"""What a broker is told about the parties on it: who may write and read which topics, as files of Mosquitto and NATS.

Everybody gets exactly the topics of the house's protocol: a gate its own, the centre all, a site's bridge those of its
site. Names in these files are ids of gates and numbers of sites, which hold no sign that means anything to a broker.

Revocation works twice on Mosquitto, by its list and because the name is not in the access file unless another
certificate of that gate is good; on NATS, which reads no such lists, each user is one key, not one name.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from controller.certificates import CENTRE
from sync.messages import MESSAGE_BYTES_MAX
from sync.topics import ALL_UP, CENTRE_STATE, PREFIX, down, peers, site_bundle, up

HEAD: Final = "# Written by: postern-controller broker rules. Changes here are lost.\n"
QUEUED_MAX: Final = 1000  # written down: what it is when nothing is said was another in each release
KEEPALIVE_S: Final = 15
ACCESS, AUTHORITY, REVOKED, CERTIFICATE, KEY = "acl", "ca.crt", "revoked.pem", "broker.crt", "broker.pem"
BRIDGE_CERTIFICATE, BRIDGE_KEY = "bridge.crt", "bridge.pem"


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """One certificate that is good: whose it is, and the name of its key that it carries."""

    site: int
    gate: str
    uri: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Topics:
    """The topic filters that one party may write to and read from."""

    write: tuple[str, ...]
    read: tuple[str, ...]


def bridge_name(site: int) -> str:
    """The common name of the broker of a site, as the centre's broker sees it."""
    return f"site-{site}"


def site_link(site: int) -> str:
    """The retained topic on which the centre's broker tells whether a site's broker is connected: 1 or 0."""
    return f"{PREFIX}/site/{site}/link"


def of_gate(site: int, gate: str) -> Topics:
    """What a gate says and hears; the news among the gates of its site stay at that site's broker."""
    among = (peers(site, "+"),)
    return Topics(
        write=(up(site, gate, "+"), *among),
        read=(down(site, gate, "+"), site_bundle(site), CENTRE_STATE, *among),
    )


def of_centre() -> Topics:
    """What the centre says and hears."""
    return Topics(write=(f"{PREFIX}/dn/#",), read=(ALL_UP, f"{PREFIX}/site/#"))


def of_bridge(site: int) -> Topics:
    """What a site's broker carries to the centre's and back."""
    return Topics(
        write=(f"{PREFIX}/up/{site}/#", site_link(site)), read=(f"{PREFIX}/dn/{site}/#", f"{PREFIX}/dn/all/#")
    )


def mosquitto_access(parties: Iterable[Party], *, bridges: Iterable[int] = (), centre: bool = True) -> str:
    """Mosquitto's access file: who is not in it may do nothing.

    Args:
        parties: The gates.
        bridges: Sites whose own brokers connect here.
        centre: Whether the centre connects here; on a site's own broker its words come by the bridge.
    """
    users = {gate: of_gate(site, gate) for site, gate in sorted({(one.site, one.gate) for one in parties})}
    users |= {bridge_name(site): of_bridge(site) for site in sorted(set(bridges))}
    if centre:
        users[CENTRE] = of_centre()
    blocks = []
    for user, topics in users.items():
        lines = [f"user {user}"]
        lines += [f"topic write {topic}" for topic in topics.write]
        lines += [f"topic read {topic}" for topic in topics.read]
        blocks.append("\n".join(lines) + "\n")
    return HEAD + "\n".join(["", *blocks])


def mosquitto_config(folder: PurePosixPath, *, port: int) -> str:
    """Mosquitto's own file: one port, TLS, certificates from both sides, nothing kept.

    Args:
        folder: Where the files lie on the broker's machine.
        port: The only port.
    """
    return (
        f"{HEAD}"
        f"listener {port}\n"
        f"cafile {folder / AUTHORITY}\n"
        f"certfile {folder / CERTIFICATE}\n"
        f"keyfile {folder / KEY}\n"
        f"crlfile {folder / REVOKED}\n"
        "tls_version tlsv1.2\n"
        "require_certificate true\n"
        "use_identity_as_username true\n"
        "use_username_as_clientid true\n"  # or any gate could take another's id, and throw it off
        "allow_anonymous false\n"
        f"acl_file {folder / ACCESS}\n"
        "set_tcp_nodelay true\n"
        "persistence false\n"
        f"max_queued_messages {QUEUED_MAX}\n"
        f"max_packet_size {MESSAGE_BYTES_MAX}\n"
        "log_type error\n"
        "log_type warning\n"
        "log_type notice\n"
    )


def mosquitto_bridge(folder: PurePosixPath, *, site: int, host: str, port: int) -> str:
    """The bridge of a site's broker to the centre's: one way for each topic, so that nothing goes in circles."""
    return (
        f"\nconnection {bridge_name(site)}\n"
        f"address {host}:{port}\n"
        "bridge_protocol_version mqttv50\n"
        f"bridge_cafile {folder / AUTHORITY}\n"
        f"bridge_certfile {folder / BRIDGE_CERTIFICATE}\n"
        f"bridge_keyfile {folder / BRIDGE_KEY}\n"
        "bridge_insecure false\n"
        "bridge_tls_version tlsv1.2\n"
        f"remote_clientid {bridge_name(site)}\n"
        "cleansession true\n"
        "try_private true\n"
        "restart_timeout 1 30\n"
        f"keepalive_interval {KEEPALIVE_S}\n"
        "notifications true\n"
        f"notification_topic {site_link(site)}\n"
        f"topic {PREFIX}/up/{site}/# out 1\n"
        f"topic {PREFIX}/dn/{site}/# in 1\n"
        f"topic {PREFIX}/dn/all/# in 1\n"
    )


def nats_mqtt(folder: PurePosixPath, *, port: int) -> str:
    """The block of a NATS server's file that opens the MQTT port; JetStream and cluster are the house's own."""
    return (
        f"{HEAD}"
        "mqtt {\n"
        f"  port: {port}\n"
        "  tls {\n"
        f'    ca_file: "{folder / AUTHORITY}"\n'
        f'    cert_file: "{folder / CERTIFICATE}"\n'
        f'    key_file: "{folder / KEY}"\n'
        "    verify_and_map: true\n"
        "  }\n"
        "}\n"
    )


def nats_users(parties: Iterable[Party], *, centre_uri: str) -> str:
    """The users of a NATS server, each by the name of its key that its certificate carries."""
    users = [(one.uri, of_gate(one.site, one.gate)) for one in sorted(parties, key=lambda one: one.uri)]
    users.append((centre_uri, of_centre()))
    lines = [f"{HEAD}authorization {{", "  users: ["]
    for uri, topics in users:
        write = ", ".join(f'"{subject}"' for topic in topics.write for subject in _subjects(topic))
        read = ", ".join(f'"{subject}"' for topic in topics.read for subject in _subjects(topic))
        lines += [
            f'    {{ user: "{uri}", permissions: {{',
            f"        publish: {{ allow: [{write}] }}",
            f'        subscribe: {{ allow: [{read}, "$MQTT.sub.>"] }}',
            "    } }",
        ]
    return "\n".join([*lines, "  ]", "}", ""])


def _subjects(topic: str) -> tuple[str, ...]:
    """A topic filter in NATS's words; one that ends with # also means the level above."""
    dotted = topic.replace("/", ".").replace("+", "*")
    return (dotted[: -len(".#")], f"{dotted[:-1]}>") if dotted.endswith(".#") else (dotted,)
