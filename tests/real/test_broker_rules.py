"""The rules that the centre writes, in force on a real Mosquitto: who may come in, say what and hear what."""

import ssl
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from controller.broker_rules import bridge_name
from controller.certificates import CENTRE
from sync.broker import accepts_clients
from sync.tls import PinnedContext
from sync.topics import CENTRE_STATE, down, peers, site_bundle, up
from tests.brokers import free_port
from tests.house import House, TlsClient, listens, mosquitto_of, refusal, rewrite, site_broker, started
from tests.waiting import until

pytestmark = pytest.mark.real
END = "postern/1/up/7/south/end"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    return House(tmp_path_factory.mktemp("house"), sites=(7, 8))


@pytest.fixture(scope="module")
def port(house: House) -> Iterator[int]:
    port = free_port()
    for name, site in (("south", 7), ("north", 7), ("west", 8)):
        house.gate(name, site)
    with started(mosquitto_of(house, "broker", port)):
        yield port


def test_m1_a_gate_writes_as_itself_and_as_nobody_else(house: House, port: int) -> None:
    with (
        TlsClient(port, house.centre(), "postern/1/#") as centre,
        TlsClient(port, house.files("south")) as south,
    ):
        for topic in (
            up(7, "north", "ev"),
            up(8, "south", "ev"),
            up(8, "west", "ev"),
            down(7, "south", "cmd"),
            down(7, "north", "cmd"),
            site_bundle(7),
            CENTRE_STATE,
            peers(8, "pass"),
            "postern/1/site/7/link",
            "postern/1/up/7/south",
            "other",
            "$SYS/broker/uptime",
        ):
            south.publish(topic, b"forged")
        south.publish(up(7, "south", "ev"), b"true")
        south.publish(END, b"")
        until(lambda: (END, b"") in centre.messages)
        assert centre.messages == [(up(7, "south", "ev"), b"true"), (END, b"")]


def test_m2_whoever_subscribes_to_everything_hears_what_is_his(house: House, port: int) -> None:
    with (
        TlsClient(port, house.centre()) as centre,
        TlsClient(
            port, house.files("south"), "#", "$SYS/#", "postern/1/dn/+/+/#", up(7, "north", "ev")
        ) as south,
        TlsClient(port, house.files("north"), peers(7, "pass")) as north,
        TlsClient(port, house.files("west"), "#") as west,
    ):
        mine = [down(7, "south", "ack"), down(7, "south", "cmd"), site_bundle(7), CENTRE_STATE]
        for topic in (down(7, "north", "cmd"), down(8, "west", "cmd"), site_bundle(8), *mine):
            centre.publish(topic, topic.encode())
        north.publish(up(7, "north", "ev"), b"north's own")
        north.publish(peers(7, "pass"), b"for the site")
        north.publish(peers(7, "pass"), b"end")
        until(lambda: (peers(7, "pass"), b"end") in south.messages)
        heard = set(south.messages)
        expected = {(topic, topic.encode()) for topic in mine}
        assert heard == expected | {(peers(7, "pass"), b"for the site"), (peers(7, "pass"), b"end")}
        until(lambda: len(north.messages) == 2)
        others = [down(8, "west", "cmd"), site_bundle(8), CENTRE_STATE]
        until(lambda: len(set(west.messages)) == len(others))
        assert {topic for topic, _ in west.messages} == set(others)


def test_m1_nobody_throws_another_off_by_calling_himself_by_its_id(house: House, port: int) -> None:
    own = down(7, "south", "ack")
    with (
        TlsClient(port, house.centre(), "postern/1/#", client_id=CENTRE) as centre,
        TlsClient(port, house.files("south"), own, client_id="south") as south,
    ):
        for id_ in ("south", CENTRE, bridge_name(7)):
            with TlsClient(port, house.files("north"), client_id=id_) as north:
                north.publish(up(7, "north", "ev"), id_.encode())
        until(lambda: len(centre.messages) == 3)
        centre.publish(own, b"still there")
        until(lambda: (own, b"still there") in south.messages)
        assert (centre.lost, south.lost) == (False, False)
        with TlsClient(port, house.files("south"), client_id="any"):
            until(lambda: south.lost, what="the end of the older connection with the same certificate")
        assert not centre.lost


def without_certificate(house: House) -> PinnedContext:
    context = PinnedContext(ssl.PROTOCOL_TLS_CLIENT)
    context.server_name = "localhost"
    context.load_verify_locations(house.ca.path)
    return context


def by_openssl(folder: Path, house: House) -> PinnedContext:
    """A certificate for south that somebody signed by himself, made by another program than ours."""
    folder.mkdir()
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-keyout", str(folder / "k"), "-out", str(folder / "c"), "-subj", "/CN=south", "-days", "9"]
    subprocess.run(command, check=True, capture_output=True)
    context = without_certificate(house)
    context.load_cert_chain(folder / "c", folder / "k")
    return context


def test_m3_no_foreign_expired_or_not_yet_valid_certificate_comes_in(
    house: House, port: int, tmp_path: Path
) -> None:
    foreign = House(tmp_path / "foreign").gate("south")
    mixed = type(foreign)(ca=house.ca.path, certificate=foreign.certificate, key=foreign.key)
    assert refusal(port, without_certificate(house)) is not None
    assert refusal(port, mixed) is not None
    assert refusal(port, by_openssl(tmp_path / "own", house)) is not None
    assert refusal(port, house.gate("south", now=house.now - timedelta(days=400), box="-expired")) is not None
    assert refusal(port, house.gate("south", now=house.now + timedelta(days=2), box="-early")) is not None
    assert refusal(port, foreign) is not None  # nor do we believe a broker whose authority is not ours
    assert refusal(port, house.files("south")) is None


def test_m3_a_revoked_certificate_is_out_and_the_new_box_of_that_gate_is_in(tmp_path: Path) -> None:
    house, port = House(tmp_path / "house"), free_port()
    old, other = house.gate("south"), house.gate("north")
    broker = mosquitto_of(house, "broker", port)
    with started(broker):
        assert [refusal(port, one) for one in (old, other)] == [None, None]
        new = house.gate("south", box="-spare")
        house.revoke(old)
        rewrite(house, "broker", port)
        broker.restart()
        broker.wait_ready()
        assert [refusal(port, one) is None for one in (old, new, other)] == [False, True, True]
        house.revoke(new)
        rewrite(house, "broker", port)
        broker.restart()
        broker.wait_ready()
        assert [refusal(port, one) is None for one in (new, other)] == [False, True]


def test_m9_only_the_port_with_tls_listens_and_not_in_plain_or_old_words(house: House, port: int) -> None:
    config = (house.folder / "broker" / "mosquitto.conf").read_text()
    assert [line for line in config.splitlines() if line.startswith("listener")] == [f"listener {port}"]
    assert not listens(1883)
    assert not accepts_clients(port)
    old = without_certificate(house)
    old.load_cert_chain(house.files("south").certificate, house.files("south").key)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    assert refusal(port, old) is None
    with pytest.warns(DeprecationWarning):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    assert refusal(port, old) is not None


def test_a_sites_own_broker_carries_its_own_topics_both_ways_and_no_other(tmp_path: Path) -> None:
    house, above, below = House(tmp_path / "house", sites=(7, 8)), free_port(), free_port()
    south = house.gate("south")
    house.gate("west", 8)
    centre_broker = mosquitto_of(house, "centre", above)
    own = mosquitto_of(house, "site", below, site_broker(above))
    with (
        started(centre_broker, own),
        TlsClient(above, house.centre(), "postern/1/up/#", "postern/1/site/#") as centre,
        TlsClient(below, south, "#") as gate,
    ):
        link = ("postern/1/site/7/link", b"1")
        until(lambda: link in centre.messages, what="word that the site is connected")
        gate.publish(up(7, "south", "ev"), b"up")
        gate.publish(peers(7, "pass"), b"stays")
        gate.publish(up(7, "south", "end"), b"")
        until(lambda: (END, b"") in centre.messages)
        assert [one for one in centre.messages if one != link] == [(up(7, "south", "ev"), b"up"), (END, b"")]
        for topic in (down(8, "west", "cmd"), site_bundle(7), down(7, "south", "cmd"), CENTRE_STATE):
            centre.publish(topic, b"down")
        until(lambda: (CENTRE_STATE, b"down") in gate.messages)
        assert {topic for topic, _ in gate.messages} == {
            site_bundle(7),
            down(7, "south", "cmd"),
            CENTRE_STATE,
            peers(7, "pass"),
        }
        own.kill()
        until(lambda: ("postern/1/site/7/link", b"0") in centre.messages, what="word that the site is gone")
