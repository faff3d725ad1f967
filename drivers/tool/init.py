"""``init``: make a gate's file, by questions or from a file of answers, after saying what each lane will do by itself.

An answers file is a ``gate.toml``; its lanes must say ``tested_by`` and ``tested_on``. Nothing is written before all
of it has been checked, and the consequences of the wiring have been shown.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from drivers.tool.config_check import problems_of
from drivers.tool.config_files import write_whole
from drivers.tool.console import (
    DryRunOption,
    Exit,
    JsonOption,
    add_row,
    at_terminal,
    both,
    fail,
    never_asks,
    put_json,
    put_line,
    say,
    show,
    table,
    text,
    wants,
    warn,
)
from drivers.tool.init_questions import (
    TESTED_BY,
    TESTED_ON,
    ask_boards,
    ask_gate,
    ask_inputs,
    ask_lanes,
    asked_at_terminal,
)
from drivers.tool.target import DEFAULT_CONFIG
from drivers.tool.toml_text import to_toml
from drivers.tool.wiring import consequences, info_of
from passes.words import Pair
from shell.clock import SystemClock
from shell.settings import SettingsError, read_toml


def init(
    *,
    config: Annotated[Path, typer.Option("--config", help="The file to write.")] = DEFAULT_CONFIG,
    answers: Annotated[
        Path | None, typer.Option("--answers", help="Take the answers from this file; ask nobody.")
    ] = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make a gate.toml by questions, or from a file of answers.

    \b
    Examples:
      postern-driver init
      postern-driver init --answers answers.toml --dry-run
      postern-driver init --answers answers.toml --config gate.toml

    It asks about the gate, its boards and its lanes, and says what the wiring will do before it writes. It opens
    no port and moves nothing. A file that is there already is kept as a backup. Every lane needs somebody who
    tested it: tested_by and tested_on in the answers.
    """
    if answers is None and not at_terminal():
        fail(
            Exit.UNSAFE if never_asks() else Exit.USAGE,
            Pair("这里没有人可问：请用 --answers 文件", "There is nobody to ask here: use --answers FILE"),
        )
    now = SystemClock().now()
    content = _answered(answers) if answers is not None else _asked(now)
    _demand_good(content, config)
    if as_json:
        put_json({"content": content, "consequences": as_rows(content)})
    else:
        _show_consequences(content)
    fresh = to_toml(content, notes=note_of(now))
    if dry_run:
        if not as_json:
            put_line(fresh)
        say(Pair("没有写入", "Nothing was written"))
        return
    if answers is None and not wants(Pair("照此写入？输入 是", "Write this? Type yes")):
        fail(Exit.UNSAFE, Pair("没有写入", "Nothing was written"))
    try:
        kept = write_whole(config, fresh, now=now)
    except OSError as error:
        fail(Exit.FAILED, Pair("无法写入 {f}（{why}）", "{f} cannot be written ({why})"), f=config, why=error)
    say(Pair("已写入 {file}", "{file} is written"), file=config)
    if kept is not None:
        say(Pair("旧文件：{kept}", "The old one is {kept}"), kept=kept)
    say(Pair("下一步：postern-driver doctor", "Next: postern-driver doctor"))


def note_of(now: datetime) -> dict[str, str]:
    """The comment at the top of the file."""
    made = f"{now.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    return {"gate": f"Made by postern-driver init, {made}. Paths are relative to this file."}


def as_rows(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What each lane does by itself, for ``--json``."""
    return [
        {"lane": name, "when": text(each.when), "then": text(each.then), "danger": each.danger}
        for name, lane, info in _wired(content)
        for each in consequences(release=lane["release"], on_power_loss=lane["on_power_loss"], info=info)
    ]


def _wired(content: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any], Any]]:
    boards = {board["name"]: board for board in content["board"]}
    return [(lane["name"], lane, info_of(boards[lane["board"]])) for lane in content["lane"]]


def _answered(path: Path) -> dict[str, Any]:
    try:
        return read_toml(path)[1]
    except SettingsError as error:
        fail(Exit.USAGE, both("{error}"), error=error)


def _asked(now: datetime) -> dict[str, Any]:
    content = ask_gate(asked_at_terminal)
    boards = ask_boards(asked_at_terminal)
    content["board"] = boards
    content["lane"] = ask_lanes(asked_at_terminal, boards, today=now.astimezone().date())
    inputs = ask_inputs(asked_at_terminal, content)
    return content | {"input": inputs} if inputs else content


def _demand_good(content: Mapping[str, Any], config: Path) -> None:
    """End with exit code 2 for wrong answers, with 4 when nobody tested a lane."""
    problems = problems_of(content, config.resolve().parent)
    for each in problems:
        warn(
            both("{words}"),
            words=" — ".join(part for part in (text(each.words(config.name)), text(each.remedy)) if part),
        )
    if problems:
        fail(Exit.USAGE, Pair("没有写入", "Nothing was written"))
    untested = [str(lane["name"]) for lane in content["lane"] if not _is_tested(lane)]
    if untested:
        fail(
            Exit.UNSAFE,
            Pair(
                "通道 {names} 没有写明谁在何时试过接线（tested_by、tested_on）；没有写入",
                "Nobody has signed for the wiring of {names} (tested_by, tested_on); nothing was written",
            ),
            names=", ".join(untested),
        )


def _is_tested(lane: Mapping[str, Any]) -> bool:
    who, when = lane.get(TESTED_BY), lane.get(TESTED_ON)
    if isinstance(when, str):
        try:
            when = date.fromisoformat(when)
        except ValueError:
            return False
    return isinstance(who, str) and bool(who.strip()) and isinstance(when, date)


def _show_consequences(content: Mapping[str, Any]) -> None:
    made = table(
        Pair("通道", "lane"),
        Pair("何时", "when"),
        Pair("会怎样", "what the lane does"),
        title=Pair("按此接线，各通道会这样：", "Wired like this, the lanes do:"),
    )
    for name, lane, info in _wired(content):
        shown = name
        for each in consequences(release=lane["release"], on_power_loss=lane["on_power_loss"], info=info):
            add_row(made, (shown, text(each.when), text(each.then)), style="red" if each.danger else None)
            shown = ""
    show(made, err=True)  # the file alone is the data
