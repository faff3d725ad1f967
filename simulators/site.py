"""A whole site on this machine: the product's processes beside virtual boards, cameras and an SMS gateway.

The product runs as it would at a customer's: its own commands, its own configuration files. Everything virtual is a
process of its own outside it.
"""

import fcntl
import json
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any, Final, TextIO

from edge.bundles import FILE as BUNDLE_FILE
from shell.supervision import Child

READY_WITHIN_S: Final = 30.0
LOOK_EVERY_S: Final = 0.1
REQUEST_WITHIN_S: Final = 5.0
MARK: Final = ".postern-demo"  # stands in folders that a run made, and may remove
ORDER: Final = ("sms", "cameras", "boards", "centre", "gate")


class SiteError(Exception):
    """The site cannot run; the message says which part, and what it said last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """TCP ports of one site, all on loopback."""

    web: int = 8080
    kiosk: int = 8081
    broker: int = 18830
    camera: int = 8090
    sms: int = 8025


def free_ports() -> Ports:
    """Ports that are free now, for sites beside each other (tests)."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(5)]
    numbers = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return Ports(web=numbers[0], kiosk=numbers[1], broker=numbers[2], camera=numbers[3], sms=numbers[4])


class Site:
    """One simulated site in ``folder``.

    Args:
        folder: Where configuration, keys, data and logs of this site are.
        ports: Its TCP ports.
        seed: Seed of everything virtual.
        broker_url: An MQTT broker that runs already, or None for the centre's embedded one.
        embedded: Which broker the centre embeds (``mosquitto`` or ``amqtt``), or None for its own choice.
        logs: Whether the children's output goes to files (else to this terminal).
    """

    def __init__(
        self,
        folder: Path,
        *,
        ports: Ports,
        seed: int,
        broker_url: str | None = None,
        embedded: str | None = None,
        logs: bool = True,
    ) -> None:
        self.folder, self.ports, self._seed, self._broker_url = folder, ports, seed, broker_url
        self._embedded, self._logs = embedded, logs
        self.children: dict[str, Child] = {}
        self._held: TextIO | None = None

    @property
    def tape(self) -> Path:
        """What the virtual boards did: each relay and contact edge, as JSON lines."""
        return self.folder / "logs" / "tape.jsonl"

    # -- life

    def prepare(self) -> None:
        """Make keys and configuration once, with the centre's own command; raises ``SiteError``."""
        if (self.folder / "gate.toml").exists():
            self._check_ports()
        else:
            self._init()
        for name in ("dev", "logs"):
            (self.folder / name).mkdir(exist_ok=True)
        (self.folder / MARK).touch()

    def hold(self) -> None:
        """Keep other runs out of this folder while this process lives; raises ``SiteError``."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        self._held = self.folder.with_name(f".{self.folder.name}.lock").open("w", encoding="ascii")
        try:
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._held.close()
            self._held = None
            raise SiteError(
                f"another run uses {self.folder}. Stop it, or name another folder with --dir"
            ) from None

    def let_go(self) -> None:
        """End ``hold``."""
        if self._held is not None:
            Path(self._held.name).unlink(missing_ok=True)
            self._held.close()
            self._held = None

    def remove_old(self) -> None:
        """Remove the folder of an earlier run; raises ``SiteError`` when it is not one that a run made."""
        if not self.folder.exists() or not any(self.folder.iterdir()):
            return
        if not (self.folder / MARK).exists():
            raise SiteError(
                f"{self.folder} is not empty, and no run of this command made it. Name another folder with --dir"
            )
        shutil.rmtree(self.folder)

    def start(self, name: str) -> None:
        """Start one part (see ``ORDER``)."""
        log = self.folder / "logs" / f"{name}.log" if self._logs else None
        self.children[name] = Child(self._argv(name), log_path=log)

    def _demand_kiosk_port(self) -> None:
        """A gate goes on without its page, and says so in its journal; whoever starts a demo wants to see the page."""
        try:
            socket.create_server(("127.0.0.1", self.ports.kiosk)).close()
        except OSError as error:
            raise SiteError(
                f"port {self.ports.kiosk} of the kiosk is taken by another program ({error.strerror})."
                " Stop it, or set [kiosk] port to a free one: --kiosk-port"
            ) from None

    def start_all(self, stop: Event) -> None:
        """Start every part in order and wait until the pages answer; raises ``SiteError``."""
        self._demand_kiosk_port()
        for name in ORDER:
            if stop.is_set():
                return
            self.start(name)
        self.wait_ready(stop)

    def wait_ready(self, stop: Event) -> None:
        """Wait until centre, gate, cameras and SMS gateway answer; raises ``SiteError`` when a part ends."""
        self._wait(lambda: self.get(self.ports.sms, "/api/inbox") is not None, "the SMS gateway", stop)
        self._wait(lambda: self.connects(self.ports.camera), "the virtual cameras", stop)
        self._wait(lambda: self.centre_status() is not None, "the centre", stop)
        self._wait(lambda: self.gate_status() is not None, "the gate", stop)
        # Without a site bundle a gate lets no visitor in; over a slow broker the first one takes some seconds.
        self._wait((self.folder / "south" / BUNDLE_FILE).exists, "the gate's first site bundle", stop)

    def kill(self, name: str) -> None:
        """Kill one part as a power cut would (SIGKILL)."""
        self.children.pop(name).kill()

    def broker_pid(self) -> int:
        """Process id of the centre's embedded broker; raises ``SiteError`` when there is none now."""
        for pid in children_of(self.children["centre"].pid):
            line = (Path("/proc") / str(pid) / "cmdline").read_bytes()
            if b"mosquitto" in line or b"broker" in line:
                return pid
        raise SiteError("the centre has no broker child now")

    def stop(self) -> None:
        """Stop every part, the gate first, so that its last events still find the centre."""
        for name in reversed(ORDER):
            child = self.children.pop(name, None)
            if child is not None:
                child.stop()

    def check_alive(self) -> None:
        """Raise ``SiteError`` when a part has ended by itself."""
        for name, child in self.children.items():
            if not child.running():
                raise SiteError(
                    f"{name} ended by itself (status {child.process.returncode}).{self._last_words(name)}"
                )

    # -- talking to it

    def gate_status(self) -> dict[str, Any] | None:
        """The kiosk's status for scripts, or None while it does not answer."""
        return _object(self.get(self.ports.kiosk, "/api/v1/status"))

    def centre_status(self) -> dict[str, Any] | None:
        """The centre's status for scripts, or None while it does not answer."""
        return _object(self.get(self.ports.web, "/api/v1/status", token=True))

    def inbox(self) -> list[dict[str, Any]]:
        """The SMS gateway's inbox."""
        answer = self.get(self.ports.sms, "/api/inbox")
        return answer if isinstance(answer, list) else []

    def issue(self, request: dict[str, Any]) -> dict[str, Any]:
        """Ask the centre for one pass; raises ``SiteError`` when it refuses."""
        try:
            return dict(self._post(self.ports.web, "/api/v1/passes", request, token=True))
        except urllib.error.HTTPError as error:
            raise SiteError(
                f"the centre refused a pass: {error.read(2000).decode(errors='replace')}"
            ) from error

    def show(self, camera: str, text: str, seconds: float, look: dict[str, Any]) -> None:
        """Hold a code up to one of the virtual cameras."""
        self._post(
            self.ports.camera, "/show", {"camera": camera, "text": text, "seconds": seconds, "look": look}
        )

    def get(self, port: int, path: str, *, token: bool = False) -> Any:
        """GET a JSON document of one of the parts, or None while it does not answer."""
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=self._headers(token))
        try:
            with urllib.request.urlopen(request, timeout=REQUEST_WITHIN_S) as answer:  # noqa: S310  # loopback
                return json.load(answer)
        except (OSError, ValueError):
            return None

    def _post(self, port: int, path: str, body: dict[str, Any], *, token: bool = False) -> Any:
        request = urllib.request.Request(  # loopback
            f"http://127.0.0.1:{port}{path}",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"} | self._headers(token),
        )
        with urllib.request.urlopen(request, timeout=REQUEST_WITHIN_S) as answer:  # noqa: S310  # loopback
            return json.load(answer)

    def _headers(self, token: bool) -> dict[str, str]:
        if not token:
            return {}
        secret = (self.folder / "keys" / "api.token").read_text(encoding="ascii").strip()
        return {"Authorization": f"Bearer {secret}"}

    # -- inside

    def _argv(self, name: str) -> list[str]:
        python, seed = sys.executable, str(self._seed)
        dev = self.folder / "dev"
        match name:
            case "sms":
                return [python, "-m", "simulators.sms_gateway", "--port", str(self.ports.sms)]
            case "cameras":
                arguments = ["--port", str(self.ports.camera), "--names", "entry,exit", "--seed", seed]
                return [python, "-m", "simulators.cameras.server", *arguments]
            case "boards":
                links = ["--link", str(dev / "relays"), "--inputs-link", str(dev / "inputs")]
                more = ["--lanes", "2", "--seed", seed, "--tape", str(self.tape)]
                return [python, "-m", "simulators.boards.process", "lcus", *links, *more]
            case "centre":
                return [python, "-m", "controller.cli", "run", "--config", str(self.folder / "centre.toml")]
            case "gate":
                return [python, "-m", "edge.cli", "run", "--config", str(self.folder / "gate.toml")]
            case _:
                raise AssertionError(name)

    def _init(self) -> None:
        ports = self.ports
        arguments = ["init", "--demo", "--dir", str(self.folder)]
        for name in ("web", "kiosk", "broker", "camera", "sms"):
            arguments += [f"--{name}-port", str(getattr(ports, name))]
        made = subprocess.run(
            [sys.executable, "-m", "controller.cli", *arguments],
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,  # a Ctrl-C at this terminal is the caller's to answer
        )
        if made.returncode != 0:
            raise SiteError(f"postern-controller init did not make {self.folder}: {made.stderr.strip()}")
        centre, gate = self.folder / "centre.toml", self.folder / "gate.toml"
        if self._embedded is not None:
            _change(centre, 'url = "auto"', f'url = "auto"\nembedded = "{self._embedded}"')
        if self._broker_url is not None:  # one line in the centre's file, and the same in the gate's
            line = f'url = "{self._broker_url}"'
            _change(centre, 'url = "auto"', line)
            _change(gate, f'url = "mqtt://127.0.0.1:{self.ports.broker}"', line)

    def _check_ports(self) -> None:
        """The files of an earlier run fix the ports; say so instead of waiting at the wrong ones."""
        text = (self.folder / "gate.toml").read_text("utf-8") + (self.folder / "centre.toml").read_text(
            "utf-8"
        )
        ports = self.ports
        needed = [f"port = {ports.kiosk}\n", f"port = {ports.web}\n", f":{ports.camera}/", f":{ports.sms}/"]
        if not all(part in text for part in needed):
            raise SiteError(
                f"{self.folder} was made for other ports. Leave --keep out, or name another folder with --dir"
            )

    def _wait(self, ready: Callable[[], bool], what: str, stop: Event) -> None:
        waited_s = 0.0
        while not ready():
            self.check_alive()
            if stop.wait(LOOK_EVERY_S):
                return
            waited_s += LOOK_EVERY_S
            if waited_s > READY_WITHIN_S:
                raise SiteError(
                    f"{what} did not answer within {READY_WITHIN_S:g} s; see {self.folder / 'logs'}"
                )

    def connects(self, port: int) -> bool:
        """Whether somebody listens on this loopback port."""
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1.0):
                return True
        except OSError:
            return False

    def _last_words(self, name: str) -> str:
        log = self.folder / "logs" / f"{name}.log"
        if not self._logs or not log.exists():
            return ""
        lines = log.read_text("utf-8", errors="replace").strip().splitlines()[-6:]
        return f" Its log ({log}) ends:\n" + "\n".join(f"  {line}" for line in lines)


def _change(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text, f"{path} has no line {old}"
    path.write_text(text.replace(old, new, 1), "utf-8")


def _object(answer: object) -> dict[str, Any] | None:
    return answer if isinstance(answer, dict) else None


def children_of(pid: int) -> list[int]:
    """Process ids whose parent is ``pid``."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            stat = (entry / "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        if int(stat.rpartition(")")[2].split()[1]) == pid:
            found.append(int(entry.name))
    return found
