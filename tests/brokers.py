"""Real brokers for tests, each on a free loopback port, and a plain MQTT client to look at them from outside."""

import ctypes
import os
import socket
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from sync.broker import EmbeddedBroker, find_mosquitto
from tests.waiting import until

BrokerKind = Literal["mosquitto", "amqtt"]
KINDS: tuple[BrokerKind, ...] = ("mosquitto", "amqtt")
PIDFD_GETFD = 438  # x86_64 and arm64 alike


def free_port() -> int:
    """A loopback port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def require(kind: BrokerKind) -> None:
    """Skip, with the reason, when a broker is not installed; in CI that is a failure."""
    if kind == "mosquitto" and find_mosquitto() is None:
        assert "CI" not in os.environ, (
            "mosquitto is not installed, and CI has to try it (apt install mosquitto)"
        )
        pytest.skip("mosquitto is not installed (apt install mosquitto)")


@contextmanager
def running_broker(kind: BrokerKind, data_dir: Path) -> Iterator[EmbeddedBroker]:
    """An embedded broker that accepts clients."""
    require(kind)
    broker = EmbeddedBroker(free_port(), data_dir, prefer=kind)
    broker.start()
    try:
        broker.wait_ready(15.0)
        yield broker
    finally:
        broker.stop()


def port_of(broker: EmbeddedBroker) -> int:
    return int(broker.url.rpartition(":")[2])


class PlainClient:
    """A client without any of our code in it, at MQTT 3.1.1."""

    def __init__(self, port: int, *subscriptions: str, client_id: str = "") -> None:
        self.messages: list[tuple[str, bytes, bool]] = []
        self._subscribed = threading.Event()
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=client_id, protocol=MQTTProtocolVersion.MQTTv311
        )
        self._client.on_message = lambda _c, _u, message: self.messages.append(
            (message.topic, bytes(message.payload), message.retain)
        )
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_socket_open = self._tune
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        until(self._client.is_connected, what="the plain client's connection")
        if subscriptions:
            self._client.subscribe([(topic, 1) for topic in subscriptions])
            assert self._subscribed.wait(5)

    @staticmethod
    def _tune(_client: paho.Client, _userdata: object, sock: Any) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        self._client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(5)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        self._client.on_message = self._client.on_subscribe = self._client.on_socket_open = None

    def __enter__(self) -> "PlainClient":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


def nodelay_of_accepted_sockets(pid: int, port: int) -> list[int] | None:
    """TCP_NODELAY of the sockets that a broker process accepted; None where the kernel does not let us look."""
    libc = ctypes.CDLL(None, use_errno=True)
    process = os.pidfd_open(pid)
    values = []
    try:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            copy = libc.syscall(PIDFD_GETFD, process, int(entry.name), 0)
            if copy < 0:
                return None
            if not stat.S_ISSOCK(os.fstat(copy).st_mode):
                os.close(copy)
                continue
            with socket.socket(fileno=copy) as sock:
                if sock.family == socket.AF_INET and sock.getsockname()[1] == port and _is_connected(sock):
                    values.append(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
    finally:
        os.close(process)
    return values


def _is_connected(sock: socket.socket) -> bool:
    try:
        sock.getpeername()
    except OSError:
        return False
    return True
