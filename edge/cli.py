"""``postern-edge``: the gate daemon and its tools."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from drivers.gate.config import GateConfig, load_config
from edge import bundles
from edge.bundle_cli import bundle_app
from edge.command import DEFAULT_CONFIG, ConfigOption, Exit, failure, say
from edge.daemon import BusEndedError, EdgeDaemon
from edge.enroll import enroll
from edge.exits_only import ExitsOnly
from edge.files import load_key_set, load_units
from edge.fire_cli import fire_reset
from edge.journal import Journal, JournalBusyError, JournalError
from edge.vision.scan import Scanned, Scanning
from edge.walkin_cli import walkin_app
from passes.bundle import Refused
from passes.check import Foreign, Verified, check
from passes.keys import KeyTable
from shell.clock import Clock, SystemClock
from shell.logs import set_up_logs
from shell.private import keep_private
from shell.settings import SettingsError
from shell.supervision import stop_event

app = typer.Typer(
    name="postern-edge",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    help="The gate: reads passes, decides, opens the lane, records.\n\n"
    "Examples:\n\n"
    "    postern-edge run --config gate.toml\n\n"
    "    postern-edge scan photo.jpg --json\n\n"
    "    postern-edge scan http://127.0.0.1:8090/entry.mjpg\n\n"
    "    postern-edge walkin issue --category food --unit 3-1202 --by 王强 --reason 已致电业主",
)
app.command()(enroll)
app.command()(fire_reset)
app.add_typer(bundle_app, name="bundle")
app.add_typer(walkin_app, name="walkin")


@app.callback()
def _postern_edge() -> None:
    """Make each command a word of its own."""


@app.command()
def run(
    config: ConfigOption = DEFAULT_CONFIG,
    json_logs: Annotated[bool, typer.Option("--json-logs", help="One JSON object a log line.")] = False,
) -> None:
    """Run the gate daemon until it is told to stop (Ctrl-C or SIGTERM).

    Example: postern-edge run --config gate.toml
    """
    set_up_logs("postern-edge", json=json_logs)
    stop = stop_event()
    try:
        settings = load_config(config)
        keep_private(settings.gate.data_dir)
        while not stop.is_set():
            try:
                EdgeDaemon(settings, config).run(stop)
            except JournalBusyError:
                raise
            except (JournalError, SettingsError) as error:
                say(str(error))
                say("Entries stay shut, and exits open for everyone, until this is mended.")
                ExitsOnly(settings, SystemClock()).run(stop, lambda: _usable(settings))
    except SettingsError as error:
        raise failure(error, Exit.USAGE) from None
    except (JournalBusyError, BusEndedError) as error:
        raise failure(error, Exit.FAILED) from None


def _usable(settings: GateConfig) -> bool:
    """Whether what the whole gate needs can be read now."""
    gate = settings.gate
    try:
        load_key_set(gate.keys, gate.site, root=gate.root)
        load_units(gate.units)
        Journal(gate.data_dir, SystemClock()).close()
    except (JournalError, SettingsError):
        return False
    return True


@app.command()
def scan(
    sources: Annotated[
        list[str],
        typer.Argument(help="Pictures, folders, videos, camera addresses or devices.", metavar="SOURCE…"),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line on stdout.")] = False,
    config: Annotated[
        Path | None,
        typer.Option(help="gate.toml, whose key set and bundle judge the passes; without it none is valid."),
    ] = None,
) -> None:
    """Read the QR codes in pictures, folders, videos and cameras, and say which are good passes.

    Examples: postern-edge scan photo.jpg; postern-edge scan pictures/ --json --config gate.toml
    """
    set_up_logs("postern-edge")
    clock = SystemClock()
    try:
        keys = _keys_of(config, clock)
    except SettingsError as error:
        raise failure(error, Exit.USAGE) from None

    def judge(text: str) -> tuple[bool, str | None]:
        checked = check(text, keys, now=clock.now(), trust=clock.trust())
        if isinstance(checked, Verified):
            return True, None
        return False, "foreign" if isinstance(checked, Foreign) else checked.reason.value

    scanning = Scanning(judge, clock)
    failed = False
    out = Console(soft_wrap=True)
    for one in scanning.run(sources):
        failed |= one.error is not None
        if as_json:
            sys.stdout.write(json.dumps(one.as_json(), ensure_ascii=False) + "\n")
        else:
            _print_scanned(out, one)
    if scanning.skipped:
        say(f"{scanning.skipped} files were passed over: neither pictures nor videos")
    if failed:
        raise typer.Exit(Exit.FAILED)


def _keys_of(config: Path | None, clock: Clock) -> KeyTable:
    """The keys that the gate trusts: those of its newest bundle, walk-in keys among them, else those installed."""
    if config is None:
        return KeyTable([])
    gate = load_config(config).gate
    anchor = load_key_set(gate.keys, gate.site, root=gate.root)
    held = bundles.load(gate.data_dir, anchor, clock.now())
    if isinstance(held, Refused):
        say(
            f"Judged without the gate's bundle: {held.detail}. The keys of {gate.keys.name} alone count here."
        )
    return held.keys if isinstance(held, bundles.Holding) else anchor.to_domain()


def _print_scanned(out: Console, one: Scanned) -> None:
    out.print(escape(one.source), style="bold", highlight=False)
    if one.error:
        out.print(f"  {escape(one.error)}", style="red", highlight=False)
    elif not one.codes:
        out.print("  no code", style="dim", highlight=False)
    for code in one.codes:
        word, style = ("valid", "green") if code.valid else (code.reason or "not valid", "yellow")
        out.print(f"  {word:14} ", style=style, end="", highlight=False)
        out.print(ascii(code.text)[1:-1], markup=False, highlight=False)


def main() -> None:
    """Entry point of ``postern-edge``."""
    app()


if __name__ == "__main__":
    main()
