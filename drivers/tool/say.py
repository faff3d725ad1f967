"""``say``: have the voice module speak a text."""

from typing import Annotated, Any

import typer

from drivers.devices.voice_syn6288 import UnspeakableError, frame, spoken
from drivers.model import Done
from drivers.peripherals import Say
from drivers.tool.confirm import IsolatedOption
from drivers.tool.console import DryRunOption, Exit, JsonOption, fail, put_json, put_line, text
from drivers.tool.opening import fresh_id, opened
from drivers.tool.outcomes import GRADE_WORDS, end_by
from drivers.tool.proof import demand_proof
from drivers.tool.target import BoardOption, ConfigOption, PortOption, driver_of, find_target
from drivers.tool.temp import demand_kind
from drivers.tool.trace import TraceOption
from passes.words import Pair

SPEAK = 0x01
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
    demand_proof(target, driver_of(target), confirm, more=sent, trace=trace)
    with opened(target, trace=trace) as session:
        outcome = session.answer(Say(text=words, id=fresh_id()), within_s=_SPEAKS_WITHIN_S)
    row: dict[str, Any] = {"text": words, "bytes": len(sent), "result": "failed"}
    if isinstance(outcome, Done):
        row |= {"result": "done", "grade": outcome.grade.value}
    if as_json:
        put_json(row)
    elif isinstance(outcome, Done):
        said = Pair("已播报 {n} 字节", "spoken, {n} bytes")
        put_line(f"{text(said, n=len(data))}, {text(GRADE_WORDS[outcome.grade.value])}")
    if not isinstance(outcome, Done):
        end_by(outcome, target.port)
