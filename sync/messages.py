"""The wire contract between gate and centre: versioned pydantic models at the border.

Readers ignore fields they do not know, so an old gate survives a new centre. The names and the acknowledgement
rule follow the measured protocol: an event is (gate, epoch, seq), and only the centre's own ``Ack`` moves a cursor.
"""

import contextlib
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    StringConstraints,
    model_validator,
)

from passes.vocabulary import ClockTrust, Direction
from shell.names import GateId, Word
from shell.text import Cleaned

WIRE_VERSION: Final = 1
EVENT_BYTES_MAX: Final = 8 * 1024  # one event as JSON text
BATCH_EVENTS_MAX: Final = 500
BATCH_BYTES_MAX: Final = 128 * 1024
MESSAGE_BYTES_MAX: Final = 256 * 1024  # anything larger on any topic goes to the dead-letter shelf unread
BEYOND_MAX: Final = 32  # rows named in one ack
HIST_AFTER_S: Final = 60.0  # an event that leaves later than this is history
UTC_TEXT_LENGTH: Final = 24  # 2026-11-22T09:30:00.000Z

Hex16 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
Hex64 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Line = Annotated[Cleaned, StringConstraints(max_length=200)]
Seq = Annotated[int, Field(ge=1, le=2**53)]
Upto = Annotated[int, Field(ge=0, le=2**53)]


def _from_utc_text(value: Any) -> Any:
    """The usual spelling of a moment (``utc_text``) read at once; anything else is left to the model, and is slower."""
    if isinstance(value, str) and len(value) == UTC_TEXT_LENGTH and value[10] == "T" and value[-1] == "Z":
        with contextlib.suppress(ValueError):
            return datetime.fromisoformat(value)
    return value


def _object(value: Any) -> Any:
    """A JSON object as it was read: what is in it is checked by the model of its kind, and not copied before."""
    if isinstance(value, dict):
        return value
    raise ValueError("not an object")


class WireModel(BaseModel):
    """Base of everything that travels: unknown fields are ignored, values do not change."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Kind(StrEnum):
    """Event kinds that this version writes. A reader keeps events of unknown kinds as they are."""

    DECISION = "decision"
    PASSAGE = "passage"
    NO_SHOW = "no_show"
    FORCED = "forced"
    HELD_OPEN = "held_open"
    TAILGATE = "tailgate"
    EMERGENCY = "emergency"
    OVERRIDE = "override"
    SETTLEMENT = "settlement"
    REGISTRATION = "registration"
    COMMAND = "command"
    DEVICE = "device"
    CLOCK = "clock"
    BOOT = "boot"
    GAP = "gap"


ALARM_KINDS: Final = (
    Kind.FORCED,
    Kind.HELD_OPEN,
    Kind.TAILGATE,
    Kind.EMERGENCY,
    Kind.OVERRIDE,
    Kind.DEVICE,  # a recovery as well as a fault: an alarm whose end comes days later is a false one
)
"""What must not wait behind a backlog."""


class Outcome(StrEnum):
    """What the gate answered to one scan."""

    GRANT = "grant"
    REFER = "refer"
    DENY = "deny"


class Event(WireModel):
    """One journal row. ``hash`` covers the row and, through ``prev``, every row before it."""

    v: int = WIRE_VERSION
    seq: Seq
    id: Hex16
    kind: Word
    at: Annotated[AwareDatetime, BeforeValidator(_from_utc_text)]
    trust: ClockTrust
    mono_ms: Annotated[int, Field(ge=0)]
    boot: Hex16
    prev: Hex64
    hash: Hex64
    data: Annotated[dict[str, Any], PlainValidator(_object)]


class Subject(WireModel):
    """Whom an event is about, as the pass says; all None when nothing was identified."""

    pass_id: Hex16 | None = None
    person: Hex16 | None = None
    category: Word | None = None
    unit: Annotated[int, Field(ge=0, lt=65_536)] | None = None
    purpose: Annotated[int, Field(ge=0, lt=65_536)] | None = None


class DecisionData(Subject):
    """``decision``: one scan and its answer. ``stay_id`` names the stay that an entry grant would begin."""

    outcome: Outcome
    reason: Word | None = None
    lane: Word
    direction: Direction
    stay_id: Hex16 | None = None
    shown_at: int | None = None  # the code's own time, Unix seconds, rotating codes only
    notes: list[Word] = []


class PassageData(Subject):
    """``passage``: somebody went through. ``due_at`` is the end of the stay that an entry begins."""

    lane: Word
    direction: Direction
    stay_id: Hex16 | None = None
    entered_at: AwareDatetime | None = None
    due_at: AwareDatetime | None = None
    assumed: bool = False  # no contact confirmed it: crash, silent sensor, or a lane without one


class NoShowData(Subject):
    """``no_show``: granted, but nobody went through; the entry is not used up."""

    lane: Word
    direction: Direction
    stay_id: Hex16 | None = None


class RegistrationData(Subject):
    """``registration``: a guard registered a visitor, for whom this gate signs a walk-in pass.

    The row is written first: it may stand for a pass that nobody ever got, but no pass is without its row. The number
    of a phone never leaves the gate; its last four digits do.
    """

    by: Line
    reason: Line
    phone_last4: Annotated[str, StringConstraints(pattern=r"^[0-9]{4}$")] | None = None
    pass_end: AwareDatetime


class LaneData(WireModel):
    """``forced``, ``held_open``, ``tailgate``: without a grant, for too long, or two people for one grant."""

    lane: Word


class AgainstData(LaneData):
    """``forced``: somebody walked against the direction that was granted, or opened a door."""

    detail: Literal["wrong_direction", "door"]


class EmergencyData(WireModel):
    """``emergency``: the fire input became active, became clear, or somebody reset the gate after that.

    ``command`` names the centre's command by which somebody declared it.
    """

    state: Literal["began", "input_clear", "reset"]
    inputs: list[Line] = []
    by: Line | None = None
    reason: Line | None = None
    command: Hex16 | None = None


class OverrideData(WireModel):
    """``override``: somebody opens, holds, releases or blocks a lane by hand; recorded before it moves.

    ``command`` names the centre's command; without one it was somebody at the gate's own tools.
    """

    lane: Word | None = None  # None: every lane of the gate
    direction: Direction | None = None
    act: Word
    by: Line
    reason: Line
    seconds: Annotated[float, Field(gt=0)] | None = None
    command: Hex16 | None = None


class CommandData(WireModel):
    """``command``: what became of one command of the centre, or why messages on its topic were refused unread.

    Such refusals are written at a bounded rate; ``times`` says how many one row stands for.
    """

    state: Literal["done", "refused", "expired", "unknown"]
    why: Word | None = None
    id: Hex16 | None = None
    cseq: Seq | None = None
    op: Word | None = None
    lane: Word | None = None
    by: Line | None = None
    reason: Line | None = None
    detail: Line = ""
    times: Annotated[int, Field(ge=1)] = 1


class SettlementData(WireModel):
    """``settlement``: a named person has settled a RED stay; no newer stay is cleared by it."""

    stay_id: Hex16
    by: Line
    reason: Line
    command: Hex16 | None = None


class DeviceData(WireModel):
    """``device``: a camera, board or input module went or came back."""

    device: Line
    state: Literal["fault", "recovered"]
    detail: Line = ""


class ClockData(WireModel):
    """``clock``: the gate began to doubt its clock, or trusts it again. ``why`` is a ``shell.clock.Doubt``."""

    state: Literal["doubted", "trusted"]
    why: Word | None = None


class BootData(WireModel):
    """``boot``: the gate daemon started."""

    software: Line
    config_sha256: Hex64


class GapData(WireModel):
    """``gap``: rows ``first`` to ``last`` of this epoch are gone for good; the cursor may pass them."""

    first: Seq
    last: Seq


class Batch(WireModel):
    """``up/<site>/<gate>/ev``. Events stay raw here: each is parsed by itself, so one bad one stops nothing.

    ``hist`` says that the newest row was recorded more than ``HIST_AFTER_S`` before it left.
    """

    v: int = WIRE_VERSION
    gate: GateId
    site: int
    epoch: Hex16
    first: Seq
    last: Seq
    hist: bool = False
    events: Annotated[list[Any], Field(max_length=BATCH_EVENTS_MAX)]


class Hello(WireModel):
    """``up/<site>/<gate>/hello``: sent on every connect, when no progress was made, and to ask for the time.

    ``nonce`` is new and unpredictable in each; what answers it says it again. None from an older gate.
    """

    v: int = WIRE_VERSION
    gate: GateId
    site: int
    epoch: Hex16
    acked: Upto
    last: Upto
    pruned_to: Upto = 0
    boot: Hex16
    software: Line
    now: AwareDatetime
    trust: ClockTrust
    nonce: Hex16 | None = None

    @model_validator(mode="after")
    def _deletes_only_what_was_receipted(self) -> Self:
        """A gate deletes only rows that were receipted; whoever says otherwise would have rows passed over."""
        if not self.pruned_to <= self.acked <= self.last:
            raise ValueError("pruned_to, acked and last are not in this order")
        return self


class Ack(WireModel):
    """``dn/<site>/<gate>/ack``: everything up to ``upto`` of ``epoch`` is committed at the centre.

    ``row_hash`` is the hash in the centre's row ``upto``: a gate restored from an older copy whose own row says another
    has used the number twice. None when the centre has no such row (nothing yet, a dead letter, a hole) or is older.
    ``beyond`` names rows above ``upto`` that came apart from the rest and are committed as well. ``credit`` is how many
    events a second the centre wants from this gate at most; None asks for no bound. ``doubled`` says that rows of two
    histories came under this epoch, so that ``upto`` proves nothing: whoever uses it has to begin another. ``nonce`` is
    that of the hello which this answers: such an ack was made after that hello, any other may be of any age.
    """

    v: int = WIRE_VERSION
    epoch: Hex16
    upto: Annotated[int, Field(ge=0)]
    beyond: Annotated[tuple[Seq, ...], Field(max_length=BEYOND_MAX)] = ()
    credit: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    doubled: bool = False
    now: AwareDatetime
    trust: ClockTrust = ClockTrust.TRUSTED  # in ``now``: of the centre's clock
    row_hash: Hex64 | None = None
    nonce: Hex16 | None = None


class GateState(WireModel):
    """``up/<site>/<gate>/state``, retained, also the will. A ``lost`` with an old birth counter is ignored."""

    v: int = WIRE_VERSION
    state: Literal["online", "stopping", "lost"]
    birth: int


class LaneHealth(WireModel):
    """How one lane is, as its gate sees it."""

    name: Word
    direction: Direction
    state: Word
    camera: Literal["ok", "fault"]
    board: Literal["ok", "fault"]


class Health(WireModel):
    """``up/<site>/<gate>/health``, QoS 0, every 30 s and at once when a lane changes."""

    v: int = WIRE_VERSION
    now: AwareDatetime
    trust: ClockTrust
    software: Line
    outbox_depth: int
    lanes: list[LaneHealth]


class CentreState(WireModel):
    """``dn/all/state``, retained, also the will."""

    v: int = WIRE_VERSION
    online: bool
    birth: int
    now: AwareDatetime


def utc_text(moment: datetime) -> str:
    """One spelling of a moment: ISO 8601 in UTC with milliseconds and ``Z``."""
    utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return f"{utc.isoformat(timespec='milliseconds')[:-6]}Z"
