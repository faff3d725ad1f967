"""The commands by which gates come in to the broker, are listed, and are shut out."""

import json
import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from controller.asking import AskError, RunningCentre
from controller.certificates import PEM_BYTES_MAX
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
from controller.keys_cli import SiteOption, number_of
from shell.file_reading import read_at_most
from shell.files import write_whole
from shell.settings import SettingsError
from shell.text import one_line

SERIAL_SHOWN = 8


def make_code(
    settings: CentreConfig, site: int, gate: str, *, replace: bool, by: str, as_json: bool, dry_run: bool
) -> None:
    """Have a one-time code made and say where it is typed."""
    if dry_run:
        say(f"A code for gate {gate} of site {site} would be made, good once and for a day. Nothing was done")
        if as_json:
            put_json({"site": site, "gate": gate, "code": None, "expires_at": None})
        return
    made = ask(settings, f"/sites/{site}/gate-codes", {"gate": gate, "replace": replace, "by": by})
    if as_json:
        put_json(made)
        return
    typer.echo(f"{made['code']}  gate {gate} of site {site}, once, until {made['expires_at']}")
    url = settings.web_public_url or f"http://127.0.0.1:{settings.web_port}"
    typed = shlex.join(["postern-edge", "enroll", "--centre", url, "--code", made["code"]])
    say(f"Type it at the gate: {typed}")


def sign_request(
    settings: CentreConfig,
    site: int,
    gate: str,
    csr: Path,
    out: Path,
    *,
    replace: bool,
    by: str,
    as_json: bool,
    dry_run: bool,
) -> None:
    """Have a carried request signed, and write the answer to carry back."""
    try:
        request = read_at_most(csr, PEM_BYTES_MAX).decode("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise failure(f"{csr}: cannot be read as a request ({error})", Exit.USAGE) from None
    if dry_run:
        say(f"The request in {csr} would be signed into {out}. Nothing was done")
        if as_json:
            put_json({"site": site, "gate": gate, "out": None})
        return
    body = {"gate": gate, "csr": request, "replace": replace, "by": by}
    granted = ask(settings, f"/sites/{site}/gate-identities", body)
    try:
        write_whole(out, _document(granted))
    except OSError as error:
        raise failure(f"{out} cannot be written ({error.strerror}). Repeat it", Exit.FAILED) from None
    if as_json:
        put_json({"site": site, "gate": granted["gate"], "out": str(out)})
    else:
        typer.echo(f"{out}  gate {granted['gate']} of site {site}")
        say(f"Carry it to the gate: postern-edge enroll --certificate {shlex.quote(out.name)}")


def identities(*, config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """List the certificates by which the broker knows gates, those of before among them.

    Example: postern-controller gate identities --config demo/centre.toml
    """
    found = ask(_settings(config), "/gate-identities")
    if as_json:
        put_json(found)
        return
    if not found["gates"]:
        say("no gate has a certificate for the broker")
    for row in found["gates"]:
        typer.echo(f"site {row['site']}  {row['gate']:<16}  {row['serial'][:SERIAL_SHOWN]}  {_state(row)}")


def revoke(
    gate: Annotated[str, typer.Argument(metavar="GATE", help="The gate's id.")],
    *,
    by: ByOption = None,
    reason: ReasonOption = None,
    yes: YesOption = False,
    site: SiteOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Shut a gate out of the broker: its certificates are revoked, and its events are not taken any more.

    Its lanes work on; take its walk-in key back with `gate withdraw`.

    Example: postern-controller gate revoke GATE --by 王芳 --reason "box stolen" --config demo/centre.toml
    """
    by = ask_for(by, option="--by", question="Who decides it")
    reason = ask_for(reason, option="--reason", question="Why")
    settings = _settings(config)
    number = number_of(settings, site)
    say(f"Every certificate of gate {gate} of site {number} would be good no more")
    if dry_run:
        say("Nothing was done")
        if as_json:
            put_json({"site": number, "gate": gate, "revoked": []})
        return
    confirm(f"Shut gate {gate} out?", yes=yes)
    gone = ask(settings, f"/sites/{number}/gate-identities/{gate}/revoke", {"by": by, "reason": reason})
    serials = [row["serial"] for row in gone["gates"]]
    if as_json:
        put_json({"site": number, "gate": gate, "revoked": serials})
        return
    if not serials:
        say(f"gate {gate} of site {number} had no good certificate")
    for serial in serials:
        typer.echo(f"{serial}  gate {gate} is revoked")
    say("Tell the broker: postern-controller broker rules, then restart it")


def ask(settings: CentreConfig, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Ask the running centre; its refusals become words and an exit code."""
    try:
        with RunningCentre(settings) as centre:
            found: dict[str, Any] = centre.get(path) if body is None else centre.post(path, body)
            return found
    except SettingsError as error:
        raise failure(error, Exit.USAGE) from None
    except AskError as error:
        raise failure(error, error.exit_code) from None


def _settings(config: Path) -> CentreConfig:
    try:
        return load_centre(config)
    except SettingsError as error:
        raise failure(error, Exit.USAGE) from None


def _document(granted: dict[str, Any]) -> bytes:
    return (json.dumps(granted, indent=1) + "\n").encode()


def _state(row: dict[str, Any]) -> str:
    if row["state"] == "revoked":
        return f"revoked {row['revoked_at']} by {one_line(row['revoked_by'] + ': ' + row['revoked_reason'])}"
    return f"{'good' if row['state'] == 'valid' else 'ended'} until {row['not_after']}"
