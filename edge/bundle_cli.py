"""``postern-edge bundle``: look at the site bundle, and bring a newer one on a stick to a gate without a network."""

import json
import os
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from drivers.gate.config import GateConfig, load_config
from edge.bundles import INBOX, SUFFIX, Holding, installed, judge, load, read_bounded
from edge.command import DEFAULT_CONFIG, ConfigOption, Exit, failure, say
from edge.files import load_key_set
from passes.bundle import Problem, Refused
from passes.keys import KeySetFile, key_id
from passes.vocabulary import PassStatus
from passes.walkin import Certificate
from shell.clock import SystemClock
from shell.files import write_whole
from shell.settings import SettingsError
from sync.messages import utc_text

TAKEN_WITHIN_S: Final = 5.0
LOOK_EVERY_S: Final = 0.05

bundle_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="The site bundle: revoked passes, RED people, keys.\n\n"
    "Examples:\n\n"
    "    postern-edge bundle show --config gate.toml\n\n"
    "    postern-edge bundle import /media/stick/site-7.bundle --config gate.toml",
)


@dataclass(frozen=True, slots=True)
class _Gate:
    """What the tools know of the gate: its folder, its installed key set, what it holds."""

    folder: Path
    anchor: KeySetFile
    holding: Holding
    refused: Refused | None  # the gate's own file cannot be used


@bundle_app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="The bundle file, as the centre gives it.")],
    config: ConfigOption = DEFAULT_CONFIG,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it is, and leave it at that.")] = False,
) -> None:
    """Check a bundle file and hand it to the gate, which checks it again.

    Ends with 0 when the gate has it on its disk, 3 when no gate runs (it is taken at the next start), 4 when it is
    no newer bundle of this site.

    Example: postern-edge bundle import /media/stick/site-7.bundle --config gate.toml
    """
    gate = _gate(config)
    data, judged = _read(file, gate)
    if judged is None:
        say(f"The gate holds this bundle already: {_number(gate.holding)}.")
        return
    if dry_run:
        say(f"Good, and newer than what the gate holds: {_number(judged)}. Nothing was changed.")
        return
    assert judged.bundle is not None
    inbox = gate.folder / INBOX
    waiting = inbox / f"{judged.bundle.seq}{SUFFIX}"
    try:
        _make_inbox(inbox)
        write_whole(waiting, data)
    except OSError as error:
        raise failure(f"{waiting} cannot be written ({error.strerror})", Exit.FAILED) from None
    held = _held(waiting, data, config)
    if held is not None:
        say(f"The gate holds it now: {_number(held)}.")
        return
    if waiting.exists():
        raise failure(
            f"No gate took it within {TAKEN_WITHIN_S:g} s. It lies in {inbox} and is taken when the gate starts;"
            " if one runs, its log says why it could not",
            Exit.UNREACHABLE,
        )
    raise failure("The gate did not take it; its log and its record say why", Exit.FAILED)


@bundle_app.command("show")
def show(
    file: Annotated[
        Path | None, typer.Argument(help="A bundle file; without it, what the gate holds.")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Print number, age and counts of the gate's bundle, or of a file.

    Example: postern-edge bundle show --json --config gate.toml
    """
    gate = _gate(config)
    holding = gate.holding
    if file is not None:
        _, judged = _read(file, gate, anew=True)
        holding = judged or holding
    elif gate.refused is not None:
        raise failure(f"The gate's bundle cannot be used: {gate.refused.detail}", Exit.FAILED)
    if holding.bundle is None:
        raise failure("This gate never got a bundle; visitors are not let in", Exit.FAILED)
    facts = _facts(holding)
    if as_json:
        sys.stdout.write(json.dumps(facts) + "\n")
        return
    out = Console(soft_wrap=True)
    for name, value in facts.items():
        shown = "; ".join(map(_in_words, value)) or "none" if isinstance(value, list) else value
        out.print(f"{name:16}{shown}", markup=False, highlight=False)


def _facts(holding: Holding) -> dict[str, Any]:
    bundle = holding.bundle
    assert bundle is not None
    now = SystemClock().now()
    return {
        "site": bundle.site,
        "seq": bundle.seq,
        "issued_at": utc_text(now.fromtimestamp(bundle.issued_at, now.tzinfo)),
        "age_s": round(now.timestamp() - bundle.issued_at),
        "expires_at": utc_text(now.fromtimestamp(bundle.expires_at, now.tzinfo)),
        "keyset_seq": holding.key_set.seq,
        "revoked": bundle.count(PassStatus.INVALID),
        "suspended": bundle.count(PassStatus.SUSPENDED),
        "used_up": bundle.count(PassStatus.USED_UP),
        "red": len(bundle.red),
        "before": len(bundle.before),
        "extensions": len(bundle.extensions),
        "walkin": [_certificate(one) for one in holding.certificates.good],
        "walkin_left_out": list(holding.certificates.problems),
    }


def _in_words(one: dict[str, Any] | str) -> str:
    """A certificate, or why one is left out, as a person reads it."""
    if isinstance(one, str):
        return one
    return f"gate {one['gate']} (key {one['kid']}) until {one['not_after']}: {', '.join(one['categories'])}"


def _certificate(one: Certificate) -> dict[str, Any]:
    granted = one.delegation
    return {
        "gate": granted.gate,
        "kid": key_id(one.public).hex(),
        "categories": sorted(category.code for category in granted.categories),
        "not_before": utc_text(granted.not_before),
        "not_after": utc_text(granted.not_after),
    }


def _gate(path: Path) -> _Gate:
    try:
        config: GateConfig = load_config(path)
        anchor = load_key_set(config.gate.keys, config.gate.site, root=config.gate.root)
    except SettingsError as error:
        raise failure(str(error), Exit.USAGE) from None
    found = load(config.gate.data_dir, anchor, SystemClock().now())
    refused = found if isinstance(found, Refused) else None
    holding = found if isinstance(found, Holding) else installed(anchor)
    return _Gate(config.gate.data_dir, anchor, holding, refused)


def _read(file: Path, gate: _Gate, *, anew: bool = False) -> tuple[bytes, Holding | None]:
    """The file and what it makes of the gate's holding; ``anew`` asks as if the gate held none."""
    try:
        data = read_bounded(file)
    except OSError as error:
        raise failure(f"{file} cannot be read ({error.strerror})", Exit.USAGE) from None
    clock = SystemClock()
    holding = installed(gate.anchor) if anew else gate.holding
    judged = judge(holding, data, anchor=gate.anchor, now=clock.now(), trust=clock.trust())
    if isinstance(judged, Refused):
        raise failure(f"{file} is refused ({judged.problem.value}): {judged.detail}", Exit.UNSAFE)
    return data, judged


def _make_inbox(inbox: Path) -> None:
    """The folder for bundle files; it belongs to whom the gate's folder belongs to, also where root makes it."""
    inbox.mkdir(parents=True, exist_ok=True)
    owner, found = inbox.parent.stat(), inbox.stat()
    if os.geteuid() == 0 and found.st_uid != owner.st_uid:
        os.chown(inbox, owner.st_uid, owner.st_gid)


def _held(waiting: Path, data: bytes, config: Path) -> Holding | None:
    """What the gate has on its disk once that is this bundle, or a newer one; None when it took neither in time."""
    pause = threading.Event()
    for _ in range(int(TAKEN_WITHIN_S / LOOK_EVERY_S)):
        gone = not waiting.exists()  # asked first: the gate stores, and then removes
        gate, clock = _gate(config), SystemClock()
        judged = judge(gate.holding, data, anchor=gate.anchor, now=clock.now(), trust=clock.trust())
        if judged is None or (isinstance(judged, Refused) and judged.problem is Problem.ROLLED_BACK):
            return gate.holding
        if gone:
            return None
        pause.wait(LOOK_EVERY_S)
    return None


def _number(holding: Holding) -> str:
    assert holding.bundle is not None
    return f"bundle {holding.bundle.seq} with key set {holding.key_set.seq}"
