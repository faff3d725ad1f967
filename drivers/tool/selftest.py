"""``selftest``: numbered steps from the plug to the relay's edge, and a report that an installer can sign."""

import json
from collections.abc import Generator
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.table import Table

from drivers.tool.confirm import ISOLATED, confirmed_lane
from drivers.tool.console import (
    PROGRAM,
    Exit,
    JsonOption,
    asked,
    at_terminal,
    fail,
    plain,
    put_json,
    put_line,
    say,
    show,
    text,
)
from drivers.tool.host import user_name
from drivers.tool.moving import outputs_of
from drivers.tool.report import signable_hash
from drivers.tool.selftest_click import clicking
from drivers.tool.selftest_reading import reading
from drivers.tool.selftest_steps import Step, Verdict, passive
from drivers.tool.target import (
    DEFAULT_CONFIG,
    BoardOption,
    ConfigOption,
    KeyFileOption,
    MakeOption,
    PortOption,
    ProfileOption,
    ProtocolOption,
    Target,
    UnitOption,
    driver_of,
    find_target,
    read_gate,
)
from passes.words import Pair
from shell.clock import SystemClock
from shell.text import visible, visible_json


class Level(StrEnum):
    """How far a self-test goes."""

    PASSIVE = "passive"
    READ = "read"
    CLICK = "click"


_INTERRUPTED: Final = Pair("已中断，不完整！", "INTERRUPTED: this test is not complete")
_COLOURS: Final = {
    Verdict.PASS: "green",
    Verdict.WARN: "yellow",
    Verdict.FAIL: "bold red",
    Verdict.SKIP: "dim",
}


def selftest(
    *,
    level: Annotated[
        Level,
        typer.Option(
            show_default=False, help="passive sends nothing, read (default) only asks, click moves."
        ),
    ] = Level.READ,
    port: PortOption = None,
    protocol: ProtocolOption = None,
    profile: ProfileOption = None,
    make: MakeOption = None,
    unit: UnitOption = None,
    key_file: KeyFileOption = None,
    board: BoardOption = None,
    config: ConfigOption = None,
    confirm: Annotated[
        list[str] | None,
        typer.Option("--confirm", metavar="LANE", help="A lane that may move; repeatable. For click."),
    ] = None,
    isolated: Annotated[
        bool, typer.Option("--isolated", help="No wire is on a relay: ask what could move a stranger.")
    ] = False,
    installer: Annotated[str | None, typer.Option(help="Who did this, for the report.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write NAME.json and NAME.txt.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Test boards step by step, with figures, and write a report with a hash to sign.

    \b
    Examples:
      postern-driver selftest --port /dev/ttyUSB1 --protocol modbus-inputs --level passive
      postern-driver selftest --port /dev/ttyUSB0 --protocol lcus --level click --confirm entry

    Without a device it tests every board of gate.toml. With click each confirmed lane opens once: 300 ms from the
    command to the relay's edge are allowed. Exit code 0: no FAIL; 1: a FAIL; 3: a device was not reached; 130: Ctrl-C.
    """
    targets = _targets(port, protocol, board, config, (unit, profile, make, key_file))
    lanes = _confirmed(targets, confirm or []) if level is Level.CLICK else {}
    steps: list[Step] = []
    interrupted = False
    try:
        for target in targets:
            confirmed = lanes.get(target.name, {})
            with closing(_steps(target, level, confirmed, ISOLATED if isolated else None)) as found:
                for step in found:
                    steps.append(step)
                    if not as_json:
                        _show(len(steps), step)
    except KeyboardInterrupt:  # leaving the device has opened its relays; what was seen is written down
        interrupted = True
    document = _document(steps, level, installer or user_name(), interrupted=interrupted)
    _write(document, out or _default_out(targets[0]))
    if as_json:
        put_json(document)
    else:
        _sum_up(document)
    if interrupted:
        fail(
            Exit.INTERRUPTED,
            Pair(
                "已中断：报告只到第 {n} 步，所有继电器已令其断开",
                "Interrupted: the report ends with step {n}, and every relay was told to open",
            ),
            n=len(steps),
        )
    if any(not step.reached for step in steps):
        raise typer.Exit(Exit.UNREACHABLE)
    if any(step.verdict is Verdict.FAIL for step in steps):
        raise typer.Exit(Exit.FAILED)


def _steps(
    target: Target, level: Level, lanes: dict[int, str], isolated: str | None
) -> Generator[Step, None, None]:
    """All steps of one device; those that need it are left out when it cannot be reached."""
    for step in passive(target):
        yield step
        if not step.reached:
            return
    if level is Level.PASSIVE:
        return
    for step in reading(target, isolated, typed=next(iter(lanes.values()), None)):
        yield step
        if not step.reached:
            return
    if level is Level.CLICK:
        yield from clicking(target, lanes)


def _targets(
    port: str | None,
    protocol: str | None,
    board: str | None,
    config: Path | None,
    more: tuple[int | None, str | None, str | None, str | None],
) -> list[Target]:
    unit, profile, make, key_file = more
    if port is None and protocol is None and board is None:
        gate = read_gate(config or DEFAULT_CONFIG)
        found = [
            find_target(port=None, protocol=None, board=entry.name, config=gate.path) for entry in gate.boards
        ]
        if not found:
            fail(Exit.USAGE, Pair("{file} 里没有板", "{file} has no boards"), file=gate.path)
    else:
        found = [
            find_target(
                port=port,
                protocol=protocol,
                board=board,
                config=config,
                unit=unit,
                profile=profile,
                make=make,
                key_file=key_file,
            )
        ]
    for target in found:
        driver_of(target)
    return found


def _confirmed(targets: list[Target], names: list[str]) -> dict[str, dict[int, str]]:
    """The outputs that may move, by device; ends with exit code 4 when it is none."""
    if not any(outputs_of(driver_of(target).info) for target in targets):
        fail(
            Exit.USAGE,
            Pair(
                "{name} 没有输出，没有可动的：用 --level read",
                "{name} has no outputs, so there is nothing to click. Use --level read",
            ),
            name=", ".join(target.name for target in targets),
        )
    found: dict[str, dict[int, str]] = {}
    left = list(names)
    for target in targets:
        outputs = range(1, outputs_of(driver_of(target).info) + 1)
        known = {lane.channel: lane.name for lane in target.lanes() if lane.channel in outputs}
        if known:
            chosen = {channel: name for channel, name in known.items() if name in names}
            if not names and at_terminal():
                chosen = {channel: name for channel, name in known.items() if _typed(name)}
        else:  # a board that no file describes: the first names are its first outputs
            chosen = {}
            for channel in outputs:
                if not left:
                    break
                chosen[channel] = confirmed_lane(target, channel, left.pop(0))
        if chosen:
            found[target.name] = chosen
    unknown = [name for name in names if not any(name in lanes.values() for lanes in found.values())]
    if unknown or not found:
        fail(
            Exit.UNSAFE,
            Pair(
                "没有动任何东西：click 需要 --confirm 写明会动的通道（不认识：{names}）",
                "Nothing moved: click wants each lane that may move by --confirm LANE (not known: {names})",
            ),
            names=", ".join(unknown) or "-",
        )
    return found


def _typed(name: str) -> bool:
    question = Pair(
        "通道 {name} 将打开一次；输入它的名称，回车跳过",
        "Lane {name} will open once. Type its name, or Enter",
    )
    return asked(question, name=name) == name


def _document(steps: list[Step], level: Level, installer: str, *, interrupted: bool) -> dict[str, Any]:
    count = {verdict.value: sum(step.verdict is verdict for step in steps) for verdict in Verdict}
    document: dict[str, Any] = {
        "v": 1,
        "program": PROGRAM,
        "level": level.value,
        "installer": installer,
        "at": SystemClock().now().isoformat(timespec="seconds"),
        "interrupted": interrupted,
        "count": count,
        "steps": [
            {
                "n": number,
                "device": step.device,
                "code": step.code,
                "verdict": step.verdict.value,
                "what": text(step.what),
                "figures": step.figures,
            }
            for number, step in enumerate(steps, 1)
        ],
    }
    return document | {"sha256": signable_hash(document)}


def _default_out(target: Target) -> Path:
    folder = Path() if target.gate is None else target.gate.path.resolve().parent
    return folder / f"selftest-{SystemClock().now():%Y%m%d-%H%M%S}"


def _write(document: dict[str, Any], out: Path) -> None:
    lines = [
        f"{PROGRAM} selftest, {document['level']}, {document['at']}",
        text(Pair("安装员：{name}", "Installer: {name}"), name=document["installer"]),
        *([text(_INTERRUPTED)] if document["interrupted"] else []),
        "",
        *(
            f"{row['n']:>2} {row['verdict']} {row['device']}: {row['what']}"
            + (f"\n   {json.dumps(row['figures'], ensure_ascii=False)}" if row["figures"] else "")
            for row in document["steps"]
        ),
        "",
        " ".join(f"{name} {count}" for name, count in document["count"].items()),
        f"sha256 {document['sha256']}",
        "",
        text(Pair("签名：____________________", "Signed: ____________________")),
        "",
    ]
    try:
        out.with_name(f"{out.name}.json").write_text(
            visible_json(json.dumps(document, ensure_ascii=False, indent=1)) + "\n", encoding="utf-8"
        )
        out.with_name(f"{out.name}.txt").write_text(visible("\n".join(lines), keep="\n"), encoding="utf-8")
    except OSError as error:
        fail(
            Exit.FAILED,
            Pair("报告写不了：{out}（{why}）", "The report {out} cannot be written ({why})"),
            out=out,
            why=error.strerror,
        )
    say(Pair("报告：{out}.json 和 .txt", "Report: {out}.json and .txt"), out=out.name)


def _show(number: int, step: Step) -> None:
    """One step, its words hanging beside its number."""
    made = Table.grid(padding=(0, 1))
    made.add_column(justify="right", min_width=2)
    made.add_column()
    made.add_column(no_wrap=True, max_width=16)
    made.add_column(overflow="fold")
    timing = {name: value for name, value in step.figures.items() if name in {"p50_ms", "p99_ms"}}
    more = ", ".join(f"{name.removesuffix('_ms')} {value:g} ms" for name, value in timing.items())
    words = text(step.what) + (f" ({more})" if more else "")
    verdict = f"[{_COLOURS[step.verdict]}]{step.verdict.value}[/]"
    made.add_row(str(number), verdict, plain(step.device_short), plain(words))
    show(made)


def _sum_up(document: dict[str, Any]) -> None:
    count = document["count"]
    put_line("")
    put_line("  ".join(f"{name} {count[name]}" for name in count))
    put_line(f"sha256 {document['sha256']}")
