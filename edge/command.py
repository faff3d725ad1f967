"""What the commands of ``postern-edge`` share: exit codes, options, and how they speak.

Data goes to stdout, messages to stderr.
"""

import json
from enum import IntEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from shell.settings import EXIT_USAGE


class Exit(IntEnum):
    """Exit codes of every command."""

    FAILED = 1
    USAGE = EXIT_USAGE
    UNREACHABLE = 3
    UNSAFE = 4


ConfigOption = Annotated[Path, typer.Option("--config", help="The gate's configuration file.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the data as JSON.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
DEFAULT_CONFIG = Path("gate.toml")

_messages = Console(stderr=True)


def say(text: str) -> None:
    """A message for the person at the terminal."""
    _messages.print(escape(text), highlight=False, soft_wrap=True)


def failure(error: Exception | str, code: Exit) -> typer.Exit:
    """Say what failed; the caller raises the answer."""
    _messages.print(escape(str(error)), style="red", highlight=False, soft_wrap=True)
    return typer.Exit(code)


def put_json(data: Any) -> None:
    """One JSON document on stdout."""
    typer.echo(json.dumps(data, ensure_ascii=False, indent=1))


def put_facts(facts: dict[str, str]) -> None:
    """Names and values on stdout, in two columns."""
    wide = max(map(len, facts))
    for name, value in facts.items():
        typer.echo(f"{name:<{wide}}  {value}")
