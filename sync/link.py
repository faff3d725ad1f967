"""One MQTT connection that is always being kept, or got back: paho-mqtt behind a small, suspicious wrapper.

The link has one thread of its own, which connects, runs paho's network loop and builds a new client object for every
connection. So there is no paho thread that could die unseen, and no queue of paho's that outlives a connection: an
exception anywhere in the loop ends the connection and the next one begins. What arrives is put into the mailbox;
nothing is worked on in a callback. One other thread owns publishing.

To a broker elsewhere it speaks TLS with a certificate of its own (``sync.tls``), or not at all: there is no way back
to plain. The address that last proved to be the broker's is kept in mind, for the day on which the name cannot be
resolved, or leads to somebody else.

Nothing here is a promise of delivery. ``publish`` says whether paho took the message, no more.
"""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from shell.broker_url import parse_broker_url
from shell.clock import Clock
from shell.logs import get_logger
from sync.mailbox import LinkDown, LinkUp, Mailbox, Received
from sync.messages import MESSAGE_BYTES_MAX
from sync.tls import PinnedContext, TlsFiles, client_context, ends_soon, keep_address, proven_address

KEEPALIVE_S: Final = 15
USER_TIMEOUT_MS: Final = 20_000  # the kernel gives up on unacknowledged bytes after this
CONNECT_WITHIN_S: Final = 3.0
ANSWER_WITHIN_S: Final = 3.0  # CONNACK and SUBACK together
SILENCE_MAX_KEEPALIVES: Final = 3
LOOK_EVERY_S: Final = 0.5  # how late a stop, a rebuild or the watchdog may be noticed
FIRST_RETRY_S: Final = 0.2  # a broker that restarts on this machine is back by then
SETTLED_AFTER_S: Final = (
    5.0  # shorter connections count as failures: two clients with one id throw each other out
)
RIVAL_AFTER: Final = 3  # short connections in a row: somebody else has our client id, or a broker dies young
TAKEN_OVER_ATTEMPTS: Final = 4  # … and the pause after such an end is up to 8 s from the first on
NOT_ENROLLED: Final = "a file of our TLS identity is missing: enroll first"
ENROLLED_LOOK_S: Final = 2.0
TAKEN_OVER: Final = "Session taken over"  # MQTT 5, reason code 0x8E
FAREWELL_WITHIN_S: Final = 1.0
EXCERPT_BYTES: Final = 4096  # what is kept of a message that is too large to be read
QUEUED_MAX: Final = 2000

_LEVEL_NAMES: Final = {MQTTProtocolVersion.MQTTv5: "5", MQTTProtocolVersion.MQTTv311: "3.1.1"}
log = get_logger("link")


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSettings:
    """Where and how to connect. The gate keeps the defaults; a centre retries sooner and has more in flight.

    ``tls`` is needed for an address with ``mqtts://``. ``rivalry`` is told, on the link's thread, True when another
    client seems to use our client id, and False once a connection has lasted again.
    """

    url: str
    client_id: str
    tls: TlsFiles | None = None
    rivalry: Callable[[bool], None] | None = None
    keepalive_s: int = KEEPALIVE_S
    retry_max_s: float = 60.0
    in_flight_max: int = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """Something to publish."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False


class _SessionError(Exception):
    """This connection is over; ``try_older`` when the broker may only dislike the protocol level."""

    def __init__(self, why: str, *, try_older: bool = False) -> None:
        super().__init__(why)
        self.try_older = try_older


class MqttLink:
    """Keeps one connection. ``start`` and ``close`` once each; ``publish`` from one thread.

    Args:
        settings: Where and how to connect.
        subscriptions: Topic filters, subscribed at QoS 1 on every connect.
        will: Makes the will for a connection from its birth number.
        mailbox: Gets messages and news of the link.
        clock: For waiting, and for birth numbers that rise over restarts.
        rng: Source of the jitter between attempts.
    """

    def __init__(
        self,
        settings: LinkSettings,
        *,
        subscriptions: Sequence[str],
        will: Callable[[int], Message],
        mailbox: Mailbox,
        clock: Clock,
        rng: Random,
    ) -> None:
        self._host, self._port, by_tls = parse_broker_url(settings.url)
        assert not by_tls or settings.tls is not None, "mqtts:// needs a certificate of ours"
        self._tls = settings.tls if by_tls else None
        self._proven_ip = (
            proven_address(self._tls) if self._tls else None
        )  # where the broker last was, and proved it
        self._dial_ip = False
        self._short_in_a_row, self._rivalry = 0, False
        self._settings, self._subscriptions, self._will = settings, list(subscriptions), will
        self._mailbox, self._clock, self._rng = mailbox, clock, rng
        self._level = MQTTProtocolVersion.MQTTv5
        self._birth = 0
        self._heard_s = self._left_s = 0.0
        self._stop, self._rebuild = threading.Event(), threading.Event()
        self._client: paho.Client | None = None  # set only while connected and subscribed
        self._thread = threading.Thread(target=self._run, name=f"mqtt-{settings.client_id}", daemon=True)
        self._logged_down = False
        self._garbled = 0

    @property
    def connected(self) -> bool:
        """Whether the broker accepted us and our subscriptions, and nothing has ended that yet."""
        return self._client is not None

    def start(self) -> None:
        """Begin connecting; news arrive in the mailbox."""
        self._thread.start()

    def publish(self, message: Message) -> bool:
        """Hand one message to paho; False when not connected or when paho did not take it."""
        client = self._client
        if client is None:
            return False
        info = client.publish(message.topic, message.payload, qos=message.qos, retain=message.retain)
        return info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS

    def rebuild(self) -> None:
        """End this connection, as a fault would, and make a new one."""
        self._rebuild.set()
        client = self._client
        sock = client.socket() if client else None
        if isinstance(sock, socket.socket):
            with contextlib.suppress(OSError):
                # The loop notices at once. Not the method of a TLS socket: that one goes on in plain.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def socket_option(self, level: int, option: int) -> int | None:
        """A socket option of the live connection, for diagnosis; None when not connected."""
        client = self._client
        sock = client.socket() if client else None
        return sock.getsockopt(level, option) if isinstance(sock, socket.socket) else None

    def close(self, farewell: Message | None = None) -> None:
        """Say farewell if connected, disconnect in order (so that the will is not sent) and end the thread."""
        client = self._client
        self._left_s = self._clock.monotonic_s()
        self._stop.set()
        if client is not None:
            with contextlib.suppress(RuntimeError, ValueError):  # paho's way to say that it was not sent
                if farewell is not None:
                    sent = client.publish(
                        farewell.topic, farewell.payload, qos=farewell.qos, retain=farewell.retain
                    )
                    sent.wait_for_publish(FAREWELL_WITHIN_S)
            client.disconnect()
        if self._thread.ident is not None:
            self._thread.join(CONNECT_WITHIN_S + ANSWER_WITHIN_S)

    def _run(self) -> None:
        attempt = 0
        while not self._stop.is_set():
            begun_s = self._clock.monotonic_s()
            was_up, why, older = self._session()
            if self._stop.is_set():
                break
            taken_over = TAKEN_OVER in why
            settled = was_up and self._clock.monotonic_s() - begun_s > SETTLED_AFTER_S
            if settled:
                attempt = 0
            if was_up:
                self._short_in_a_row = 0 if settled else self._short_in_a_row + 1
            if taken_over:
                attempt = max(attempt, TAKEN_OVER_ATTEMPTS)
            if taken_over or self._short_in_a_row >= RIVAL_AFTER:
                self._tell_rivalry(seen=True)
            self._dial_ip = not was_up and self._proven_ip is not None and not self._dial_ip
            if older and self._level is MQTTProtocolVersion.MQTTv5:
                self._level = MQTTProtocolVersion.MQTTv311
                continue
            if not was_up:
                self._level = MQTTProtocolVersion.MQTTv5
            if not self._logged_down:
                log.warning("broker connection is down, trying again", broker=self._address, why=why)
                self._logged_down = True
            if (
                why == NOT_ENROLLED
            ):  # which costs the network nothing: once it is mended, the broker is tried at once
                self._stop.wait(ENROLLED_LOOK_S)
                continue
            self._stop.wait(self._pause_s(attempt))
            attempt += 1

    def _tell_rivalry(self, *, seen: bool) -> None:
        """Say once when another client seems to have our id, and once when that is over."""
        if seen is self._rivalry:
            return
        self._rivalry = seen
        if seen:
            log.error(
                "another client connects with our id", broker=self._address, id=self._settings.client_id
            )
        if self._settings.rivalry is not None:
            self._settings.rivalry(seen)

    @property
    def _address(self) -> str:
        return f"{self._host}:{self._port}"

    def _pause_s(self, attempt: int) -> float:
        """Full jitter: any time up to 1, 2, 4 … seconds, after a first try almost at once."""
        if attempt == 0:
            return FIRST_RETRY_S
        ceiling_s = min(self._settings.retry_max_s, 2.0 ** min(attempt - 1, 16))
        return max(FIRST_RETRY_S, self._rng.uniform(0.0, ceiling_s))

    def _session(self) -> tuple[bool, str, bool]:
        """One connection from its beginning to its end: whether it was up, why it ended, whether to try 3.1.1."""
        self._rebuild.clear()
        self._birth = max(self._birth + 1, int(self._clock.now().timestamp() * 1000))
        connection = _Connection(self._new_client(), self._subscriptions, self._put)
        why, older = "closed", False
        try:
            if self._tls is not None:
                connection.secure(client_context(self._tls, self._host))
            host = self._proven_ip if self._dial_ip and self._proven_ip else self._host
            connection.open(host, self._port, self._settings)
            self._serve(connection)
        except _SessionError as error:
            why, older = str(error), error.try_older
        except OSError as error:
            why = error.strerror or str(error)
            if isinstance(error, FileNotFoundError) and self._tls is not None:
                why = NOT_ENROLLED
        except Exception as error:  # whatever paho meets in a packet must end this connection only
            older = not connection.accepted
            why = f"{type(error).__name__}: {error}"
            if not older:
                log.exception("the MQTT client failed, a new one is made", broker=self._address)
        finally:
            was_up, self._client = self._client is not None, None
            connection.close()
        if was_up:
            self._mailbox.put_news(LinkDown(why=why))
        return was_up, why, older

    def _serve(self, connection: "_Connection") -> None:
        """Run the network loop until the connection ends; always leaves by an exception or a stop."""
        begun_s = self._heard_s = self._clock.monotonic_s()
        while not self._stop.is_set() or self._leaving(connection):
            code = connection.client.loop(LOOK_EVERY_S)
            now_s = self._clock.monotonic_s()
            if self._rebuild.is_set():
                raise _SessionError("rebuilt on request")
            if connection.refusal is not None:
                raise _SessionError(connection.refusal, try_older=connection.refused_level)
            if self._rivalry and self._client is not None and now_s - begun_s > SETTLED_AFTER_S:
                self._tell_rivalry(seen=False)
            if code != MQTTErrorCode.MQTT_ERR_SUCCESS:
                ended = paho.error_string(code).rstrip(".")
                raise _SessionError(
                    ended if connection.accepted else f"closed before it answered ({ended})",
                    try_older=not connection.accepted,
                )
            if connection.heard:
                connection.heard, self._heard_s = False, now_s
            if connection.subscribed and self._client is None:
                self._up(connection.client)
            if not connection.subscribed and now_s - begun_s > ANSWER_WITHIN_S:
                # amqtt falls silent when a CONNECT of MQTT 5 has a will: silence counts as a refusal, too
                silent = f"no answer within {ANSWER_WITHIN_S:g} s"
                raise _SessionError(silent, try_older=not connection.accepted)
            if now_s - self._heard_s > SILENCE_MAX_KEEPALIVES * self._settings.keepalive_s:
                raise _SessionError("no packet for three keepalives")

    def _leaving(self, connection: "_Connection") -> bool:
        """Whether an ordered disconnect is still on its way out."""
        late = self._clock.monotonic_s() - self._left_s > 2 * FAREWELL_WITHIN_S
        return self._client is not None and connection.open_still() and not late

    def _up(self, client: paho.Client) -> None:
        self._client = client
        self._logged_down = False
        sock = client.socket()
        if self._tls is not None and isinstance(sock, ssl.SSLSocket):
            self._proved(self._tls, sock)
        protocol = _LEVEL_NAMES[self._level]
        log.info("connected to the broker", broker=self._address, mqtt=protocol)
        self._mailbox.put_news(LinkUp(birth=self._birth, protocol=protocol))

    def _proved(self, tls: TlsFiles, sock: ssl.SSLSocket) -> None:
        """The other end is the broker: remember where, and say when it will be no more."""
        with contextlib.suppress(OSError):
            self._proven_ip = str(sock.getpeername()[0])
            keep_address(tls, self._proven_ip)
        ends = ends_soon(sock, self._clock.now())
        if ends is not None:
            log.warning(
                "the broker's own certificate ends soon: postern-controller broker rules, then restart it",
                broker=self._address,
                ends=f"{ends:%Y-%m-%d}",
            )

    def _put(self, received: paho.MQTTMessage) -> None:
        """Called by paho's loop for every message: enqueue, and let nothing out."""
        try:
            if not any(paho.topic_matches_sub(wanted, received.topic) for wanted in self._subscriptions):
                return  # amqtt hands out other clients' retained messages at connect
            size = len(received.payload)
            kept = received.payload if size <= MESSAGE_BYTES_MAX else received.payload[:EXCERPT_BYTES]
            self._mailbox.put(
                Received(topic=received.topic, payload=bytes(kept), size=size, retained=received.retain)
            )
        except Exception as error:  # noqa: BLE001  # an exception here would end the connection for one bad message
            self._garbled += 1
            if self._garbled & (self._garbled - 1) == 0:
                log.warning("a message could not be taken", problem=repr(error), times=self._garbled)

    def _new_client(self) -> paho.Client:
        older = self._level is MQTTProtocolVersion.MQTTv311
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._settings.client_id,
            clean_session=True if older else None,
            protocol=self._level,
            reconnect_on_failure=False,
        )
        client.connect_timeout = CONNECT_WITHIN_S
        client.max_inflight_messages_set(self._settings.in_flight_max)
        client.max_queued_messages_set(QUEUED_MAX)
        will = self._will(self._birth)
        client.will_set(will.topic, will.payload, qos=will.qos, retain=will.retain)
        return client


class _Connection:
    """One paho client with its callbacks, and what they learned."""

    def __init__(
        self, client: paho.Client, subscriptions: list[str], put: Callable[[paho.MQTTMessage], None]
    ) -> None:
        self.client, self._subscriptions, self._put = client, subscriptions, put
        self.accepted = self.subscribed = self.heard = self.refused_level = False
        self.refusal: str | None = None
        self._context: PinnedContext | None = None
        client.on_socket_open = _tune_socket
        # Only the loop writes: without this callback paho writes from the publishing thread as well, and two
        # writers can interleave the halves of two packets.
        client.on_socket_register_write = lambda *_: None
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        client.on_message = lambda _client, _userdata, message: self._put(message)
        client.on_log = self._on_log

    def secure(self, context: PinnedContext) -> None:
        """Speak TLS, and nothing else."""
        self._context = context
        self.client.tls_set_context(context)

    def open(self, host: str, port: int, settings: LinkSettings) -> None:
        """Connect the socket and send CONNECT; raises ``OSError``."""
        if self.client.protocol is MQTTProtocolVersion.MQTTv5:
            hints = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            hints.ReceiveMaximum = settings.in_flight_max
            self.client.connect(host, port, settings.keepalive_s, clean_start=True, properties=hints)
        else:
            self.client.connect(host, port, settings.keepalive_s)

    def open_still(self) -> bool:
        """Whether the socket is there: false once an ordered disconnect has been written."""
        return self.client.socket() is not None

    def close(self) -> None:
        """Drop the client; its sockets close with it, because nothing refers to it any more."""
        client = self.client
        client.on_socket_open = client.on_socket_register_write = None
        client.on_connect = client.on_subscribe = client.on_message = client.on_log = None
        client.on_disconnect = None
        sock = client.socket()
        if isinstance(sock, socket.socket):
            sock.close()
        if self._context is not None:
            self._context.close()

    def _on_connect(
        self, client: paho.Client, _userdata: object, _flags: object, reason: ReasonCode, _hints: object
    ) -> None:
        if reason.is_failure:
            self.refusal = f"refused: {reason}"
            self.refused_level = "protocol version" in str(reason).lower()
            return
        self.accepted = True
        client.subscribe([(topic, 1) for topic in self._subscriptions])

    def _on_subscribe(
        self, _client: paho.Client, _userdata: object, _mid: int, reasons: list[ReasonCode], _hints: object
    ) -> None:
        failures = [str(reason) for reason in reasons if reason.is_failure]
        if failures:
            self.refusal = f"subscription refused: {', '.join(failures)}"
        else:
            self.subscribed = True

    def _on_disconnect(
        self,
        _client: paho.Client,
        _userdata: object,
        flags: paho.DisconnectFlags,
        reason: ReasonCode,
        _hints: object,
    ) -> None:
        if flags.is_disconnect_packet_from_server:
            self.refusal = f"ended by the broker: {reason}"

    def _on_log(self, _client: paho.Client, _userdata: object, _level: int, text: str) -> None:
        # The only public sign of an arriving PINGRESP; the watchdog lives on it.
        if text.startswith("Received"):
            self.heard = True


def _tune_socket(_client: paho.Client, _userdata: object, sock: Any) -> None:
    """Nagle's delay costs a factor of 20 to 100 in ack round trips; neither paho nor most brokers turn it off."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)
