"""How every command of the tool speaks: two languages, exit codes, tables of 80 columns, data apart from messages.

Data goes to stdout, messages to stderr. A phrase is a ``Pair``; the language is chosen once, by ``--lang`` or the
environment, before a command runs.
"""

import json
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from enum import IntEnum, StrEnum
from typing import Annotated, Any, Final, NoReturn

import typer
from rich.console import Console, RenderableType
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from passes.words import Pair
from shell.text import visible, visible_json

PROGRAM: Final = "postern-driver"
NOTHING: Final = Pair("", "")
INTERRUPTED: Final = Pair("已中断", "Interrupted")
_YES: Final = ("yes", "y", "是")
COLUMNS: Final = 80  # of a serial console; also of a pipe, where there is no terminal to ask


class Exit(IntEnum):
    """Exit codes of every command; 0 is done."""

    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    UNSAFE = 4
    INTERRUPTED = 130  # as shells have it for Ctrl-C


class Language(StrEnum):
    """Which half of a ``Pair`` is shown."""

    ZH = "zh"
    EN = "en"


_language: ContextVar[Language] = ContextVar("language", default=Language.EN)
_never_asks: ContextVar[bool] = ContextVar("never_asks", default=False)

JsonOption = Annotated[bool, typer.Option("--json", help="Print the data as JSON.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]


def language_of(tag: str | None) -> Language:
    """The language that a ``--lang`` value or a locale like ``zh_CN.UTF-8`` means; English unless it is Chinese."""
    return Language.ZH if tag is not None and tag.lower().startswith("zh") else Language.EN


def use_language(language: Language) -> None:
    """Speak this language from now on."""
    _language.set(language)


def language() -> Language:
    """The language in use."""
    return _language.get()


def never_ask(*, never: bool) -> None:
    """Whether nobody is to be asked from now on, terminal or not (``--no-input``)."""
    _never_asks.set(never)


def never_asks() -> bool:
    """Whether ``--no-input`` was given."""
    return _never_asks.get()


def text(pair: Pair, **values: object) -> str:
    """A phrase in the language in use, with ``values`` in its ``{name}`` places; harmless to a terminal."""
    found = pair.zh if _language.get() is Language.ZH else pair.en
    return visible(found.format(**values) if values else found, keep="\n")


def both(same: str) -> Pair:
    """A phrase that is the same in both languages: a name, a number, somebody else's words."""
    return Pair(same, same)


def plain(outside: str) -> str:
    """Somebody else's words for a table: no markup in them, and nothing that a terminal obeys."""
    return escape(visible(outside, keep="\n"))


def say(pair: Pair, **values: object) -> None:
    """A message for the person at the terminal."""
    _messages().print(escape(text(pair, **values)))


def warn(pair: Pair, **values: object) -> None:
    """A message that somebody should act on."""
    _messages().print(escape(text(pair, **values)), style="yellow")


def banner(pair: Pair, **values: object) -> None:
    """A message that nobody must miss: something moves, or stays open."""
    _messages().print(f" {escape(text(pair, **values))} ", style="bold white on red")


def fail(code: Exit, pair: Pair, **values: object) -> NoReturn:
    """Say what failed and what to do, and end with this exit code."""
    _messages().print(escape(text(pair, **values)), style="red")
    raise typer.Exit(code)


def put_json(data: object) -> None:
    """One JSON document, on one line of stdout; days and infinities, which TOML has, become texts."""
    typer.echo(visible_json(json.dumps(_finite(data), ensure_ascii=False, default=str, allow_nan=False)))


def _finite(data: object) -> object:
    """The same values, with the texts ``inf``, ``-inf`` and ``nan`` for the numbers that JSON has no word for."""
    if isinstance(data, Mapping):
        return {name: _finite(value) for name, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(value) for value in data]
    return str(data) if isinstance(data, float) and not math.isfinite(data) else data


def put_line(line: str) -> None:
    """One plain line of data on stdout, or several; harmless to a terminal, whatever a device put into it."""
    typer.echo(visible(line, keep="\n"))


def show(renderable: RenderableType, *, err: bool = False) -> None:
    """A table or other rich thing on stdout, or with the messages."""
    stream = sys.stderr if err else sys.stdout
    Console(file=stream, highlight=False, width=_width(stream)).print(renderable)


def table(*headings: Pair, title: Pair | None = None) -> Table:
    """An empty table; long cells are folded, so that it fits the terminal."""
    made = Table(
        box=None,
        pad_edge=False,
        title=None if title is None else text(title),
        title_justify="left",
        title_style="bold",
    )
    for heading in headings:
        made.add_column(text(heading), overflow="fold")
    return made


def add_row(made: Table, cells: Iterable[object], *, style: str | None = None) -> None:
    """One row of plain texts; nothing in them is taken for markup."""
    made.add_row(*(plain(str(cell)) for cell in cells), style=style)


def facts(pairs: Iterable[tuple[Pair, object]]) -> None:
    """Names and values on stdout, in two columns."""
    made = Table(box=None, show_header=False, pad_edge=False)
    made.add_column(style="dim", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in pairs:
        made.add_row(escape(text(name)), plain(str(value)))
    show(made)


@contextmanager
def progress(what: Pair, total: int) -> Iterator[Callable[[str], None]]:
    """A progress bar on stderr, gone at the end; call what it gives once for each step, with a word on the next."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[now]}", style="dim"),
    )
    console = _messages()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(escape(text(what)), total=total, now="")
        yield lambda now: bar.update(task, advance=1, now=plain(now))


def at_terminal() -> bool:
    """Whether somebody can be asked."""
    return not never_asks() and sys.stdin.isatty()


def wants(question: Pair) -> bool:
    """Whether the person types yes; anything else is no."""
    return asked(question).lower() in _YES


def asked(pair: Pair, *, default: str = "", **values: object) -> str:
    """What the person types, without the spaces around it; the question goes to stderr.

    Ctrl-C and the end of the input are a no, and so is ``--no-input``: they end with exit code 4.
    """
    if never_asks():
        fail(
            Exit.UNSAFE,
            Pair(
                "--no-input：不提问，到此为止。要回答的是：{question}",
                "--no-input: nobody is asked, so this ends here. It wanted an answer to: {question}",
            ),
            question=text(pair, **values),
        )
    try:
        found: Any = typer.prompt(text(pair, **values), default=default, show_default=bool(default), err=True)
    except typer.Abort:
        say(NOTHING)  # the question stands on a line that nobody ended
        fail(
            Exit.UNSAFE,
            Pair(
                "没有回答，到此为止：不再发送、不再写入任何内容",
                "Not answered, so this ends here: nothing more is sent or written",
            ),
        )
    return str(found).strip()


def _messages() -> Console:
    return Console(file=sys.stderr, highlight=False, soft_wrap=True, width=_width(sys.stderr))


def _width(stream: Any) -> int | None:
    """80 for a pipe or a file; of a terminal rich asks itself."""
    return None if stream.isatty() else COLUMNS
