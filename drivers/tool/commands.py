"""The commands of ``postern-driver``: what an installer does at the gate with a cable, a board and a lane.

This module only registers the commands; each lives in a module of its own. Data goes to stdout, messages to
stderr. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not reachable, 4 not confirmed or unsafe.
"""

import logging
from typing import Annotated

import typer

from drivers.tool.addressing import set_address, set_baud
from drivers.tool.config_cli import config_app
from drivers.tool.console import PROGRAM, language_of, never_ask, use_language
from drivers.tool.daemon import stay_offline
from drivers.tool.detect import detect
from drivers.tool.doctor import doctor
from drivers.tool.hold import hold
from drivers.tool.identify import identify
from drivers.tool.init import init
from drivers.tool.modbus_scan import modbus_app
from drivers.tool.off import off
from drivers.tool.osdp_cli import osdp_app
from drivers.tool.ports import ports
from drivers.tool.pulse import pulse
from drivers.tool.report import report
from drivers.tool.say import say_text
from drivers.tool.scan import scan_app
from drivers.tool.selftest import selftest
from drivers.tool.sms import sms_app
from drivers.tool.soak import soak
from drivers.tool.spoken_help import SpokenCommand, SpokenGroup
from drivers.tool.temp import temp
from drivers.tool.term import term
from drivers.tool.trace_cli import trace_app
from drivers.tool.watch import watch
from shell.logs import set_up_logs

app = typer.Typer(
    name=PROGRAM,
    cls=SpokenGroup,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for _command in (
    ports,
    detect,
    identify,
    pulse,
    hold,
    off,
    watch,
    temp,
    selftest,
    soak,
    doctor,
    init,
    report,
):
    app.command(cls=SpokenCommand)(_command)
app.command("say", cls=SpokenCommand)(say_text)
for _bench in (term, set_address, set_baud):
    app.command(cls=SpokenCommand)(_bench)
for _group in (modbus_app, osdp_app, scan_app, sms_app, trace_app, config_app):
    app.add_typer(_group)


@app.callback()
def about(
    context: typer.Context,
    lang: Annotated[
        str | None,
        typer.Option(
            "--lang",
            metavar="zh|en",
            envvar=["LC_ALL", "LC_MESSAGES", "LANG"],
            show_envvar=False,
            is_eager=True,  # before --help
            help="Language of tables and messages; that of the terminal unless it is given.",
        ),
    ] = None,
    no_input: Annotated[
        bool,
        typer.Option(
            "--no-input", help="Never ask: what wants an answer ends with exit code 4 and says what to give."
        ),
    ] = False,
    offline: Annotated[
        bool,
        typer.Option("--offline", help="Never go through the running gate: end with exit code 3 if it runs."),
    ] = False,
) -> None:
    """See and try the boards of a gate.

    \b
    Examples:
      postern-driver ports
      postern-driver --lang zh ports
      postern-driver pulse --port /dev/ttyUSB0 --protocol lcus --channel 1 --dry-run
      postern-driver watch --port /dev/ttyUSB1 --protocol modbus-inputs --timeout 30
    """
    given = context.get_parameter_source("lang")
    if (
        given is not None
        and given.name == "COMMANDLINE"
        and not (lang or "").lower().startswith(("zh", "en"))
    ):
        raise typer.BadParameter(f"{lang!r} is not spoken here: use zh or en", param_hint="--lang")
    use_language(language_of(lang))
    never_ask(never=no_input)
    stay_offline(offline=offline)
    set_up_logs(PROGRAM, level=logging.CRITICAL)  # the commands say the same to a person, once
