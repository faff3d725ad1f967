"""``postern-controller``: the centre and its set-up."""

from pathlib import Path
from typing import Annotated

import typer

from controller import before_cli, broker_cli, commands_cli, gate_cli, keys_cli, pass_cli
from controller.certificates import CertificateError
from controller.command import Exit, failure, say
from controller.config import load_centre
from controller.daemon import CentreDaemon
from controller.init import DemoPlan, FolderExistsError, create_demo, next_steps
from controller.issuer_keys import IssuerKeyError
from controller.store import StoreError
from shell.clock import SystemClock
from shell.logs import set_up_logs
from shell.pages.server import PageServerError
from shell.private import keep_private
from shell.settings import SettingsError
from shell.supervision import stop_event
from sync.broker import BrokerError

app = typer.Typer(
    name="postern-controller",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    help="The centre: passes, visits, overstays, alerts and its page.\n\n"
    "Examples:\n\n"
    "    postern-controller init --demo --dir demo\n\n"
    "    postern-controller run --config demo/centre.toml",
)
app.add_typer(pass_cli.app, name="pass")
keys_cli.site_app.command(name="refuse-before")(before_cli.refuse_before)
app.add_typer(keys_cli.site_app, name="site")
for name, deed in commands_cli.COMMANDS.items():
    gate_cli.app.command(name=name)(deed)
app.add_typer(gate_cli.app, name="gate")
app.add_typer(broker_cli.app, name="broker")


@app.callback()
def _postern_controller() -> None:
    """Make each command a word of its own."""


@app.command()
def run(
    config: Annotated[Path, typer.Option(help="The centre's configuration file.")] = Path("centre.toml"),
    json_logs: Annotated[bool, typer.Option("--json-logs", help="One JSON object a log line.")] = False,
) -> None:
    """Run the centre until it is told to stop (Ctrl-C or SIGTERM).

    Example: postern-controller run --config demo/centre.toml
    """
    set_up_logs("postern-controller", json=json_logs)
    try:
        settings = load_centre(config)
        keep_private(settings.data_dir)
        daemon = CentreDaemon(settings)
        daemon.run(stop_event())
    except (SettingsError, IssuerKeyError, CertificateError) as error:
        raise failure(error, Exit.USAGE) from None
    except (StoreError, PageServerError, BrokerError) as error:
        raise failure(error, Exit.FAILED) from None
    if daemon.failed:
        raise typer.Exit(Exit.FAILED)


@app.command()
def init(
    *,
    demo: Annotated[bool, typer.Option("--demo", help="A demo site with new keys of its own.")] = False,
    folder: Annotated[Path, typer.Option("--dir", help="The folder to make.")] = Path("demo"),
    force: Annotated[
        bool, typer.Option("--force", help="Replace an earlier demo folder, data and all.")
    ] = False,
    couriers_minutes: Annotated[
        int, typer.Option(min=1, max=1440, help="How long couriers and food deliveries may stay.")
    ] = 1,
    web_port: Annotated[int, typer.Option(min=1, max=65_535, help="The centre's page.")] = 8080,
    kiosk_port: Annotated[int, typer.Option(min=1, max=65_535, help="The gate's page.")] = 8081,
    broker_port: Annotated[int, typer.Option(min=1, max=65_535, help="The embedded broker.")] = 18830,
    camera_port: Annotated[int, typer.Option(min=1, max=65_535, help="The simulated cameras.")] = 8090,
    sms_port: Annotated[int, typer.Option(min=1, max=65_535, help="The simulated SMS gateway.")] = 8025,
) -> None:
    """Make the folder of a demo site: keys, key set, units, centre.toml and gate.toml.

    Example: postern-controller init --demo --dir demo
    """
    if not demo:
        raise failure("Only demo sites can be made so far: add --demo", Exit.USAGE)
    plan = DemoPlan(
        folder=folder,
        couriers_minutes=couriers_minutes,
        web_port=web_port,
        kiosk_port=kiosk_port,
        broker_port=broker_port,
        camera_port=camera_port,
        sms_port=sms_port,
    )
    try:
        create_demo(plan, now=SystemClock().now(), force=force)
    except FolderExistsError as error:
        raise failure(error, Exit.UNSAFE) from None
    except OSError as error:
        raise failure(error, Exit.FAILED) from None
    say(next_steps(plan))


def main() -> None:
    """Entry point of ``postern-controller``."""
    app()


if __name__ == "__main__":
    main()
