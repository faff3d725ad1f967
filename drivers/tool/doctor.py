"""``doctor``: look at this machine as a gate, and say what is wrong, why it matters and what to type."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import typer
from rich.markup import escape
from rich.padding import Padding

from drivers.ports import PortRow, list_ports
from drivers.tool.config_check import problems_of
from drivers.tool.console import Exit, JsonOption, both, put_json, put_line, say, show, text
from drivers.tool.daemon import daemon_listens
from drivers.tool.findings import (
    Finding,
    Level,
    about_boards,
    about_clock,
    about_journal,
    about_machine,
    about_ports,
)
from drivers.tool.gate_file import GateFile
from drivers.tool.host import Host
from drivers.tool.target import DEFAULT_CONFIG, ConfigOption, read_gate
from passes.words import Pair
from shell.clock import Clock, SystemClock

_LOOK: Final = both("postern-driver config validate")
_MARKS: Final = {Level.FAIL: ("✗", "red"), Level.WARN: ("!", "yellow"), Level.OK: ("✓", "green")}


def doctor(*, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Check this machine as a gate, and print what to repair.

    \b
    Examples:
      postern-driver doctor
      postern-driver doctor --json

    It looks at rights, programs that take ports, USB sleep, clock, disk, watchdog and configuration. It opens
    no port and changes nothing: remedies are printed for whoever owns the machine. With a gate.toml
    (--config, or the one in this folder) its boards are checked too. Exit code 1: something must be repaired.
    """
    path = config or (DEFAULT_CONFIG if DEFAULT_CONFIG.exists() else None)
    gate = None if path is None else read_gate(path)
    found = examine(gate, list_ports([]), Host(), SystemClock())
    failed = any(each.level is Level.FAIL for each in found)
    if as_json:
        put_json([as_row(each) for each in found])
    else:
        for each in found:
            _show(each)
        _sum_up(found)
    if failed:
        raise typer.Exit(Exit.FAILED)


def examine(gate: GateFile | None, rows: Sequence[PortRow], host: Host, clock: Clock) -> list[Finding]:
    """Everything that is wrong, the worst first."""
    folder = Path.cwd() if gate is None else gate.data_dir
    found = [*about_ports(rows, host), *about_clock(host, clock), *about_machine(host, folder)]
    if gate is not None:
        running = daemon_listens(gate)
        found += [*about_boards(gate, rows, daemon_runs=running), *about_journal(gate)]
        found += [
            Finding(
                code="config",
                level=Level.FAIL,
                what=problem.words(gate.path.name),
                remedy=problem.remedy if problem.remedy.en else _LOOK,
            )
            for problem in problems_of(gate.content, gate.path.resolve().parent)
        ]
    order = list(Level)
    return sorted(found, key=lambda each: order.index(each.level))


def as_row(finding: Finding) -> dict[str, Any]:
    """A finding for ``--json``."""
    return {
        "code": finding.code,
        "level": finding.level.value,
        "what": text(finding.what),
        "why": text(finding.why),
        "remedy": text(finding.remedy),
    }


def _show(finding: Finding) -> None:
    mark, colour = _MARKS[finding.level]
    show(f"[{colour}]{mark}[/] [bold]{escape(text(finding.what))}[/]")
    if text(finding.why):
        show(Padding(escape(text(finding.why)), (0, 0, 0, 2), style="dim", expand=False))
    for line in text(finding.remedy).splitlines():
        put_line(f"    {line}")  # never folded: it is there to be pasted


def _sum_up(found: Sequence[Finding]) -> None:
    bad = sum(each.level is Level.FAIL for each in found)
    if not found:
        show(f"[green]✓[/] {escape(text(Pair('没有发现问题', 'Nothing is wrong')))}")
        return
    say(
        Pair("{bad} 项必须处理，{other} 项建议", "{bad} to repair, {other} to consider"),
        bad=bad,
        other=len(found) - bad,
    )
