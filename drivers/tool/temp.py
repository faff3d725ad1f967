"""``temp``: measure with a thermometer, and say how sure the figure is. "No reading" is a result, not an error."""

from typing import Annotated, Any

import typer

from drivers.peripherals import Measure, Measured
from drivers.tool.confirm import IsolatedOption
from drivers.tool.console import Exit, JsonOption, fail, put_json, put_line, say, text
from drivers.tool.opening import fresh_id, opened
from drivers.tool.proof import demand_proof
from drivers.tool.target import (
    BoardOption,
    ConfigOption,
    MakeOption,
    PortOption,
    Target,
    driver_of,
    find_target,
)
from drivers.tool.trace import TraceOption
from passes.words import Pair


def temp(
    *,
    port: PortOption = None,
    make: MakeOption = None,
    board: BoardOption = None,
    config: ConfigOption = None,
    count: Annotated[int, typer.Option(min=1, max=1000, help="Stop after so many.")] = 1,
    confirm: IsolatedOption = None,
    trace: TraceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure: the median of five readings that agree, or "no reading".

    \b
    Examples:
      postern-driver temp --port /dev/ttyUSB2 --make mcu90614
      postern-driver temp --port /dev/ttyUSB2 --make mcu90614 --count 3 --json

    Screening only: such modules are half a degree off at best, at the distance that their lens is made for. What counts
    is 30 to 45 degrees, in surroundings of 10 to 40. Exit code 1: nobody was measured; 3: the module says nothing.
    """
    protocol = None if board is not None else "thermometer"
    target = find_target(port=port, protocol=protocol, board=board, config=config, make=make)
    demand_kind(target, "thermometer")
    demand_proof(target, driver_of(target), confirm, trace=trace)
    measured: list[Measured] = []
    with opened(target, trace=trace) as session:
        for _ in range(count):
            found = session.answer(Measure(id=fresh_id()), within_s=session.info.answers_within_s + 1.0)
            if not isinstance(found, Measured):
                break
            measured.append(found)
            _show(found, as_json=as_json)
        healthy = session.bus.healthy
    if len(measured) < count or not healthy:
        fail(
            Exit.UNREACHABLE,
            Pair(
                "测温模块没有数据：检查供电、接线、速率和型号",
                "The module sends no readings: check its supply, wires, speed and make",
            ),
        )
    if all(each.target_c is None for each in measured):
        say(
            Pair(
                "没有读数：没有人在镜头前，或环境温度不在 10 至 40 °C",
                "No reading: nobody at the lens, or the surroundings are not between 10 and 40 °C",
            )
        )
        raise typer.Exit(Exit.FAILED)


def demand_kind(target: Target, protocol: str) -> None:
    """End with exit code 2 when the named board is something else."""
    if target.protocol == protocol:
        return
    fail(
        Exit.USAGE,
        Pair("{name} 是 {found}，此命令用于 {wanted}", "{name} is a {found}; this command is for a {wanted}"),
        name=target.name,
        found=target.protocol,
        wanted=protocol,
    )


def _show(found: Measured, *, as_json: bool) -> None:
    row: dict[str, Any] = {
        "target_c": found.target_c,
        "body_c": found.body_c,
        "ambient_c": found.ambient_c,
        "samples": found.samples,
    }
    if as_json:
        put_json(row)
        return
    ambient = "?" if found.ambient_c is None else f"{found.ambient_c:g}"
    if found.target_c is None:
        words = Pair("没有读数（环境 {ambient} °C）", "no reading (surroundings {ambient} °C)")
    else:
        words = Pair(
            "目标 {target:g} °C{body}，环境 {ambient} °C，{n} 次读数的中位数",
            "target {target:g} °C{body}, surroundings {ambient} °C, median of {n} readings",
        )
    body = (
        Pair("", "")
        if found.body_c is None
        else Pair(f"，体温 {found.body_c:g} °C", f", body {found.body_c:g} °C")
    )
    put_line(text(words, target=found.target_c or 0.0, body=text(body), ambient=ambient, n=found.samples))
