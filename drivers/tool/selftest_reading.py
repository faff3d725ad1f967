"""The steps of a self-test that ask a device; nothing is switched."""

import time
from collections.abc import Iterator
from typing import Any, Final

import typer

from drivers.model import (
    AnyEvent,
    Certainty,
    Driver,
    Identify,
    Identity,
    Outputs,
    ReadOutputs,
    Refusal,
    Refused,
)
from drivers.peripherals import Measure, Measured
from drivers.tool.console import Exit
from drivers.tool.looking import looking
from drivers.tool.opening import Session, fresh_id, opened
from drivers.tool.proof import demand_proof
from drivers.tool.selftest_steps import READS, WATCHES_S, Seen, Step, Verdict, a_step, percentile
from drivers.tool.target import Target

_READ_WITHIN_S: Final = 3.0


def reading(target: Target, isolated: str | None, *, typed: str | None = None) -> Iterator[Step]:
    """What the device says when it is asked; nothing is switched. ``typed``: a lane of it that may move anyhow."""
    name = target.name
    try:
        demand_proof(target, looking(target), isolated, typed=typed)
    except typer.Exit as ended:
        unsafe = ended.exit_code == Exit.UNSAFE
        yield a_step(
            "proof",
            name,
            Verdict.SKIP if unsafe else Verdict.FAIL,
            "不问：问话可能让别家的板动作（--isolated 可问）" if unsafe else "设备没有证明自己",
            "not asked: the question could move a stranger (--isolated asks)"
            if unsafe
            else "it did not prove who it is",
            reached=unsafe,
        )
        return
    driver, traffic = looking(target), _Traffic()
    if not _speaks(driver):
        yield a_step("answers", name, Verdict.SKIP, "此设备不能问", "this device cannot be asked anything")
        return
    try:
        with opened(target, driver=driver, notes=traffic) as session:
            yield from _asked(target, session, traffic)
    except typer.Exit:
        yield a_step("answers", name, Verdict.FAIL, "端口打不开", "the port cannot be opened", reached=False)


class _Traffic:
    """Whether anything was asked, or heard."""

    def __init__(self) -> None:
        self.any = False

    def put(self, do: str, data: bytes = b"", **more: str) -> None:  # noqa: ARG002  # the shape of notes
        """Bytes went out or came in."""
        self.any = self.any or bool(data)


def _speaks(driver: Driver) -> bool:
    info = driver.info
    can_read = info.inputs or info.reads_outputs or info.identifies is not Certainty.NONE
    return bool(can_read or info.streams or info.answers_within_s)


def _asked(target: Target, session: Session, traffic: _Traffic) -> Iterator[Step]:
    name, info = target.name, session.info
    seen = Seen()
    if info.identifies is not Certainty.NONE:
        yield _identity(
            name, session.answer(Identify(id=fresh_id()), within_s=_READ_WITHIN_S, meanwhile=seen.take)
        )
    if info.protocol == "thermometer":
        yield _temperature(name, session, seen)
    if info.reads_outputs:
        yield from _outputs(name, session, seen)
    until_s = time.monotonic() + WATCHES_S
    while (event := session.next(until_s)) is not None:
        seen.take(event)
    if info.inputs:
        active = [str(channel) for channel, level in sorted(seen.inputs.items()) if level]
        yield a_step(
            "inputs",
            name,
            Verdict.PASS if session.bus.healthy else Verdict.FAIL,
            f"{info.inputs} 个输入，有效：{' '.join(active) or '无'}",
            f"{info.inputs} inputs, active: {' '.join(active) or 'none'}",
            figures={"active": [int(each) for each in active]},
        )
    if seen.set_up is not None:
        good = seen.set_up.good
        yield a_step(
            "set_up_codes",
            name,
            Verdict.PASS if good else Verdict.WARN,
            f"印刷设置码：{'已关闭' if good else '有效！用 scan commission 关闭'}",
            f"printed set-up codes: {'off' if good else 'ON: switch them off with scan commission'}",
        )
    if seen.modem is not None:
        ready = seen.modem.registered and seen.modem.sim == "READY"
        yield a_step(
            "modem",
            name,
            Verdict.PASS if ready else Verdict.FAIL,
            f"SIM {seen.modem.sim}，信号 {seen.modem.signal_dbm} dBm",
            f"SIM {seen.modem.sim}, signal {seen.modem.signal_dbm} dBm",
            figures={"signal_dbm": seen.modem.signal_dbm, "registered": seen.modem.registered},
        )
    yield _health(name, session, seen, traffic)


def _identity(name: str, answer: AnyEvent | None) -> Step:
    if isinstance(answer, Identity):
        words = f"{answer.maker} {answer.model} {answer.firmware}".strip()
        certainty = answer.certainty.value
        return a_step(
            "identity",
            name,
            Verdict.PASS,
            f"自报 {words}",
            f"says that it is {words}",
            figures={"certainty": certainty},
        )
    return a_step("identity", name, Verdict.FAIL, "没有说出自己是谁", "it does not say who it is")


def _temperature(name: str, session: Session, seen: Seen) -> Step:
    found = session.answer(
        Measure(id=fresh_id()), within_s=session.info.answers_within_s + 1, meanwhile=seen.take
    )
    if not isinstance(found, Measured) or not session.bus.healthy:
        return a_step("temperature", name, Verdict.FAIL, "没有数据", "it sends no readings")
    if found.target_c is None:
        return a_step(
            "temperature",
            name,
            Verdict.PASS,
            "镜头前没有人",
            "nobody at the lens",
            figures={"ambient_c": found.ambient_c},
        )
    words = f"{found.target_c:g} °C"
    return a_step("temperature", name, Verdict.PASS, words, words, figures={"target_c": found.target_c})


def _outputs(name: str, session: Session, seen: Seen) -> Iterator[Step]:
    took_ms: list[float] = []
    bits = 0
    found: AnyEvent | None = None
    for _ in range(READS):
        began_s = time.monotonic()
        found = session.answer(ReadOutputs(id=fresh_id()), within_s=_READ_WITHIN_S, meanwhile=seen.take)
        if not isinstance(found, Outputs):
            break
        took_ms.append(round((time.monotonic() - began_s) * 1000, 1))
        bits = found.bits
    if isinstance(found, Refused) and found.why is Refusal.UNSUPPORTED:
        yield a_step(
            "reads",
            name,
            Verdict.SKIP,
            "问它继电器状态，它不回答；变化时自己报告",
            "it does not say which relays are closed when it is asked",
        )
        return
    figures: dict[str, Any] = {"asked": READS, "answered": len(took_ms)}
    if took_ms:
        figures |= {"p50_ms": percentile(took_ms, 50), "p99_ms": percentile(took_ms, 99)}
    good = len(took_ms) == READS
    yield a_step(
        "reads",
        name,
        Verdict.PASS if good else Verdict.FAIL,
        f"读 {READS} 次，答 {len(took_ms)} 次",
        f"asked {READS} times, answered {len(took_ms)}",
        figures=figures,
    )
    closed = [n for n in range(1, session.info.outputs + 1) if bits >> (n - 1) & 1]
    if took_ms and closed:
        words = " ".join(map(str, closed))
        yield a_step(
            "outputs",
            name,
            Verdict.WARN,
            f"继电器 {words} 吸合着：有人保持，或粘连",
            f"relays {words} are closed: held by somebody, or welded",
            figures={"closed": closed},
        )
    elif took_ms:
        yield a_step("outputs", name, Verdict.PASS, "全部断开", "all relays are open")


def _health(name: str, session: Session, seen: Seen, traffic: _Traffic) -> Step:
    if not traffic.any and session.bus.healthy:
        return a_step(
            "line",
            name,
            Verdict.SKIP,
            "没有可问的，它也没有说话：是否在线要用 click 试，或看它说话",
            "nothing to ask, and it said nothing: whether it is there shows when it speaks, or with click",
        )
    figures = {"garbage_bytes": seen.garbage}
    if seen.faults or not session.bus.healthy:
        words = "; ".join(dict.fromkeys(seen.faults))
        return a_step(
            "line", name, Verdict.FAIL, f"线路：{words}", f"line: {words}", figures=figures, reached=False
        )
    if seen.garbage:
        return a_step(
            "line",
            name,
            Verdict.WARN,
            f"{seen.garbage} 字节杂音",
            f"{seen.garbage} bytes of noise",
            figures=figures,
        )
    return a_step("line", name, Verdict.PASS, "线路干净", "the line is clean", figures=figures)
