"""``postern-controller pass``: issue, look up, withdraw and verify passes from the shell."""

import os
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import quote
from zoneinfo import ZoneInfo

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
    put_facts,
    put_json,
    say,
)
from controller.config import CentreConfig, load_centre
from controller.issuer_keys import IssuerKeyError, load_key_set
from controller.pass_picture import PassPicture, Surface, draw
from controller.verifying import Verdict, verify
from passes.gp1 import TEXT_CHARACTERS_MAX
from passes.vocabulary import Category
from passes.words import for_category
from shell.clock import SystemClock
from shell.pages.masking import mask_name, mask_phone
from shell.settings import SettingsError

DEFAULT_MINUTES: Final = 120
CATEGORIES: Final = ", ".join(category.code for category in Category)

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Passes: issue, show, revoke, verify. All but `verify` ask the running centre.\n\n"
    "Examples:\n\n"
    "    postern-controller pass issue --config demo/centre.toml --category courier --name 李雷 "
    "--phone 13800138001 --unit 12 --static --out pass.svg\n\n"
    "    postern-controller pass verify --config demo/centre.toml pass.txt",
)


@dataclass(frozen=True, slots=True)
class _Out:
    """Where a picture goes; its kind is told by the ending."""

    path: Path
    force: bool

    def check(self) -> None:
        if self.path.suffix not in {".svg", ".png", ".txt"}:
            raise failure(f"--out {self.path}: end it in .svg, .png or .txt", Exit.USAGE)
        if not self.path.parent.is_dir():
            raise failure(f"--out {self.path}: there is no folder {self.path.parent}", Exit.USAGE)
        if self.path.exists() and not self.force:
            raise failure(
                f"{self.path} exists already and was left as it is; replace it with --force", Exit.UNSAFE
            )

    def write(self, text: str, picture: PassPicture) -> None:
        match self.path.suffix:
            case ".svg":
                data = picture.svg().encode()
            case ".png":
                data = picture.png()
            case _:
                data = f"{text}\n".encode()
        try:
            with open(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:  # noqa: PTH123
                file.write(data)
        except OSError as error:
            raise failure(
                f"{self.path} cannot be written ({error.strerror}). The pass was issued: withdraw it if it is lost",
                Exit.FAILED,
            ) from error


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
    minutes: Annotated[int, typer.Option(help="How long the pass is valid.")] = DEFAULT_MINUTES,
    stay_minutes: Annotated[int | None, typer.Option(help="A shorter stay than the site's rule.")] = None,
    purpose: Annotated[int, typer.Option(help="Code of the purpose.")] = 0,
    site: Annotated[int | None, typer.Option(help="The site, where the centre has several.")] = None,
    static: Annotated[
        bool, typer.Option("--static", help="A pass on paper: one gate, one entry, 12 hours.")
    ] = False,
    holder_key: Annotated[
        str | None, typer.Option(help="The phone's key: 33 bytes in hex. Without it --static is needed.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the pass as .svg, .png or .txt.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing --out file.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Issue one pass and print its code.

    Example: postern-controller pass issue --config demo/centre.toml --category courier --name 李雷
    --phone 13800138001 --unit 12 --static
    """
    if static == (holder_key is not None):
        raise failure("Say --static for a pass on paper, or give the phone's --holder-key", Exit.USAGE)
    if holder_key is not None and out is not None:
        raise failure("--out: only the phone can show a pass that is bound to it", Exit.USAGE)
    target = _Out(out, force) if out else None
    if target is not None:
        target.check()
    settings = _load(config)
    order: dict[str, Any] = {
        "name": name,
        "phone": phone,
        "category": category,
        "unit": unit,
        "purpose": purpose,
        "valid_minutes": minutes,
        "gates": gate or [0],
        "static": static,
    }
    optional = {"stay_minutes": stay_minutes, "holder_key": holder_key, "site": site}
    order |= {key: value for key, value in optional.items() if value is not None}
    masked = {**order, "name": mask_name(name), "phone": mask_phone(phone)}
    if dry_run:
        say("Nothing was issued. The centre would be asked for:")
        put_json(masked)
        return
    answer = _ask(settings, "/passes", order)
    text = answer.get("text")
    picture = (
        draw(text, zone=settings.zone, surface=Surface.PAPER if out else Surface.SCREEN) if text else None
    )
    if target is not None:
        assert text is not None and picture is not None
        target.write(text, picture)
        say(f"Written: {target.path}")
    if as_json:
        put_json({**answer, "name": masked["name"], "phone": masked["phone"]})
        return
    if picture is not None and target is None:
        typer.echo(picture.terminal(), nl=False, color=True)
    words = for_category(category)
    put_facts(
        [
            ("pass", answer["pass_id"]),
            ("colour", answer["colour"]),
            ("category", f"{words.zh} {words.en}"),
            ("holder", f"{masked['name']} {masked['phone']}"),
            ("unit", str(unit)),
            ("gates", ", ".join(map(str, order["gates"]))),
            ("valid until", _local(answer["expires_at"], settings.zone)),
            ("text", text) if text else ("pass_hex", answer["pass_hex"]),
        ]
    )


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
    put_facts(_record_facts(record, settings.zone))


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

    Example: postern-controller pass revoke --config demo/centre.toml --by 王芳 --reason "host cancelled" ID
    """
    settings = _load(config)
    path = f"/passes/{quote(pass_id, safe='')}"
    by = ask_for(by, option="--by", question="Who withdraws it")
    reason = ask_for(reason, option="--reason", question="Why")
    record = _ask(settings, path)
    if dry_run:
        say(f"Nothing was done. {by} would withdraw: {reason}")
        if as_json:
            put_json(record)
        else:
            put_facts(_record_facts(record, settings.zone))
        return
    confirm(f"Withdraw pass {pass_id} ({record['category']}, {record.get('name', '?')}) for good?", yes=yes)
    answer = _ask(settings, f"{path}/revoke", {"by": by, "reason": reason})
    if as_json:
        put_json(answer)
        return
    at = _local(answer["at"], settings.zone)
    put_facts([("pass", pass_id), ("withdrawn", at), ("by", answer["by"]), ("reason", answer["reason"])])


@app.command(name="verify")
def verify_command(
    pass_text: Annotated[
        str, typer.Argument(metavar="TEXT|FILE", help="A GP1 text, or a file that holds one.")
    ],
    *,
    site: Annotated[int | None, typer.Option(help="The site, where the centre has several.")] = None,
    at: Annotated[datetime | None, typer.Option(help="Judge as of this moment (UTC); default now.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Verify a pass against the key set, without network or centre: 0 valid, 1 not.

    Whether it was withdrawn, used up, or its holder is RED, gates and centre know: ask `pass show`.

    Example: postern-controller pass verify --config demo/centre.toml pass.txt
    """
    settings = _load(config)
    number = site if site is not None else next(iter(settings.sites)) if len(settings.sites) == 1 else None
    if number not in settings.sites:
        raise failure(f"--site: name one of {', '.join(map(str, settings.sites))}", Exit.USAGE)
    try:
        keys = load_key_set(settings.sites[number].keyset, number).to_domain()
    except IssuerKeyError as error:
        raise failure(error, Exit.USAGE) from None
    text = _text_of(pass_text)
    verdict = verify(text, keys, site=number, now=at.replace(tzinfo=UTC) if at else SystemClock().now())
    if as_json:
        put_json(asdict(verdict))
    else:
        put_facts(_verdict_facts(verdict, settings.zone))
    if verdict.verdict != "valid":
        raise typer.Exit(Exit.FAILED)


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


def _record_facts(record: dict[str, Any], zone: ZoneInfo) -> list[tuple[str, str]]:
    words = for_category(record["category"])
    facts = [
        ("pass", record["pass_id"]),
        ("state", record["state"]),
        ("kind", f"{record['colour']}, {record['kind']}"),
        ("category", f"{words.zh} {words.en}"),
        ("holder", f"{record.get('name', '?')} {record.get('phone', '?')}"),
        ("unit", str(record["unit"])),
        ("gates", ", ".join(map(str, record["gates"]))),
        ("issued", _local(record["issued_at"], zone)),
        ("valid until", _local(record["expires_at"], zone)),
        ("signed by", f"key {record['key_id']}"),
    ]
    if "revoked_at" in record:
        when = _local(record["revoked_at"], zone)
        facts.append(("withdrawn", f"{when} by {record['revoked_by']}: {record['revoked_reason']}"))
    for visit in record["visits"]:
        left = f"left {_local(visit['left_at'], zone)}" if "left_at" in visit else visit["state"]
        facts.append(("visit", f"{visit['entry_gate']} {_local(visit['entered_at'], zone)}, {left}"))
    return facts


def _verdict_facts(verdict: Verdict, zone: ZoneInfo) -> list[tuple[str, str]]:
    facts = [("verdict", verdict.verdict)]
    if verdict.reason is not None:
        facts += [("reason", verdict.reason), ("", verdict.zh or ""), ("", verdict.en or "")]
    if verdict.detail is not None:
        facts.append(("detail", verdict.detail))
    if verdict.claims is not None:
        for name, value in verdict.claims.items():
            shown = (
                _local(value, zone) if name in {"not_before", "expires_at", "issued_at"} and value else value
            )
            facts.append((name, ", ".join(map(str, shown)) if isinstance(shown, tuple) else str(shown)))
    return facts


def _local(moment: str, zone: ZoneInfo) -> str:
    return f"{datetime.fromisoformat(moment).astimezone(zone):%Y-%m-%d %H:%M:%S}"
