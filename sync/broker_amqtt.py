"""The small broker that is always there: amqtt in a process of its own, ``python -m sync.broker_amqtt --port N``.

Loopback only, without passwords and without rules of access; another address is refused. amqtt 0.12 hands retained
messages of all topics to every client that connects. ``QuickBroker`` mends that, but nothing secret may rest on it.
"""

import argparse
import asyncio
import logging
import signal
import socket
import sys
from typing import Final

from amqtt.adapters import StreamReaderAdapter, StreamWriterAdapter
from amqtt.broker import Broker
from amqtt.session import Session

from shell.broker_url import is_loopback

EXIT_FAILED: Final = 1
EXIT_UNSAFE: Final = 4
DISCONNECT_GRACE_S: Final = 8  # beyond the keepalive; MQTT 3.1.1 asks for one and a half times it
CONNECT_WITHIN_S: Final = 10.0
LEVEL_3_1_1: Final = 4
LEVEL_5: Final = 5
NAME_BYTES_MAX: Final = 16  # "MQTT" has 4
REFUSED: Final = bytes.fromhex("20020001")  # CONNACK: unacceptable protocol level
REFUSED_5: Final = bytes.fromhex("2003008400")  # the same as an MQTT 5 client reads it


class ReplayedReader(StreamReaderAdapter):  # type: ignore[misc]  # amqtt is not typed
    """A reader that gives back the bytes which were looked at before."""

    def __init__(self, reader: asyncio.StreamReader, seen: bytes) -> None:
        super().__init__(reader)
        self._seen = seen

    async def read(self, n: int = -1) -> bytes:
        """The next ``n`` bytes, first those that were seen."""
        if not self._seen:
            return bytes(await super().read(n))
        given, self._seen = (self._seen[:n], self._seen[n:]) if n >= 0 else (self._seen, b"")
        return given if len(given) == n or n < 0 else given + bytes(await super().read(n - len(given)))


class QuickBroker(Broker):  # type: ignore[misc]  # amqtt is not typed
    """amqtt that answers at once, and answers clients of MQTT 5 at all.

    Nagle's delay is off on every accepted socket. amqtt reads an MQTT 5 CONNECT that has a will or properties as if it
    were of 3.1.1, then waits for ever for bytes that are none; so the protocol level is looked at first.
    """

    async def stream_connected(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, listener_name: str
    ) -> None:
        """Set the socket up, refuse other protocol levels, serve the client, close the socket whatever happens."""
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            seen = await asyncio.wait_for(_opening(reader), CONNECT_WITHIN_S)
            if seen[-1] != LEVEL_3_1_1:
                writer.write(REFUSED_5 if seen[-1] == LEVEL_5 else REFUSED)
                await writer.drain()
                return
            await self._client_connected(
                listener_name, ReplayedReader(reader, seen), StreamWriterAdapter(writer)
            )
        except (OSError, EOFError, TimeoutError):
            pass  # the client went; it comes back by itself
        finally:
            writer.close()

    async def _publish_retained_messages_for_subscription(
        self, subscription: tuple[str, int], session: Session
    ) -> None:
        """Hand retained messages only to who subscribed: amqtt offers every new client those of all filters."""
        if any(subscriber is session for subscriber, _ in self._subscriptions.get(subscription[0], [])):
            await super()._publish_retained_messages_for_subscription(subscription, session)


async def _opening(reader: asyncio.StreamReader) -> bytes:
    """The bytes of a CONNECT up to its protocol level: type, length (1 to 4 bytes), name, level."""
    seen = await reader.readexactly(2)
    while seen[-1] & 0x80 and len(seen) < 5:
        seen += await reader.readexactly(1)
    name = await reader.readexactly(2)
    return seen + name + await reader.readexactly(min(int.from_bytes(name, "big"), NAME_BYTES_MAX) + 1)


async def serve(host: str, port: int) -> None:
    """Run until SIGTERM or SIGINT."""
    broker = QuickBroker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"{host}:{port}"}},
            "timeout_disconnect_delay": DISCONNECT_GRACE_S,
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
    )
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await broker.start()
    await stop.wait()
    await broker.shutdown()


def main() -> None:
    """Check the address, then serve."""
    parser = argparse.ArgumentParser(prog="python -m sync.broker_amqtt", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="loopback address to listen on")
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    if not is_loopback(arguments.host):
        sys.stderr.write(
            f"The embedded broker does not listen on {arguments.host}: it has neither passwords nor rules of access. "
            "For several machines install Mosquitto and set [broker] url to it.\n"
        )
        raise SystemExit(EXIT_UNSAFE)
    logging.basicConfig(stream=sys.stderr, level=logging.ERROR, format="amqtt: %(message)s")
    logging.getLogger("amqtt").setLevel(logging.CRITICAL)  # it logs every closed connection as an error
    logging.getLogger("transitions").setLevel(logging.CRITICAL)
    try:
        asyncio.run(serve(arguments.host, arguments.port))
    except Exception as error:  # one line for a person, and an exit code for the parent
        sys.stderr.write(f"The embedded broker ended: {error}\n")
        raise SystemExit(EXIT_FAILED) from error


if __name__ == "__main__":
    main()
