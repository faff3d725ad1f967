"""Modbus TCP boards against pymodbus's server, and against a peer that goes away or stays silent."""

import asyncio
import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from drivers.bus import Bus
from drivers.devices.modbus_tcp import NetworkAddressError, modbus_tcp, tcp_port
from drivers.devices.modbus_tcp_port import TcpPort
from drivers.model import AnyEvent, Done, Grade, InputEdge, Line, Pulse, TimedOut
from drivers.port import PortError, PortLostError, PortMissingError
from tests.waiting import until

pytestmark = pytest.mark.real


class Server:
    """pymodbus's server in a thread: eight coils, eight inputs, unit 1."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._server: Any = None  # parts of it are untyped
        self.port = 0
        self.seen: list[bytes] = []
        self._thread = threading.Thread(target=self._run, name="pymodbus-server")
        self._thread.start()
        until(lambda: self.port, what="the server")

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        device = SimDevice(
            id=1,
            simdata=(
                [SimData(0, values=[False] * 16, datatype=DataType.BITS)],
                [SimData(0, values=[False, True] + [False] * 14, datatype=DataType.BITS)],
                [SimData(0x1000, values=[0] * 8, datatype=DataType.REGISTERS)],
                [SimData(0, values=[0], datatype=DataType.REGISTERS)],
            ),
        )
        self._server = ModbusTcpServer(device, address=("127.0.0.1", 0), trace_packet=self._trace)
        await self._server.listen()
        self.port = self._server.transport.sockets[0].getsockname()[1]
        with contextlib.suppress(asyncio.CancelledError):
            await self._server.serving

    def _trace(self, sending: bool, data: bytes) -> bytes:
        if not sending:
            self.seen.append(data)
        return data

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._server.shutdown(), self._loop).result(5)
        self._thread.join(5)
        assert not self._thread.is_alive()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


class Heard:
    """A started bus on a network board, and its events."""

    def __init__(self, profile: str, port: int) -> None:
        self.events: list[AnyEvent] = []
        self.bus = Bus(
            "board",
            tcp_port(f"tcp://127.0.0.1:{port}"),
            modbus_tcp(profile),
            lambda _, event: self.take(event),
        )
        self.bus.start()

    def take(self, event: AnyEvent) -> None:
        self.events.append(event)

    def wait(self, test: Callable[[AnyEvent], bool], what: str) -> AnyEvent:
        found = until(lambda: [event for event in list(self.events) if test(event)], what=what, within_s=6)
        return found[0]

    def wait_line(self, *, up: bool, count: int = 1) -> None:
        until(
            lambda: sum(isinstance(one, Line) and one.up is up for one in list(self.events)) >= count,
            what=f"the line being {'up' if up else 'down'}",
            within_s=6,
        )


@pytest.fixture
def hear() -> Iterator[Callable[[str, int], Heard]]:
    with contextlib.ExitStack() as stack:

        def start(profile: str, port: int) -> Heard:
            heard = Heard(profile, port)
            stack.callback(heard.bus.close)
            return heard

        yield start


@pytest.fixture
def peer() -> Iterator[socket.socket]:
    """A listening socket on which the test itself plays the board."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(5)
        yield listener


def test_a_pulse_moves_a_coil_of_an_independent_server_once_and_is_read_back(
    server: Server, hear: Callable[[str, int], Heard]
) -> None:
    board = hear("kmtronic-modbus-8", server.port)
    board.wait_line(up=True)
    board.bus.submit(Pulse(channel=3, ms=300, id="a", issued_s=time.monotonic()))
    done = board.wait(lambda event: isinstance(event, Done), "the end of the pulse")
    assert done == Done(id="a", grade=Grade.CONFIRMED)
    closing = [frame for frame in server.seen if frame[7:] == bytes.fromhex("05 00 02 FF 00")]
    assert len(closing) == 1
    transactions = [frame[:2] for frame in server.seen]
    assert len({*transactions}) == len(transactions), "each question has a number of its own"


def test_inputs_of_an_independent_server_are_edges(server: Server, hear: Callable[[str, int], Heard]) -> None:
    board = hear("inputs-8", server.port)
    edge = board.wait(lambda event: isinstance(event, InputEdge), "the edge of input 2")
    assert isinstance(edge, InputEdge)
    assert (edge.channel, edge.active) == (2, True)


def test_s7_a_silent_board_gets_the_pulse_once(
    peer: socket.socket, hear: Callable[[str, int], Heard]
) -> None:
    board = hear("waveshare-relay-8", peer.getsockname()[1])
    connection, _ = peer.accept()
    connection.settimeout(5)
    flashes = 0
    with connection:
        for turn in range(20):
            frame = connection.recv(12)
            if frame[7:] == bytes.fromhex("05 02 00 00 07"):
                flashes += 1  # and not a word
            elif frame[7] == 5:
                connection.sendall(frame)
            else:
                connection.sendall(frame[:5] + bytes.fromhex("04 01 01 01 00"))
            if turn == 1:
                board.bus.submit(Pulse(channel=1, ms=700, id="a", issued_s=time.monotonic()))
            if TimedOut(id="a", maybe_executed=True) in board.events:
                break
        assert TimedOut(id="a", maybe_executed=True) in board.events
    assert flashes == 1


def test_a_board_that_goes_away_is_found_again_at_its_address(
    peer: socket.socket, hear: Callable[[str, int], Heard]
) -> None:
    board = hear("inputs-8", peer.getsockname()[1])
    connection, _ = peer.accept()
    board.wait_line(up=True)
    connection.close()
    board.wait_line(up=False)
    begun_s = time.monotonic()
    connection, _ = peer.accept()
    board.wait_line(up=True, count=2)
    assert time.monotonic() - begun_s < 2.0
    connection.close()


def test_an_address_that_is_none_is_an_error_of_the_port() -> None:
    with pytest.raises(PortError, match="cannot be reached"):
        TcpPort("a" * 64, 502).open()


def test_nobody_at_the_address_is_a_missing_port(peer: socket.socket) -> None:
    number = peer.getsockname()[1]
    peer.close()
    port = tcp_port(f"tcp://127.0.0.1:{number}")
    with pytest.raises(PortMissingError):
        port.open()
    port.close()


def test_what_arrives_is_read_and_an_end_is_a_loss(peer: socket.socket) -> None:
    port = TcpPort("127.0.0.1", peer.getsockname()[1])
    port.open()
    connection, _ = peer.accept()
    assert port.read() == b""
    connection.sendall(b"\x00\x01")
    assert until(port.read, what="two bytes") == b"\x00\x01"
    port.write(b"abc")
    assert connection.recv(16) == b"abc"
    connection.close()
    with pytest.raises(PortLostError, match="closed the connection"):
        until(port.read, what="the loss")
    port.close()
    port.close()


def test_a_connection_that_takes_no_more_is_a_loss_and_what_waits_is_thrown_away(
    peer: socket.socket,
) -> None:
    port = TcpPort("127.0.0.1", peer.getsockname()[1])
    port.open()
    connection, _ = peer.accept()
    with connection, pytest.raises(PortLostError):
        for _ in range(10_000):
            port.write(bytes(65536))
    port.close()


def test_what_is_not_acknowledged_within_a_second_dies_with_the_connection(peer: socket.socket) -> None:
    """The kernel must not keep a pulse for a cable that is plugged in again later."""
    port = TcpPort("127.0.0.1", peer.getsockname()[1])
    port.open()
    with socket.socket(fileno=os.dup(port.fileno())) as same:
        assert same.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 1000
        assert same.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
    port.close()


@pytest.mark.parametrize(
    "address",
    [
        "tcp://board.local:502",
        "tcp://localhost:502",
        "192.0.2.10",
        "tcp://",
        "tcp://0.0.0.0:502",
        "tcp://255.255.255.255:502",
        "tcp://224.0.0.1:502",
        "tcp://192.0.2.10:99999",
        "tcp://user@192.0.2.10:502",
        "tcp://192.0.2.10:502/path",
        "udp://192.0.2.10:502",
        "/dev/ttyUSB0",
    ],
)
def test_net11_only_a_number_that_is_one_board_is_accepted(address: str) -> None:
    with pytest.raises(NetworkAddressError) as caught:
        tcp_port(address)
    assert caught.value.address == address


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("tcp://192.0.2.10", "tcp://192.0.2.10:502"),
        ("tcp://192.0.2.10:1502", "tcp://192.0.2.10:1502"),
        ("tcp://[2001:db8::7]:502", "tcp://[2001:db8::7]:502"),
    ],
)
def test_net11_a_configured_number_is_accepted(address: str, path: str) -> None:
    assert tcp_port(address).path == path
