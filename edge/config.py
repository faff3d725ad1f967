"""``gate.toml``: what one gate box is connected to, and the wiring facts of each lane."""

from datetime import time
from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, StringConstraints, field_validator, model_validator

from passes.decide import Policy
from passes.stay import StayRule
from passes.vocabulary import GATES_MAX, Category, Direction
from shell.settings import SettingsModel, ZoneName, load_settings
from sync.link import parse_broker_url
from sync.messages import GateId, Word

LeaveBy = Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]0$")]
StayLimit = Annotated[int, Field(ge=1, le=24 * 60)] | LeaveBy
PULSE_MS_MAX = 2000  # longer pulses make some turnstiles close without their safety (reference, drivers 0.5)


class ContactConfig(SettingsModel):
    """Which input of which board reports a passage; channels count from 1."""

    board: Word
    channel: Annotated[int, Field(ge=1, le=8)]


class GateSection(SettingsModel):
    """Who this gate is, and where its files are."""

    id: GateId
    site: Annotated[int, Field(ge=0, lt=65_536)]
    number: Annotated[int, Field(ge=0, lt=GATES_MAX)]
    name: Annotated[str, StringConstraints(min_length=1, max_length=60)]
    site_name: Annotated[str, StringConstraints(max_length=60)] = ""
    zone: ZoneName
    data_dir: Path
    keys: Path
    root: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = None  # pins it
    units: Path


class BrokerSection(SettingsModel):
    """Which MQTT broker carries this gate's events."""

    url: Annotated[str, StringConstraints(pattern=r"^mqtt://[^\s/]+:\d{1,5}$")]

    @field_validator("url")
    @classmethod
    def _can_be_reached(cls, url: str) -> str:
        parse_broker_url(url)
        return url


class KioskSection(SettingsModel):
    """Where the guard's page is served."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65_535)] = 8081


class PolicySection(SettingsModel):
    """The site's choices; the defaults are the careful ones."""

    static_needs_guard: bool = True
    residents_when_clock_untrusted: bool = False
    residents_when_bundle_stale: bool = True
    bundle_required: bool = True


class StaySection(SettingsModel):
    """How long whom a guard registers here may stay: whole minutes, or a local time to leave by. As at the centre."""

    food: StayLimit = 30
    courier: StayLimit = 60
    renovation: StayLimit = "20:00"
    service: StayLimit = 240
    other: StayLimit = 240

    def rule(self, category: Category) -> StayRule:
        """The rule for one of the walk-in categories."""
        limit = {
            Category.FOOD: self.food,
            Category.COURIER: self.courier,
            Category.RENOVATION: self.renovation,
            Category.SERVICE: self.service,
            Category.OTHER: self.other,
        }[category]
        if isinstance(limit, int):
            return StayRule(minutes=limit)
        return StayRule(leave_by=time.fromisoformat(limit))


class BoardSection(SettingsModel):
    """One device on a serial port."""

    name: Word
    protocol: Literal["lcus", "modbus-inputs"]
    port: Path
    unit: Annotated[int, Field(ge=1, le=247)] = 1


class LaneSection(SettingsModel):
    """One lane: its camera, its output, how a passage is noticed, and how it is wired."""

    name: Word
    direction: Direction
    camera: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    board: Word
    channel: Annotated[int, Field(ge=1, le=8)]
    pulse_ms: Annotated[int, Field(ge=100, le=PULSE_MS_MAX)] = 300
    passage: Literal["contact", "assumed"]
    contact: ContactConfig | None = None
    passage_wait_s: Annotated[float, Field(ge=1, le=60)] = 5.0
    release: Literal["pulse_to_open", "energise_to_lock"]
    on_power_loss: Literal["open", "locked", "as_is"]

    @field_validator("camera")
    @classmethod
    def _camera_is_known(cls, spec: str) -> str:
        scheme, found, _ = spec.partition("://")
        if found and scheme not in {"http", "https", "rtsp", "rtsps"}:
            raise ValueError("write a folder, a video file, http(s)://…, rtsp://… or /dev/videoN")
        return spec

    @model_validator(mode="after")
    def _contact_when_needed(self) -> Self:
        if (self.passage == "contact") != (self.contact is not None):
            raise ValueError('passage = "contact" needs contact = { board, channel }, and "assumed" has none')
        if self.passage_wait_s < self.pulse_ms / 1000 + 1:
            raise ValueError("passage_wait_s must be at least one second longer than pulse_ms")
        if self.release == "energise_to_lock":
            raise ValueError(
                'release = "energise_to_lock" is not driven yet: wire this lane as "pulse_to_open"'
            )
        return self


class GateConfig(SettingsModel):
    """The whole file. Relative paths are relative to the file's folder."""

    gate: GateSection
    broker: BrokerSection
    kiosk: KioskSection = KioskSection()
    policy: PolicySection = PolicySection()
    stay: StaySection = StaySection()
    board: Annotated[list[BoardSection], Field(min_length=1)]
    lane: Annotated[list[LaneSection], Field(min_length=1, max_length=8)]

    @model_validator(mode="after")
    def _names_fit(self) -> Self:
        boards = {board.name: board.protocol for board in self.board}
        lanes = {lane.name for lane in self.lane}
        if len(boards) != len(self.board) or len(lanes) != len(self.lane):
            raise ValueError("two boards, or two lanes, have the same name")
        for lane in self.lane:
            if boards.get(lane.board) != "lcus":
                raise ValueError(f"lane {lane.name}: board {lane.board!r} is not a relay board of this file")
            if lane.contact and boards.get(lane.contact.board) != "modbus-inputs":
                raise ValueError(f"lane {lane.name}: contact board {lane.contact.board!r} has no inputs")
        ports = [board.port for board in self.board]
        if len(set(ports)) != len(ports):
            raise ValueError("two boards share one port")
        outputs = [(lane.board, lane.channel) for lane in self.lane]
        inputs = [(lane.contact.board, lane.contact.channel) for lane in self.lane if lane.contact]
        if len(set(outputs)) != len(outputs):
            raise ValueError("two lanes share one output")
        if len(set(inputs)) != len(inputs):
            raise ValueError("two lanes share one passage contact")
        return self

    def to_policy(self) -> Policy:
        """The site's choices as ``passes.decide`` takes them."""
        return Policy(
            zone=ZoneInfo(self.gate.zone),
            static_needs_guard=self.policy.static_needs_guard,
            residents_when_clock_untrusted=self.policy.residents_when_clock_untrusted,
            residents_when_bundle_stale=self.policy.residents_when_bundle_stale,
        )


def load_config(path: Path) -> GateConfig:
    """Read ``gate.toml`` and make its paths absolute; raises ``SettingsError``."""
    config = load_settings(path, GateConfig)
    base = path.resolve().parent
    gate = config.gate.model_copy(
        update={name: base / getattr(config.gate, name) for name in ("data_dir", "keys", "units")}
    )
    boards = [board.model_copy(update={"port": base / board.port}) for board in config.board]
    lanes = [lane.model_copy(update={"camera": _resolve_camera(lane.camera, base)}) for lane in config.lane]
    return config.model_copy(update={"gate": gate, "board": boards, "lane": lanes})


def _resolve_camera(spec: str, base: Path) -> str:
    return spec if "://" in spec or spec.startswith("/") else str(base / spec)
