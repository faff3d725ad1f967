"""The steps of a self-test: passive ones send nothing, reading ones ask, clicking ones move a lane.

A step ends as PASS, WARN, FAIL or SKIP, with the figures that were seen. A step never ends the whole test: what cannot
be reached fails, and what depends on it is skipped.
"""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import typer

from drivers.devices.scanner_setup import SETTING
from drivers.holders import holder_of
from drivers.model import (
    Alarm,
    AnyEvent,
    Counted,
    Fault,
    Garbage,
    InputEdge,
    Outputs,
)
from drivers.peripherals import ModemState, SetUp
from drivers.tool.daemon import daemon_runs
from drivers.tool.expected_port import expected_of, stranger_at
from drivers.tool.gate_file import NETWORK_SCHEMES
from drivers.tool.target import Target, driver_of
from drivers.tool.wire import collect, hexed, is_virtual, raw_port
from passes.words import Pair

BUDGET_MS: Final = 300.0  # from the command to the relay's edge (drivers reference 3)
LISTENS_S: Final = 0.5
WATCHES_S: Final = 0.8
READS: Final = 20


class Verdict(StrEnum):
    """How a step ended."""

    PASS = "PASS"  # noqa: S105  # no password
    WARN = "WARN"
    FAIL = "FAIL"
    SKIP = "SKIP"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step.

    Args:
        code: Stable, for scripts.
        device: Which board.
        verdict: How it ended.
        what: What was looked at, and what was found.
        figures: Numbers that were seen.
        reached: False when the device could not be reached at all.
    """

    code: str
    device: str
    verdict: Verdict
    what: Pair
    figures: dict[str, Any] = field(default_factory=dict)
    reached: bool = True

    @property
    def device_short(self) -> str:
        """Its name, or the last part of its port."""
        return self.device.rsplit("/", 1)[-1]


def passive(target: Target) -> Iterator[Step]:
    """What can be seen without sending a byte."""
    name, port = target.name, target.port
    if port.startswith(NETWORK_SCHEMES):
        yield a_step(
            "port",
            name,
            Verdict.WARN,
            "网络设备：同一网络里谁都能开门",
            "on a network: whoever reaches it can open the lane",
        )
        return
    if not Path(port).exists():
        yield a_step(
            "port", name, Verdict.FAIL, f"没有端口 {port}", f"there is no port {port}", reached=False
        )
        return
    if not os.access(port, os.R_OK | os.W_OK):
        yield a_step(
            "port", name, Verdict.FAIL, f"无权打开 {port}", f"{port} may not be opened", reached=False
        )
        return
    yield a_step("port", name, Verdict.PASS, f"端口 {port} 在", f"port {port} is there")
    stranger = stranger_at(target)
    if stranger is not None:
        yield a_step(
            "expect",
            name,
            Verdict.FAIL,
            f"端口上是 {stranger}，配置的 expect 是 {expected_of(target)}",
            f"the port is {stranger}, and the gate's file expects {expected_of(target)}",
            reached=False,
        )
        return
    if port.startswith(("/dev/ttyUSB", "/dev/ttyACM")):
        yield a_step(
            "binding",
            name,
            Verdict.WARN,
            "按编号绑定：重新插拔后可能指向别的板，请写 by-path 链接",
            "bound by number, which may be another board after a re-plug: use its by-path link",
        )
    holder = None if is_virtual(port) else holder_of(port)  # a lock is met on opening
    if holder is not None or (target.board is not None and daemon_runs(target)):
        yield a_step(
            "holder",
            name,
            Verdict.FAIL,
            f"端口被 {holder or 'postern-edge'} 占用：先停止它",
            f"the port is held by {holder or 'postern-edge'}: stop it first",
            reached=False,
        )
        return
    yield _listened(target)


def _listened(target: Target) -> Step:
    info = driver_of(target).info
    try:
        with raw_port(target.port, info.line) as port:
            heard = collect(port, LISTENS_S)
    except typer.Exit:
        return a_step(
            "listen", target.name, Verdict.FAIL, "端口打不开", "the port cannot be opened", reached=False
        )
    figures = {"bytes": len(heard), "seconds": LISTENS_S}
    if not heard or info.streams:
        return a_step(
            "listen",
            target.name,
            Verdict.PASS,
            f"静听：{len(heard)} 字节",
            f"listened: {len(heard)} bytes",
            figures=figures,
        )
    return a_step(
        "listen",
        target.name,
        Verdict.WARN,
        f"没有问它就说话：{hexed(heard, most=8)}（干扰，或别的设备）",
        f"it speaks unasked: {hexed(heard, most=8)} (noise, or another device)",
        figures=figures,
    )


class Seen:
    """What came while something else was asked."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.garbage = 0
        self.inputs: dict[int, bool] = {}
        self.set_up: SetUp | None = None
        self.modem: ModemState | None = None
        self.bits: list[tuple[float, int]] = []
        self.counted = 0

    def take(self, event: AnyEvent) -> None:
        """Keep it."""
        match event:
            case Alarm(what=what) if what == SETTING:
                pass  # a step of its own
            case Fault(active=True, why=why) | Alarm(active=True, what=why):
                self.faults.append(why)
            case Garbage(count=count):
                self.garbage += count
            case InputEdge(channel=channel, active=active):
                self.inputs[channel] = active
            case SetUp():
                self.set_up = event
            case ModemState():
                self.modem = event
            case Outputs(read=True, bits=bits):
                self.bits.append((time.monotonic(), bits))
            case Counted(delta=delta):
                self.counted += delta
            case _:
                pass


def percentile(values: list[float], share: int) -> float:
    """The value below which so many of a hundred lie; the nearest that was seen."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * share // 100)]


def a_step(
    code: str,
    device: str,
    verdict: Verdict,
    zh: str,
    en: str,
    *,
    figures: dict[str, Any] | None = None,
    reached: bool = True,
) -> Step:
    """A step by its words in Chinese and English."""
    return Step(
        code=code, device=device, verdict=verdict, what=Pair(zh, en), figures=figures or {}, reached=reached
    )
