"""``postern-edge walkin``: the guard's way to a walk-in pass. The running gate issues it; this asks and draws."""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

import typer

from drivers.gate.config import load_config
from edge.command import (
    DEFAULT_CONFIG,
    ConfigOption,
    DryRunOption,
    Exit,
    JsonOption,
    failure,
    put_facts,
    put_json,
    say,
)
from edge.control import ASK_WITHIN_S, SOCKET
from edge.person_secret import RedKnown
from edge.walkin_words import RED_AT_THIS_GATE, said
from passes.walkin import CATEGORIES
from passes.words import for_category
from shell.control import ControlError, NoAnswerError, NotAllowedError, NotRunningError, RefusedError, ask
from shell.pass_file import PassFile, PassFileError, WouldReplaceError
from shell.pass_picture import Names, PassPicture, Surface, picture_of
from shell.settings import SettingsError

_WORDS: Final = ", ".join(sorted(category.code for category in CATEGORIES))
_USAGE_CODES: Final = frozenset({"bad_request"})
_OVER_THERE: Final = (
    "It may have been issued; its registration is in the record, and a pass that nobody has stays unused"
)

walkin_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Walk-in passes, which the running gate issues itself, with or without the centre.\n\n"
    "Examples:\n\n"
    "    postern-edge walkin issue --category food --unit 3-1202 --by 王强 --reason 已致电业主 --config gate.toml\n\n"
    "    postern-edge walkin issue --category courier --unit 3-1202 --phone 13800138001 --by 王强 --reason 已致电业主 "
    "--out slip.svg",
)


@walkin_app.callback()
def _walkin() -> None:
    """Make each command a word of its own."""


@walkin_app.command()
def issue(
    *,
    category: Annotated[str, typer.Option(help=f"Who comes: {_WORDS}.")],
    unit: Annotated[str, typer.Option(help="The unit visited, by its name or index in units.json.")],
    by: Annotated[str, typer.Option(help="The guard who registers; kept in the record.")],
    reason: Annotated[str, typer.Option(help="Why, such as who was called; kept in the record.")],
    phone: Annotated[
        str | None, typer.Option(help="The visitor's number; its last four digits are kept.")
    ] = None,
    stay: Annotated[int | None, typer.Option(help="Minutes: a shorter stay than the site's rule.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the slip as .svg, .png or .txt.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing --out file.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Register a visitor and print a pass for one entry at this gate.

    Ends with 0 when the pass is issued, 1 when the gate refuses it, 2 for wrong usage, 3 when no gate runs or answers,
    4 when a file would be replaced or the gate belongs to another user.

    Example: postern-edge walkin issue --category food --unit 3-1202 --by 王强 --reason 已致电业主 --out slip.svg
    """
    target = PassFile(out, force) if out else None
    try:
        if target is not None:
            target.check()
        gate = load_config(config).gate
    except WouldReplaceError as error:
        raise failure(error, Exit.UNSAFE) from None
    except (PassFileError, SettingsError) as error:
        raise failure(error, Exit.USAGE) from None
    request: dict[str, Any] = {
        "do": "walkin_issue",
        "category": category,
        "unit": unit,
        "by": by,
        "reason": reason,
        "dry_run": dry_run,
    }
    optional = {"phone": phone, "stay_minutes": stay}
    request |= {name: value for name, value in optional.items() if value is not None}
    answer = _ask(gate.data_dir / SOCKET, request, as_json=as_json)
    if answer["red_known"] == RedKnown.GATE:
        say(said(RED_AT_THIS_GATE))
    zone = ZoneInfo(gate.zone)
    if dry_run:
        say("The gate would issue this pass. Nothing was done.")
    else:
        surface = Surface.PAPER if target else Surface.SCREEN
        names = Names(site=gate.site_name, gate=gate.name)
        picture = picture_of(answer["text"], encode=encode, zone=zone, surface=surface, names=names)
        _hand_out(answer["text"], picture, target, on_screen=target is None and not as_json)
    if as_json:
        put_json(answer)
        return
    put_facts(_facts(answer, zone))


def _ask(path: Path, request: dict[str, Any], *, as_json: bool) -> dict[str, Any]:
    try:
        return ask(path, request, within_s=ASK_WITHIN_S)
    except RefusedError as error:
        next_step = str(error.details.get("next", ""))
        if as_json:
            put_json({"error": error.code, "problem": str(error), "next": next_step or None})
        code = Exit.USAGE if error.code in _USAGE_CODES else Exit.FAILED
        raise failure(f"No pass ({error.code}): {error}. {next_step}".strip(), code) from None
    except NotRunningError:
        raise failure(
            f"No gate runs here (nothing listens at {path}). Start it with: postern-edge run",
            Exit.UNREACHABLE,
        ) from None
    except NoAnswerError as error:
        raise failure(f"{error}. {_OVER_THERE}", Exit.UNREACHABLE) from None
    except NotAllowedError as error:
        raise failure(error, Exit.UNSAFE) from None
    except ControlError as error:
        raise failure(error, Exit.FAILED) from None


def _hand_out(text: str, picture: PassPicture, target: PassFile | None, *, on_screen: bool) -> None:
    if target is not None:
        try:
            target.write(text, picture)
        except OSError as error:
            typer.echo(text)  # the registration stands: the pass must not be lost with the file
            raise failure(
                f"{target.path} cannot be written ({error.strerror}). The pass was issued: its text is above",
                Exit.FAILED,
            ) from None
        say(f"Written: {target.path}")
    if on_screen:
        typer.echo(picture.terminal(), nl=False, color=True)


def encode(text: str, level: str) -> Iterable[Iterable[int]]:
    """A QR code by the library that reads them at gates; a pass's characters become alphanumeric modules."""
    import numpy as np  # noqa: PLC0415  # the daemon starts through this program, and has no use for pictures
    import zxingcpp  # noqa: PLC0415

    code = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode, ec_level=level.upper())
    dark: Iterable[Iterable[int]] = np.asarray(code.to_image(scale=1, add_quiet_zones=False)) == 0
    return dark


def _facts(answer: dict[str, Any], zone: ZoneInfo) -> dict[str, str]:
    words = for_category(answer["category"])
    stay = f"{answer['stay_minutes']} minutes after entry" if answer["stay_minutes"] else ""
    leave_by = f"until {answer['leave_by']}" if answer["leave_by"] else ""
    facts = {
        "pass": answer["pass_id"],
        "category": f"{words.zh} {words.en}",
        "unit": answer["room"],
        "gate": ", ".join(map(str, answer["gates"])),
        "valid until": f"{datetime.fromisoformat(answer['expires_at']).astimezone(zone):%Y-%m-%d %H:%M}",
        "stay": ", ".join(filter(None, (stay, leave_by))),
        "phone": f"…{answer['phone_last4']}" if answer["phone_last4"] else "none",
        "registered": f"{answer['by']}: {answer['reason']}",
    }
    return facts | ({"text": answer["text"]} if answer["text"] else {})
