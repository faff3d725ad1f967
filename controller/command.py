"""What the commands of ``postern-controller`` share: exit codes, options, and how they speak.

Data goes to stdout, messages to stderr.
"""

import json
import sys
from enum import IntEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from shell.settings import EXIT_USAGE
from shell.text import one_line


class Exit(IntEnum):
    """Exit codes of every command."""

    FAILED = 1
    USAGE = EXIT_USAGE
    UNREACHABLE = 3
    UNSAFE = 4


ConfigOption = Annotated[Path, typer.Option("--config", help="The centre's configuration file.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the data as JSON.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
ByOption = Annotated[str | None, typer.Option("--by", help="Who decides this; kept in the audit.")]
ReasonOption = Annotated[str | None, typer.Option("--reason", help="Why; kept in the audit.")]
DEFAULT_CONFIG = Path("centre.toml")

messages = Console(stderr=True)


def say(text: str) -> None:
    """A message for the person at the terminal."""
    messages.print(escape(text), highlight=False, soft_wrap=True)


def failure(error: Exception | str, code: int) -> typer.Exit:
    """Say what failed; the caller raises the answer."""
    messages.print(escape(str(error)), style="red", highlight=False, soft_wrap=True)
    return typer.Exit(code)


def put_json(data: Any) -> None:
    """One JSON document on stdout."""
    typer.echo(json.dumps(data, ensure_ascii=False, indent=1))


def put_facts(facts: list[tuple[str, str]]) -> None:
    """Names and values on stdout, in two columns."""
    wide = max(len(name) for name, _ in facts)
    for name, value in facts:
        typer.echo(one_line(f"{name:<{wide}}  {value}"))


def ask_for(value: str | None, *, option: str, question: str) -> str:
    """``value``, or what a person at a terminal types; without a terminal the option is needed."""
    if value is not None and value.strip():
        return value.strip()
    if value is None and sys.stdin.isatty():
        return str(typer.prompt(question, err=True)).strip()
    raise failure(f"{option} is needed: it is kept with what is done", Exit.USAGE)


def confirm(question: str, *, yes: bool) -> None:
    """Ask a person at a terminal; without a terminal the command itself is the answer."""
    if not yes and sys.stdin.isatty() and not typer.confirm(question, err=True):
        raise failure("Nothing was done", Exit.FAILED)
