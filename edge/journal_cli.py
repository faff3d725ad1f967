"""``postern-edge journal``: look at what a gate recorded, check that nothing was changed, hand it on, save the rest."""

import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

import apsw
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from drivers.gate.config import load_config
from edge.command import (
    DEFAULT_CONFIG,
    ConfigOption,
    DryRunOption,
    Exit,
    JsonOption,
    failure,
    put_facts,
    put_json,
    say,
)
from edge.journal import JournalError
from edge.journal.marks import Mark
from edge.journal.reading import EpochReport, JournalCopy, Wrong
from edge.journal.salvage import Doubt, salvage
from edge.journal_export import Format, as_event, lines
from edge.journal_source import InUseError, journal_of, still
from passes.words import Pair
from shell.control import ControlError, NoAnswerError, NotAllowedError
from shell.files import write_whole
from shell.settings import SettingsError
from sync.messages import Kind

journal_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="The gate's journal: every decision and passage, each chained to the one before.\n\n"
    "Examples:\n\n"
    "    postern-edge journal show --config gate.toml\n\n"
    "    postern-edge journal verify --config gate.toml\n\n"
    "    postern-edge journal export --out events.csv --since 2026-11-01\n\n"
    "    postern-edge journal salvage journal.db.broken-20261122T093000Z --out saved.db",
)
WRONG_WORDS: Final = {
    Wrong.MISSING: Pair("缺失", "missing"),
    Wrong.CHANGED: Pair("内容被改动", "not as it was written"),
    Wrong.UNCHAINED: Pair("与前一行不相连", "does not follow the row before it"),
    Wrong.CURSOR: Pair("游标超出最新一行", "receipts beyond the newest row"),
}
_TITLES: Final = (
    "序号 seq",
    "时间 time",
    "类别 kind",
    "通道 lane",
    "内容 what",
    "通行码 pass",
    "人员 person",
)
KindOption = Annotated[Kind | None, typer.Option(help="Only this kind, such as decision or passage.")]
SinceOption = Annotated[
    datetime | None, typer.Option(help="Only from then on: 2026-11-01, or with a time, in the gate's zone.")
]
FileOption = Annotated[
    Path | None, typer.Option("--file", help="A copy, instead of the gate's own journal; it is only read.")
]
UnmaskedOption = Annotated[bool, typer.Option("--unmasked", help="Whole ids of passes and persons.")]


@journal_app.command()
def show(
    *,
    kind: KindOption = None,
    since: SinceOption = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many, the newest ones.")] = 50,
    file: FileOption = None,
    unmasked: UnmaskedOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Show the newest rows, the oldest of them first.

    Ends with 0, 1 when the journal cannot be read, 2 for wrong usage, 3 when a gate runs and gives no answer, 4 when it
    belongs to another user.

    Example: postern-edge journal show --kind decision --limit 20
    """
    with _journal(config, file) as (journal, zone):
        found = journal.rows(kind=kind, since_ms=_ms(since, zone), limit=limit)
    events = [as_event(one, masked=not unmasked) for one in found]
    if as_json:
        put_json(events)
        return
    table = Table(box=None, pad_edge=False)
    for title in _TITLES:
        table.add_column(title, overflow="fold")
    for event in events:
        table.add_row(*map(escape, _cells(event, zone)))
    Console().print(table)


@journal_app.command()
def verify(
    *, file: FileOption = None, config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False
) -> None:
    """Check each row's hash, the chain, and that no number is missing; say where it breaks.

    Ends with 0 when all is well, 1 when it is not or the journal cannot be read, 2 for wrong usage, 3 when a gate runs
    and gives no answer, 4 when it belongs to another user.

    Example: postern-edge journal verify --config gate.toml
    """
    with _journal(config, file) as (journal, _):
        damage, epochs = journal.damage(), journal.verify()
    well = not damage and not any(one.breaks for one in epochs)
    if as_json:
        put_json({"ok": well, "damage": damage, "epochs": [_as_json(one) for one in epochs]})
    else:
        for one in epochs:
            put_facts(_facts(one))
    if damage:
        say(f"文件损坏 The file is damaged: {damage}")
    if not well:
        raise failure("日志不完整 The journal is not whole; what is wrong stands above", Exit.FAILED)


@journal_app.command()
def export(
    *,
    out: Annotated[Path | None, typer.Option(help="Write to this file; its ending says the format.")] = None,
    form: Annotated[Format | None, typer.Option("--format", help="Default: csv.")] = None,
    kind: KindOption = None,
    since: SinceOption = None,
    file: FileOption = None,
    unmasked: UnmaskedOption = False,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing --out file.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Write rows as CSV or as JSON lines, the oldest first.

    Ends with 0, 1 when the journal cannot be read or the file not be written, 2 for wrong usage, 3 when a gate runs and
    gives no answer, 4 when a file would be replaced or the gate belongs to another user.

    Example: postern-edge journal export --out events.csv --kind passage
    """
    if out is not None and out.exists() and not force:
        raise failure(f"{out} 已存在 is there already; --force replaces it", Exit.UNSAFE)
    chosen = form or (Format.JSONL if out is not None and out.suffix == ".jsonl" else Format.CSV)
    with _journal(config, file) as (journal, zone):
        found = journal.rows(kind=kind, since_ms=_ms(since, zone), limit=None)
    made = lines(found, chosen, masked=not unmasked)
    if out is None:
        for line in made:
            typer.echo(line)
        return
    mark = "\ufeff" if chosen is Format.CSV else ""  # by which spreadsheets know UTF-8
    try:
        write_whole(out, (mark + "".join(f"{line}\n" for line in made)).encode())
    except OSError as error:
        raise failure(f"{out} cannot be written ({error.strerror})", Exit.FAILED) from None
    say(f"已写入 Written: {out} ({len(found)} 行 rows)")


@journal_app.command("salvage")
def salvage_file(
    file: Annotated[Path, typer.Argument(help="A broken journal, such as one that a gate set aside.")],
    *,
    out: Annotated[Path, typer.Option(help="The new file; there must be none yet.")],
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Read what can be read of a broken journal into a new file, for verify and export. The old one is not changed.

    Ends with 0 when rows were saved, 1 when there are none, 2 for wrong usage, 4 when a gate has the file open or the
    new one is there already.

    Example: postern-edge journal salvage journal.db.broken-20261122T093000Z --out saved.db
    """
    if not file.is_file():
        raise failure(f"{file} is no file", Exit.USAGE)
    if out.exists():
        raise failure(f"{out} 已存在 is there already", Exit.UNSAFE)
    if not out.resolve().parent.is_dir():
        raise failure(f"{out.resolve().parent} 不存在 is no folder: make it first", Exit.USAGE)
    try:
        with still(file) as copy, tempfile.TemporaryDirectory(dir=out.resolve().parent) as name:
            target = Path(name) / "saved.db"
            found = salvage(copy, target, Mark(), why=f"salvaged from {file.name}"[:80], doubt=Doubt.NONE)
            if found.rows and not dry_run:
                target.rename(out)
    except InUseError as error:
        raise failure(error, Exit.UNSAFE) from None
    except (JournalError, apsw.Error, OSError) as error:
        raise failure(error, Exit.FAILED) from None
    gone = [{"first": lost.first, "last": lost.last} for lost in found.lost]
    if as_json:
        put_json({"rows": found.rows, "people": found.people, "epoch": found.epoch, "lost": gone})
    else:
        lost = ", ".join(f"{one['first']}-{one['last']}" for one in gone)
        put_facts(
            {"行 rows": str(found.rows), "人员状态 people": str(found.people), "缺失 lost": lost or "0"}
        )
    if not found.rows:
        raise failure("没有可恢复的行 There is no row to be saved", Exit.FAILED)
    say("未写入任何文件 Nothing was written." if dry_run else f"已写入 Written: {out}")


@contextmanager
def _journal(config: Path, file: Path | None) -> Iterator[tuple[JournalCopy, ZoneInfo]]:
    """The journal that was asked for, and the zone of times; every failure becomes words and an exit code."""
    try:
        if file is not None:
            if not file.is_file():
                raise failure(f"{file} is no file", Exit.USAGE)
            with still(file) as copy, closing(JournalCopy(copy, of=file)) as journal:
                yield journal, ZoneInfo("UTC")
            return
        gate = load_config(config).gate
        with journal_of(gate.data_dir) as journal:
            yield journal, ZoneInfo(gate.zone)
    except SettingsError as error:
        raise failure(error, Exit.USAGE) from None
    except (NoAnswerError, InUseError) as error:
        raise failure(error, Exit.UNREACHABLE) from None
    except NotAllowedError as error:
        raise failure(error, Exit.UNSAFE) from None
    except (ControlError, JournalError) as error:
        raise failure(error, Exit.FAILED) from None


def _ms(since: datetime | None, zone: ZoneInfo) -> int | None:
    if since is None:
        return None
    return int((since if since.tzinfo else since.replace(tzinfo=zone)).timestamp() * 1000)


def _cells(event: dict[str, Any], zone: ZoneInfo) -> tuple[str, ...]:
    data = event["data"]
    at = (
        datetime.fromisoformat(event["at"]).astimezone(zone)
        if "at" in event
        else datetime.min.replace(tzinfo=UTC)
    )
    words = (
        "outcome",
        "reason",
        "direction",
        "category",
        "device",
        "state",
        "act",
        "by",
        "detail",
        "software",
    )
    return (
        str(event["seq"]),
        f"{at:%m-%d %H:%M:%S}",
        event["kind"],
        str(data.get("lane") or ""),
        " ".join(str(data[name]) for name in words if data.get(name)),
        str(data.get("pass_id") or ""),
        str(data.get("person") or ""),
    )


def _facts(one: EpochReport) -> dict[str, str]:
    wrong = "; ".join(
        f"{found.first}-{found.last} {WRONG_WORDS[found.what].zh} {WRONG_WORDS[found.what].en}"
        for found in one.breaks
    )
    facts = {
        "纪元 epoch": f"{one.epoch}{' (current)' if one.current else ''}",
        "行 rows": f"{one.rows} ({one.first}-{one.last})",
        "断点 breaks": wrong or "0",
    }
    return facts | ({"回执 receipted": f"{one.acked}"} if one.current else {})


def _as_json(one: EpochReport) -> dict[str, Any]:
    return {
        "epoch": one.epoch,
        "current": one.current,
        "first": one.first,
        "last": one.last,
        "rows": one.rows,
        "acked": one.acked,
        "pruned_to": one.pruned_to,
        "breaks": [
            {"first": found.first, "last": found.last, "what": found.what.value} for found in one.breaks
        ],
    }
