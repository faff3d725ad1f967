"""The rules that the centre writes, in force on a cluster of three NATS servers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sync.topics import CENTRE_STATE, down, peers, site_bundle, up
from tests.house import House, Program, TlsClient, nats_of, refusal, started
from tests.waiting import until

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, list[Program], list[int]]]:
    house = House(tmp_path_factory.mktemp("nats") / "house", sites=(7, 8))
    for name, site in (("south", 7), ("north", 7), ("west", 8)):
        house.gate(name, site)
    old = house.gate("south", box="-old")
    house.revoke(old)
    nodes, ports = nats_of(house)
    with started(*nodes):
        yield house, nodes, ports


def test_m1_on_nats_a_gate_writes_as_itself_and_as_nobody_else(
    cluster: tuple[House, list[Program], list[int]],
) -> None:
    house, _, ports = cluster
    end = up(7, "south", "end")
    with TlsClient(ports[0], house.centre(), "postern/1/up/#") as centre:
        for topic in (
            up(7, "north", "ev"),
            up(8, "south", "ev"),
            down(7, "south", "cmd"),
            CENTRE_STATE,
            "other",
        ):
            forger = TlsClient(ports[1], house.files("south"))
            try:
                forger.publish(topic, b"forged")
            except (RuntimeError, ValueError):
                pass  # the server ends the connection
            finally:
                forger.close()
        with TlsClient(ports[1], house.files("south")) as south:
            south.publish(up(7, "south", "ev"), b"true")
            south.publish(end, b"")
            until(lambda: (end, b"") in centre.messages, within_s=20)
        assert centre.messages == [(up(7, "south", "ev"), b"true"), (end, b"")]


def test_m2_on_nats_a_gate_hears_what_is_its_own(cluster: tuple[House, list[Program], list[int]]) -> None:
    house, _, ports = cluster
    mine = [down(7, "south", "ack"), site_bundle(7), CENTRE_STATE, peers(7, "pass")]
    with (
        TlsClient(ports[0], house.centre()) as centre,
        TlsClient(ports[2], house.files("north")) as north,
        TlsClient(ports[1], house.files("south"), *mine) as south,
    ):
        north.publish(peers(7, "pass"), b"x")
        for topic in mine[:3]:
            centre.publish(topic, b"x")
        until(lambda: len(south.messages) == len(mine), within_s=20)
        assert {topic for topic, _ in south.messages} == set(mine)
    for topic in (down(7, "north", "cmd"), up(7, "north", "ev"), "#"):
        spy = TlsClient(ports[1], house.files("south"))
        spy.subscribe(topic)
        assert spy.granted in ([], [False]), topic
        spy.close()


def test_m3_on_nats_no_foreign_and_no_revoked_certificate_comes_in(
    cluster: tuple[House, list[Program], list[int]], tmp_path: Path
) -> None:
    house, _, ports = cluster
    foreign = House(tmp_path / "foreign").gate("south")
    mixed = type(foreign)(ca=house.ca.path, certificate=foreign.certificate, key=foreign.key)
    tried = (mixed, house.files("south-old"), house.files("south"))
    assert [refusal(ports[0], one) is None for one in tried] == [False, False, True]
