"""``--help``, mistakes and endings in the language in use: English from the code, Chinese from ``help_words``."""

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

import typer
from rich.cells import cell_len
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from drivers.tool.console import (
    COLUMNS,
    INTERRUPTED,
    Exit,
    Language,
    language,
    language_of,
    say,
    use_language,
)
from drivers.tool.help_words import COMMANDS, FRAME, OPTIONS
from drivers.tool.usage_words import show_mistake

_HELP_INSTEAD: Final = (
    "NoArgsIsHelpError"  # a command without arguments shows its help; Typer exports no name for it
)
_CELLS: Final = COLUMNS - 4  # the help is indented by two


class SpokenCommand(TyperCommand):
    """A command whose help follows the language."""

    def get_help(self, ctx: Any) -> str:
        """The whole help."""
        with _in_chinese(self, ctx):
            return _framed(super().get_help(ctx))

    def get_short_help_str(self, limit: int = 45) -> str:
        """Its line in the list of commands; the list's own context says which command this is."""
        return _short(self, super().get_short_help_str(limit))


class SpokenGroup(TyperGroup):
    """A group of commands whose help, mistakes and endings follow the language."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,  # Typer's own signature
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command line. A mistake in it ends with exit code 2; see ``invoke`` for Ctrl-C."""
        run = partial(super().main, prog_name=prog_name, complete_var=complete_var, **extra)
        if not standalone_mode:
            return run(args=args, standalone_mode=False, windows_expand_args=windows_expand_args)
        words = list(sys.argv[1:] if args is None else args)
        use_language(language_of(self._tag(words)))
        try:
            code = run(args=words, standalone_mode=False)
        except typer.TyperException as error:
            if type(error).__name__ == _HELP_INSTEAD:
                typer.echo(error.format_message(), err=True)
            else:
                show_mistake(error)
            sys.exit(error.exit_code)
        except typer.Abort:
            say(INTERRUPTED)
            sys.exit(Exit.UNSAFE)
        sys.exit(code if isinstance(code, int) else 0)

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was found; one that has no ending of its own for Ctrl-C ends here."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            say(INTERRUPTED)
            raise typer.Exit(Exit.INTERRUPTED) from None

    def _tag(self, words: list[str]) -> str | None:
        """The language that is asked for, before anything of the line was understood."""
        for at, word in enumerate(words):
            if word == "--lang" and at + 1 < len(words):
                return words[at + 1]
            if word.startswith("--lang="):
                return word.partition("=")[2]
        named = next((each for each in self.params if each.name == "lang"), None)
        return None if named is None else named.resolve_envvar_value(self.context_class(self))

    def get_help(self, ctx: Any) -> str:
        """The whole help; the language is settled here, because ``--help`` comes before any command runs."""
        if ctx.parent is None:
            tag = next((each.resolve_envvar_value(ctx) for each in self.params if each.name == "lang"), None)
            use_language(language_of(ctx.params.get("lang") or tag))
        with _in_chinese(self, ctx):
            return _framed(super().get_help(ctx))

    def get_short_help_str(self, limit: int = 45) -> str:
        """Its line in the list of commands."""
        return _short(self, super().get_short_help_str(limit))


def words_of(ctx: typer.Context | Any) -> str:
    """How a command is called, without the program's name: ``config set``."""
    names: list[str] = []
    while ctx is not None and ctx.parent is not None:
        names.insert(0, str(ctx.info_name))
        ctx = ctx.parent
    return " ".join(names)


def option_word(param: Any) -> str:
    """What ``help_words.OPTIONS`` calls a parameter."""
    return str(param.name) if isinstance(param, TyperArgument) else str(param.opts[0])


@contextmanager
def _in_chinese(command: Any, ctx: Any) -> Iterator[None]:
    """While Chinese is spoken, the command's help and that of its options are the Chinese ones."""
    if language() is not Language.ZH:
        yield
        return
    before = command.help, [(each, getattr(each, "help", None)) for each in command.params]
    command.help = _with_examples(COMMANDS.get(words_of(ctx), command.help), command.help)
    for param, english in before[1]:
        if isinstance(param, TyperOption | TyperArgument):
            param.help = OPTIONS.get(option_word(param), english)
    _name_children(command, words_of(ctx))
    try:
        yield
    finally:
        command.help = before[0]
        for param, english in before[1]:
            if isinstance(param, TyperOption | TyperArgument):
                param.help = english


def _name_children(command: Any, words: str) -> None:
    for name, child in getattr(command, "commands", {}).items():
        child.spoken_words = f"{words} {name}".strip()


def _short(command: Any, english: str) -> str:
    chinese = COMMANDS.get(getattr(command, "spoken_words", "?"))
    return english if language() is not Language.ZH or chinese is None else chinese.partition("\n")[0]


def _with_examples(chinese: str, english: str | None) -> str:
    r"""The Chinese words with the examples of the English help, which are the same in any language."""
    paragraphs = [part for part in (english or "").split("\n\n") if "Examples:" in part]
    unfolded = ["\b\n" + "\n".join(_folded(part)) for part in chinese.split("\n\n")]
    return "\n\n".join([unfolded[0], *paragraphs, *unfolded[1:]])


def _folded(paragraph: str) -> list[str]:
    """Lines that fit the console: Chinese breaks anywhere, but before no closing mark; other words stay whole."""
    lines, used = [""], 0
    for token in re.findall(r"(?:[\x21-\x7e]+|.)[，。；：、）”！？]*", paragraph):
        wide = cell_len(token)
        if used + wide > _CELLS:
            lines.append("")
            used = 0
        lines[-1] += token
        used += wide
    return [line.strip() for line in lines]


def _framed(text: str) -> str:
    if language() is not Language.ZH:
        return text
    for english, chinese in FRAME.items():
        text = text.replace(english, chinese)
    return text
