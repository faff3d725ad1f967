"""What the installer's tool asks of the running gate. ``edge.control`` has the table of requests and answers."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from drivers.gate.hardware import PULSE_MS_MAX
from edge.control import DecidingThread, Text
from edge.feed import WAIT_S_MAX, Feed
from edge.hands import Hands
from edge.holds import HOLD_S_MAX
from edge.orders import HandsError, Order, Outcome
from edge.walkin_words import said
from passes.words import Pair
from shell.control import Handler, RequestError
from shell.logs import mask_typed

OUTCOME_WITHIN_S: Final = 4.0  # beyond the pulse itself: the slowest line, its repeats and its read-back
NAMES_WITHIN_S: Final = 2.0
_PROBLEMS_MAX: Final = 4
_LINE_OF_TEXT: Final = Pair("应为一行文字，1 到 200 个字符", "write one line of 1 to 200 characters")
_A_NAME: Final = Pair("应为 1 到 40 个字符的名称", "write a name of 1 to 40 characters")
_WRONG_FIELDS: Final = {
    "by": _LINE_OF_TEXT,
    "reason": _LINE_OF_TEXT,
    "lane": _A_NAME,
    "board": _A_NAME,
    "ms": Pair(f"应为 100 到 {PULSE_MS_MAX} 的整数", f"write a whole number, 100 to {PULSE_MS_MAX}"),
    "seconds": Pair(f"应为 1 到 {HOLD_S_MAX:g} 秒", f"write 1 to {HOLD_S_MAX:g} seconds"),
    "since": Pair("应为此前收到的序号", "write a number that this gate gave before"),
    "wait_s": Pair(f"应为 0 到 {WAIT_S_MAX:g} 秒", f"write 0 to {WAIT_S_MAX:g} seconds"),
}
_NO_FIELD: Final = Pair("此请求没有这个字段", "this request has no such field")

T = TypeVar("T")
R = TypeVar("R", bound=BaseModel)
Lane = Annotated[str, StringConstraints(min_length=1, max_length=40)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    do: str


class _Ordered(_Request):
    by: Text
    reason: Text

    @property
    def order(self) -> Order:
        """Who asks and why, without whole phone numbers."""
        return Order(by=mask_typed(self.by), reason=mask_typed(self.reason))


class PulseRequest(_Ordered):
    """Open a lane once."""

    do: Literal["pulse"]
    lane: Lane
    ms: Annotated[int, Field(ge=100, le=PULSE_MS_MAX)] | None = None


class HoldRequest(_Ordered):
    """Hold a lane open."""

    do: Literal["hold"]
    lane: Lane
    seconds: Annotated[float, Field(ge=1, le=HOLD_S_MAX)]


class ReleaseRequest(_Ordered):
    """End a hold."""

    do: Literal["release"]
    lane: Lane


class OffRequest(_Ordered):
    """Open every output."""

    do: Literal["off"]
    board: Annotated[str, StringConstraints(max_length=40)] | None = None


class FireResetRequest(_Ordered):
    """End an emergency."""

    do: Literal["fire_reset"]


class DevicesRequest(_Request):
    """Who is there."""

    do: Literal["devices"]


class WatchRequest(_Request):
    """What happens."""

    do: Literal["watch"]
    since: Annotated[int, Field(ge=0)] | None = None
    wait_s: Annotated[float, Field(ge=0, le=WAIT_S_MAX)] = 0.0


def tool_handlers(hands: Hands, feed: Feed, thread: DecidingThread) -> dict[str, Handler]:
    """What each ``do`` does."""

    def decided(work: Callable[[], T]) -> T:
        try:
            return thread.do(work)
        except HandsError as error:
            details = error.details | {"next": error.next_step} | ({"why": error.why} if error.why else {})
            raise RequestError(error.code, error.problem, **details) from error

    def pulse(content: Mapping[str, Any]) -> Mapping[str, Any]:
        request = _checked(PulseRequest, content)
        asked = decided(partial(hands.pulse, request.lane, request.order, request.ms))
        outcome = _outcome(asked, OUTCOME_WITHIN_S + PULSE_MS_MAX / 1000)
        return {"lane": request.lane, "issued_s": asked.issued_s, **outcome}

    def hold(content: Mapping[str, Any]) -> Mapping[str, Any]:
        request = _checked(HoldRequest, content)
        asked = decided(partial(hands.hold, request.lane, request.order, request.seconds))
        outcome = _outcome(asked, OUTCOME_WITHIN_S)
        return {"lane": request.lane, "seconds": request.seconds, "id": asked.id, **outcome}

    def release(content: Mapping[str, Any]) -> Mapping[str, Any]:
        request = _checked(ReleaseRequest, content)
        asked = decided(partial(hands.release, request.lane, request.order))
        return {"lane": request.lane, **_outcome(asked, OUTCOME_WITHIN_S)}

    def off(content: Mapping[str, Any]) -> Mapping[str, Any]:
        request = _checked(OffRequest, content)
        found = decided(partial(hands.off, request.order, request.board))
        modes = {name: _outcome(one, OUTCOME_WITHIN_S) for name, one in found.get("modes", {}).items()}
        return found | ({"modes": modes} if modes else {})

    def fire_reset(content: Mapping[str, Any]) -> Mapping[str, Any]:
        return decided(partial(hands.fire_reset, _checked(FireResetRequest, content).order))

    def devices(content: Mapping[str, Any]) -> Mapping[str, Any]:
        _checked(DevicesRequest, content)
        asked = decided(hands.identify)
        named = {name: _outcome(one, NAMES_WITHIN_S).get("identity") for name, one in asked.items()}
        found = decided(hands.snapshot)
        for board in found["boards"]:
            board["identity"] = named.get(board["name"]) or board["identity"]
        return found

    def watch(content: Mapping[str, Any]) -> Mapping[str, Any]:
        request = _checked(WatchRequest, content)
        if request.since is None:
            seq, events = feed.newest, list[dict[str, Any]]()
        else:
            seq, events = feed.after(request.since, request.wait_s)
        return {"seq": seq, "events": events, "now": decided(hands.snapshot)}

    return {
        "pulse": pulse,
        "hold": hold,
        "release": release,
        "off": off,
        "fire_reset": fire_reset,
        "devices": devices,
        "watch": watch,
    }


def _checked(model: type[R], content: Mapping[str, Any]) -> R:
    try:
        return model.model_validate(dict(content))
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False, include_context=False)
        fields = list(dict.fromkeys(".".join(map(str, one["loc"][:1]))[:40] for one in found))[:_PROBLEMS_MAX]
        problems = (f"{field}: {said(_WRONG_FIELDS.get(field, _NO_FIELD))}" for field in fields)
        raise RequestError("bad_request", "; ".join(problems)) from None


def _outcome(asked: Outcome, within_s: float) -> dict[str, Any]:
    """What came of it; nobody knows when the board says nothing in time."""
    return _result(asked, within_s) or {"outcome": "timed_out", "maybe_executed": True}


def _result(asked: Future[dict[str, Any]], within_s: float) -> dict[str, Any] | None:
    try:
        return asked.result(within_s)
    except TimeoutError:
        return None
