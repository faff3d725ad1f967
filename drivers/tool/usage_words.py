"""What is wrong with a command line, in the language in use.

Typer has no translations and no place to hang them in: its sentences are built in English. They are known by their
shape here; one that is not stays as it is. A test walks every kind of mistake past this.
"""

import re
from typing import Any, Final

import typer

from drivers.tool.console import Language, language, text
from passes.words import Pair

_SENTENCES: Final = tuple(
    (re.compile(english, re.DOTALL), chinese)
    for english, chinese in (
        (r"No such option: (.+?) \(Possible options: (.+)\)", "没有选项 {0}（可能是 {1}）"),
        (r"No such option: (.+)", "没有选项 {0}"),
        (r"No such command (.+)\. Did you mean (.+)\?", "没有命令 {0}，是不是 {1}？"),
        (r"No such command (.+)\.", "没有命令 {0}"),
        (r"Missing command\.", "缺少命令"),
        (r"Missing option (.+)\.", "缺少选项 {0}"),
        (r"Missing argument (.+)\.", "缺少参数 {0}"),
        (r"Missing parameter: (.+)", "缺少参数 {0}"),
        (r"Option (.+) does not take a value\.", "选项 {0} 不带值"),
        (r"Option (.+) requires an argument\.", "选项 {0} 后面要写一个值"),
        (r"Option (.+) requires (\d+) arguments\.", "选项 {0} 后面要写 {1} 个值"),
        (r"Got unexpected extra argument(?:\(s\)|s)? \((.+)\)", "多余的参数：{0}"),
        (r"(.+) is not spoken here: use zh or en", "不会说 {0}，请用 zh 或 en"),
        (r"Input should be a valid integer.*", "要写一个整数"),
        (r"Input should be a valid number.*", "要写一个数"),
        (r"Input should be greater than or equal to (.+)", "不能小于 {0}"),
        (r"Input should be less than or equal to (.+)", "不能大于 {0}"),
        (r"Input should be a finite number.*", "要写一个有限的数"),
        (r"(?:Value error, )?(.+) is not one of (.+)\.", "{0} 不在可选值之内：{1}"),
    )
)
_INVALID: Final = re.compile(r"Invalid value(?: for (.+?))?: (.*)", re.DOTALL)
_TRY: Final = Pair("用 '{command}' 查看帮助。", "Try '{command}' for help.")
_ERROR: Final = Pair("错误：{what}", "Error: {what}")
_USAGE: Final = Pair("用法：", "Usage: ")


def usage_words(sentence: str) -> str:
    """One of Typer's English sentences in the language in use; as it is when nobody knows it."""
    if language() is not Language.ZH:
        return sentence
    invalid = _INVALID.fullmatch(sentence)
    if invalid is not None:
        where = f"{invalid[1]} " if invalid[1] else ""
        return (
            f"{where}的值不对：{usage_words(invalid[2])}" if where else f"值不对：{usage_words(invalid[2])}"
        )
    for shape, chinese in _SENTENCES:
        found = shape.fullmatch(sentence)
        if found is not None:
            return chinese.format(*found.groups())
    return sentence


def show_mistake(error: Any) -> None:
    """Say on stderr what is wrong, with the line of usage and where there is help."""
    context = getattr(error, "ctx", None)
    if context is not None:
        usage = context.get_usage().replace("Usage: ", text(_USAGE), 1)
        command = f"{context.command_path} {context.help_option_names[0]}"
        typer.echo(f"{usage}\n{text(_TRY, command=command)}\n", err=True)
    typer.echo(text(_ERROR, what=usage_words(error.format_message())), err=True)
