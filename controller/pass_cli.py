"""``postern-controller pass``: issue, look up, withdraw and verify passes from the shell."""

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import quote

import typer

from controller.asking import AskError, RunningCentre, own_url
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
    put_facts,
    put_json,
    say,
)
from controller.config import CentreConfig, load_centre
from controller.hours import EXAMPLE
from controller.issuer_keys import IssuerKeyError, load_key_set
from controller.pass_facts import (
    WALK_IN,
    link_facts,
    local_time,
    order_facts,
    record_facts,
    slip_names,
    verdict_facts,
)
from controller.pass_picture import Names, draw, link_in_terminal
from controller.phone.offers_api import LINK_MINUTES
from controller.verifying import BundleError, keys_with_walk_ins, verify
from passes.bundle import BUNDLE_BYTES_MAX
from passes.gp1 import TEXT_CHARACTERS_MAX
from passes.vocabulary import PURPOSE_ITEM_PASS, Category
from shell.clock import SystemClock
from shell.pages.masking import mask_name, mask_phone
from shell.pass_file import PassFile, PassFileError, WouldReplaceError
from shell.pass_picture import Surface
from shell.settings import SettingsError

DEFAULT_MINUTES: Final = 120
WEEK_MINUTES: Final = 7 * 24 * 60
CATEGORIES: Final = ", ".join(category.code for category in Category)

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Passes: issue, link, show, revoke, revoke-link, verify. All but `verify` ask the running centre.\n\n"
    "Examples:\n\n"
    "    postern-controller pass issue --config demo/centre.toml --category courier --name 李雷 "
    "--phone 13800138001 --unit 12 --static --out pass.svg\n\n"
    "    postern-controller pass issue --config demo/centre.toml --category service --name 王阿姨 "
    '--phone 13800138002 --unit 12 --hours "mon-fri 09:00-12:00" --phone-link\n\n'
    "    postern-controller pass verify --config demo/centre.toml pass.txt",
)


@app.command()
def issue(
    *,
    category: Annotated[str, typer.Option(help=f"Who comes: {CATEGORIES}.")],
    name: Annotated[str, typer.Option(help="The visitor's name; only its first character is kept.")],
    phone: Annotated[str, typer.Option(help="The visitor's phone number.")],
    unit: Annotated[int, typer.Option(help="Number of the unit visited, as in units.json.")],
    gate: Annotated[
        list[int] | None, typer.Option(help="A gate by its number; may be repeated. Default 0.")
    ] = None,
    minutes: Annotated[
        int | None,
        typer.Option(
            min=1, help=f"How long the pass is valid. Default {DEFAULT_MINUTES}; with --hours a week."
        ),
    ] = None,
    hours: Annotated[
        list[str] | None,
        typer.Option(help=f'When it may come in: "{EXAMPLE}"; up to four such windows.'),
    ] = None,
    stay_minutes: Annotated[int | None, typer.Option(help="A shorter stay than the site's rule.")] = None,
    purpose: Annotated[int, typer.Option(help="Code of the purpose.")] = 0,
    item_pass: Annotated[
        bool, typer.Option("--item-pass", help="出门条: things are carried out, and the guard looks at them.")
    ] = False,
    site: Annotated[int | None, typer.Option(help="The site, where the centre has several.")] = None,
    phone_link: Annotated[
        bool, typer.Option("--phone-link", help="A pass on a phone: print the link that the visitor opens.")
    ] = False,
    link_minutes: Annotated[int, typer.Option(help="How long the link may be opened.")] = LINK_MINUTES,
    static: Annotated[
        bool, typer.Option("--static", help="A pass on paper: one gate, one entry, 12 hours.")
    ] = False,
    holder_key: Annotated[
        str | None, typer.Option(help="A pass for the phone with this key: 33 bytes in hex.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the pass as .svg, .png or .txt.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing --out file.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Issue one pass: --static on paper, --phone-link for a phone; print its code, or the code of the link.

    Example: postern-controller pass issue --config demo/centre.toml --category courier --name 李雷
    --phone 13800138001 --unit 12 --static

    Example: postern-controller pass issue --config demo/centre.toml --category service --name 王阿姨
    --phone 13800138002 --unit 12 --hours "mon-fri 09:00-12:00" --phone-link
    """
    if [static, phone_link, holder_key is not None].count(True) != 1:
        raise failure("Say one of --static (on paper), --phone-link and --holder-key", Exit.USAGE)
    if not static and out is not None:
        raise failure("--out: only the phone can show a pass that is bound to it", Exit.USAGE)
    if item_pass and purpose not in {0, PURPOSE_ITEM_PASS}:
        raise failure(f"--item-pass is purpose {PURPOSE_ITEM_PASS}: leave --purpose out", Exit.USAGE)
    target = PassFile(out, force) if out else None
    try:
        if target is not None:
            target.check()
    except WouldReplaceError as error:
        raise failure(error, Exit.UNSAFE) from None
    except PassFileError as error:
        raise failure(error, Exit.USAGE) from None
    settings = _load(config)
    order: dict[str, Any] = {
        "name": name,
        "phone": phone,
        "category": category,
        "unit": unit,
        "purpose": PURPOSE_ITEM_PASS if item_pass else purpose,
        "valid_minutes": _usual_minutes(hours, static=static) if minutes is None else minutes,
        "gates": gate or [0],
        "static": static,
    }
    optional = {
        "stay_minutes": stay_minutes,
        "holder_key": holder_key,
        "site": site,
        "hours": hours,
        "link_minutes": link_minutes if phone_link else None,
    }
    order |= {key: value for key, value in optional.items() if value is not None}
    masked = {**order, "name": mask_name(name), "phone": mask_phone(phone)}
    if dry_run:
        say("Nothing was issued. The centre would be asked for:")
        put_json(masked)
    elif phone_link:
        _put_link(settings, order, masked, as_json=as_json)
    else:
        _put_pass(settings, order, masked, target, as_json=as_json)


def _usual_minutes(hours: list[str] | None, *, static: bool) -> int:
    return WEEK_MINUTES if hours and not static else DEFAULT_MINUTES


def _put_pass(
    settings: CentreConfig,
    order: dict[str, Any],
    masked: dict[str, Any],
    target: PassFile | None,
    *,
    as_json: bool,
) -> None:
    names = _names(settings, order) if order["static"] else Names()
    answer = _ask(settings, "/passes", order)
    text = answer.get("text")
    surface = Surface.PAPER if target else Surface.SCREEN
    picture = draw(text, zone=settings.zone, surface=surface, names=names) if text else None
    unwritten: OSError | None = None
    if target is not None:
        assert text is not None and picture is not None
        try:
            target.write(text, picture)
            say(f"Written: {target.path}")
        except OSError as error:
            unwritten = error  # the pass is issued all the same, and must not be lost with the file
    if as_json:
        put_json({**answer, "name": masked["name"], "phone": masked["phone"]})
    else:
        if picture is not None and target is None:
            typer.echo(picture.terminal(), nl=False, color=True)
        put_facts(
            [
                ("pass", answer["pass_id"]),
                ("colour", answer["colour"]),
                *order_facts(masked),
                ("valid until", local_time(answer["expires_at"], settings.zone)),
                ("text", text) if text else ("pass_hex", answer["pass_hex"]),
            ]
        )
    if unwritten is not None:
        raise failure(
            f"The --out file cannot be written ({unwritten.strerror}). The pass was issued: its text is above",
            Exit.FAILED,
        )


def _names(settings: CentreConfig, order: dict[str, Any]) -> Names:
    """What the slip calls its site and gate; asked before the pass is made, so that no error can come after it."""
    number = order.get("site", next(iter(settings.sites)))
    if number not in settings.sites:
        return Names()
    known = _ask(settings, f"/sites/{number}/gate-keys")["gates"]
    return slip_names(settings.sites[number], order["gates"][0], known)


def _put_link(
    settings: CentreConfig, order: dict[str, Any], masked: dict[str, Any], *, as_json: bool
) -> None:
    answer = _ask(settings, "/enrolments", order)
    if answer["url"] is None:
        answer["url"] = own_url(settings) + answer["link"]
        say(
            "This link opens on this machine alone, because web.public_url is not set. Put the https address by which"
            f' phones reach the centre into {settings.path}, under [web]:  public_url = "https://gate.example.com"'
        )
    if as_json:
        put_json({**answer, "name": masked["name"], "phone": masked["phone"]})
        return
    typer.echo(link_in_terminal(answer["url"]), nl=False, color=True)
    put_facts(
        [
            ("link", answer["url"]),
            ("opens once, until", local_time(answer["expires_at"], settings.zone)),
            ("id", answer["id"]),
            *order_facts(masked),
            ("valid for", f"{order['valid_minutes']} minutes from when the phone takes it"),
        ]
    )


@app.command()
def link(
    link_id: Annotated[str, typer.Argument(metavar="ID", help="The link's id; not the link itself.")],
    *,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Show what became of a phone's link: when it was taken, on what device, and which pass it gave.

    Example: postern-controller pass link --config demo/centre.toml 0123456789abcdef
    """
    settings = _load(config)
    state = _ask(settings, f"/enrolments/{quote(link_id, safe='')}")
    if as_json:
        put_json(state)
        return
    put_facts(link_facts(state, settings.zone))


@app.command()
def revoke_link(
    link_id: Annotated[str, typer.Argument(metavar="ID", help="The link's id; not the link itself.")],
    *,
    by: ByOption = None,
    reason: ReasonOption = None,
    yes: YesOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """End a link that no phone has taken, for good. One that was taken gave a pass: withdraw that.

    Example: postern-controller pass revoke-link --config demo/centre.toml --by 王芳 --reason "host cancelled"
    0123456789abcdef
    """
    settings = _load(config)
    path = f"/enrolments/{quote(link_id, safe='')}"
    by = ask_for(by, option="--by", question="Who withdraws it")
    reason = ask_for(reason, option="--reason", question="Why")
    state = _ask(settings, path)
    if dry_run:
        say(f"Nothing was done. {by} would withdraw: {reason}")
    else:
        confirm(f"Withdraw link {link_id} for good?", yes=yes)
        state = _ask(settings, f"{path}/revoke", {"by": by, "reason": reason})
    if as_json:
        put_json(state)
    else:
        put_facts(link_facts(state, settings.zone))


@app.command()
def show(
    pass_id: Annotated[str, typer.Argument(metavar="ID", help="Sixteen hex digits.")],
    *,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Show what the centre knows of one pass: its state, holder (masked) and visits.

    Example: postern-controller pass show --config demo/centre.toml 0123456789abcdef
    """
    settings = _load(config)
    record = _ask(settings, f"/passes/{quote(pass_id, safe='')}")
    if as_json:
        put_json(record)
        return
    put_facts(record_facts(record, settings.zone))


@app.command()
def revoke(
    pass_id: Annotated[str, typer.Argument(metavar="ID", help="Sixteen hex digits.")],
    *,
    by: ByOption = None,
    reason: ReasonOption = None,
    yes: YesOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Withdraw one pass for good; gates know with the next bundle, normally within a second.

    Example: postern-controller pass revoke --config demo/centre.toml --by 王芳 --reason "host cancelled"
    0123456789abcdef
    """
    settings = _load(config)
    path = f"/passes/{quote(pass_id, safe='')}"
    by = ask_for(by, option="--by", question="Who withdraws it")
    reason = ask_for(reason, option="--reason", question="Why")
    record = _ask(settings, path)
    if record["kind"] == WALK_IN:
        raise failure(
            f"Pass {pass_id} was issued by gate {record['gate']} and is on no list of this centre. Refuse its holder:"
            f" postern-controller site refuse-before --pass {pass_id}; or the gate: postern-controller gate withdraw",
            Exit.FAILED,
        )
    if dry_run:
        say(f"Nothing was done. {by} would withdraw: {reason}")
        if as_json:
            put_json(record)
        else:
            put_facts(record_facts(record, settings.zone))
        return
    confirm(f"Withdraw pass {pass_id} ({record['category']}, {record.get('name', '?')}) for good?", yes=yes)
    answer = _ask(settings, f"{path}/revoke", {"by": by, "reason": reason})
    if as_json:
        put_json(answer)
        return
    at = local_time(answer["at"], settings.zone)
    put_facts([("pass", pass_id), ("withdrawn", at), ("by", answer["by"]), ("reason", answer["reason"])])


@app.command(name="verify")
def verify_command(
    pass_text: Annotated[
        str, typer.Argument(metavar="TEXT|FILE", help="A GP1 text, or a file that holds one.")
    ],
    *,
    site: Annotated[int | None, typer.Option(help="The site, where the centre has several.")] = None,
    at: Annotated[datetime | None, typer.Option(help="Judge as of this moment (UTC); default now.")] = None,
    bundle: Annotated[
        Path | None,
        typer.Option(help="A bundle file of the site: it knows the gates that issue walk-in passes."),
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Verify a pass against the key set, without network or centre: 0 valid, 1 not.

    Whether it was withdrawn, used up, or its holder is RED, gates and centre know: ask `pass show`. A walk-in pass is
    signed by a gate, whose key stands in the site's bundle alone: without --bundle it is unknown_key.

    Example: postern-controller pass verify --config demo/centre.toml pass.txt
    """
    settings = _load(config)
    number = site if site is not None else next(iter(settings.sites)) if len(settings.sites) == 1 else None
    if number not in settings.sites:
        raise failure(f"--site: name one of {', '.join(map(str, settings.sites))}", Exit.USAGE)
    now = at.replace(tzinfo=UTC) if at else SystemClock().now()
    try:
        published = load_key_set(settings.sites[number].keyset, number)
        keys = published.to_domain()
        if bundle is not None:
            keys = keys_with_walk_ins(published, _bundle_in(bundle), now)
    except IssuerKeyError as error:
        raise failure(error, Exit.USAGE) from None
    except BundleError as error:
        raise failure(f"--bundle {bundle}: {error}", Exit.USAGE) from None
    text = _text_of(pass_text)
    verdict = verify(
        text,
        keys,
        site=number,
        now=now,
        zone=settings.zone,
    )
    if as_json:
        put_json(asdict(verdict))
    else:
        put_facts(verdict_facts(verdict, settings.zone))
    if verdict.verdict != "valid":
        raise typer.Exit(Exit.FAILED)


def _bundle_in(path: Path) -> bytes:
    """A file's bytes, one more than a bundle may have at most."""
    try:
        with path.open("rb") as file:
            return file.read(BUNDLE_BYTES_MAX + 1)
    except OSError as error:
        raise BundleError(f"cannot be read ({error.strerror})") from error


def _text_of(given: str) -> str:
    """The text itself, or the first line of the file that it names."""
    if given.startswith("GP1:"):
        return given
    try:
        with Path(given).open("rb") as file:
            data = file.read(TEXT_CHARACTERS_MAX + 2)
    except (OSError, ValueError):
        return given
    return data.decode("utf-8", "replace").strip()


def _load(config: Path) -> CentreConfig:
    try:
        return load_centre(config)
    except SettingsError as error:
        raise failure(error, Exit.USAGE) from None


def _ask(settings: CentreConfig, path: str, body: dict[str, Any] | None = None) -> Any:
    try:
        with RunningCentre(settings) as centre:
            return centre.get(path) if body is None else centre.post(path, body)
    except SettingsError as error:
        raise failure(error, Exit.USAGE) from None
    except AskError as error:
        raise failure(error, error.exit_code) from None
