"""A hold by the running gate: it has the relay and the time, this follows its feed and says how the hold ends."""

import time
from threading import Event
from typing import Any, Final

from drivers.tool.console import Exit, fail, text
from drivers.tool.gate_feed import GateFeed
from drivers.tool.gate_refusals import why_words
from drivers.tool.hold_report import End, Ended, announce
from drivers.tool.target import Target
from drivers.tool.through import demand_same, order, order_of, running_gate
from passes.words import Pair
from shell.control import ControlError, RefusedError, ask

_LOOK_S: Final = 0.25  # how long Ctrl-C may wait
_BUSY_S: Final = 0.1
_ENDS_WITHIN_S: Final = 5.0  # the gate ends what its board did not, and says so
_RELEASED_WITHIN_S: Final = 10.0
_ENDS: Final = {"time": End.TIME, "released": End.RELEASED_ELSEWHERE, "off": End.OFF, "board": End.BOARD}


def held_by_daemon(
    target: Target, lane: str, output: int, *, minutes: float, by: str | None, stop: Event
) -> Ended | None:
    """Have the running gate hold a lane until ``stop`` or its end; None when no gate runs."""
    gate = running_gate(target)
    if gate is None:
        return None
    demand_same(target, gate, lane, output)
    if stop.is_set():
        return Ended(End.RELEASED, 0.0)
    seconds, began_s = max(1, round(minutes * 60)), time.monotonic()
    answer = order(target, "hold", by, lane=lane, seconds=seconds)
    if answer["outcome"] == "refused":
        why = str(answer.get("why", "?"))
        fail(
            Exit.FAILED,
            Pair("被拒绝（{why}：{words}），没有动作", "Refused ({why}: {words}); nothing moved"),
            why=why,
            words=text(why_words(why)),
        )
    if answer["outcome"] == "held":
        announce(lane, minutes)
        how, who = _follow(gate, lane, str(answer.get("id", "")), began_s + seconds, stop)
    else:
        how, who = End.UNKNOWN, ""
    if how is None:
        how = _release(target, lane, by)
    elif how is End.UNKNOWN:  # perhaps it is held: letting go is never wrong
        _release(target, lane, by)
    return Ended(how, round(time.monotonic() - began_s, 1), who)


def _follow(gate: GateFeed, lane: str, id_: str, until_s: float, stop: Event) -> tuple[End | None, str]:
    """How the hold ended and by whom; None when somebody stops it here."""
    while not stop.is_set():
        for one in gate.read(_LOOK_S):
            if one.get("event") == "hold_ended" and one.get("id") == id_:
                return _ENDS.get(str(one.get("why")), End.UNKNOWN), str(one.get("by", ""))
            if _begins_emergency(one):
                return End.EMERGENCY, ""
        if gate.gone:
            return End.GATE, ""
        if gate.missed and gate.lane(lane).get("held_s") is None:
            return End.UNKNOWN, ""
        if time.monotonic() > until_s + (0.0 if gate.emergency else _ENDS_WITHIN_S):
            return (End.EMERGENCY if gate.emergency else End.UNKNOWN), ""
    return None, ""


def _begins_emergency(happening: dict[str, Any]) -> bool:
    return happening.get("event") == "emergency" and happening.get("phase") == "active"


def _release(target: Target, lane: str, by: str | None) -> End:
    """End it here, whatever the gate makes of that."""
    assert target.gate is not None, "somebody has asked its gate"
    until_s = time.monotonic() + _RELEASED_WITHIN_S
    while True:
        try:
            answer = ask(
                target.gate.control_socket, order_of("release", by, lane=lane), within_s=_RELEASED_WITHIN_S
            )
        except RefusedError as error:
            if error.details.get("why") == "emergency":
                return End.EMERGENCY
            if error.code != "busy" or time.monotonic() > until_s:
                return End.UNKNOWN
            Event().wait(_BUSY_S)
            continue
        except ControlError:
            return End.GATE
        return End.RELEASED if answer.get("outcome") == "done" else End.UNKNOWN
