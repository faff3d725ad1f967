"""``modbus scan``: which units answer on a line, by reading only, one unit and one speed at a time.

Unit 0 is everybody and is never asked. A unit for which every reading question would be an order to some other maker's
board is passed over, and named.
"""

import re
from functools import partial
from typing import Annotated, Any, Final

import typer

from drivers.model import LineSettings
from drivers.port import Port
from drivers.tool.asking import QUIET_S
from drivers.tool.confirm import IsolatedOption, confirmed_isolated
from drivers.tool.console import (
    DryRunOption,
    Exit,
    JsonOption,
    add_row,
    both,
    fail,
    progress,
    put_json,
    put_line,
    say,
    show,
    table,
    text,
    warn,
)
from drivers.tool.detect import demand_fit, usb_of
from drivers.tool.families import FAMILIES
from drivers.tool.modbus_asking import READS, UNITS, Answered, answer, any_question, question
from drivers.tool.spoken_help import SpokenCommand, SpokenGroup
from drivers.tool.trace import Trace, TraceOption
from drivers.tool.wire import collect, hexed, raw_port, traced
from passes.words import Pair

DEFAULT_UNITS: Final = "1-32"
BAUDS: Final = (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)
_WITHIN_S: Final = 0.12  # boards answer within 20 to 60 ms; USB adapters add up to 16 each way

modbus_app = typer.Typer(
    name="modbus",
    cls=SpokenGroup,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Look at a Modbus line.\n\n\b\nExamples:\n"
    "  postern-driver modbus scan --port /dev/ttyUSB1\n"
    "  postern-driver modbus scan --port /dev/ttyUSB1 --units 1-8 --baud 9600 --json\n",
)


@modbus_app.callback()
def about() -> None:
    """Make ``scan`` a word of its own."""


@modbus_app.command(cls=SpokenCommand)
def scan(
    *,
    port: Annotated[str, typer.Option("--port", help="Serial device; prefer a /dev/serial/by-path link.")],
    units: Annotated[
        str, typer.Option(help="Which units to ask, for example 1-32 or 1,5,17.")
    ] = DEFAULT_UNITS,
    baud: Annotated[
        list[int] | None, typer.Option(help="Speed; may be repeated, one is tried after the other.")
    ] = None,
    confirm: IsolatedOption = None,
    dry_run: DryRunOption = False,
    trace: TraceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find the units on a Modbus line. It only reads, one unit and one speed at a time; unit 0 never.

    \b
    Examples:
      postern-driver modbus scan --port /dev/ttyUSB1
      postern-driver modbus scan --port /dev/ttyUSB1 --units 1-8 --baud 9600 --baud 19200 --json
      postern-driver modbus scan --port /dev/ttyUSB1 --units 1-2 --dry-run

    Units whose number alone would switch another maker's board (81, 92, 100 to 118) are passed over, unless the wires
    are off the relays and you say so: --confirm isolated.
    """
    wanted = units_of(units)
    speeds = baud or [9600]
    for speed in speeds:
        if speed not in BAUDS:
            fail(
                Exit.USAGE,
                Pair("--baud {baud} 不可用；可用：{known}", "--baud {baud} is no speed. Use one of: {known}"),
                baud=speed,
                known=", ".join(map(str, BAUDS)),
            )
    plan, passed_over = _plan(wanted, isolated=confirm is not None)
    if confirm is not None:
        confirmed_isolated(confirm, both(""))
    if dry_run:
        for frames in plan.values():
            for frame in frames:
                put_line(hexed(frame))
        return
    demand_fit(FAMILIES["modbus"], usb_of(port))
    rows: list[dict[str, Any]] = []
    with traced(trace, port, LineSettings(baud=speeds[0]), protocol="modbus-relay") as written:
        for speed in speeds:
            rows += _scan_at(port, speed, plan, written)
    _report(rows, passed_over, as_json=as_json)
    raise typer.Exit(0 if rows else Exit.FAILED)


def units_of(words: str) -> list[int]:
    """``1-32`` or ``1,5,17`` as numbers; ends with exit code 2 for anything else, and for unit 0."""
    found: list[int] = []
    for part in words.split(","):
        match = re.fullmatch(r"\s*(\d{1,3})(?:-(\d{1,3}))?\s*", part)
        first = int(match[1]) if match else 0
        last = int(match[2] or first) if match else 0
        if not match or first not in UNITS or last not in UNITS or last < first:
            fail(
                Exit.USAGE,
                Pair(
                    "--units {words!r} 不可用：写 1-32 或 1,5,17，范围 1 到 247，从不问 0",
                    "--units {words!r}: write 1-32 or 1,5,17, from 1 to 247; unit 0 is never asked",
                ),
                words=words,
            )
        found += range(first, last + 1)
    return list(dict.fromkeys(found))


def _plan(wanted: list[int], *, isolated: bool) -> tuple[dict[int, list[bytes]], list[int]]:
    """What to ask each unit, in order, so that no stranger on the line takes any of it for an order."""
    plan: dict[int, list[bytes]] = {}
    before = b""
    for unit in wanted:
        frames = []
        for function in READS:
            frame = any_question(unit, function) if isolated else question(unit, function, before=before)
            if frame is not None:
                frames.append(frame)
                before += frame
        if frames:
            plan[unit] = frames
    return plan, [unit for unit in wanted if unit not in plan]


def _scan_at(
    port: str, speed: int, plan: dict[int, list[bytes]], written: Trace | None
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    with (
        raw_port(port, LineSettings(baud=speed), trace=written) as opened,
        progress(Pair("扫描", "Scanning"), len(plan)) as step,
    ):
        for unit, frames in plan.items():
            step(f"{unit} @ {speed}")
            found = _ask_unit(opened, frames)
            if found is not None:
                rows.append({"baud": speed, "unit": unit, "function": found.function, "code": found.code})
    return rows


def _ask_unit(port: Port, frames: list[bytes]) -> Answered | None:
    for frame in frames:
        port.write(frame)
        heard = collect(port, _WITHIN_S, enough=partial(_answers, frame))
        found = answer(heard, frame)
        if found is not None:
            collect(port, QUIET_S)
            return found
        if not heard:
            continue
        collect(port, QUIET_S)  # something half-said: let it end before the next question
    return None


def _answers(frame: bytes, heard: bytes) -> bool:
    return answer(heard, frame) is not None


def _report(rows: list[dict[str, Any]], passed_over: list[int], *, as_json: bool) -> None:
    if as_json:
        put_json({"units": rows, "passed_over": passed_over})
    elif rows:
        made = table(Pair("速率", "baud"), Pair("单元", "unit"), Pair("回答", "answer"))
        for row in rows:
            how = (
                Pair("以数据回答功能 {f}", "answers function {f} with data")
                if row["code"] is None
                else Pair(
                    "拒绝功能 {f}（异常 {c}），但在线", "refuses function {f} (exception {c}), but is there"
                )
            )
            add_row(made, (row["baud"], row["unit"], text(how, f=row["function"], c=row["code"])))
        show(made)
    else:
        say(
            Pair(
                "没有单元回答。检查供电、A/B 线、终端电阻、速率和地址拨码",
                "No unit answers. Check the supply, wires A and B, the speed and the address switches",
            )
        )
    if passed_over:
        warn(
            Pair(
                "未询问单元 {units}：它们的编号会让别家的板动作（--confirm isolated 可问）",
                "Not asked: unit {units}; their numbers switch other makers' boards (--confirm isolated asks them)",
            ),
            units=", ".join(map(str, passed_over)),
        )
