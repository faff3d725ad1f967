"""The steps of a self-test that move a lane: once each, with the time from the command to the relay's edge."""

import time
from collections.abc import Iterator
from typing import Final

import typer

from drivers.model import (
    Done,
    Grade,
    ReadOutputs,
    Refused,
    TimedOut,
)
from drivers.peripherals import Commission, SetUp
from drivers.tool.moving import Moved, Mover, Stopwatch, default_ms, demand_own, outputs_of, timed_by
from drivers.tool.opening import Session, fresh_id, opened
from drivers.tool.outcomes import GRADE_WORDS, OPENED_ONLY, REFUSALS, UNKNOWN
from drivers.tool.selftest_steps import BUDGET_MS, WATCHES_S, Seen, Step, Verdict, a_step
from drivers.tool.target import Target, driver_of
from passes.words import Pair

_LOOKS: Final = 6


def clicking(target: Target, lanes: dict[int, str]) -> Iterator[Step]:
    """Open each of these outputs once; ``lanes`` are their names, confirmed."""
    info = driver_of(target).info
    left = [str(channel) for channel in range(1, outputs_of(info) + 1) if channel not in lanes]
    if left:
        names = ", ".join(left)
        yield a_step(
            "not_clicked",
            target.name,
            Verdict.SKIP,
            f"没有确认，不动：输出 {names}",
            f"not confirmed, not moved: output {names}",
        )
    if not lanes:
        return
    stopwatch = Stopwatch()
    try:
        demand_own(target, next(iter(lanes.values())))
        with opened(target, notes=stopwatch) as session:
            yield from _commissioned(target, session)
            mover = Mover(session, target, stopwatch)
            for channel, lane in lanes.items():
                yield from _clicked(target, mover, channel, lane)
    except typer.Exit:
        yield a_step(
            "click",
            target.name,
            Verdict.FAIL,
            "端口打不开，或板没有证明自己",
            "the port cannot be opened, or the board did not prove who it is",
            reached=False,
        )


def _commissioned(target: Target, session: Session) -> Iterator[Step]:
    """Settings of the board that could move an output past us, where its profile names them."""
    if not target.protocol.startswith("modbus-") or not session.info.outputs:
        return
    id_, found = fresh_id(), []
    session.bus.submit(Commission(id=id_))
    until_s = time.monotonic() + WATCHES_S
    while (event := session.next(until_s)) is not None:
        if isinstance(event, Refused | TimedOut) and event.id == id_:
            break
        if isinstance(event, SetUp) and event.id == id_:
            found.append(event)
    bad = [each for each in found if not each.good]
    if bad:
        words = ", ".join(f"{each.setting} = {each.value}" for each in bad)
        yield a_step(
            "settings",
            target.name,
            Verdict.FAIL,
            f"输入会自己带动输出：{words}",
            f"an input drives an output by itself: {words}",
        )
    elif found:
        yield a_step(
            "settings",
            target.name,
            Verdict.PASS,
            "没有输入自行带动输出",
            "no input drives an output by itself",
        )


def _clicked(target: Target, mover: Mover, channel: int, lane: str) -> Iterator[Step]:
    info, seen = mover.session.info, Seen()
    ms = default_ms(info, None)

    def look() -> None:
        for _ in range(_LOOKS if info.reads_outputs else 0):
            mover.session.bus.submit(ReadOutputs(id=fresh_id()))

    moved = mover.move(channel, ms, meanwhile=seen.take, issued=look)
    edge_s = next((at_s for at_s, bits in seen.bits if bits >> (channel - 1) & 1), None)
    figures = {"ms": ms, "timed_by": timed_by(info), **moved.result}
    name = f"click_{channel}"
    if not isinstance(moved.outcome, Done):
        yield a_step(
            name,
            target.name,
            Verdict.FAIL,
            *_why(moved),
            figures=figures,
            reached=isinstance(moved.outcome, Refused),
        )
        return
    edge_ms, basis = _edge(moved, None if edge_s is None else round((edge_s - moved.issued_s) * 1000, 1))
    figures |= {"edge_ms": edge_ms, "basis": basis, "budget_ms": BUDGET_MS}
    late = edge_ms is None or edge_ms > BUDGET_MS
    verdict = Verdict.FAIL if late else Verdict.WARN if basis == "sent" else Verdict.PASS
    grade, by = GRADE_WORDS[moved.outcome.grade.value], _BASES[basis]
    yield a_step(
        name,
        target.name,
        verdict,
        f"{lane}：输出 {channel} {grade.zh}；命令后 {edge_ms} ms {by.zh}，上限 {BUDGET_MS:g}",
        f"{lane}: output {channel} {grade.en}; {by.en} {edge_ms} ms after the command, {BUDGET_MS:g} are allowed",
        figures=figures,
    )
    if seen.faults:
        words = "; ".join(dict.fromkeys(seen.faults))
        yield a_step(f"rest_{channel}", target.name, Verdict.FAIL, words, words)


_BASES: Final = {
    "read_back": Pair("读回吸合", "read closed"),
    "answer": Pair("板应答", "it answered"),
    "sent": Pair("字节发出", "the bytes were out"),
}


def _edge(moved: Moved, seen_ms: float | None) -> tuple[float | None, str]:
    """The earliest proof that the relay moved, in milliseconds after the command, and what it is."""
    if isinstance(moved.outcome, Done) and moved.outcome.grade is Grade.SENT:
        return moved.sent_ms, "sent"  # whatever it says afterwards is about something else
    if moved.answered_ms is not None and (seen_ms is None or moved.answered_ms < seen_ms):
        return moved.answered_ms, "answer"
    if seen_ms is not None:
        return seen_ms, "read_back"
    return moved.sent_ms, "sent"


def _why(moved: Moved) -> tuple[str, str]:
    if isinstance(moved.outcome, Refused):
        words = REFUSALS[moved.outcome.why]
        return f"被拒绝：{words.zh}", f"refused: {words.en}"
    words = UNKNOWN if moved.is_maybe else OPENED_ONLY
    return words.zh, words.en
