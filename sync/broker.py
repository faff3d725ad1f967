"""The embedded broker: a child process on loopback that one machine needs no thought for.

``mosquitto`` when it is installed, else amqtt, which always is. The broker keeps nothing that matters: every message
that counts is in a gate's journal until the centre has it. So a broker that dies is simply started again.

    BrokerError
    ├── BrokerPortTakenError     somebody else listens on the port
    └── BrokerStartError         no broker came up in time, or the wanted one is not installed
"""

import os
import pwd
import shutil
import socket
import sys
import threading
from pathlib import Path
from typing import Final, Literal, Protocol

from shell.broker_url import parse_broker_url
from shell.clock import Clock, SystemClock
from shell.logs import get_logger
from shell.supervision import Child
from sync.messages import MESSAGE_BYTES_MAX

Kind = Literal["mosquitto", "amqtt", "external"]
LOOPBACK: Final = "127.0.0.1"
SBIN: Final = ("/usr/sbin", "/usr/local/sbin")  # not on the PATH of ordinary users on Debian
PORT_FREE_WITHIN_S: Final = 3.0  # a broker whose centre was killed a moment ago needs this to go
LOOK_EVERY_S: Final = 0.05
RESTART_FIRST_S: Final = 0.1  # doubles while the child keeps dying young
RESTART_MAX_S: Final = 10.0
YOUNG_S: Final = 10.0
PROBE_WITHIN_S: Final = 1.0
STOP_WITHIN_S: Final = 5.0
CONNECT_PROBE: Final = bytes.fromhex("1013 0004 4d515454 04 02 0005 0007 70726f62652d30")  # id probe-0, clean
DISCONNECT: Final = bytes.fromhex("e000")
CONNACK_ACCEPTED: Final = bytes.fromhex("20020000")
log = get_logger("broker")


class BrokerError(Exception):
    """The embedded broker cannot serve."""


class BrokerPortTakenError(BrokerError):
    """Somebody else listens on the broker's port."""

    def __init__(self, port: int) -> None:
        super().__init__(
            f"Port {port} on {LOOPBACK} is already taken, so the embedded broker cannot listen there. "
            f"Stop the other program (see: ss -ltnp), or choose another port with the setting [broker] port."
        )
        self.port = port


class BrokerStartError(BrokerError):
    """No broker came up."""

    def __init__(self, kind: str, problem: str) -> None:
        super().__init__(f"The embedded broker ({kind}) did not start: {problem}")
        self.kind = kind


class Broker(Protocol):
    """What a centre needs of its broker, embedded or not."""

    @property
    def url(self) -> str:
        """``mqtt://host:port``, or ``mqtts://``."""

    @property
    def kind(self) -> Kind:
        """Which broker it is."""

    def start(self) -> None:
        """Bring it up, if it is ours to bring up."""

    def wait_ready(self, timeout_s: float) -> None:
        """Return when it accepts clients; raises ``BrokerStartError`` when it does not in time."""

    def stop(self) -> None:
        """Take it down, if it is ours."""


class ExternalBroker:
    """A broker that somebody else runs: nothing to start or stop, and the link waits for it by itself."""

    kind: Kind = "external"

    def __init__(self, url: str) -> None:
        parse_broker_url(url)
        self.url = url

    def start(self) -> None:
        """Nothing to do."""

    def wait_ready(self, timeout_s: float) -> None:
        """Nothing to wait for: gates and centre work while it is away."""

    def stop(self) -> None:
        """Nothing to do."""


class EmbeddedBroker:
    """A broker child that is started again whenever it dies.

    Args:
        port: Loopback port to listen on.
        data_dir: Folder for the generated configuration and the broker's log.
        prefer: Which broker to run; None for mosquitto when it is installed, else amqtt.
        clock: For waiting.
    """

    def __init__(
        self,
        port: int,
        data_dir: Path,
        *,
        prefer: Literal["mosquitto", "amqtt"] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._port, self._data_dir, self._clock = port, data_dir, clock or SystemClock()
        self._mosquitto = find_mosquitto() if prefer != "amqtt" else None
        if prefer == "mosquitto" and self._mosquitto is None:
            raise BrokerStartError("mosquitto", "it is not installed (Debian: apt install mosquitto)")
        self.kind: Kind = "mosquitto" if self._mosquitto else "amqtt"
        self._stop = threading.Event()
        self._child: Child | None = None
        self._thread = threading.Thread(target=self._supervise, name="broker", daemon=True)
        self.restarts = 0

    @property
    def url(self) -> str:
        """Where clients on this machine find it."""
        return f"mqtt://{LOOPBACK}:{self._port}"

    @property
    def pid(self) -> int | None:
        """Process id of the running child, None between two."""
        child = self._child
        return child.pid if child and child.running() else None

    @property
    def log_path(self) -> Path:
        """Where the child's output goes."""
        return self._data_dir / "broker.log"

    def start(self) -> None:
        """Start the child; raises ``BrokerPortTakenError``."""
        deadline_s = self._clock.monotonic_s() + PORT_FREE_WITHIN_S
        while not port_is_free(self._port):
            if self._clock.monotonic_s() > deadline_s:
                raise BrokerPortTakenError(self._port)
            self._stop.wait(LOOK_EVERY_S)
        self._data_dir.mkdir(parents=True, exist_ok=True)
        self._thread.start()

    def wait_ready(self, timeout_s: float) -> None:
        """Return when our child accepts an MQTT client; raises ``BrokerStartError`` when it does not in time."""
        deadline_s = self._clock.monotonic_s() + timeout_s
        while not (self.pid and accepts_clients(self._port)):
            if self._clock.monotonic_s() > deadline_s:
                raise BrokerStartError(
                    self.kind, f"no answer within {timeout_s:g} s; its output is in {self.log_path}"
                )
            self._stop.wait(LOOK_EVERY_S)

    def stop(self) -> None:
        """End the child and the thread that keeps it."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _supervise(self) -> None:
        """Keep the child running. The kernel ties the child to this thread, so the thread lives as long."""
        pause_s = RESTART_FIRST_S
        while not self._stop.is_set():
            begun_s = self._clock.monotonic_s()
            status: int | str
            try:
                self._child = Child(self._command(), log_path=self.log_path)
                while self._child.running() and not self._stop.wait(LOOK_EVERY_S):
                    pass
                status = self._child.stop(STOP_WITHIN_S)
            except OSError as error:
                status = str(error)
            if self._stop.is_set():
                return
            lived_s = self._clock.monotonic_s() - begun_s
            pause_s = RESTART_FIRST_S if lived_s > YOUNG_S else min(RESTART_MAX_S, pause_s * 2)
            self.restarts += 1
            log.warning(
                "the broker died and is started again", kind=self.kind, status=status, log=str(self.log_path)
            )
            self._stop.wait(pause_s)

    def _command(self) -> list[str]:
        if self._mosquitto is None:
            return [sys.executable, "-m", "sync.broker_amqtt", "--port", str(self._port)]
        path = self._data_dir / "mosquitto.conf"
        path.write_text(mosquitto_config(self._port), encoding="utf-8")
        return [self._mosquitto, "-c", str(path)]


def choose_broker(
    url: str, *, port: int, data_dir: Path, prefer: Literal["mosquitto", "amqtt"] | None = None
) -> Broker:
    """The broker that the settings ask for: ``auto`` is a child on ``port``, anything else an address.

    Raises:
        BrokerUrlError: The address cannot be used.
    """
    return EmbeddedBroker(port, data_dir, prefer=prefer) if url == "auto" else ExternalBroker(url)


def find_mosquitto() -> str | None:
    """The mosquitto program, also where only root's PATH leads."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path=os.pathsep.join(SBIN))


def mosquitto_config(port: int) -> str:
    """The generated configuration: loopback, quick, keeping nothing, every limit written down."""
    # Started by root, mosquitto would change its user, and with that the kernel forgets that it is to end with its
    # parent. So it stays who we are.
    user = pwd.getpwuid(os.geteuid()).pw_name
    return (
        "# Written by postern at every start; changes here are lost.\n"
        f"listener {port} {LOOPBACK}\n"
        f"user {user}\n"
        "allow_anonymous true\n"
        "set_tcp_nodelay true\n"
        "persistence false\n"
        "max_queued_messages 1000\n"
        f"max_packet_size {MESSAGE_BYTES_MAX}\n"
        "log_dest stderr\n"
        "log_type error\n"
        "log_type warning\n"
    )


def port_is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def accepts_clients(port: int) -> bool:
    """Whether an MQTT broker on this loopback port accepts a client."""
    try:
        with socket.create_connection((LOOPBACK, port), PROBE_WITHIN_S) as probe:
            probe.sendall(CONNECT_PROBE)
            answer = probe.recv(len(CONNACK_ACCEPTED))
            probe.sendall(DISCONNECT)
            return answer == CONNACK_ACCEPTED
    except OSError:
        return False
