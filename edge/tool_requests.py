"""What the installer's tool asks of the running gate. ``edge.control`` has the table of requests and answers."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from edge.control import DecidingThread, Text
from edge.feed import WAIT_S_MAX, Feed
from edge.hands import HOLD_S_MAX, Hands, HandsError, Order, Outcome
from edge.hardware import PULSE_MS_MAX
from shell.control import Handler, RequestError
from shell.logs import mask_typed

OUTCOME_WITHIN_S: Final = 4.0  # beyond the pulse itself: the slowest line, its repeats and its read-back
NAMES_WITHIN_S: Final = 2.0

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
            details = {"next": error.next_step} | ({"why": error.why} if error.why else {})
            raise RequestError(error.code, error.problem, **details) from error

    def pulse(content: Mapping[str, Any]) -> Mapping[str, Any]:
        request = _checked(PulseRequest, content)
        asked = decided(partial(hands.pulse, request.lane, request.order, request.ms))
        return {"lane": request.lane, **_outcome(asked, OUTCOME_WITHIN_S + PULSE_MS_MAX / 1000)}

    def hold(content: Mapping[str, Any]) -> Mapping[str, Any]:
        request = _checked(HoldRequest, content)
        asked = decided(partial(hands.hold, request.lane, request.order, request.seconds))
        return {"lane": request.lane, "seconds": request.seconds, **_outcome(asked, OUTCOME_WITHIN_S)}

    def release(content: Mapping[str, Any]) -> Mapping[str, Any]:
        request = _checked(ReleaseRequest, content)
        asked = decided(partial(hands.release, request.lane, request.order))
        return {"lane": request.lane, **_outcome(asked, OUTCOME_WITHIN_S)}

    def off(content: Mapping[str, Any]) -> Mapping[str, Any]:
        request = _checked(OffRequest, content)
        return decided(partial(hands.off, request.order, request.board))

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
            seq, _ = feed.after(0, 0.0)
            events: list[dict[str, Any]] = []
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
        problems = (
            f"{'.'.join(map(str, one['loc'][:1]))}: {one['msg']}"
            for one in error.errors(include_input=False, include_url=False)
        )
        raise RequestError("bad_request", "; ".join(problems)) from None


def _outcome(asked: Outcome, within_s: float) -> dict[str, Any]:
    """What came of it; nobody knows when the board says nothing in time."""
    return _result(asked, within_s) or {"outcome": "timed_out", "maybe_executed": True}


def _result(asked: Future[dict[str, Any]], within_s: float) -> dict[str, Any] | None:
    try:
        return asked.result(within_s)
    except TimeoutError:
        return None
