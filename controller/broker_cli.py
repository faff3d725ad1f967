"""``postern-controller broker``: the files by which somebody else's broker knows the house's gates."""

from pathlib import Path, PurePosixPath
from typing import Annotated, Final

import typer

from controller.broker_files import Plan, SiteBroker, write_mosquitto, write_nats
from controller.certificates import CertificateError, GateCa
from controller.command import (
    DEFAULT_CONFIG,
    ConfigOption,
    DryRunOption,
    Exit,
    JsonOption,
    failure,
    put_json,
    say,
)
from controller.config import CentreConfig, load_centre
from controller.identity_cli import ask
from shell.broker_url import parse_broker_url
from shell.clock import SystemClock
from shell.settings import SettingsError

MQTTS: Final = 8883
AUTO: Final = "auto"


app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="The broker of gates and centre: rules.\n\n"
    "Example:\n\n"
    "    postern-controller broker rules --mosquitto broker --name broker.example --config demo/centre.toml",
)


@app.callback()
def _broker() -> None:
    """Make each command a word of its own."""


@app.command()
def rules(
    *,
    mosquitto: Annotated[Path | None, typer.Option(help="Write Mosquitto's files into this folder.")] = None,
    nats: Annotated[Path | None, typer.Option(help="Write NATS's files into this folder.")] = None,
    name: Annotated[
        list[str] | None, typer.Option(help="Name or address of the broker; several times for several.")
    ] = None,
    port: Annotated[int, typer.Option(min=1, max=65_535, help="The broker's only port.")] = MQTTS,
    at: Annotated[
        str | None, typer.Option(help="Where the folder will lie on the broker's machine, if elsewhere.")
    ] = None,
    bridge: Annotated[
        list[int] | None,
        typer.Option(help="A site whose own broker comes to this one; several times for several."),
    ] = None,
    site: Annotated[
        int | None, typer.Option(help="The broker of this site alone, with a bridge to the centre's.")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Write everything that a broker needs: certificate, authority, revoked certificates, who may do what.

    Write it again after each `gate enroll` and `gate revoke`, and tell the broker. Its key is made once and kept.

    Example: postern-controller broker rules --mosquitto broker --name broker.example --config demo/centre.toml
    """
    if (mosquitto is None) == (nats is None):
        raise failure("Name one of --mosquitto and --nats", Exit.USAGE)
    folder = mosquitto or nats
    assert folder is not None
    try:
        settings = load_centre(config)
    except SettingsError as error:
        raise failure(error, Exit.USAGE) from None
    if set(bridge or ()) - set(settings.sites) or (bridge and (site is not None or nats is not None)):
        raise failure("--bridge names sites of this centre, for the centre's own Mosquitto", Exit.USAGE)
    own = _site_broker(settings, site, mosquitto) if site is not None else None
    names = tuple(name or _own_name(settings))
    if not names:
        raise failure("--name: by which name or address do gates reach the broker?", Exit.USAGE)
    plan = Plan(
        folder=folder,
        here=PurePosixPath(at or folder.resolve()),
        names=names,
        port=port,
        bridges=tuple(bridge or ()),
        found=ask(settings, "/gate-identities")["gates"],
    )
    count = len(plan.parties(site))
    if dry_run:
        say(f"Rules for {count} certificates of gates would be written into {folder}. Nothing was done")
        if as_json:
            put_json({"folder": str(folder), "files": [], "certificates": count})
        return
    now = SystemClock().now()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        ca = GateCa(settings.keys_dir, now)
        files = write_nats(plan, ca, now) if mosquitto is None else write_mosquitto(plan, ca, now, own)
    except CertificateError as error:
        raise failure(error, Exit.FAILED) from None
    except OSError as error:
        raise failure(f"{folder} cannot be written ({error.strerror})", Exit.FAILED) from None
    if as_json:
        put_json({"folder": str(folder), "files": files, "certificates": count})
        return
    for file in files:
        typer.echo(folder / file)
    say("The keys in there are secret: give them to the broker's user alone. Then restart the broker")


def _site_broker(settings: CentreConfig, site: int, mosquitto: Path | None) -> SiteBroker:
    """The broker of one site, and the centre's that its bridge is to reach."""
    if mosquitto is None or site not in settings.sites:
        raise failure("--site names a site of this centre, and goes with --mosquitto", Exit.USAGE)
    uplink = parse_broker_url(settings.broker_url) if settings.broker_url != AUTO else None
    if uplink is None or not uplink.tls:
        raise failure('--site: a bridge needs [broker] url = "mqtts://…" in centre.toml', Exit.USAGE)
    return SiteBroker(site=site, uplink=uplink)


def _own_name(settings: CentreConfig) -> list[str]:
    """The broker's name as the centre knows it."""
    return [] if settings.broker_url == AUTO else [parse_broker_url(settings.broker_url).host]
