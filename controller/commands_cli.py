"""``postern-controller gate open`` and its like: tell a gate to do something, through the running centre.

Exit codes: 0 done, 1 refused or nobody knows, 3 the gate is not there or did not answer, 4 refused as unsafe.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from controller.asking import AskError, RefusedError, RunningCentre
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
from controller.command_words import UNSAFE, outcome
from controller.commands_api import AWAY
from controller.config import load_centre
from shell.clock import SystemClock
from shell.settings import SettingsError
from shell.text import one_line
from sync.commands import HOLD_S_MAX, Op

WAIT_S: Final = 10.0
_LOOK_S: Final = 4.0  # one question; shorter than the centre may be waited for

SiteArgument = Annotated[int, typer.Argument(metavar="SITE", help="The number of the site.")]
GateArgument = Annotated[str, typer.Argument(metavar="GATE", help="The gate's id, as in gate.toml.")]
LaneArgument = Annotated[str, typer.Argument(metavar="LANE", help="The lane's name, as in gate.toml.")]
SecondsOption = Annotated[float, typer.Option(min=1, max=HOLD_S_MAX, help="How long.")]


def open_lane(
    site: SiteArgument,
    gate: GateArgument,
    lane: LaneArgument,
    *,
    by: ByOption = None,
    reason: ReasonOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Let one person through a lane, now; a gate that does not get it within 10 seconds does not do it.

    Example: postern-controller gate open 7 south entry --by 王芳 --reason "resident without phone"
    """
    _tell(_Order(config, site, gate, Op.OPEN, {"lane": lane}), by, reason, as_json=as_json, dry_run=dry_run)


def hold(
    site: SiteArgument,
    gate: GateArgument,
    lane: LaneArgument,
    *,
    seconds: SecondsOption,
    by: ByOption = None,
    reason: ReasonOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Hold a lane open for a while; `gate release` ends it.

    Example: postern-controller gate hold 7 south entry --seconds 120 --by 王芳 --reason "furniture"
    """
    args = {"lane": lane, "seconds": seconds}
    _tell(_Order(config, site, gate, Op.HOLD, args), by, reason, as_json=as_json, dry_run=dry_run)


def release(
    site: SiteArgument,
    gate: GateArgument,
    lane: LaneArgument,
    *,
    by: ByOption = None,
    reason: ReasonOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """End a hold.

    Example: postern-controller gate release 7 south entry --by 王芳 --reason "furniture is in"
    """
    _tell(
        _Order(config, site, gate, Op.RELEASE, {"lane": lane}), by, reason, as_json=as_json, dry_run=dry_run
    )


def block(
    site: SiteArgument,
    gate: GateArgument,
    lane: LaneArgument,
    *,
    by: ByOption = None,
    reason: ReasonOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Grant nobody entry through a lane, until `gate unblock`; a gate that is away hears of it within a day.

    Example: postern-controller gate block 7 south entry --by 王芳 --reason "glass broken"
    """
    _tell(_Order(config, site, gate, Op.BLOCK, {"lane": lane}), by, reason, as_json=as_json, dry_run=dry_run)


def unblock(
    site: SiteArgument,
    gate: GateArgument,
    lane: LaneArgument,
    *,
    by: ByOption = None,
    reason: ReasonOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Grant entry through a lane again.

    Example: postern-controller gate unblock 7 south entry --by 王芳 --reason "repaired"
    """
    _tell(
        _Order(config, site, gate, Op.UNBLOCK, {"lane": lane}), by, reason, as_json=as_json, dry_run=dry_run
    )


def emergency(
    site: SiteArgument,
    gate: GateArgument,
    *,
    by: ByOption = None,
    reason: ReasonOption = None,
    yes: YesOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Hold every lane of a gate open and let nobody in by code, until somebody at the gate resets it.

    Example: postern-controller gate emergency 7 south --by 王芳 --reason "gas in building 3"
    """
    say(
        f"Every lane of gate {gate} is held open until somebody there resets it; it cannot be ended from here"
    )
    if not dry_run:
        confirm("Declare an emergency?", yes=yes)
    _tell(_Order(config, site, gate, Op.EMERGENCY, {}), by, reason, as_json=as_json, dry_run=dry_run)


def settle(
    site: SiteArgument,
    gate: GateArgument,
    stay: Annotated[str, typer.Argument(metavar="STAY", help="The stay: 16 hex digits.")],
    *,
    by: ByOption = None,
    reason: ReasonOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Settle a RED stay at the gate that keeps it; no newer one is cleared by that.

    Example: postern-controller gate settle 7 south 0123456789abcdef --by 王芳 --reason "fee paid"
    """
    _tell(
        _Order(config, site, gate, Op.SETTLE, {"stay_id": stay}), by, reason, as_json=as_json, dry_run=dry_run
    )


def want_config(
    site: SiteArgument,
    gate: GateArgument,
    version: Annotated[str, typer.Argument(metavar="VERSION", help="What people call it.")],
    sha256: Annotated[str, typer.Argument(metavar="SHA256", help="Of the file gate.toml: 64 hex digits.")],
    *,
    by: ByOption = None,
    reason: ReasonOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Say which gate.toml a gate is to have; its next start tells whether it has it.

    Example: postern-controller gate want-config 7 south v12 SHA256 --by 王芳 --reason "new lane"
    """
    args = {"version": version, "sha256": sha256}
    _tell(_Order(config, site, gate, Op.CONFIG, args), by, reason, as_json=as_json, dry_run=dry_run)


def look_for_bundle(
    site: SiteArgument,
    gate: GateArgument,
    *,
    by: ByOption = None,
    reason: ReasonOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Have a gate look for a bundle now.

    Example: postern-controller gate look-for-bundle 7 south --by 王芳 --reason "stick is in"
    """
    _tell(_Order(config, site, gate, Op.BUNDLE, {}), by, reason, as_json=as_json, dry_run=dry_run)


def ping(
    site: SiteArgument,
    gate: GateArgument,
    *,
    by: ByOption = None,
    reason: ReasonOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Ask a gate whether it does what the centre says.

    Example: postern-controller gate ping 7 south --by 王芳 --reason "after the storm"
    """
    _tell(_Order(config, site, gate, Op.PING, {}), by, reason, as_json=as_json, dry_run=dry_run)


def commands(
    site: SiteArgument,
    gate: Annotated[str | None, typer.Argument(metavar="[GATE]", help="One gate alone.")] = None,
    *,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """List the newest commands, and what became of each.

    Example: postern-controller gate commands 7 south --config demo/centre.toml
    """
    where = f"/sites/{site}/commands" + (f"?gate={gate}" if gate is not None else "")
    try:
        with RunningCentre(load_centre(config)) as centre:
            found = centre.get(where)
    except SettingsError as error:
        raise failure(error, Exit.USAGE) from None
    except AskError as error:
        raise failure(error, error.exit_code) from None
    if as_json:
        put_json(found)
        return
    for row in found["commands"]:
        args = " ".join(str(value) for value in row["args"].values())
        deed = one_line(f"{row['op']} {args}".strip())
        became = one_line(outcome(row["state"], row["why"], row["detail"]))
        typer.echo(f"{row['issued_at']}  {row['gate']:<12}  {deed:<24}  {one_line(row['by']):<12}  {became}")


@dataclass(frozen=True, slots=True)
class _Order:
    config: Path
    site: int
    gate: str
    op: Op
    args: dict[str, Any]


def _tell(order: _Order, by: str | None, reason: str | None, *, as_json: bool, dry_run: bool) -> None:
    """Order it, wait for what becomes of it, and say that."""
    by = ask_for(by, option="--by", question="Who decides it")
    reason = ask_for(reason, option="--reason", question="Why")
    body = {"op": order.op.value, **order.args, "by": by, "reason": reason}
    if dry_run:
        say("未执行任何操作 Nothing was done")
        if as_json:
            put_json({"site": order.site, "gate": order.gate, **body, "state": None})
        return
    found = _ended(order, body)
    if as_json:
        put_json(found)
    words = one_line(outcome(found["state"], found["why"], found["detail"]))
    if found["state"] != "done":
        raise failure(words, _exit(found))
    if not as_json:
        typer.echo(words)


def _ended(order: _Order, body: dict[str, Any]) -> dict[str, Any]:
    """The command, when it has ended or ``WAIT_S`` later."""
    clock = SystemClock()
    until_s = clock.monotonic_s() + WAIT_S
    try:
        with RunningCentre(load_centre(order.config)) as centre:
            found: dict[str, Any] = centre.post(f"/sites/{order.site}/gates/{order.gate}/commands", body)
            while found["ended_at"] is None and (left_s := until_s - clock.monotonic_s()) > 0:
                wait_s = min(_LOOK_S, left_s)
                found = centre.get(f"/sites/{order.site}/commands/{found['id']}?wait_s={wait_s:.1f}")
    except SettingsError as error:
        raise failure(error, Exit.USAGE) from None
    except RefusedError as error:
        if error.status != AWAY:
            raise failure(error, error.exit_code) from None
        raise failure(f"门岗不在线，未执行。 {error}", Exit.UNREACHABLE) from None
    except AskError as error:
        raise failure(error, error.exit_code) from None
    return found


def _exit(found: dict[str, Any]) -> Exit:
    if found["ended_at"] is None or found["why"] == "no_answer":
        return Exit.UNREACHABLE
    return Exit.UNSAFE if found["why"] in UNSAFE else Exit.FAILED


COMMANDS: Final[dict[str, Callable[..., None]]] = {
    "open": open_lane,
    "hold": hold,
    "release": release,
    "block": block,
    "unblock": unblock,
    "emergency": emergency,
    "settle": settle,
    "want-config": want_config,
    "look-for-bundle": look_for_bundle,
    "ping": ping,
    "commands": commands,
}
"""By their names under ``postern-controller gate``."""
