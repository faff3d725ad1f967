"""``say``: have the voice module speak a text."""

from pathlib import Path
from typing import Annotated, Any

import typer

from drivers.devices.voice_syn6288 import UnspeakableError, frame, spoken
from drivers.model import Done, Grade
from drivers.peripherals import Say
from drivers.tool.asking import ask_family, at_speed
from drivers.tool.confirm import IsolatedOption
from drivers.tool.console import DryRunOption, Exit, JsonOption, fail, put_json, put_line, text
from drivers.tool.families import FAMILIES
from drivers.tool.opening import check_port, fresh_id, opened
from drivers.tool.outcomes import GRADE_WORDS, end_by
from drivers.tool.proof import demand_proof
from drivers.tool.target import BoardOption, ConfigOption, PortOption, Target, driver_of, find_target
from drivers.tool.temp import demand_kind
from drivers.tool.trace import TraceOption
from drivers.tool.wire import hexed, raw_port
from passes.words import Pair

SPEAK = 0x01
_STATE = "syn6288"  # the family's question: how are you
_ASKED = 2  # what wakes a sleeping module is not heard by it
_SPEAKS_WITHIN_S = 60.0


def say_text(
    words: Annotated[str, typer.Argument(metavar="TEXT", help="What to say.")],
    *,
    port: PortOption = None,
    board: BoardOption = None,
    config: ConfigOption = None,
    confirm: IsolatedOption = None,
    dry_run: DryRunOption = False,
    trace: TraceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Have a SYN6288 voice module speak.

    \b
    Examples:
      postern-driver say 您好请通行 --port /dev/ttyUSB3 --dry-run
      postern-driver say 您好请通行 --port /dev/ttyUSB3

    The module is first asked how it is: letters are switching orders to some relay boards, and nothing is spoken to
    a device that did not answer. Exit code 2: a character that the module does not have.
    """
    protocol = None if board is not None else "syn6288"
    target = find_target(port=port, protocol=protocol, board=board, config=config)
    demand_kind(target, "syn6288")
    try:
        parameter, data = spoken(words)
    except UnspeakableError as error:
        fail(
            Exit.USAGE,
            Pair("语音模块没有这个字：{c!r}", "The module cannot say {c!r}. Leave it out"),
            c=error.character,
        )
    sent = frame(SPEAK, bytes((parameter,)) + data)
    if dry_run:
        put_line(sent.hex(" ").upper())
        return
    driver = driver_of(target)
    baud = driver.info.line.baud
    demand_proof(target, driver, confirm, more=sent, trace=trace)
    _demand_module(target, baud, trace)
    with opened(target, trace=trace) as session:
        outcome = session.answer(Say(text=words, id=fresh_id()), within_s=_SPEAKS_WITHIN_S)
    row: dict[str, Any] = {"text": words, "bytes": len(sent), "result": "failed"}
    if isinstance(outcome, Done):
        row |= {"result": "done", "grade": outcome.grade.value}
    if as_json:
        put_json(row)
    elif isinstance(outcome, Done):
        heard = outcome.grade is not Grade.SENT
        said = Pair("已播报 {n} 字节", "spoken, {n} bytes") if heard else Pair("已发出 {n} 字节", "{n} bytes")
        put_line(f"{text(said, n=len(data))}, {text(GRADE_WORDS[outcome.grade.value])}")
    if not isinstance(outcome, Done):
        end_by(outcome, target.port)


def _demand_module(target: Target, baud: int | None, trace: Path | None) -> None:
    """Ask how it is, whatever the text may do to a stranger; ends with exit code 3 unless a module answers."""
    check_port(target)
    family = FAMILIES[_STATE]
    line = at_speed(family, baud)
    with raw_port(target.port, line, trace=trace, protocol=target.protocol) as port:
        for _ in range(_ASKED):
            found, heard = ask_family(port, family)
            if found is not None:
                return
    fail(
        Exit.UNREACHABLE,
        Pair(
            "{port} 上没有语音模块回答（收到：{heard}），没有播报，未发送其他字节。检查供电、接线和速率",
            "No voice module answers on {port} (it said: {heard}): nothing was spoken, and nothing else was sent. "
            "Check the supply, the wires and the speed",
        ),
        port=target.port,
        heard=hexed(heard) or "-",
    )
