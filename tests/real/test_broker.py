"""The embedded broker as a process: it comes back, it goes with its parent, and it says why it cannot listen."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from shell.broker_url import BrokerUrlError, is_loopback
from sync.broker import (
    BrokerPortTakenError,
    EmbeddedBroker,
    ExternalBroker,
    accepts_clients,
    choose_broker,
    find_mosquitto,
    port_is_free,
)
from sync.broker_amqtt import EXIT_UNSAFE
from tests.brokers import KINDS, BrokerKind, PlainClient, free_port, port_of, require, running_broker
from tests.waiting import until

pytestmark = pytest.mark.real
PARENT = """
import sys, threading
from pathlib import Path
from sync.broker import EmbeddedBroker
broker = EmbeddedBroker(int(sys.argv[1]), Path(sys.argv[2]), prefer=sys.argv[3])
broker.start()
broker.wait_ready(15)
print("ready", flush=True)
threading.Event().wait()
"""


@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_broker_is_started_again_and_a_stopped_one_is_gone(kind: BrokerKind, tmp_path: Path) -> None:
    with running_broker(kind, tmp_path) as broker:
        before = broker.pid
        assert before is not None
        assert broker.kind == kind
        os.kill(before, signal.SIGKILL)
        until(lambda: broker.pid not in {None, before} and accepts_clients(port_of(broker)))
        assert broker.restarts == 1
    assert broker.pid is None
    assert port_is_free(port_of(broker))


@pytest.mark.parametrize("kind", KINDS)
def test_a_broker_ends_when_its_parent_is_killed(kind: BrokerKind, tmp_path: Path) -> None:
    require(kind)
    port = free_port()
    argv = [sys.executable, "-c", PARENT, str(port), str(tmp_path), kind]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"ready\n"
        assert accepts_clients(port)
        parent.kill()
    until(lambda: port_is_free(port), what="the orphaned broker going")


def test_a_taken_port_is_named_with_the_setting_that_changes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sync.broker.PORT_FREE_WITHIN_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(BrokerPortTakenError, match=rf"Port {port} .*\[broker\] port"):
            EmbeddedBroker(port, tmp_path).start()


@pytest.mark.parametrize("host", ["192.168.1.5", "::", "example.org", "127.0.0.1.example.org"])
def test_what_others_can_reach_is_not_loopback(host: str) -> None:
    assert not is_loopback(host)
    assert is_loopback("127.0.0.1")


def test_amqtt_refuses_to_listen_beyond_this_machine() -> None:
    host = "0.0.0.0"
    done = subprocess.run(
        [sys.executable, "-m", "sync.broker_amqtt", "--host", host, "--port", "1"],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    assert done.returncode == EXIT_UNSAFE
    assert f"does not listen on {host}" in done.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_a_client_gets_retained_messages_only_of_what_it_subscribed(kind: BrokerKind, tmp_path: Path) -> None:
    with running_broker(kind, tmp_path) as broker:
        port = port_of(broker)
        with PlainClient(port, "secret/#") as first:
            first.publish("secret/1", b"s", retain=True)
            first.publish("open/1", b"o", retain=True)
            with PlainClient(port, "open/#") as second, PlainClient(port, "secret/#") as third:
                until(lambda: second.messages and third.messages)
                assert second.messages == [("open/1", b"o", True)]
                assert third.messages == [("secret/1", b"s", True)]


def test_auto_is_a_child_and_an_address_is_somebody_elses(tmp_path: Path) -> None:
    child = choose_broker("auto", port=18830, data_dir=tmp_path)
    assert isinstance(child, EmbeddedBroker)
    assert (child.url, child.kind) == (
        "mqtt://127.0.0.1:18830",
        "mosquitto" if find_mosquitto() else "amqtt",
    )
    other = choose_broker("mqtts://broker.example:8883", port=18830, data_dir=tmp_path)
    assert isinstance(other, ExternalBroker)
    assert (other.url, other.kind) == ("mqtts://broker.example:8883", "external")
    with pytest.raises(BrokerUrlError):
        choose_broker("broker.example", port=18830, data_dir=tmp_path)


def test_garbage_sent_to_the_embedded_broker_ends_that_connection_only(tmp_path: Path) -> None:
    with running_broker("amqtt", tmp_path) as broker:
        for garbage in (b"", b"GET / HTTP/1.1\r\n\r\n", b"\x10\xff\xff\xff\xff\xff", b"\x10\x04\x00\x00\x09"):
            with socket.create_connection(("127.0.0.1", port_of(broker)), 5) as probe:
                probe.sendall(garbage)
                probe.shutdown(socket.SHUT_WR)
                while probe.recv(100):
                    pass
        assert accepts_clients(port_of(broker))
        assert broker.restarts == 0
        assert broker.log_path.read_text(encoding="utf-8") == ""
