"""``postern-controller gate``: which gates come in to the broker, and which may issue walk-in passes."""

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
from controller.config import CentreConfig, load_centre
from controller.identity_cli import identities, make_code, revoke, sign_request
from controller.keys_cli import SiteOption, number_of
from controller.person_secrets import secret_path
from passes.keys import key_id
from passes.vocabulary import GATES_MAX, Category
from passes.walkin import CATEGORIES
from shell.person_secret import PersonSecret, PersonSecretError, hand_out, read_person_secret
from shell.settings import SettingsError
from shell.text import one_line

CODES: Final = tuple(category.code for category in Category if category in CATEGORIES)
ALL: Final = ",".join(CODES)

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Gates. With a certificate for the broker: enroll, identities, revoke. That may issue walk-in passes: enroll "
    "--key, list, secret, withdraw.\n\n"
    "Examples:\n\n"
    "    postern-controller gate enroll --name west --by 王芳 --config demo/centre.toml\n\n"
    "    postern-controller gate list --config demo/centre.toml\n\n"
    "    postern-controller gate withdraw 1a2b3c4d --by 王芳 --reason stolen --config demo/centre.toml",
)


app.command()(identities)
app.command()(revoke)


@app.command()
def enroll(
    *,
    name: Annotated[str, typer.Option(help="The gate's id, as in gate.toml.")],
    number: Annotated[
        int | None, typer.Option(min=0, max=GATES_MAX - 1, help="With --key: the gate's number in a pass.")
    ] = None,
    key: Annotated[
        str | None, typer.Option(help="The gate's walk-in key, as `postern-edge enroll` prints it.")
    ] = None,
    csr: Annotated[
        Path | None, typer.Option(help="Sign the request in this file, that was carried here, into --out.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="With --csr: the file to carry back to the gate.")] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="It is new hardware: the old box's certificate is revoked.")
    ] = False,
    categories: Annotated[
        str, typer.Option(help="What it may issue; all that a gate may, if left out.")
    ] = ALL,
    secret_out: Annotated[
        Path | None,
        typer.Option(help="Also write the site's person secret into this file, to carry to the gate."),
    ] = None,
    by: ByOption = None,
    yes: YesOption = False,
    site: SiteOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Let a gate in: a code to type there, or a request signed in files, gives it a certificate for the broker.

    With --key the gate may issue walk-in passes with its own key instead; that certificate is in the next bundle.

    Example: postern-controller gate enroll --number 0 --name south --key HEX --categories food --by 王芳
    """
    if key is None:
        by = ask_for(by, option="--by", question="Who decides it")
        _let_in(
            name, csr, out, replace=replace, by=by, site=site, config=config, as_json=as_json, dry_run=dry_run
        )
        return
    if number is None or csr is not None or out is not None or replace:
        raise failure("--key goes with --number, and not with --csr, --out or --replace", Exit.USAGE)
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
    settings, number_of_site = _opened(config, site)
    if secret_out is not None:
        _demand_room(settings, number_of_site, secret_out)
    confirm(f"Does the gate itself show the fingerprint {kid}?", yes=yes)
    body = {"number": number, "name": name, "public": public.hex(), "categories": wanted, "by": by}
    done = _ask(config, site, "", body)
    if not as_json:
        typer.echo(f"{done['kid']}  gate {done['number']} {done['name']} is enrolled")
    held = _hand_out(settings, number_of_site, secret_out) if secret_out is not None else None
    if held is None:
        say(
            "Until the site's person secret is installed there, this gate knows RED of its own walk-ins alone: "
            "postern-controller gate secret --out FILE"
        )
    if as_json:
        put_json({**done, "enrolled": True, "person_secret": held.fingerprint if held else None})


@app.command()
def secret(
    *,
    out: Annotated[Path, typer.Option(help="The file to write, for its owner alone.")],
    by: ByOption = None,
    site: SiteOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Write the site's person secret into a file to carry to a gate, so that RED is known there of everybody.

    It is made where there is none. The fingerprint is the same at the centre and at every gate that has it.

    Example: postern-controller gate secret --out walkin.secret --by 王芳 --config demo/centre.toml
    """
    settings, number = _opened(config, site)
    _demand_room(settings, number, out)
    if dry_run:
        say(f"The person secret of site {number} would be written into {out}. Nothing was done")
        if as_json:
            put_json({"site": number, "person_secret": None, "made": False, "out": None})
        return
    by = ask_for(by, option="--by", question="Who takes it")
    try:
        with RunningCentre(settings) as centre:
            answer = centre.post(f"/sites/{number}/person-secret", {"by": by})
    except SettingsError as error:
        raise failure(error, Exit.USAGE) from None
    except AskError as error:
        raise failure(error, error.exit_code) from None
    held = _hand_out(settings, number, out)
    if held.fingerprint != answer["fingerprint"]:
        raise failure(
            f"{secret_path(settings.keys_dir, number)} was replaced since the centre started: restart it",
            Exit.FAILED,
        )
    if as_json:
        put_json({"site": number, "person_secret": held.fingerprint, "made": answer["made"], "out": str(out)})
    else:
        typer.echo(f"{held.fingerprint}  person secret of site {number}")


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


def _let_in(
    name: str,
    csr: Path | None,
    out: Path | None,
    *,
    replace: bool,
    by: str,
    site: int | None,
    config: Path,
    as_json: bool,
    dry_run: bool,
) -> None:
    """A code for the gate, or an answer to the request that it wrote."""
    if (csr is None) != (out is None):
        raise failure("--csr and --out go together", Exit.USAGE)
    settings, number = _opened(config, site)
    if csr is None or out is None:
        make_code(settings, number, name, replace=replace, by=by, as_json=as_json, dry_run=dry_run)
    else:
        sign_request(
            settings, number, name, csr, out, replace=replace, by=by, as_json=as_json, dry_run=dry_run
        )


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


def _opened(config: Path, site: int | None) -> tuple[CentreConfig, int]:
    try:
        settings = load_centre(config)
    except SettingsError as error:
        raise failure(error, Exit.USAGE) from None
    return settings, number_of(settings, site)


def _demand_room(settings: CentreConfig, site: int, out: Path) -> None:
    """Refuse before anything is done when something else is where the secret is to go."""
    try:
        same = read_person_secret(out, site=site, private=False) == _held(settings, site)
    except PersonSecretError:
        same = False
    if out.exists() and not same:
        raise _would_replace(out)


def _hand_out(settings: CentreConfig, site: int, out: Path) -> PersonSecret:
    try:
        held = _held(settings, site)
        hand_out(out, held)
    except FileExistsError:
        raise _would_replace(out) from None
    except PersonSecretError as error:
        raise failure(error, Exit.FAILED) from None
    except OSError as error:
        raise failure(
            f"{out} cannot be written ({error.strerror}). Once it can: postern-controller gate secret --out FILE",
            Exit.FAILED,
        ) from None
    say(
        f"Person secret {held.fingerprint} is in {out}. Carry it to the gate, install it with postern-edge enroll "
        f"--person-secret {out.name}, compare the fingerprint, and delete the file"
    )
    return held


def _held(settings: CentreConfig, site: int) -> PersonSecret:
    return read_person_secret(secret_path(settings.keys_dir, site), site=site)


def _would_replace(out: Path) -> typer.Exit:
    return failure(f"{out} exists already and was left as it is. Choose another name", Exit.UNSAFE)


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
