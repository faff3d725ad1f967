"""``postern-controller gate``: which gates may issue walk-in passes while the centre is away."""

from pathlib import Path
from typing import Annotated, Any, Final

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
from passes.keys import key_id
from passes.vocabulary import GATES_MAX, Category
from passes.walkin import CATEGORIES
from shell.settings import SettingsError
from shell.text import one_line

CODES: Final = tuple(category.code for category in Category if category in CATEGORIES)
ALL: Final = ",".join(CODES)

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Gates that may issue walk-in passes: enroll, list, withdraw.\n\n"
    "Examples:\n\n"
    "    postern-controller gate list --config demo/centre.toml\n\n"
    "    postern-controller gate withdraw 1a2b3c4d --by 王芳 --reason stolen --config demo/centre.toml",
)


@app.command()
def enroll(
    *,
    number: Annotated[int, typer.Option(min=0, max=GATES_MAX - 1, help="The gate's number in a pass.")],
    name: Annotated[str, typer.Option(help="The gate's id, as in gate.toml.")],
    key: Annotated[str, typer.Option(help="The gate's public key, as `postern-edge enroll` prints it.")],
    categories: Annotated[
        str, typer.Option(help="What it may issue; all that a gate may, if left out.")
    ] = ALL,
    by: ByOption = None,
    yes: YesOption = False,
    site: SiteOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Let a gate issue walk-in passes with its own key; its certificate is in the next bundle.

    Example: postern-controller gate enroll --number 0 --name south --key HEX --categories food --by 王芳
    """
    public = _public(key)
    wanted = [code.strip() for code in categories.split(",") if code.strip()]
    unknown = sorted(set(wanted) - set(CODES))
    if unknown or not wanted:
        raise failure(f"--categories: name one or more of {ALL}", Exit.USAGE)
    by = ask_for(by, option="--by", question="Who decides it")
    kid = key_id(public).hex()
    say(
        f"Key {kid} of gate {number} ({name}) would issue passes for {', '.join(wanted)}, each at most 12 hours"
    )
    if dry_run:
        say("Nothing was done")
        if as_json:
            put_json({"kid": kid, "number": number, "name": name, "categories": wanted, "enrolled": False})
        return
    confirm(f"Does the gate itself show the fingerprint {kid}?", yes=yes)
    body = {"number": number, "name": name, "public": public.hex(), "categories": wanted, "by": by}
    done = _ask(config, site, "", body)
    if as_json:
        put_json({**done, "enrolled": True})
    else:
        typer.echo(f"{done['kid']}  gate {done['number']} {done['name']} is enrolled")


@app.command(name="list")
def list_gates(
    *, site: SiteOption = None, config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False
) -> None:
    """List the enrolled gates, until when each has a certificate, and those that were withdrawn.

    Example: postern-controller gate list --config demo/centre.toml
    """
    found = _ask(config, site, "")
    if as_json:
        put_json(found)
        return
    if not found["gates"]:
        say(f"site {found['site']}: no gate may issue walk-in passes")
    for row in found["gates"]:
        typer.echo(
            f"{row['kid']}  gate {row['number']} {row['name']:<12}  {','.join(row['categories'])}  {_state(row)}"
        )


@app.command()
def withdraw(
    kid: Annotated[str, typer.Argument(metavar="KEYID", help="Eight hex digits, as `list` prints them.")],
    *,
    by: ByOption = None,
    reason: ReasonOption = None,
    yes: YesOption = False,
    site: SiteOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Believe a gate's key no more: all walk-in passes that it signed end with the next bundle.

    Example: postern-controller gate withdraw KEYID --by 王芳 --reason "box stolen" --config demo/centre.toml
    """
    if len(kid) != 8 or set(kid) - set("0123456789abcdef"):
        raise failure("KEYID has eight hex digits, as `gate list` prints them", Exit.USAGE)
    by = ask_for(by, option="--by", question="Who decides it")
    reason = ask_for(reason, option="--reason", question="Why")
    say(
        f"All walk-in passes that key {kid} signed open no gate any more, and it can never be enrolled again."
    )
    say("A gate that is offline believes it until a bundle comes, or until its certificate ends.")
    if dry_run:
        say("Nothing was done")
        if as_json:
            put_json({"kid": kid, "withdrawn": False})
        return
    confirm(f"Believe key {kid} no more?", yes=yes)
    done = _ask(config, site, f"/{kid}/withdraw", {"by": by, "reason": reason})
    if as_json:
        put_json({**done, "withdrawn": True})
    else:
        typer.echo(f"{done['kid']}  gate {done['number']} {done['name']}  {_state(done)}")


def _state(row: dict[str, Any]) -> str:
    match row["state"]:
        case "withdrawn":
            said = f"{row['withdrawn_by']}: {row['withdrawn_reason']}"
            return f"withdrawn {row['withdrawn_at']} by {one_line(said)}"
        case "certified":
            return f"certified until {row['certified_until']}"
        case _:
            return "no certificate yet"


def _public(text: str) -> bytes:
    try:
        public = bytes.fromhex(text)
    except ValueError:
        public = b""
    if len(public) != 32:
        raise failure("--key: 64 hex digits, as `postern-edge enroll` prints them", Exit.USAGE)
    return public


def _ask(config: Path, site: int | None, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    try:
        settings = load_centre(config)
        number = number_of(settings, site)
        with RunningCentre(settings) as centre:
            where = f"/sites/{number}/gate-keys{path}"
            found: dict[str, Any] = centre.get(where) if body is None else centre.post(where, body)
            return found
    except SettingsError as error:
        raise failure(error, Exit.USAGE) from None
    except AskError as error:
        raise failure(error, error.exit_code) from None
