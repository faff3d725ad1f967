"""The gate daemon: owners of devices around one deciding thread.

Cameras, boards and the uplink each have their own thread and only put inputs into the queue; the thread that calls
``run`` takes them out one by one, so that the core needs no locks.
"""

import contextlib
import hashlib
import os
import threading
from collections import deque
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Final

from drivers.gate.config import GateConfig
from drivers.gate.inputs import inputs_in_use
from drivers.gate.view import ViewSection
from drivers.gate.warnings import warnings
from drivers.model import AnyEvent
from drivers.peripherals import Scanned
from edge import pending_config
from edge.boards import Boards
from edge.bundles import BundleKeeper
from edge.clock_watch import ClockWatch
from edge.command_deeds import Deeds
from edge.command_ledger import Ledger
from edge.commands import Commands
from edge.control import SOCKET, DecidingThread, handlers
from edge.disk_watch import DiskWatch
from edge.exits_meanwhile import ExitsMeanwhile
from edge.files import load_key_set, load_units
from edge.gate import Gate
from edge.gate_key import GateKey, GateKeyError, load_gate_key
from edge.identity import IdentityWatch, tls_files
from edge.inputs import Asked, BoardReported, CameraChanged, Inputs
from edge.journal import Journal, JournalError
from edge.journal.identity import this_box
from edge.journal.limits import Limits
from edge.journal_requests import journal_handlers
from edge.kiosk.app import create_kiosk
from edge.kiosk.view import Uplink as UplinkView
from edge.kiosk_page import KioskPage
from edge.peers import Peers
from edge.readers import Readers
from edge.screen import Screen
from edge.standing import Standings
from edge.standing_peers import PeerStays
from edge.starts import Starts
from edge.tool_requests import tool_handlers
from edge.vision.camera import About, Camera, CameraHealth, CameraSettings, CameraState, Scan
from edge.vision.nursery import Nursery
from edge.vision.preview import Preview
from edge.walkin import WalkIns
from passes.vocabulary import Direction
from shell.broker_url import parse_broker_url
from shell.clock import SystemClock
from shell.control import ControlError, ControlServer
from shell.file_reading import read_at_most
from shell.logs import get_logger
from shell.settings import FILE_BYTES_MAX
from shell.systemd import Systemd
from sync.link import LinkSettings
from sync.mailbox import Received
from sync.messages import BootData, DeviceData, Health, Kind
from sync.topics import down, peer_topics
from sync.uplink import Uplink

log = get_logger("edge")

SOFTWARE: Final = "postern 0.1.0"
TURN_S: Final = 0.25  # longest wait of the deciding thread between two looks at its deadlines
HOUSEKEEPING_EVERY_S: Final = 30.0
SHORT_HOUSEKEEPING_EVERY_S: Final = 1.0  # while entries wait for room on the disk
DEVICE_NEWS_MAX: Final = 256  # between two turns of the loop; the oldest goes
DEAD_EXIT_S: Final = 5.0  # a start that ends earlier than this for a dead board would never serve anybody
DEAD_BOARD_S: Final = 300.0  # a new start stops the exits for seconds: not at once for a board of entries


class BusEndedError(Exception):
    """The thread of a board has ended by a programming error; ``board`` is its name."""

    def __init__(self, board: str) -> None:
        super().__init__(
            f"The bus of board {board!r} has ended by a programming error; the log says which. "
            "The gate ends, so that it is started anew: systemd does, or run postern-edge run again."
        )
        self.board = board


class EdgeDaemon:
    """One gate box, from configuration to running threads.

    Args:
        config: What the gate is.
        config_path: The file it came from; its hash goes into the boot event.

    Raises:
        SettingsError: Key set or unit directory cannot be used.
        JournalError: The journal cannot be opened.
    """

    def __init__(self, config: GateConfig, config_path: Path) -> None:
        self._config, gate = config, config.gate
        self._clock = SystemClock()
        key_set, units = load_key_set(gate.keys, gate.site, root=gate.root), load_units(gate.units)
        self._device_news: deque[DeviceData] = deque(maxlen=DEVICE_NEWS_MAX)
        self._inputs = Inputs(lane.name for lane in config.lane if lane.direction is Direction.ENTRY)
        self._identity: IdentityWatch | None = None
        self._starts = Starts(gate.data_dir)
        self._accepts = threading.Event()
        self._systemd = Systemd(self._clock.monotonic_s)
        self._boards = Boards(config.board, self._report, used=inputs_in_use(config.lane, config.input))
        self._nursery = Nursery(self._clock)
        self._previews = {
            lane.name: Preview(self._clock) for lane in config.lane if lane.camera and config.kiosk.preview
        }
        self._cameras = {
            lane.name: self._make_camera(lane.name, lane.camera, lane.view)
            for lane in config.lane
            if lane.camera
        }
        self._readers = Readers(config.lane, self._inputs, cameras=self._cameras, dropped=self._unreadable)
        self._exits = [lane for lane in config.lane if lane.direction is Direction.EXIT]
        self._exits_meanwhile = ExitsMeanwhile(
            config.lane, self._inputs.scans, self._boards.submit, self._clock, self._systemd
        )
        with ExitStack() as undo:
            undo.enter_context(self._starts)
            undo.callback(self._boards.close)
            undo.callback(self._nursery.close)
            for camera in self._cameras.values():
                undo.callback(camera.close)
            undo.callback(self._exits_meanwhile.stop)
            self.journal = Journal(
                gate.data_dir,
                self._clock,
                box=this_box(gate.data_dir),
                doubt=self._starts.begin,
                limits=Limits(receipted_bytes=config.journal.receipted_mb * 1_000_000),
                held=self._serve_exits,
            )
            undo.callback(self.journal.close)
            self._raise_clock_floor()
            self._bundles = BundleKeeper(
                gate.data_dir,
                key_set,
                clock=self._clock,
                raise_floor=self._clock.raise_floor,
                report=self._device_news.append,
            )
            self._standings = Standings(
                self.journal,
                config.to_policy().zone,
                bundle=lambda: self._bundles.bundle,
                bundle_required=config.policy.bundle_required,
            )
            self._uplink = Uplink(
                self.journal,
                link=self._link_settings(),
                gate=gate.id,
                site=gate.site,
                clock=self._clock,
                software=SOFTWARE,
                boot=self.journal.boot,
                health=self._health,
                rng=Random(),  # noqa: S311  # jitter, not a secret
                bundle=self._bundles.receive,
                told_time=self._clock.confirm,
                others=dict.fromkeys(peer_topics(gate.site), self._peer_spoke)
                | {down(gate.site, gate.id, "cmd"): self._command_came},
                epoch_left=self._report_epoch_left,
            )
            self._screen = Screen(
                config,
                units=units,
                journal=self.journal,
                standings=self._standings,
                clock=self._clock,
                uplink=self._uplink_view,
            )
            self._gate = Gate(
                config,
                keys=self._bundles.keys,
                journal=self.journal,
                standings=self._standings,
                screen=self._screen,
                clock=self._clock,
                submit=self._boards.submit,
                recorded=self._uplink.wake,
                health_changed=self._uplink.health_changed,
                look_again=self._readers.look_again,
            )
            self._peers = Peers(
                site=gate.site,
                gate=gate.id,
                number=gate.number,
                stays=PeerStays(self.journal, gate.id, self._clock),
                key=self._own_key,
                certificates=lambda: self._bundles.certificates,
                publish=self._uplink.publish,
                connected=lambda: self._uplink.status().connected,
                clock=self._clock,
                used_twice=lambda stay: self._gate.alarms.flash("used_twice", stay.gate, stay.pass_id),
                wake=self._come_round,
            )
            self._commands = self._make_commands()
            self._clock_watch = ClockWatch(self._clock, self._gate.alarms, self._gate.note)
            self._disk = DiskWatch(self.journal, self._gate.alarms, self._gate.note, self._clock)
            walk_ins = WalkIns(
                config,
                keys=lambda: self._bundles.keys,
                standings=self._standings,
                clock=self._clock,
                random_bytes=os.urandom,
                recorded=self._uplink.wake,
            )
            self._deciding = DecidingThread(self._inputs.put)
            requests = handlers(walk_ins, self._deciding, units) | journal_handlers(self.journal)
            requests |= tool_handlers(self._gate.hands, self._gate.feed, self._deciding)
            self._control = ControlServer(gate.data_dir / SOCKET, requests)
            self._page = KioskPage(
                lambda: create_kiosk(self._screen, clock=self._clock, previews=self._previews),
                host=config.kiosk.host,
                port=config.kiosk.port,
                report=self._device_news.append,
            )
            self._config_sha256 = hashlib.sha256(read_at_most(config_path, FILE_BYTES_MAX)).hexdigest()
            undo.pop_all()

    @property
    def url(self) -> str:
        """Address of the kiosk page."""
        return self._page.url

    def run(self, stop: threading.Event) -> None:
        """Serve until ``stop`` is set, then close everything; the caller's thread is the deciding one.

        Raises:
            BusEndedError: A board has lost its thread for good; a new start gives it another.
            JournalLostError: The journal's file cannot be believed; a new start looks at it.
        """
        with self._starts:
            try:
                self._start()
                log.info("gate serves", kiosk=self.url, gate=self._config.gate.id)
                self._decide_until(stop)
            finally:
                self._close()

    def _serve_exits(self) -> None:
        """Begin what needs no journal, before it is looked at, which may take long: nobody waits inside for that.

        What an earlier run left closed opens first, then boards are asked who they are.
        """
        self._boards.start()
        self._exits_meanwhile.start()
        if self._cameras:
            with contextlib.suppress(OSError):  # no process now: whoever needs it asks again, and says so
                self._nursery.start()
        for lane in self._exits:
            if lane.camera:
                self._cameras[lane.name].start()

    def _start(self) -> None:
        self._gate.note(Kind.BOOT, BootData(software=SOFTWARE, config_sha256=self._config_sha256))
        wanted = pending_config.look(self._config.gate.data_dir, self._config_sha256)
        if wanted is not None:
            self._gate.note(Kind.DEVICE, wanted)
        self._gate.resume()
        for words in warnings(self._config.board, self._config.lane, self._config.input):
            log.warning("wiring", note=words)
        self._bundles.start()
        self._disk.start()
        self._uplink.start()
        self._page.start()
        self._accepts.set()
        exits = {lane.name for lane in self._exits}
        for name in self._cameras.keys() - exits:
            self._cameras[name].start()
        try:
            self._control.start()
        except ControlError as error:  # a gate without its tools is a gate all the same
            log.error("the tools of this machine cannot ask this gate", error=str(error))
            self._gate.note(Kind.DEVICE, DeviceData(device=SOCKET, state="fault", detail=str(error)[:200]))

    def _decide_until(self, stop: threading.Event) -> None:
        housekeeping_s = self._clock.monotonic_s() + HOUSEKEEPING_EVERY_S
        systemd, began_s = self._systemd, self._clock.monotonic_s()
        self._exits_meanwhile.came_round(None)
        systemd.ready(self._status())
        self._starts.serving()
        while not stop.is_set():
            systemd.alive()
            systemd.status(self._status())
            self._end_for_dead_boards(self._clock.monotonic_s() - began_s)
            deadline_s = self._gate.next_deadline_s()
            now_s = self._clock.monotonic_s()
            wait_s = TURN_S if deadline_s is None else min(TURN_S, max(0.0, deadline_s - now_s))
            item = self._inputs.get(wait_s)
            self._exits_meanwhile.came_round(item)
            self._gate.use_keys(self._bundles.keys)
            if item is not None:
                self._gate.handle(item)
            self._gate.tick()
            self._clock_watch.tick()
            self._disk.tick()
            self._commands.tick()
            self._peers.tick()
            if opened := self._exits_meanwhile.opened():
                detail = f"{opened} openings of exits without a record while nothing was decided"
                self._gate.note(Kind.DEVICE, DeviceData(device="deciding", state="recovered", detail=detail))
            while self._device_news:
                self._gate.note(Kind.DEVICE, self._device_news.popleft())
            if self._clock.monotonic_s() >= housekeeping_s:
                self._housekeep()
                every_s = SHORT_HOUSEKEEPING_EVERY_S if self.journal.short else HOUSEKEEPING_EVERY_S
                housekeeping_s = self._clock.monotonic_s() + every_s
        systemd.stopping()

    def _status(self) -> str:
        """How the lanes are, for ``systemctl status``."""
        lanes = (self._screen.lane(lane.name) for lane in self._config.lane)
        return ", ".join(f"{lane.name} {lane.state}" for lane in lanes)

    def _end_for_dead_boards(self, up_s: float) -> None:
        """A board without its thread is dead until the next start: at an exit that cannot wait."""
        exits = {lane.board for lane in self._exits}
        for board in self._boards.dead():
            if up_s >= (DEAD_EXIT_S if board in exits else DEAD_BOARD_S):
                raise BusEndedError(board)

    def _housekeep(self) -> None:
        if self._identity is not None:
            self._identity.look()
        try:
            self.journal.prune()
            self._standings.forget_old(self._clock.now())
        except JournalError as error:
            log.error("old rows were not deleted", error=str(error))

    def _close(self) -> None:
        """Close everything, the relays first; one failure keeps nothing else open."""
        with ExitStack() as rest:
            rest.callback(self.journal.close)
            rest.callback(self._disk.close)
            rest.callback(self._page.stop)
            rest.callback(self._bundles.stop)
            rest.callback(self._uplink.stop)
            rest.callback(self._control.stop)
            rest.callback(self._deciding.close)
            rest.callback(self._gate.feed.close)
            rest.callback(self._gate.hands.close)
            rest.callback(self._nursery.close)
            for camera in self._cameras.values():
                rest.callback(camera.close)
            rest.callback(self._boards.close)
            rest.callback(self._exits_meanwhile.stop)

    def _link_settings(self) -> LinkSettings:
        """How to reach the broker; one that is reached by TLS wants a certificate that is looked after."""
        gate, url = self._config.gate, self._config.broker.url
        by_tls = parse_broker_url(url).tls
        if by_tls:
            self._identity = IdentityWatch(gate.data_dir, self._clock, self._device_news.append)
        return LinkSettings(
            url=url,
            client_id=gate.id,
            tls=tls_files(gate.data_dir) if by_tls else None,
            rivalry=self._rivalry,
        )

    def _rivalry(self, seen: bool) -> None:
        detail = "another client connects to the broker as this gate" if seen else ""
        state = "fault" if seen else "recovered"
        self._device_news.append(
            DeviceData.model_validate({"device": "broker", "state": state, "detail": detail})
        )

    # -- owners of devices

    def _report(self, board: str, event: AnyEvent) -> None:
        if isinstance(event, Scanned) and not self._accepts.is_set():
            if board in {lane.scanner for lane in self._exits}:
                self._readers.scanned(board, event)
            return  # an entry's codes count from when there is somebody to judge them
        if isinstance(event, Scanned):
            self._gate.feed.scanned(board, event)
            self._readers.scanned(board, event)
        else:
            self._inputs.put(BoardReported(board=board, event=event))

    def _unreadable(self) -> None:
        if self._accepts.is_set():
            self._screen.count("unreadable_codes")

    def _make_camera(self, lane: str, spec: str, view: ViewSection | None) -> Camera:
        def seen(scan: Scan) -> None:
            self._readers.camera_saw(lane, scan.texts, scan.at_s)

        def changed(health: CameraHealth) -> None:
            ok = health.state is CameraState.OK
            if health.about is About.CAMERA:
                self._inputs.put(CameraChanged(lane=lane, ok=ok, detail=health.detail))
                return
            device, detail = f"camera {lane} {health.about}", health.detail[:200]
            self._device_news.append(
                DeviceData(device=device, state="recovered" if ok else "fault", detail=detail)
            )

        return Camera(
            lane,
            spec,
            seen,
            changed,
            self._clock,
            nursery=self._nursery,
            settings=CameraSettings.of(view),
            preview=self._previews.get(lane),
        )

    def _make_commands(self) -> Commands:
        gate, ledger = self._config.gate, Ledger(self.journal)
        deeds = Deeds(
            hands=self._gate.hands,
            journal=self.journal,
            ledger=ledger,
            bundles=self._bundles,
            folder=gate.data_dir,
            software=SOFTWARE,
        )
        return Commands(
            site=gate.site,
            gate=gate.id,
            journal=self.journal,
            ledger=ledger,
            deeds=deeds,
            key_set=lambda: self._bundles.key_set,
            centre_now=self._uplink.centre_now,
            not_before=self._bundles.signed_at,
            clock=self._clock,
            put=self._inputs.put,
            publish=self._uplink.publish,
            recorded=self._uplink.wake,
        )

    def _command_came(self, message: Received) -> None:
        self._commands.receive(message)

    # -- what others ask

    def _peer_spoke(self, message: Received) -> None:
        self._peers.received(message)

    def _come_round(self) -> None:
        self._inputs.put(Asked(lambda: None))

    def _own_key(self) -> GateKey | None:
        with contextlib.suppress(GateKeyError):
            return load_gate_key(self._config.gate.data_dir)
        return None

    def _health(self) -> Health:
        return self._screen.health(SOFTWARE)

    def _report_epoch_left(self, detail: str) -> None:
        self._device_news.append(DeviceData(device="journal", state="fault", detail=detail))

    def _uplink_view(self) -> UplinkView:
        status = self._uplink.status()
        return UplinkView(
            connected=status.connected,
            depth=status.depth,
            last_ack_at=status.last_ack_at,
        )

    def _raise_clock_floor(self) -> None:
        newest = self.journal.read(
            "select at_ms from event where epoch = ? and json_extract(body, '$.trust') = 'trusted'"
            " order by seq desc limit 1",
            (self.journal.epoch(),),
        )
        if newest:
            self._clock.raise_floor(datetime.fromtimestamp(newest[0][0] / 1000, UTC))
