"""A report of a camera under test as people read it: a panel of 80 columns, or a line, in both languages."""

from typing import Final

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from edge.vision.advice import KnownBy
from edge.vision.camera_test import CodeSeen, Report
from passes.words import Pair
from shell.text import visible

COLUMNS: Final = 80
CODES_SHOWN: Final = 4
_GOOD: Final = {"good", "sharp"}
_KNOWN_BY: Final = {
    KnownBy.VERSION: Pair("解码器读出", "told by the decoder"),
    KnownBy.TIMING: Pair("数定时图形", "counted on its timing pattern"),
    KnownBy.TEXT: Pair("按内容长度推算，至少", "at least, from the length of its text"),
}


def panel(report: Report, source: str) -> RenderableType:
    """The state of the camera in one glance, for a terminal of 80 columns."""
    if report.problem is not None:
        return _framed(Text(f"这幅画面看不了\n{visible(report.problem)}", style="red"), source)
    facts = Table.grid(padding=(0, 2))
    facts.add_column(no_wrap=True)
    facts.add_column(justify="right", no_wrap=True)
    facts.add_column(no_wrap=True)
    size = f"{report.width} x {report.height}"
    facts.add_row("画面 picture", size, f"每秒看 {report.looks_per_s:.0f} 幅 looks a second")
    facts.add_row("亮度 light", f"{report.light:.0f}", _word(report.light_word))
    facts.add_row("对比 contrast", f"{report.contrast:.0f}", _word(report.contrast_word))
    facts.add_row("清晰度 sharpness", f"{report.sharpness:.0f}", _word(report.sharpness_word))
    parts: list[RenderableType] = [facts]
    if report.picture_advice is not None:
        parts += [Text(), _advice(report.picture_advice)]
    parts += [_advice(refused) for refused in report.refused]
    parts.append(Text())
    if not report.codes:
        parts.append(Text("没有看到二维码  no code in view", style="dim"))
    for code in report.codes[:CODES_SHOWN]:
        parts += _of_code(code)
    if len(report.codes) > CODES_SHOWN:
        parts.append(Text(f"… +{len(report.codes) - CODES_SHOWN}", style="dim"))
    return _framed(Group(*parts), source)


def line(report: Report) -> str:
    """The same on one line, for a pipe or a log."""
    if report.problem is not None:
        return f"{report.at_s:6.1f} s  {visible(report.problem)}"
    words = [
        f"{report.at_s:6.1f} s",
        f"{report.width}x{report.height}",
        f"light {report.light:.0f} {report.light_word.en}",
        f"contrast {report.contrast:.0f} {report.contrast_word.en}",
        f"sharpness {report.sharpness:.0f} {report.sharpness_word.en}",
        *(f"{_name(code).en}: {code.advice.en}" for code in report.codes),
    ]
    if not report.codes:
        words.append("no code")
    words += [visible(refused.en) for refused in report.refused]
    return "  ".join(words)


def _framed(inside: RenderableType, source: str) -> Panel:
    title = Text(visible(source), overflow="ellipsis", no_wrap=True)
    return Panel(inside, title=title, subtitle="Ctrl-C: 结束 end", width=COLUMNS, padding=(0, 1))


def _word(pair: Pair) -> Text:
    return Text(f"{pair.zh} {pair.en}", style="green" if pair.en in _GOOD else "yellow")


def _advice(pair: Pair, style: str = "bold yellow") -> Text:
    return Text(f"→ {pair.zh}\n  {pair.en}", style=style)


def _name(code: CodeSeen) -> Pair:
    if code.text is None:
        return Pair("找到但未读出", "located, not read")
    return Pair(code.text, code.text)


def _of_code(code: CodeSeen) -> list[RenderableType]:
    name = _name(code)
    said = f"{name.zh} {name.en}" if code.text is None else name.en
    head = Text(
        said, style="bold green" if code.text is not None else "bold red", no_wrap=True, overflow="ellipsis"
    )
    found: list[RenderableType] = [head]
    if code.size.modules is not None and code.size.known_by is not None:
        by = _KNOWN_BY[code.size.known_by]
        count = code.size.modules
        found.append(
            Text(f"  {code.size.side_px:.0f} px / {count} 模块 modules ({by.zh} {by.en})", style="dim")
        )
    enough = code.advice.en.endswith("enough")
    found.append(_advice(code.advice, "green" if enough else "bold yellow"))
    return found
