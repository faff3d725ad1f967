"""Commands from the centre to one gate: what they say, how they are signed, and what a gate answers.

A command is JSON text under the signature of the site's config key, with a domain word of its own, so that nothing
else that key signs is ever a command. Whoever carries it (broker, bridge, neighbour) can lose, repeat and delay it, and
make none. Whether it comes too late, or again, only its gate can say (``edge.commands``).
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from pydantic import AwareDatetime, Field, StringConstraints, ValidationError

from passes.cose import Signed
from passes.gp1 import Algorithm, Sign, protected_header
from passes.keys import KeyTable
from shell.names import GateId, Word
from shell.text import OneLine
from sync.messages import WIRE_VERSION, Hex16, Hex64, Line, Seq, WireModel

COMMAND_BYTES_MAX: Final = 4096
TTL_MOVING_S: Final = 10.0  # of what moves a relay: the longest that somebody waits for a gate
TTL_MAX_S: Final = 86_400.0  # of everything else
HOLD_S_MAX: Final = 900.0

_DOMAIN: Final = b"postern/command/1"
_SIGNATURE_DIGITS: Final = 128

Said = Annotated[OneLine, StringConstraints(max_length=200)]


class Op(StrEnum):
    """What a gate can be told."""

    OPEN = "open"  # let one person through a lane
    HOLD = "hold"  # hold a lane open for so many seconds
    RELEASE = "release"  # end that
    BLOCK = "block"  # grant nobody entry through a lane
    UNBLOCK = "unblock"
    EMERGENCY = "emergency"  # hold every lane open until somebody at the gate resets it
    SETTLE = "settle"  # a RED stay is settled
    CONFIG = "config"  # the configuration that the next start is to find
    BUNDLE = "bundle"  # look for a bundle now
    PING = "ping"


MOVING: Final = frozenset({Op.OPEN, Op.HOLD, Op.RELEASE, Op.EMERGENCY})
"""These move relays: at most ``TTL_MOVING_S`` old, and never by a gate that does not know the centre's time."""


class Why(StrEnum):
    """Why a gate did not do it; beside these stand the codes of its own tools (``edge.control``), and others later."""

    TOO_LARGE = "too_large"
    MALFORMED = "malformed"
    UNKNOWN_KEY = "unknown_key"
    BAD_SIGNATURE = "bad_signature"
    WRONG_GATE = "wrong_gate"
    RETAINED = "retained"
    REPLAYED = "replayed"
    NO_TIME = "no_time"
    EXPIRED = "expired"
    AHEAD = "ahead"
    UNSUPPORTED = "unsupported"
    TOO_MANY = "too_many"
    UNKNOWN_STAY = "unknown_stay"
    NOT_RECORDED = "not_recorded"
    RESTARTED = "restarted"
    NOT_CONFIRMED = "not_confirmed"
    INTERNAL_ERROR = "internal_error"


class LaneArgs(WireModel):
    """``open``, ``release``, ``block``, ``unblock``."""

    lane: Word


class HoldArgs(LaneArgs):
    """``hold``."""

    seconds: Annotated[float, Field(ge=1, le=HOLD_S_MAX)]


class SettleArgs(WireModel):
    """``settle``: of this stay and no other."""

    stay_id: Hex16


class ConfigArgs(WireModel):
    """``config``: the file itself comes another way; its hash says which one is meant."""

    version: Annotated[OneLine, StringConstraints(max_length=40)]
    sha256: Hex64


class NoArgs(WireModel):
    """``emergency``, ``bundle``, ``ping``."""


Args = LaneArgs | HoldArgs | SettleArgs | ConfigArgs | NoArgs
_ARGS: Final[dict[Op, type[Args]]] = {
    Op.OPEN: LaneArgs,
    Op.HOLD: HoldArgs,
    Op.RELEASE: LaneArgs,
    Op.BLOCK: LaneArgs,
    Op.UNBLOCK: LaneArgs,
    Op.EMERGENCY: NoArgs,
    Op.SETTLE: SettleArgs,
    Op.CONFIG: ConfigArgs,
    Op.BUNDLE: NoArgs,
    Op.PING: NoArgs,
}


class Command(WireModel):
    """What is signed. ``cseq`` rises with every command to a gate; ``issued_at`` is the centre's time."""

    v: int = WIRE_VERSION
    id: Hex16
    site: Annotated[int, Field(ge=0, lt=65_536)]
    gate: GateId
    cseq: Seq
    op: Word
    args: dict[str, Any]
    issued_at: AwareDatetime
    ttl_s: Annotated[float, Field(gt=0, le=TTL_MAX_S)]
    by: Said
    reason: Said


class SignedCommand(WireModel):
    """``dn/<site>/<gate>/cmd``: a ``Command`` as JSON text, and the signature over exactly that text."""

    v: int = WIRE_VERSION
    kid: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}$")]
    body: Annotated[str, StringConstraints(min_length=2)]
    sig: Annotated[str, StringConstraints(pattern=rf"^[0-9a-f]{{{_SIGNATURE_DIGITS}}}$")]


class CommandResult(WireModel):
    """``up/<site>/<gate>/res``: what became of one command. The gate's journal has the same, durably."""

    v: int = WIRE_VERSION
    id: Hex16
    cseq: Seq
    site: int
    gate: GateId
    op: Word
    state: Literal["done", "refused", "expired", "unknown"]
    why: Word | None = None
    detail: Line = ""
    at: AwareDatetime


@dataclass(frozen=True, slots=True)
class Refusal:
    """A message that holds no command of the centre."""

    why: Why


def known_op(word: str) -> Op | None:
    """The op of this name; None for one of a later version."""
    return Op(word) if word in Op._value2member_map_ else None


def read_args(op: Op, args: dict[str, Any]) -> Args:
    """What a command says beside its op; raises ``pydantic.ValidationError``."""
    return _ARGS[op].model_validate(args)


def ttl_max_s(op: str) -> float:
    """How old a command of this kind may get, whatever it says itself; unknown ones count as moving."""
    found = known_op(op)
    return TTL_MOVING_S if found is None or found in MOVING else TTL_MAX_S


def seal_command(command: Command, *, kid: bytes, sign: Sign) -> bytes:
    """The message for the gate's topic, signed with the site's config key (Ed25519)."""
    body = command.model_dump_json()
    signature = sign(_signed(kid, body))
    return SignedCommand(kid=kid.hex(), body=body, sig=signature.hex()).model_dump_json().encode()


def open_command(data: bytes, keys: KeyTable, *, now: datetime | None) -> Command | Refusal:
    """Verify and read one message; whatever the bytes, this does not raise.

    Args:
        data: The whole payload.
        keys: The config keys of this site, and no others.
        now: For the dates of the key; None where nobody knows the time, and they are not judged.
    """
    if len(data) > COMMAND_BYTES_MAX:
        return Refusal(Why.TOO_LARGE)
    try:
        signed = SignedCommand.model_validate_json(data)
        message = _signed(bytes.fromhex(signed.kid), signed.body)
    except ValueError:  # of pydantic, or half a surrogate pair
        return Refusal(Why.MALFORMED)
    key = keys.find(protected_header(Algorithm.ED25519, bytes.fromhex(signed.kid)))
    if key is None or (now is not None and not key.not_before <= now < key.not_after):
        return Refusal(Why.UNKNOWN_KEY)
    if not key.verifies(message, bytes.fromhex(signed.sig)):
        return Refusal(Why.BAD_SIGNATURE)
    try:
        return Command.model_validate_json(signed.body)
    except ValidationError:
        return Refusal(Why.MALFORMED)


def _signed(kid: bytes, body: str) -> bytes:
    return Signed(protected_header(Algorithm.ED25519, kid), body.encode(), b"").to_be_signed(_DOMAIN)
