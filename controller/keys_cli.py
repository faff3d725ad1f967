"""``postern-controller site keys``: what keys a site has, changing them, and handing them to the running centre."""

import getpass
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from controller.asking import AskError, NoAnswerError, RunningCentre
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
from controller.issuer_keys import COLOUR_OF_FILE, IssuerKeyError, load_key_set
from controller.key_changes import (
    LEAD,
    Change,
    KeyChangeError,
    KeyFiles,
    UnsafeError,
    ending,
    name_of,
    names_a_root,
    rotate,
    withdraw,
)
from controller.site_keys import ROOT_FILE
from passes.keys import KeyEntry, KeySetFile
from shell.clock import SystemClock
from shell.settings import SettingsError
from sync.messages import utc_text

LEAD_HOURS: Final = int(LEAD / timedelta(hours=1))

site_app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown", help="One site of this centre.")
app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="The keys of a site: list, rotate, compromise, publish.\n\n"
    "Examples:\n\n"
    "    postern-controller site keys list --config demo/centre.toml\n\n"
    "    postern-controller site keys rotate visitor --config demo/centre.toml --dry-run",
)
site_app.add_typer(app, name="keys")

SiteOption = Annotated[int | None, typer.Option("--site", help="The site, where the centre has several.")]
RootOption = Annotated[
    Path | None,
    typer.Option("--root", help="The operator's root key, for example on a stick. Default: in keys_dir."),
]


@site_app.callback()
def _site() -> None:
    """Make ``keys`` a word of its own."""


@dataclass(frozen=True, slots=True)
class _Site:
    """What a command works on."""

    config: CentreConfig
    files: KeyFiles
    held: KeySetFile


@app.command(name="list")
def list_keys(
    *,
    site: SiteOption = None,
    root: RootOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """List the keys of a site, from its files; with a running centre also what each signed that still lives.

    Example: postern-controller site keys list --config demo/centre.toml
    """
    at = _open(config, site, root)
    live = _live(at)
    here, now = _here(at), SystemClock().now()
    rows = [
        {
            "kid": entry.kid,
            "name": name_of(entry),
            "public": entry.public,
            "categories": entry.categories,
            "state": _state(entry, now),
            "not_before": utc_text(entry.not_before),
            "not_after": utc_text(entry.not_after),
            "private_here": entry.kid in here,
            "live_passes": None if live is None else live.get(entry.kid, 0),
        }
        for entry in at.held.keys
    ]
    if as_json:
        put_json(
            {"site": at.held.site, "seq": at.held.seq, "signed": at.files.is_signed(at.held), "keys": rows}
        )
        return
    typer.echo(f"site {at.held.site}, key set {at.held.seq}")
    for row in rows:
        counted = "" if row["live_passes"] is None else f"  {row['live_passes']} living passes"
        kept = "here" if row["private_here"] else "elsewhere"
        typer.echo(
            f"{row['kid']}  {row['name']:<8}  {row['state']:<7}  until {str(row['not_after'])[:10]}  "
            f"private key {kept}{counted}"
        )
    for entry in ending(at.held, now):
        say(
            f"Key {entry.kid} ({name_of(entry)}) ends at {utc_text(entry.not_after)} and none follows: it signs no "
            f"pass that lasts longer. Make the next one: postern-controller site keys rotate {name_of(entry)}"
        )
    if at.files.root.parent == at.config.keys_dir and at.files.root.exists():
        say(f"{at.files.root} signs key sets and nothing that runs needs it: move it to a medium in a safe")


@app.command(name="rotate")
def rotate_key(
    name: Annotated[str, typer.Argument(metavar="NAME", help=f"{', '.join(COLOUR_OF_FILE)} or config.")],
    *,
    lead_hours: Annotated[
        int, typer.Option(min=1, max=24 * 30, help="How long gates know the key before it signs.")
    ] = LEAD_HOURS,
    by: ByOption = None,
    reason: ReasonOption = None,
    site: SiteOption = None,
    root: RootOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Make the next resident or visitor key; the old one stays until its last pass has expired. A config key at once.

    Example: postern-controller site keys rotate visitor --config demo/centre.toml
    """
    at = _open(config, site, root, write=not dry_run)
    try:
        change = rotate(at.held, name, now=SystemClock().now(), lead=timedelta(hours=lead_hours))
    except KeyChangeError as error:
        raise _refusal(error) from None
    _carry_out(
        at,
        change,
        by=by or getpass.getuser(),
        reason=reason or f"rotate {name}",
        as_json=as_json,
        dry_run=dry_run,
    )


@app.command()
def compromise(
    kid: Annotated[str, typer.Argument(metavar="KEYID", help="Eight hex digits, as `list` prints them.")],
    *,
    at_time: Annotated[
        datetime | None,
        typer.Option("--at", help="Keep the key; refuse only what it signed before this moment (UTC)."),
    ] = None,
    by: ByOption = None,
    reason: ReasonOption = None,
    yes: YesOption = False,
    site: SiteOption = None,
    root: RootOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Believe a key no more: all that it signed (it was copied), or with --at what it signed before (it was misused).

    Example: postern-controller site keys compromise KEYID --by 王芳 --reason "laptop stolen" --config demo/centre.toml
    """
    at = _open(config, site, root, write=not dry_run)
    by = ask_for(by, option="--by", question="Who decides it")
    reason = ask_for(reason, option="--reason", question="Why")
    if at_time is not None:
        _refuse_before(
            at,
            kid,
            at_time.replace(tzinfo=UTC),
            by=by,
            reason=reason,
            yes=yes,
            as_json=as_json,
            dry_run=dry_run,
        )
        return
    live = _live(at)
    try:
        change = withdraw(
            at.held, kid, now=SystemClock().now(), live=None if live is None else live.get(kid, 0)
        )
    except KeyChangeError as error:
        raise _refusal(error) from None
    _carry_out(
        at, change, by=by, reason=reason, as_json=as_json, dry_run=dry_run, question=None if yes else kid
    )


@app.command()
def publish(
    *,
    by: ByOption = None,
    reason: ReasonOption = None,
    site: SiteOption = None,
    root: RootOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Hand the key set on file to the running centre, which sends it to the gates; sign it first where that is missing.

    Example: postern-controller site keys publish --config demo/centre.toml
    """
    at = _open(config, site, root, write=not dry_run)
    signed = at.files.is_signed(at.held) or not names_a_root(at.held)
    if dry_run:
        say(f"Nothing was done. Key set {at.held.seq} would be {'' if signed else 'signed and '}published")
        _put(at.held, published=False, as_json=as_json)
        return
    if not signed:
        try:
            at.files.sign(at.held, at.files.load_root(at.held))
        except (IssuerKeyError, OSError) as error:
            raise failure(error, Exit.FAILED) from None
    _publish(at, by=by or getpass.getuser(), reason=reason or "publish", as_json=as_json)


def _carry_out(
    at: _Site,
    change: Change,
    *,
    by: str,
    reason: str,
    as_json: bool,
    dry_run: bool,
    question: str | None = None,
) -> None:
    """Write a change and hand it on, or only say what it means."""
    for line in change.consequences:
        say(line)
    if dry_run:
        say(f"Nothing was done; key set {change.key_set.seq} would follow {at.held.seq}")
        _put(at.held, published=False, as_json=as_json, planned=change)
        return
    try:
        root = at.files.load_root(at.held)
    except IssuerKeyError as error:
        raise failure(f"{error}. Name the file with --root", Exit.USAGE) from None
    if question is not None:
        confirm(f"Believe key {question} no more?", yes=False)
    try:
        at.files.write(change, root)
    except (IssuerKeyError, OSError) as error:
        raise failure(error, Exit.FAILED) from None
    after = _Site(at.config, at.files, change.key_set)
    _publish(after, by=by, reason=reason, as_json=as_json, planned=change)


def _publish(at: _Site, *, by: str, reason: str, as_json: bool, planned: Change | None = None) -> None:
    try:
        with RunningCentre(at.config) as centre:
            centre.post(f"/sites/{at.held.site}/keys/reload", {"by": by, "reason": reason})
    except NoAnswerError as error:
        _put(at.held, published=False, as_json=as_json, planned=planned)
        raise failure(
            f"{error}\nKey set {at.held.seq} is written, and gates do not know it yet: the centre takes it over "
            "when it starts. While it runs: postern-controller site keys publish",
            error.exit_code,
        ) from None
    except (AskError, SettingsError) as error:
        raise failure(f"Key set {at.held.seq} is written, but not in force: {error}", Exit.FAILED) from None
    _put(at.held, published=True, as_json=as_json, planned=planned)


def _refuse_before(
    at: _Site, kid: str, moment: datetime, *, by: str, reason: str, yes: bool, as_json: bool, dry_run: bool
) -> None:
    if not any(entry.kid == kid and entry.use == "pass" for entry in at.held.keys):
        raise failure(f"{kid}: the key set has no such key that signs passes", Exit.FAILED)
    say(
        f"Passes that key {kid} signed before {moment:%Y-%m-%d %H:%M:%S} UTC open no gate any more; later ones do."
    )
    say("Whoever holds a copy of the private key writes any date he likes: if it was copied, leave --at out.")
    if dry_run:
        say("Nothing was done")
        if as_json:
            put_json({"key": kid, "before": utc_text(moment), "published": False})
        return
    confirm(f"Refuse what key {kid} signed before?", yes=yes)
    body = {"key": kid, "before": moment.isoformat(), "by": by, "reason": reason}
    try:
        with RunningCentre(at.config) as centre:
            answer = centre.post(f"/sites/{at.held.site}/refuse-before", body)
    except SettingsError as error:
        raise failure(error, Exit.USAGE) from None
    except AskError as error:
        raise failure(error, error.exit_code) from None
    if as_json:
        put_json({**answer, "published": True})
    else:
        typer.echo(f"key {answer['key']}: refused before {answer['before']}")


def _put(held: KeySetFile, *, published: bool, as_json: bool, planned: Change | None = None) -> None:
    if as_json:
        keys = planned.key_set if planned else held
        put_json(
            {
                "site": held.site,
                "seq": keys.seq,
                "published": published,
                "keys": [entry.kid for entry in keys.keys],
                "consequences": list(planned.consequences) if planned else [],
            }
        )
    elif published:
        typer.echo(f"site {held.site}: key set {held.seq} is in force")


def number_of(settings: CentreConfig, site: int | None) -> int:
    """The site that a command is about: the one that was named, or the only one of this centre."""
    number = site if site is not None else next(iter(settings.sites)) if len(settings.sites) == 1 else None
    if number not in settings.sites:
        raise failure(f"--site: name one of {', '.join(map(str, settings.sites))}", Exit.USAGE)
    return number


def _open(config: Path, site: int | None, root: Path | None, *, write: bool = False) -> _Site:
    try:
        settings = load_centre(config)
        number = number_of(settings, site)
        keyset = settings.sites[number].keyset
        files = KeyFiles(number, settings.keys_dir, keyset, root or settings.keys_dir / ROOT_FILE)
        return _Site(settings, files, files.newest(load_key_set(keyset, number), write=write))
    except (SettingsError, IssuerKeyError) as error:
        raise failure(error, Exit.USAGE) from None


def _here(at: _Site) -> frozenset[str]:
    try:
        return at.files.here()
    except IssuerKeyError as error:
        raise failure(error, Exit.USAGE) from None


def _live(at: _Site) -> dict[str, Any] | None:
    """Living passes by key, or None where no centre answers: then the files alone speak."""
    try:
        with RunningCentre(at.config) as centre:
            return dict(centre.get(f"/sites/{at.held.site}/keys")["live"])
    except (AskError, SettingsError):
        return None


def _state(entry: KeyEntry, now: datetime) -> str:
    if now < entry.not_before:
        return "waits"
    return "valid" if now < entry.not_after else "expired"


def _refusal(error: KeyChangeError) -> typer.Exit:
    return failure(error, Exit.UNSAFE if isinstance(error, UnsafeError) else Exit.FAILED)
