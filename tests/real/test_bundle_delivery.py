"""Centre, broker and gates as they are: who is withdrawn or RED at one place is refused at the other."""

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from typer.testing import CliRunner

from controller.config import load_centre
from controller.daemon import CentreDaemon
from controller.init import DemoPlan, create_demo
from drivers.model import BoardCommand, Line, Pulse
from edge.bundle_cli import _held
from edge.bundles import FILE, INBOX, BundleKeeper
from edge.cli import app
from edge.files import load_key_set
from edge.gate import Gate
from edge.inputs import BoardReported, ScanSeen
from edge.journal import Journal
from edge.kiosk.view import Uplink as UplinkView
from edge.screen import Screen
from edge.standing import Shown, Standings
from passes.check import Verified, check
from passes.decide import Grant
from passes.gp1 import to_text, wrap
from passes.keys import p256_public, p256_signer
from shell.clock import SystemClock
from sync.link import LinkSettings
from sync.messages import DeviceData, Health
from sync.topics import site_bundle
from sync.uplink import Uplink
from tests.brokers import PlainClient, free_port
from tests.gate_world import config
from tests.minting import SITE, phone_key
from tests.waiting import until

pytestmark = pytest.mark.real
WITHIN_S = 10.0
GATES = {"south": 0, "north": 1}


@dataclass(frozen=True)
class Phone:
    """A visitor's phone with a pass."""

    pass_id: str
    sealed: bytes
    key: EllipticCurvePrivateKey

    def text(self) -> str:
        shown_at = int(SystemClock().now().timestamp())
        return to_text(wrap(self.sealed, shown_at=shown_at, sign=p256_signer(self.key)))


class Box:
    """One gate on a real journal, connected to a broker; boards and people are played by hand."""

    def __init__(self, folder: Path, name: str, *, keyset: Path, broker: str) -> None:
        base = config(folder / name)
        named = base.gate.model_copy(update={"id": name, "number": GATES[name]})
        settings = base.model_copy(update={"gate": named})
        self.clock, self.news = SystemClock(), list[DeviceData]()
        self.journal = Journal(folder / name, self.clock)
        anchor = load_key_set(keyset, SITE)
        self.keeper = BundleKeeper(
            folder / name,
            anchor,
            clock=self.clock,
            raise_floor=self.clock.raise_floor,
            report=self.news.append,
        )
        self.standings = Standings(
            self.journal,
            settings.to_policy().zone,
            bundle=lambda: self.keeper.bundle,
            bundle_required=True,
        )
        self.uplink = Uplink(
            self.journal,
            link=LinkSettings(url=broker, client_id=name),
            gate=name,
            site=SITE,
            clock=self.clock,
            software="test",
            boot=self.journal.boot,
            health=self._health,
            rng=Random(1),
            bundle=self.keeper.receive,
        )
        self.screen = Screen(
            settings,
            units={},
            journal=self.journal,
            standings=self.standings,
            clock=self.clock,
            uplink=lambda: UplinkView(connected=False, depth=0, last_ack_at=None),
        )
        self.gate = Gate(
            settings,
            keys=anchor.to_domain(),
            journal=self.journal,
            standings=self.standings,
            screen=self.screen,
            clock=self.clock,
            submit=self._submit,
            recorded=self.uplink.wake,
            health_changed=lambda: None,
            look_again=lambda _lane: None,
        )
        self.pulses: list[Pulse] = []
        for board in ("relays", "inputs"):
            self.gate.handle(BoardReported(board=board, event=Line(up=True)))
        self.keeper.start()
        self.uplink.start()

    def _health(self) -> Health:
        return self.screen.health("test")

    def _submit(self, _board: str, pulse: BoardCommand) -> bool:
        assert isinstance(pulse, Pulse)
        self.pulses.append(pulse)
        return True

    @property
    def seq(self) -> int:
        """The number of the bundle that it holds, 0 for none."""
        return self.keeper.bundle.seq if self.keeper.bundle else 0

    def answer(self, phone: Phone) -> str:
        """What the entry says to this phone: a reason, or "grant"; nobody walks, so the lane is given back."""
        self.gate.handle(ScanSeen(lane="entry", texts=(phone.text(),), at_s=self.clock.monotonic_s()))
        verdict = self.screen.verdicts_after(-1)[-1]
        return verdict.reason or verdict.outcome.value

    def has_been_inside_for(self, phone: Phone, minutes: int) -> None:
        """Record that the holder came in some minutes ago and has not left."""
        now = self.clock.now()
        found = check(phone.text(), self.keeper.keys, now=now)
        assert isinstance(found, Verified)
        stay = self.standings.record_entry_grant(Grant(found.claims), "entry", Shown(found.shown_at))
        came = now - timedelta(minutes=minutes)
        self.standings.record_entry(stay.id, "entry", at=came, assumed=False)
        self.uplink.wake()

    def close(self) -> None:
        self.uplink.stop()
        self.keeper.stop()
        self.journal.close()


class Site:
    """A running centre with its broker, and gates that come and go."""

    def __init__(self, folder: Path) -> None:
        self.plan = DemoPlan(folder=folder / "demo", web_port=free_port(), broker_port=free_port())
        create_demo(self.plan, now=SystemClock().now())
        self._stop = threading.Event()
        self.centre = CentreDaemon(load_centre(self.plan.folder / "centre.toml"))
        self._thread = threading.Thread(target=self.centre.run, args=(self._stop,), name="centre")
        self._thread.start()
        token = (self.plan.folder / "keys" / "api.token").read_text()
        self.api = httpx2.Client(
            base_url=f"http://127.0.0.1:{self.plan.web_port}/api/v1",
            headers={"Authorization": f"Bearer {token}"},
            trust_env=False,
        )
        self._people = 0

    def close(self) -> None:
        self.api.close()
        self._stop.set()
        self._thread.join()

    def box(self, name: str, folder: Path, *, online: bool = True) -> Box:
        port = self.plan.broker_port if online else free_port()
        return Box(folder, name, keyset=self.plan.folder / "keyset.json", broker=f"mqtt://127.0.0.1:{port}")

    def phone(self, person: int | None = None) -> Phone:
        """A courier's pass for both gates; ``person`` for a second pass of the same number."""
        self._people += 1
        key = phone_key(1000 + self._people)
        wanted = {
            "name": "李雷",
            "phone": f"1380013{person or self._people + 7000:04}",
            "category": "courier",
            "unit": 12,
            "valid_minutes": 60,
            "gates": [0, 1],
            "holder_key": p256_public(key).hex(),
        }
        made = self.api.post("/passes", json=wanted)
        assert made.status_code == 201, made.text
        return Phone(made.json()["pass_id"], bytes.fromhex(made.json()["pass_hex"]), key)

    def revoke(self, phone: Phone) -> None:
        done = self.api.post(f"/passes/{phone.pass_id}/revoke", json={"by": "Wang", "reason": "phone lost"})
        assert done.status_code == 200

    def revoke_and_tell(self, phone: Phone, box: Box) -> None:
        """Revoke a pass and wait until the gate holds a bundle that was made after it."""
        before = until(lambda: box.seq, within_s=WITHIN_S, what="the first bundle")
        self.revoke(phone)
        until(lambda: box.seq > before, within_s=WITHIN_S, what="the next bundle")

    def bundle_file(self, other_than: bytes = b"") -> bytes:
        """The newest bundle as the interface gives it."""

        def newest() -> bytes | None:
            answer = self.api.get(f"/sites/{SITE}/bundle")
            return answer.content if answer.status_code == 200 and answer.content != other_than else None

        return until(newest, within_s=WITHIN_S, what="a new bundle")


def config_for(site: Site, folder: Path) -> Path:
    """The demo's ``gate.toml``, for a gate whose data is in another folder."""
    text = (site.plan.folder / "gate.toml").read_text("utf-8")
    for name in ("keyset", "units"):
        text = text.replace(f'"{name}.json"', f'"{site.plan.folder}/{name}.json"')
    path = folder / "gate.toml"
    path.write_text(text, "utf-8")
    return path


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = Site(tmp_path_factory.mktemp("site"))
    try:
        until(lambda: made.centre._intake.status().connected, within_s=30, what="the centre")
        yield made
    finally:
        made.close()


def test_q10_a_pass_revoked_at_the_centre_is_refused_within_one_bundle_and_after_a_restart_without_a_network(
    site: Site, tmp_path: Path
) -> None:
    lost, other = site.phone(), site.phone()
    box = site.box("south", tmp_path)
    site.revoke_and_tell(lost, box)
    assert box.answer(lost) == "revoked"
    box.close()

    cut_off = site.box("south", tmp_path, online=False)
    try:
        assert cut_off.answer(lost) == "revoked"
        assert cut_off.answer(other) == "grant"
    finally:
        cut_off.close()


def test_q12_who_stays_too_long_behind_one_gate_is_refused_at_another_with_any_pass(
    site: Site, tmp_path: Path
) -> None:
    inside, second, other = site.phone(8001), site.phone(8001), site.phone()
    south, north = site.box("south", tmp_path), site.box("north", tmp_path)
    try:
        until(lambda: north.seq, within_s=WITHIN_S, what="the first bundle")
        south.has_been_inside_for(inside, minutes=5)
        until(
            lambda: north.keeper.bundle and len(north.keeper.bundle.red) >= 2,
            within_s=WITHIN_S,
            what="a bundle with person and phone",
        )
        assert [north.answer(phone) for phone in (inside, second)] == ["red", "red"]
        assert north.answer(other) == "grant"
    finally:
        south.close()
        north.close()


def test_q16_an_older_bundle_on_the_same_topic_is_refused_and_told(site: Site, tmp_path: Path) -> None:
    old = site.bundle_file()
    lost = site.phone()
    box = site.box("north", tmp_path)
    try:
        site.revoke_and_tell(lost, box)
        held = box.seq
        with PlainClient(site.plan.broker_port) as attacker:
            attacker.publish(site_bundle(SITE), old)
            until(lambda: box.news, within_s=WITHIN_S, what="the fault")
        assert "rolled_back" in box.news[0].detail
        assert box.seq >= held
        assert box.answer(lost) == "revoked"
    finally:
        box.close()


def test_a_stick_brings_the_bundle_to_a_gate_without_a_network(site: Site, tmp_path: Path) -> None:
    """Told by exit statuses: 3 while no gate runs, 0 when one took it, 4 for what it must not take."""
    lost, other = site.phone(), site.phone()
    old = site.bundle_file()
    site.revoke(lost)
    data = site.bundle_file(other_than=old)
    toml = config_for(site, tmp_path)
    stick = tmp_path / "site-7.bundle"

    def said(*arguments: str, content: bytes = data) -> tuple[int, str]:
        stick.write_bytes(content)
        done = CliRunner().invoke(app, ["bundle", *arguments, "--config", str(toml)])
        return done.exit_code, done.output

    assert said("show")[0] == 1
    assert said("import", str(stick), "--dry-run")[0] == 0
    assert not (tmp_path / "south" / INBOX).exists()
    box = site.box("south", tmp_path, online=False)
    try:
        assert box.answer(other) == "bundle_stale"
        code, text = said("import", str(stick))  # among what the gate of this process logs
        assert (code, f"The gate holds it now: bundle {box.seq} with key set 1.\n" in text) == (0, True)
        assert box.answer(lost) == "revoked"
        assert box.answer(other) == "grant"
        assert "The gate holds this bundle already" in said("import", str(stick))[1]
        assert said("import", str(stick), content=old)[0] == 4
        assert said("import", str(stick), content=data[:-1] + b"\x00")[0] == 4
        code, shown = said("show", "--json")
        assert (code, f'"seq": {box.seq}' in shown, '"revoked": ' in shown) == (0, True, True)
        assert said("show", str(stick), content=old)[0] == 0
        assert (tmp_path / "south" / FILE).is_file()
        assert box.news == []
    finally:
        box.close()
    assert said("import", str(tmp_path / "none"))[0] == 2


def test_a_stick_without_a_running_gate_waits_for_its_start(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.bundle_cli.TAKEN_WITHIN_S", 0.1)
    stick, toml = tmp_path / "site-7.bundle", config_for(site, tmp_path)
    stick.write_bytes(site.bundle_file())
    done = CliRunner().invoke(app, ["bundle", "import", str(stick), "--config", str(toml)])
    assert done.exit_code == 3
    assert "is taken when the gate starts" in done.output
    box = site.box("south", tmp_path, online=False)
    try:
        until(lambda: box.seq, within_s=WITHIN_S, what="the bundle from the stick")
    finally:
        box.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files for another user")
def test_what_root_brings_belongs_to_the_gates_user(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.bundle_cli.TAKEN_WITHIN_S", 0.1)
    stick, toml, inbox = tmp_path / "site-7.bundle", config_for(site, tmp_path), tmp_path / "south" / INBOX
    stick.write_bytes(site.bundle_file())
    inbox.mkdir(parents=True)  # as root made it in an earlier version
    os.chown(inbox.parent, 65_534, 65_534)
    assert CliRunner().invoke(app, ["bundle", "import", str(stick), "--config", str(toml)]).exit_code == 3
    found = [inbox, *inbox.iterdir()]
    assert [(one.stat().st_uid, one.stat().st_gid) for one in found] == [(65_534, 65_534)] * 2


def test_what_the_gate_has_on_its_disk_counts_though_the_file_is_still_in_the_inbox(
    site: Site, tmp_path: Path
) -> None:
    """A gate that may not remove the file has taken it all the same."""
    toml, data = config_for(site, tmp_path), site.bundle_file()
    waiting = tmp_path / "south" / INBOX / "1.bundle"
    waiting.parent.mkdir(parents=True)
    waiting.write_bytes(data)
    (tmp_path / "south" / FILE).write_bytes(data)
    held = _held(waiting, data, toml)
    assert held is not None
    assert held.bundle is not None
    (tmp_path / "south" / FILE).unlink()
    waiting.unlink()
    assert _held(waiting, data, toml) is None


@pytest.mark.parametrize("command", ["import", "show"])
def test_each_command_has_help_with_an_example_that_stands_in_the_manual(command: str) -> None:
    done = CliRunner().invoke(app, ["bundle", command, "--help"])
    assert (done.exit_code, f"Example: postern-edge bundle {command}" in done.output) == (0, True)
    manual = (Path(__file__).parents[2] / "docs" / "bundle.md").read_text("utf-8")
    assert f"### postern-edge bundle {command}" in manual
