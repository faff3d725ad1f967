"""``postern-edge``: the gate daemon and its tools."""

from typing import Annotated

import typer

from drivers.gate.config import GateConfig, load_config
from edge.bundle_cli import bundle_app
from edge.camera_cli import camera_app, scan
from edge.command import DEFAULT_CONFIG, ConfigOption, Exit, failure, say
from edge.daemon import BusEndedError, EdgeDaemon
from edge.enroll import enroll
from edge.exits_only import ExitsOnly
from edge.files import load_key_set, load_units
from edge.fire_cli import fire_reset
from edge.journal import JournalBusyError, JournalError, JournalLostError, demand_usable
from edge.journal_cli import journal_app
from edge.walkin_cli import walkin_app
from shell.clock import SystemClock
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
    "    postern-edge camera test --lane entry --save entry.jpg\n\n"
    "    postern-edge journal show --kind decision\n\n"
    "    postern-edge walkin issue --category food --unit 3-1202 --by 王强 --reason 已致电业主",
)
app.command()(enroll)
app.command()(fire_reset)
app.command()(scan)
app.add_typer(camera_app, name="camera")
app.add_typer(bundle_app, name="bundle")
app.add_typer(walkin_app, name="walkin")
app.add_typer(journal_app, name="journal")


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
            except (JournalBusyError, JournalLostError):
                raise
            except (JournalError, SettingsError) as error:
                say(str(error))
                say("Entries stay shut, and exits open for everyone, until this is mended.")
                ExitsOnly(settings, SystemClock()).run(stop, lambda: _usable(settings))
    except SettingsError as error:
        raise failure(error, Exit.USAGE) from None
    except (JournalBusyError, JournalLostError, BusEndedError) as error:
        raise failure(error, Exit.FAILED) from None


def _usable(settings: GateConfig) -> bool:
    """Whether what the whole gate needs can be read now."""
    gate = settings.gate
    try:
        load_key_set(gate.keys, gate.site, root=gate.root)
        load_units(gate.units)
        demand_usable(gate.data_dir)
    except (JournalError, SettingsError):
        return False
    return True


def main() -> None:
    """Entry point of ``postern-edge``."""
    app()


if __name__ == "__main__":
    main()
