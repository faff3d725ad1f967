"""``config``: show, check, compare, change, take along and bring back a gate's file, never half of it."""

import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from drivers.tool.config_check import known_keys, problems_of
from drivers.tool.config_files import backups_of, write_whole
from drivers.tool.config_travel import TravelError, packed, unpacked
from drivers.tool.console import (
    DryRunOption,
    Exit,
    JsonOption,
    add_row,
    both,
    fail,
    put_json,
    put_line,
    say,
    show,
    table,
    text,
)
from drivers.tool.masking import masked, unmasked
from drivers.tool.spoken_help import SpokenCommand, SpokenGroup
from drivers.tool.target import DEFAULT_CONFIG
from drivers.tool.toml_text import NotFoundError, parsed_value, same, to_toml, value_text, with_value
from passes.words import Pair
from shell.clock import SystemClock
from shell.file_reading import read_at_most
from shell.nesting import DEPTH_MAX, depth_of
from shell.settings import FILE_BYTES_MAX, SettingsError, read_toml
from shell.text import visible_json

FileOption = Annotated[Path, typer.Option("--config", help="The gate's file.")]
ForceOption = Annotated[
    bool,
    typer.Option("--force", help="Write it although the check finds problems; the daemon will refuse it."),
]

config_app = typer.Typer(
    name="config",
    cls=SpokenGroup,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Look at, check and change a gate's file.\n\n\b\nExamples:\n"
    "  postern-driver config validate --config gate.toml\n"
    "  postern-driver config set lane.entry.pulse_ms 400 --dry-run\n",
)


@config_app.command("show", cls=SpokenCommand)
def show_config(*, config: FileOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Show every value of the file. Passwords, PINs and tokens are masked.

    \b
    Examples:
      postern-driver config show
      postern-driver config show --config gate.toml --json
    """
    content = masked(_read(config))
    if as_json:
        put_json(content)
        return
    made = table(Pair("键", "key"), Pair("值", "value"))
    for key, value in flat(content):
        add_row(made, (key, value_text(value)))
    show(made)


@config_app.command(cls=SpokenCommand)
def validate(*, config: FileOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Check the file: unknown keys with a suggestion, wrong values, boards and lanes that do not fit.

    \b
    Examples:
      postern-driver config validate
      postern-driver config validate --config gate.toml --json

    Exit code 1: there are problems.
    """
    problems = problems_of(_read(config), config.resolve().parent)
    if as_json:
        put_json(
            [{"where": each.where, "what": text(each.what), "remedy": text(each.remedy)} for each in problems]
        )
    else:
        for each in problems:
            put_line(" — ".join(part for part in (text(each.words(config.name)), text(each.remedy)) if part))
        if not problems:
            say(Pair("{file} 没有问题", "{file} is good"), file=config)
    if problems:
        raise typer.Exit(Exit.FAILED)


@config_app.command(cls=SpokenCommand)
def diff(
    *,
    other: Annotated[
        Path | None, typer.Argument(help="File to compare with; the newest backup unless it is given.")
    ] = None,
    config: FileOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Compare the file with another one, key by key. Exit code 1: they differ.

    \b
    Examples:
      postern-driver config diff
      postern-driver config diff other-gate.toml --config gate.toml --json
    """
    earlier = other or next(iter(backups_of(config)), None)
    if earlier is None:
        fail(
            Exit.USAGE,
            Pair("{file} 没有备份，请写明要比较的文件", "{file} has no backup. Name a file to compare with"),
            file=config,
        )
    rows = changes(_read(earlier), _read(config))
    _show_changes(rows, as_json=as_json)
    if not rows and not as_json:
        say(Pair("与 {file} 相同", "The same as {file}"), file=earlier)
    if rows:
        raise typer.Exit(Exit.FAILED)


@config_app.command("set", cls=SpokenCommand)
def set_value(
    *,
    key: Annotated[
        str, typer.Argument(help="For example gate.zone, board.relays.port, lane.entry.pulse_ms.")
    ],
    value: Annotated[str, typer.Argument(help="The new value.")],
    config: FileOption = DEFAULT_CONFIG,
    force: ForceOption = False,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Change one value; comments stay, the old file is kept as a backup, and a bad value is not written.

    \b
    Examples:
      postern-driver config set lane.entry.pulse_ms 400 --dry-run
      postern-driver config set gate.name "南门 South gate" --config gate.toml
    """
    before = _read(config)
    path = key.split(".")
    if len(path) not in (2, 3):
        fail(
            Exit.USAGE,
            Pair(
                "键写成 gate.zone 或 lane.entry.pulse_ms", "Write the key as gate.zone or lane.entry.pulse_ms"
            ),
        )
    try:
        fresh = with_value(read_toml(config)[0], path, parsed_value(value))
    except NotFoundError as error:
        fail(
            Exit.USAGE,
            Pair("{file} 里没有 {where}。可用的键：{keys}", "{file} has no {where}. Keys there are: {keys}"),
            file=config,
            where=error.where,
            keys=", ".join(known_keys()[:8]) + " …",
        )
    except (AssertionError, TypeError) as error:
        fail(Exit.FAILED, both("{error}"), error=error)
    after = with_content(fresh)
    _demand_good(after, before, config, force=force)
    _write(config, fresh, before, after, dry_run=dry_run, as_json=as_json)


@config_app.command("export", cls=SpokenCommand)
def export_config(
    *,
    out: Annotated[Path | None, typer.Option("--out", help="Write here; stdout unless it is given.")] = None,
    config: FileOption = DEFAULT_CONFIG,
    with_secrets: Annotated[
        bool, typer.Option("--with-secrets", help="Do not mask passwords, PINs and tokens.")
    ] = False,
) -> None:
    """Write the values as one JSON document, to take along or to set up the next gate with. Secrets are masked.

    \b
    Examples:
      postern-driver config export
      postern-driver config export --config gate.toml --out gate.json
    """
    content = _read(config)
    document = packed(content if with_secrets else masked(content))
    written = json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False) + "\n"
    if out is None:
        typer.echo(visible_json(written), nl=False)
        return
    try:
        write_whole(out, written, now=SystemClock().now())
    except OSError as error:
        fail(
            Exit.FAILED,
            Pair("无法写入 {out}（{why}）", "{out} cannot be written ({why})"),
            out=out,
            why=error,
        )
    say(Pair("已写入 {out}", "Written to {out}"), out=out)


@config_app.command("import", cls=SpokenCommand)
def import_config(
    *,
    source: Annotated[Path, typer.Argument(help="A file that export wrote, or a gate.toml.")],
    config: FileOption = DEFAULT_CONFIG,
    force: ForceOption = False,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Replace the file by an exported one; masked secrets stay as they are here. The old file is kept as a backup.

    \b
    Examples:
      postern-driver config import gate.json --dry-run
      postern-driver config import gate.json --config gate.toml
    """
    before = _read(config) if config.exists() else {}
    after = unmasked(_exported(source), before)
    _demand_good(after, before, config, force=force)
    try:
        fresh = to_toml(after)
    except (AssertionError, TypeError) as error:
        fail(Exit.USAGE, both("{error}"), error=error)
    _write(config, fresh, before, after, dry_run=dry_run, as_json=as_json)


def flat(content: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Every value with its key in words: ``lane.entry.contact.channel``."""
    for name, value in content.items():
        key = f"{above}{name}"
        if isinstance(value, Mapping):
            yield from flat(value, f"{key}.")
        elif isinstance(value, list) and all(isinstance(entry, Mapping) for entry in value):
            for number, entry in enumerate(value, start=1):
                yield from flat(entry, f"{key}.{entry.get('name', number)}.")
        else:
            yield key, value


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Keys whose values differ, with both values, secrets masked."""
    old, new = dict(flat(before)), dict(flat(after))
    shown_old, shown_new = dict(flat(masked(before))), dict(flat(masked(after)))
    return [
        {"key": key, "before": shown_old.get(key), "after": shown_new.get(key)}
        for key in dict.fromkeys([*old, *new])
        if (key in old) != (key in new) or not same(old.get(key), new.get(key))
    ]


def with_content(fresh: str) -> dict[str, Any]:
    """The values of a text that this module made."""
    return tomllib.loads(fresh)


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_toml(path)[1]
    except SettingsError as error:
        fail(Exit.USAGE, both("{error}"), error=error)


def _exported(source: Path) -> dict[str, Any]:
    """The content of an exported document, or of a TOML file."""
    if source.suffix != ".json":
        return _read(source)
    try:
        written = read_at_most(source, FILE_BYTES_MAX).decode()
        if depth_of(written) > DEPTH_MAX:
            raise ValueError(f"it is nested deeper than {DEPTH_MAX} levels")  # told as any other below
        found = json.loads(written)
    except (OSError, ValueError, RecursionError) as error:
        fail(
            Exit.USAGE,
            Pair("无法读取 {file}（{why}）", "{file} cannot be read ({why})"),
            file=source,
            why=error,
        )
    try:
        return unpacked(found)
    except TravelError as error:
        fail(
            Exit.USAGE,
            Pair(
                "{file} 不是 config export 写出的文件（{why}）",
                "{file} was not written by config export ({why})",
            ),
            file=source,
            why=error,
        )


def _demand_good(after: Mapping[str, Any], before: Mapping[str, Any], config: Path, *, force: bool) -> None:
    """End with exit code 2 when a change brings a problem that was not there before."""
    base = config.resolve().parent
    already = {(each.where, each.what) for each in problems_of(before, base)}
    fresh = [each for each in problems_of(after, base) if (each.where, each.what) not in already]
    if fresh and not force:
        for each in fresh:
            say(
                both("{words}"),
                words=" — ".join(part for part in (text(each.words(config.name)), text(each.remedy)) if part),
            )
        fail(
            Exit.USAGE,
            Pair("没有写入（--force 可强行写入）", "Nothing was written (--force writes it anyway)"),
        )


def _write(
    config: Path,
    fresh: str,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    rows = changes(before, after)
    _show_changes(rows, as_json=as_json)
    if dry_run or not rows:
        say(Pair("没有写入", "Nothing was written"))
        return
    try:
        kept = write_whole(config, fresh, now=SystemClock().now())
    except OSError as error:
        fail(Exit.FAILED, Pair("无法写入 {f}（{why}）", "{f} cannot be written ({why})"), f=config, why=error)
    say(
        Pair(
            "已写入 {file}，旧文件：{kept}。重启守护进程后生效",
            "{file} is written, the old one is {kept}. Restart the daemon",
        ),
        file=config,
        kept=kept or "-",
    )


def _show_changes(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        put_json(rows)
    elif rows:
        made = table(Pair("键", "key"), Pair("原值", "before"), Pair("新值", "after"))
        for row in rows:
            add_row(made, (row["key"], _value(row["before"]), _value(row["after"])))
        show(made)


def _value(value: Any) -> str:
    return "-" if value is None else value_text(value)
