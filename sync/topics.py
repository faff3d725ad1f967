"""Topic names under ``postern/1/``: direction first, so that access rules and bridges are one line each."""

from typing import Final, NamedTuple

PREFIX: Final = "postern/1"
CENTRE_STATE: Final = f"{PREFIX}/dn/all/state"
ALL_UP: Final = f"{PREFIX}/up/#"


class GateTopic(NamedTuple):
    """The parts of a topic that a gate publishes on."""

    site: int
    gate: str
    leaf: str


def up(site: int, gate: str, leaf: str) -> str:
    """A topic from a gate to the centre; ``leaf`` is ev, hello, state, health or res."""
    return f"{PREFIX}/up/{site}/{gate}/{leaf}"


def down(site: int, gate: str, leaf: str) -> str:
    """A topic from the centre to one gate; ``leaf`` is ack, cmd or cfg."""
    return f"{PREFIX}/dn/{site}/{gate}/{leaf}"


def site_bundle(site: int) -> str:
    """The retained topic of a site's bundle."""
    return f"{PREFIX}/dn/{site}/all/bundle"


def peers(site: int, leaf: str) -> str:
    """A topic among the gates of one site; ``leaf`` is pass or sync. It stays at the site's broker."""
    return f"{PREFIX}/peer/{site}/{leaf}"


def peer_topics(site: int) -> tuple[str, str]:
    """Both topics among the gates of one site."""
    return peers(site, "pass"), peers(site, "sync")


def parse_up(topic: str) -> GateTopic | None:
    """The parts of an ``up`` topic, or None when the text is not one."""
    parts = topic.split("/")
    if len(parts) != 6 or parts[:3] != [*PREFIX.split("/"), "up"] or not parts[3].isascii():
        return None
    if not parts[3].isdecimal() or len(parts[3]) > 9:
        return None
    return GateTopic(site=int(parts[3]), gate=parts[4], leaf=parts[5])
