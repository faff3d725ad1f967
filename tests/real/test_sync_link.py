"""The link over real brokers: how it connects, what it survives, and what it says when it ends."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from shell.broker_url import BrokerUrlError, parse_broker_url
from shell.clock import SystemClock
from sync.broker import EmbeddedBroker, mosquitto_config
from sync.link import LinkSettings, Message, MqttLink
from sync.mailbox import Item, LinkDown, LinkUp, Mailbox, Received
from tests.brokers import KINDS, PlainClient, nodelay_of_accepted_sockets, port_of, running_broker
from tests.waiting import until

pytestmark = pytest.mark.real
NEWS = "t/news"


@pytest.fixture(scope="module", params=KINDS)
def broker(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EmbeddedBroker]:
    with running_broker(request.param, tmp_path_factory.mktemp("broker")) as running:
        yield running


class Post:
    """A link and everything that came out of its mailbox."""

    def __init__(self, url: str, *, mailbox: Mailbox | None = None, keepalive_s: int = 15) -> None:
        self.mailbox = mailbox or Mailbox()
        self.items: list[Item] = []
        self.link = MqttLink(
            LinkSettings(url=url, client_id=f"link-{id(self):x}", keepalive_s=keepalive_s, retry_max_s=0.3),
            subscriptions=["t/#"],
            will=lambda birth: Message(topic="w/state", payload=f"lost {birth}".encode(), retain=True),
            mailbox=self.mailbox,
            clock=SystemClock(),
            rng=Random(7),
        )

    def look(self) -> list[Item]:
        self.items.extend(self.mailbox.take(0.0))
        return self.items

    def ups(self) -> list[LinkUp]:
        return [item for item in self.look() if isinstance(item, LinkUp)]

    def payloads(self) -> list[bytes]:
        return [item.payload for item in self.look() if isinstance(item, Received)]

    def __enter__(self) -> "Post":
        self.link.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.link.close()


def test_it_speaks_mqtt_5_where_it_can_and_falls_back_where_it_must(broker: EmbeddedBroker) -> None:
    with Post(broker.url) as post:
        news = until(post.ups)
    assert [up.protocol for up in news] == ["5" if broker.kind == "mosquitto" else "3.1.1"]


def test_nagle_is_off_on_both_ends(broker: EmbeddedBroker) -> None:
    with Post(broker.url) as post:
        until(post.ups)
        assert post.link.socket_option(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        assert post.link.socket_option(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 20_000
        assert broker.pid is not None
        accepted = nodelay_of_accepted_sockets(broker.pid, port_of(broker))
    if accepted is None:  # the kernel forbids the look: then at least what was asked for
        assert "set_tcp_nodelay true\n" in mosquitto_config(1883)
    else:
        assert set(accepted) == {1}


def test_messages_go_both_ways_and_nothing_is_published_before_it_is_up(broker: EmbeddedBroker) -> None:
    post = Post(broker.url)
    assert not post.link.publish(Message(topic=NEWS, payload=b"too early"))
    with post, PlainClient(port_of(broker), "o/#") as outside:
        until(post.ups)
        assert post.link.publish(Message(topic="o/1", payload=b"out"))
        outside.publish(NEWS, b"in")
        until(lambda: outside.messages and post.payloads())
        assert outside.messages == [("o/1", b"out", False)]
        assert post.payloads() == [b"in"]
    assert not post.link.publish(Message(topic=NEWS, payload=b"too late"))


def test_an_exception_while_a_message_is_taken_does_not_stop_reception(broker: EmbeddedBroker) -> None:
    class Stumbling(Mailbox):
        stumbles = 0

        def put(self, message: Received) -> bool:
            if message.payload == b"stumble":
                self.stumbles += 1
                raise RuntimeError("stumbled")
            return super().put(message)

    mailbox = Stumbling()
    with Post(broker.url, mailbox=mailbox) as post, PlainClient(port_of(broker)) as outside:
        until(post.ups)
        for payload in (b"stumble", b"one", b"stumble", b"two"):
            outside.publish(NEWS, payload)
        until(lambda: len(post.payloads()) == 2)
        assert (post.payloads(), mailbox.stumbles, len(post.ups())) == ([b"one", b"two"], 2, 1)


def test_a_rebuilt_link_is_up_again_with_a_higher_birth_and_its_will_was_sent(broker: EmbeddedBroker) -> None:
    with Post(broker.url) as post, PlainClient(port_of(broker), "w/#") as outside:
        first = until(post.ups)[0]
        post.link.rebuild()
        until(lambda: len(post.ups()) == 2)
        until(lambda: f"lost {first.birth}".encode() in [payload for _, payload, _ in outside.messages])
        assert post.ups()[1].birth > first.birth
        assert [item.why for item in post.look() if isinstance(item, LinkDown)] == ["rebuilt on request"]


def test_an_ordered_end_leaves_the_farewell_and_not_the_will(broker: EmbeddedBroker) -> None:
    post = Post(broker.url)
    post.link.start()
    until(post.ups)
    post.link.close(Message(topic="w/state", payload=b"stopping", retain=True))
    with PlainClient(port_of(broker), "w/#") as outside:
        until(lambda: outside.messages)
        assert outside.messages[0][1] == b"stopping"


def test_a_full_mailbox_drops_the_newest_and_counts_it(broker: EmbeddedBroker) -> None:
    mailbox = Mailbox(messages_max=2)
    with Post(broker.url, mailbox=mailbox) as post, PlainClient(port_of(broker)) as outside:
        until(post.ups)
        for number in range(5):
            outside.publish(NEWS, str(number).encode())
        until(lambda: mailbox.dropped == 3)
        assert post.payloads() == [b"0", b"1"]


def test_a_broker_that_comes_late_is_found(tmp_path: Path) -> None:
    with running_broker("amqtt", tmp_path) as broker:
        port, url = port_of(broker), broker.url
    with Post(url) as post:
        late = EmbeddedBroker(port, tmp_path, prefer="amqtt")
        assert post.ups() == []
        late.start()
        try:
            until(post.ups, what="the link finding the late broker")
        finally:
            late.stop()


def test_a_silent_broker_is_left_and_an_idle_link_to_a_good_one_is_kept(broker: EmbeddedBroker) -> None:
    silent = socket.create_server(("127.0.0.1", 0))
    done = threading.Event()

    def accept_and_fall_silent() -> None:
        with silent:
            first, _ = silent.accept()
            with first:
                first.recv(1024)
                first.sendall(bytes.fromhex("2003000000"))  # CONNACK, MQTT 5
                first.recv(1024)
                first.sendall(bytes.fromhex("900400010001"))  # SUBACK for packet 1, QoS 1
                done.wait(20)

    server = threading.Thread(target=accept_and_fall_silent)
    server.start()
    with (
        Post(f"mqtt://127.0.0.1:{silent.getsockname()[1]}", keepalive_s=1) as left,
        Post(broker.url, keepalive_s=1) as kept,
    ):
        until(lambda: left.ups() and kept.ups())
        until(lambda: [item for item in left.look() if isinstance(item, LinkDown)], what="leaving it")
        done.set()
        pause = threading.Event()
        pause.wait(1.2)  # together more than three keepalives without a message
        assert kept.link.connected
        assert [type(item) for item in kept.look()] == [LinkUp]
    server.join()


@pytest.mark.parametrize(
    "url",
    [
        *("", "mqtt://", "mqtts://", "http://x", "mqtt://u:p@x", "mqtts://x:99999", "mqtts://x/1", "x:1883"),
        *("mqtt://broker.example", "mqtt://192.0.2.7:1883", "mqtt://0.0.0.0:1883", "mqtt://[2001:db8::1]:1"),
    ],
)
def test_a_wrong_address_is_refused_with_the_right_form(url: str) -> None:
    with pytest.raises(BrokerUrlError, match="mqtts://host:port"):
        parse_broker_url(url)


def test_a_right_address_is_taken_apart() -> None:
    assert parse_broker_url("mqtt://127.0.0.1:18830") == ("127.0.0.1", 18830, False)
    assert parse_broker_url("mqtt://[::1]") == ("::1", 1883, False)
    assert parse_broker_url("mqtts://broker.example") == ("broker.example", 8883, True)
