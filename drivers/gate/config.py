"""``gate.toml``: what one gate box is connected to, and the wiring facts of each lane."""

from collections.abc import Mapping
from datetime import time
from pathlib import Path
from typing import Annotated, Any, Final, Self
from zoneinfo import ZoneInfo

from pydantic import (
    BeforeValidator,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails

from drivers.gate.hardware import BoardSection, InputSection, LaneSection, told
from drivers.gate.ways import file_places, in_file, lanes_of
from drivers.gate.wiring import problems
from passes.decide import Policy
from passes.stay import StayRule
from passes.vocabulary import GATES_MAX, Category
from passes.words import Pair
from shell.broker_url import parse_broker_url
from shell.names import GateId
from shell.settings import SettingsModel, ZoneName, load_settings

LeaveBy = Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]0$")]
StayLimit = Annotated[int, Field(ge=1, le=24 * 60)] | LeaveBy
_NO_HOST: Final = Pair(
    "不是主机名或地址：例如 127.0.0.1（只在本机）或 0.0.0.0（所有网卡）；检查多余的点",
    "no name or address of a host: write 127.0.0.1 for this machine alone, 0.0.0.0 for every network card; look "
    "for a dot too many",
)
BASE: Final = "base"  # in the context of a validation: the folder of the file


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

    url: Annotated[str, StringConstraints(pattern=r"^mqtts?://[^\s/]+:\d{1,5}$")]

    @field_validator("url")
    @classmethod
    def _can_be_reached(cls, url: str) -> str:
        parse_broker_url(url)
        return url


class KioskSection(SettingsModel):
    """Where the guard's page is served, and whether it shows what the cameras see."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65_535)] = 8081
    preview: bool = False  # personal data: the site decides

    @field_validator("host")
    @classmethod
    def _is_a_name_or_an_address(cls, host: str) -> str:
        try:
            host.encode("idna")
        except UnicodeError:
            raise told(_NO_HOST) from None
        return host


class JournalSection(SettingsModel):
    """How much of what the centre has already the gate keeps, in megabytes; at most seven days of it."""

    receipted_mb: Annotated[int, Field(ge=16, le=10_000)] = 256


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


class GateConfig(SettingsModel):
    """The whole file. Relative paths are relative to the file's folder."""

    gate: GateSection
    broker: BrokerSection
    kiosk: KioskSection = KioskSection()
    journal: JournalSection = JournalSection()
    policy: PolicySection = PolicySection()
    stay: StaySection = StaySection()
    board: Annotated[list[BoardSection], Field(min_length=1)]
    lane: Annotated[list[LaneSection], BeforeValidator(lanes_of), Field(min_length=1, max_length=8)]
    input: Annotated[list[InputSection], Field(max_length=64, default_factory=list)]

    @model_validator(mode="after")
    def _hardware_fits(self, info: ValidationInfo) -> Self:
        base = (info.context or {}).get(BASE, Path())
        found = problems(self.board, self.lane, self.input, base)
        places = file_places(self.lane)
        if found:
            raise ValidationError.from_exception_data(
                "GateConfig",
                [
                    InitErrorDetails(
                        type=told(one.words),
                        loc=in_file(one.where, places),
                        input=None,
                    )
                    for one in found
                ],
            )
        return self

    def to_policy(self) -> Policy:
        """The site's choices as ``passes.decide`` takes them."""
        return Policy(
            zone=ZoneInfo(self.gate.zone),
            static_needs_guard=self.policy.static_needs_guard,
            residents_when_clock_untrusted=self.policy.residents_when_clock_untrusted,
            residents_when_bundle_stale=self.policy.residents_when_bundle_stale,
        )


def judge(content: Mapping[str, Any], base: Path) -> None:
    """Raise ``pydantic.ValidationError`` for what no gate starts with.

    Args:
        content: The values of a file.
        base: The folder of that file.
    """
    GateConfig.model_validate(content, context={BASE: base})


def load_config(path: Path) -> GateConfig:
    """Read ``gate.toml`` and make its paths absolute; raises ``SettingsError``."""
    base = path.resolve().parent
    config = load_settings(path, GateConfig, context={BASE: base})
    gate = config.gate.model_copy(
        update={name: base / getattr(config.gate, name) for name in ("data_dir", "keys", "units")}
    )
    boards = [board.beside(base) for board in config.board]
    lanes = [lane.model_copy(update={"camera": _resolve_camera(lane.camera, base)}) for lane in config.lane]
    return config.model_copy(update={"gate": gate, "board": boards, "lane": lanes})


def _resolve_camera(spec: str | None, base: Path) -> str | None:
    return spec if spec is None or "://" in spec or spec.startswith("/") else str(base / spec)
