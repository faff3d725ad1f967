"""``postern-controller site refuse-before``: everything of a person or an issuer key that was made before a moment."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from controller.asking import AskError, RunningCentre
from controller.command import (
    DEFAULT_CONFIG,
    ByOption,
    ConfigOption,
    DryRunOption,
    Exit,
    JsonOption,
    ReasonOption,
    YesOption,
    ask_for,
    confirm,
    failure,
    put_json,
    say,
)
from controller.config import load_centre
from controller.keys_cli import SiteOption, number_of
from shell.clock import SystemClock
from shell.settings import SettingsError
from sync.messages import utc_text

_HEX = frozenset("0123456789abcdef")


def refuse_before(
    key: Annotated[
        str | None, typer.Argument(metavar="[KEY]", help="A person (16 hex digits) or an issuer key (8).")
    ] = None,
    *,
    of_pass: Annotated[
        str | None, typer.Option("--pass", help="The holder of this pass, instead of KEY; walk-ins too.")
    ] = None,
    before: Annotated[
        datetime | None, typer.Option("--before", help="The moment, in UTC. Default: now.")
    ] = None,
    by: ByOption = None,
    reason: ReasonOption = None,
    yes: YesOption = False,
    site: SiteOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Refuse every pass of a person, or under an issuer key, that was issued before a moment; later ones open.

    Example: postern-controller site refuse-before --pass 0123456789abcdef --by 王芳 --reason banned
    """
    if (key is None) == (of_pass is None):
        raise failure("Name either KEY or --pass", Exit.USAGE)
    named = key or of_pass or ""
    sizes = {16} if key is None else {8, 16}
    if len(named) not in sizes or set(named) - _HEX:
        raise failure(f"{named}: write {' or '.join(map(str, sorted(sizes)))} hex digits", Exit.USAGE)
    by = ask_for(by, option="--by", question="Who decides it")
    reason = ask_for(reason, option="--reason", question="Why")
    moment = SystemClock().now() if before is None else before.replace(tzinfo=UTC)
    whose = f"of the holder of pass {named}" if key is None else f"of {named}"
    say(f"Passes {whose} that were issued before {moment:%Y-%m-%d %H:%M:%S} UTC open no gate any more.")
    say("Such a moment can be moved later, never earlier.")
    if dry_run:
        say("Nothing was done")
        if as_json:
            put_json({"key": key, "pass_id": of_pass, "before": utc_text(moment), "published": False})
        return
    confirm("Refuse them?", yes=yes)
    who = {"pass_id": of_pass} if key is None else {"key": key}
    try:
        settings = load_centre(config)
        with RunningCentre(settings) as centre:
            answer = centre.post(
                f"/sites/{number_of(settings, site)}/refuse-before",
                {**who, "before": moment.isoformat(), "by": by, "reason": reason},
            )
    except SettingsError as error:
        raise failure(error, Exit.USAGE) from None
    except AskError as error:
        raise failure(error, error.exit_code) from None
    if as_json:
        put_json({**answer, "published": True})
    else:
        typer.echo(f"{answer['key']}: refused before {answer['before']}")
