"""What the tools on this machine may ask of the running gate, over the socket ``control.sock`` in its data folder.

A request is checked here, in its connection's thread; what it asks for is done by the deciding thread, as one input
among others. What that does not get to in time is taken back, so that nothing is done for somebody who has gone.

Requests (``do``), what they hold, and what the answer holds besides ``ok``; ``?`` may be left out. ``by`` and
``reason`` are texts of one line, 1 to 200 characters, and are recorded (row ``override``; ``emergency`` for a reset).
The row is there before an entry is opened or held, and before an emergency ends; exits, ``release`` and ``off`` wait
for no row, and theirs follows as soon as the journal takes it::

    walkin_issue  category unit by reason [phone? stay_minutes? dry_run?]       the pass (docs/gate.md)
    pulse         lane by reason [ms?: 100..2000]                               lane issued_s + OUTCOME
    hold          lane by reason seconds: 1..900                                lane seconds id + OUTCOME ("held")
    release       lane by reason                                                lane + OUTCOME
    off           by reason [board?]                  boards: {name: whether its bus took it}; modes?: {name: OUTCOME}
                                                      of turnstile controllers, which are set to normal on both sides
    fire_reset    by reason                           emergency: "none"
    journal_backup -                                  path bytes epoch last: a copy of the journal, which whoever asked
                                                      deletes (the gate does after ten minutes)
    devices       -                                   SNAPSHOT; boards are asked for their names first (2 s at most)
    watch         [since?: int] [wait_s?: 0..10]      seq: to go on from; events: those behind ``since``, 64 at most,
                                                      and none without it; now: SNAPSHOT

    OUTCOME   outcome: done (grade: confirmed | accepted | sent) | held | refused (why) | timed_out (maybe_executed)
    SNAPSHOT  emergency: none | active | clear
              boards: [{name protocol port line: up | down | unknown, why fault identity? garbage_bytes outputs inputs
                        active sides host_timed}]     identity: {maker model firmware serial certainty}
                        active: inputs that are, as last heard; a board with a fault, or its line down, tells none
              lanes: [{name direction board channel? side? state works held_s? release on_power_loss tested_by?
                       tested_on?}]
              inputs: [{role board channel lane? active?}]
    events    {seq board event: done | timed_out | refused | input_edge | fault | line | identity | outputs | counted |
               alarm, and the fields of that event}; {seq event: override, lane? act by boards?}; {seq event: emergency,
               phase}; {seq event: hold_ended, lane id by why: time | released | off | board (it lost the hold)};
              at most 256 are kept: a gap in ``seq`` is what was missed

Moments (``issued_s``, ``at_s``) are seconds of this machine's monotonic clock.

A refusal holds ``error``, ``problem``, ``next`` and perhaps ``why``: ``bad_request``, ``unknown_lane``,
``unknown_board``, ``unsupported`` (why: ``controller``), ``no_copy``, ``busy`` (why: ``just_opened``, ``walking``,
``held``; none: the gate did not get to it), ``board_fault`` (at an entry), ``not_recorded``, ``not_clear``,
``no_answer``, and ``unsafe`` with ``why`` = ``no_wiring_facts`` or ``controller`` (hold), ``emergency`` (release, off).
What its words speak of comes beside it: ``lane``, ``board``, ``known``, ``detail``.
"""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator
from pydantic_core import ErrorDetails

from edge.inputs import Asked
from edge.walkin import Issued, Order, WalkInRefusedError, WalkIns
from edge.walkin_words import WRONG_FIELDS, said
from passes.stay import rule_of_claim
from passes.vocabulary import GATES_MAX, Category
from passes.walkin import CATEGORIES
from shell.control import Handler, RequestError
from shell.phone_number import canonical_phone
from shell.text import OneLine
from sync.messages import utc_text

SOCKET: Final = "control.sock"
ASK_WITHIN_S: Final = 20.0  # for the tool: longer than everything below together
_TAKEN_WITHIN_S: Final = 5.0  # until the deciding thread gets to it
_DONE_WITHIN_S: Final = 5.0  # a disk that is slower than this is broken
_LOOK_EVERY_S: Final = 0.1
_PROBLEMS_MAX: Final = 8
_FIELD_CHARACTERS_MAX: Final = 40  # a field that we do not know is named as it came
_CODES: Final = tuple(sorted(category.code for category in CATEGORIES))

T = TypeVar("T")
Text = Annotated[OneLine, StringConstraints(max_length=200)]


class WalkInRequest(BaseModel):
    """``{"do": "walkin_issue", …}``: whom to register. ``unit`` is a name of the directory, or its index."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    do: Literal["walkin_issue"]
    category: str
    unit: Annotated[str, StringConstraints(strip_whitespace=True, max_length=60)] | int
    by: Text
    reason: Text
    phone: Annotated[str, StringConstraints(max_length=40)] | None = None
    stay_minutes: Annotated[int, Field(ge=1, le=24 * 60)] | None = None
    dry_run: bool = False

    @field_validator("category")
    @classmethod
    def _walks_in(cls, code: str) -> str:
        if code not in _CODES:
            raise ValueError("is no category of walk-ins")
        return code

    @field_validator("phone")
    @classmethod
    def _one_spelling(cls, phone: str | None) -> str | None:
        return None if phone is None else canonical_phone(phone)

    def to_domain(self, units: Mapping[int, str]) -> Order:
        """The order; raises ``RequestError`` for a unit that the directory does not know."""
        return Order(
            category=Category.from_code(self.category),
            unit=find_unit(self.unit, units),
            by=self.by,
            reason=self.reason,
            phone=self.phone,
            stay_minutes=self.stay_minutes,
        )


def find_unit(asked: str | int, units: Mapping[int, str]) -> int:
    """The index of a unit that is given by its name, or by its index; raises ``RequestError``."""
    named = [index for index, name in units.items() if name == asked]
    if len(named) == 1:
        return named[0]
    if named:
        indexes = ", ".join(map(str, sorted(named)))
        raise RequestError(
            "bad_request",
            f"unit: 有 {len(named)} 个房号同名，写编号之一 {len(named)} units have this name; write one of {indexes}",
        )
    if str(asked).isdecimal() and int(asked) in units:
        return int(asked)
    raise RequestError(
        "bad_request",
        "unit: 本门房号表中没有 the directory of this gate (units.json) has no such name or index",
    )


class DecidingThread:
    """The way from other threads to the deciding one.

    Args:
        put: Takes an input for it.
    """

    def __init__(self, put: Callable[[Asked], None]) -> None:
        self._put, self._closing = put, threading.Event()

    def do(self, work: Callable[[], T]) -> T:
        """What ``work`` returns or raises there; raises ``RequestError`` when it does not get to it."""
        asked = Asked(work)
        self._put(asked)
        answer: Future[T] = asked.answer
        looks = int((_TAKEN_WITHIN_S + _DONE_WITHIN_S) / _LOOK_EVERY_S)
        for look in range(looks):
            try:
                return answer.result(_LOOK_EVERY_S)
            except TimeoutError:
                if answer.done():  # at this very moment, or it is the work's own error
                    return answer.result(0)
                late = look * _LOOK_EVERY_S >= _TAKEN_WITHIN_S or self._closing.is_set()
                if late and answer.cancel():
                    raise RequestError(
                        "busy", "本门没有响应，未做任何事 the gate did not get to it; nothing was done"
                    ) from None
        raise RequestError(
            "no_answer",
            "已开始但未完成，请查记录 the gate began and did not end it; its record says what was done",
        )

    def close(self) -> None:
        """Nobody takes inputs from now on: give up what waits."""
        self._closing.set()


def handlers(walk_ins: WalkIns, thread: DecidingThread, units: Mapping[int, str]) -> dict[str, Handler]:
    """What each ``do`` does."""

    def walkin_issue(content: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            request = WalkInRequest.model_validate(dict(content), strict=True)
        except ValidationError as error:
            raise RequestError("bad_request", _problems(error)) from None
        order = request.to_domain(units)
        try:
            issued = thread.do(partial(walk_ins.issue, order, dry_run=request.dry_run))
        except WalkInRefusedError as error:
            raise RequestError(error.code, error.problem, next=error.next_step) from error
        return _as_answer(issued, order, units)

    return {"walkin_issue": walkin_issue}


def _problems(error: ValidationError) -> str:
    """What each wrong field must be; never what was written there, which may be a phone number."""
    found = error.errors(include_input=False, include_url=False)[:_PROBLEMS_MAX]
    return "; ".join(dict.fromkeys(map(_problem, found)))


def _problem(one: ErrorDetails) -> str:
    field = ".".join(map(str, one["loc"][:1]))[:_FIELD_CHARACTERS_MAX]
    words = WRONG_FIELDS.get(field)
    if words is None:
        return f"{field}: {one['msg']}"
    return f"{field}: {said(words, ', '.join(_CODES) if field == 'category' else '')}"


def _as_answer(issued: Issued, order: Order, units: Mapping[int, str]) -> dict[str, Any]:
    claims, rule = issued.claims, rule_of_claim(issued.claims.stay)
    return {
        "pass_id": claims.pass_id,
        "category": claims.category.code,
        "colour": claims.category.colour.value,
        "unit": claims.unit,
        "room": units[claims.unit],
        "gates": [number for number in range(GATES_MAX) if claims.allows_gate(number)],
        "issued_at": _moment(claims.not_before),
        "expires_at": _moment(claims.expires_at),
        "stay_minutes": rule.minutes,
        "leave_by": f"{rule.leave_by:%H:%M}" if rule.leave_by else None,
        "phone_last4": order.phone_last4,
        "by": order.registration.by,
        "reason": order.registration.reason,
        "certificate_until": utc_text(issued.delegation.not_after),
        "red_known": issued.red_known,
        "text": issued.text or None,
    }


def _moment(unix: int) -> str:
    return utc_text(datetime.fromtimestamp(unix, UTC))
