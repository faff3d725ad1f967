"""``scan`` and ``scan commission``: what a scanner sends, and making it deaf to printed set-up codes."""

import time
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from drivers.devices.scanner_setup import SETTING
from drivers.devices.scanner_stream import text_of
from drivers.model import AnyEvent, Done, LineSettings, Refused, TimedOut
from drivers.peripherals import Commission, Scanned, SetUp
from drivers.tool.confirm import IsolatedOption
from drivers.tool.console import Exit, JsonOption, fail, put_json, put_line, say, text, warn
from drivers.tool.opening import Session, check_port, fresh_id, opened, say_event
from drivers.tool.outcomes import end_by
from drivers.tool.proof import demand_proof
from drivers.tool.spoken_help import SpokenCommand, SpokenGroup
from drivers.tool.target import (
    BoardOption,
    ConfigOption,
    MakeOption,
    PortOption,
    Target,
    driver_of,
    find_target,
)
from drivers.tool.temp import demand_kind
from drivers.tool.trace import TraceOption
from drivers.tool.wire import collect, hexed, raw_port
from passes.words import Pair
from shell.text import visible

GAP_S: Final = 0.05  # silence that ends a code: drivers reference 1.4
_ENDS: Final = {
    b"\r\n": "CR LF",
    b"\r": "CR",
    b"\n": "LF",
    b"\t": "TAB",
}
_SETTLES_S: Final = 2.0
_WITHIN_S: Final = 10.0
_SHOWN_MAX: Final = 200

scan_app = typer.Typer(
    name="scan",
    cls=SpokenGroup,
    invoke_without_command=True,
    rich_markup_mode=None,
)

CountOption = Annotated[int | None, typer.Option(min=1, help="Stop after so many.")]
TimeoutOption = Annotated[float | None, typer.Option(min=0.0, help="Stop after so many seconds.")]


@scan_app.callback(invoke_without_command=True)
def scan(
    context: typer.Context,
    *,
    port: PortOption = None,
    board: BoardOption = None,
    config: ConfigOption = None,
    baud: Annotated[int, typer.Option(help="Speed.")] = 9600,
    raw: Annotated[bool, typer.Option("--raw", help="Every byte in hex, beside the text.")] = False,
    count: CountOption = None,
    timeout: TimeoutOption = None,
    trace: TraceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the codes that a scanner sends, and how they end. It sends nothing at all.

    \b
    Examples:
      postern-driver scan --port /dev/ttyUSB2
      postern-driver scan --port /dev/ttyUSB2 --raw --count 1 --timeout 20
      postern-driver scan commission --port /dev/ttyUSB2 --make gm65 --save

    Exit code 1: the time was over before --count codes came.
    """
    if context.invoked_subcommand is not None:
        return
    if board is not None:
        target = find_target(port=None, protocol=None, board=board, config=config)
        demand_kind(target, "scanner")
        check_port(target)
        port, baud = target.port, driver_of(target).info.line.baud
    if port is None:
        fail(Exit.USAGE, Pair("写明端口：--port 或 --board", "Name the scanner's port: --port, or --board"))
    seen = _listen(port, baud, trace, (count, timeout), raw=raw, as_json=as_json)
    if count is not None and seen < count:
        fail(
            Exit.FAILED,
            Pair("{s:g} 秒内只有 {seen}/{count} 个码", "{seen} of {count} codes came within {s:g} s"),
            s=timeout or 0,
            seen=seen,
            count=count,
        )


def _listen(
    port: str,
    baud: int,
    trace: Path | None,
    until: tuple[int | None, float | None],
    *,
    raw: bool,
    as_json: bool,
) -> int:
    """Print codes until there were enough, or the time is over; how many there were."""
    count, timeout_s = until
    ends_s = None if timeout_s is None else time.monotonic() + timeout_s
    seen = 0
    with raw_port(port, LineSettings(baud=baud), trace=trace, protocol="scanner") as opened_port:
        try:
            while count is None or seen < count:
                left_s = 1.0 if ends_s is None else ends_s - time.monotonic()
                if left_s <= 0:
                    break
                data = collect(opened_port, left_s, enough=bool)
                while more := collect(opened_port, GAP_S):
                    data += more
                if data:
                    seen += 1
                    _put(data, raw=raw, as_json=as_json)
        except KeyboardInterrupt:
            pass
    return seen


def _put(data: bytes, *, raw: bool, as_json: bool) -> None:
    content, ending = data, ""
    for end, name in _ENDS.items():
        if data.endswith(end):
            content, ending = data.removesuffix(end), name
            break
    found = text_of(content)
    if as_json:
        put_json({"text": found, "ending": ending or None, "bytes": len(data), "hex": data.hex(" ").upper()})
        return
    ends = Pair(f"以 {ending} 结尾", f"ends with {ending}") if ending else Pair("没有结尾符", "no terminator")
    shown = text(Pair("不是文字：速率对吗？", "not text: is the speed right?")) if found is None else found
    put_line(f"{visible(shown[:_SHOWN_MAX])}{'…' if len(shown) > _SHOWN_MAX else ''}")
    put_line(f"  {len(data)} B, {text(ends)}")
    if raw:
        for at in range(0, len(data), 16):
            piece = data[at : at + 16]
            plain = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in piece)
            put_line(f"  {at:04X}  {piece.hex(' ').upper():<47}  {plain}")


@scan_app.command(cls=SpokenCommand)
def commission(
    *,
    port: PortOption = None,
    make: MakeOption = None,
    board: BoardOption = None,
    config: ConfigOption = None,
    save: Annotated[bool, typer.Option("--save", help="Keep it over a power cut.")] = False,
    try_code: Annotated[
        float, typer.Option("--try-code", min=0, help="Seconds in which to show a printed code.")
    ] = 0.0,
    confirm: IsolatedOption = None,
    trace: TraceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Switch a scanner's printed set-up codes off, and prove it by reading back: visitors could reconfigure it.

    \b
    Examples:
      postern-driver scan commission --port /dev/ttyUSB2 --make gm65
      postern-driver scan commission --port /dev/ttyUSB2 --make gm65 --save --try-code 20

    With --try-code, show the lens a printed set-up code of the maker meanwhile (one that does no harm, for example
    "beeper off"); afterwards the setting is read once more. Exit code 1: still on, or not proved.
    """
    protocol = None if board is not None else "scanner"
    target = find_target(port=port, protocol=protocol, board=board, config=config, make=make)
    demand_kind(target, "scanner")
    demand_proof(target, driver_of(target), confirm, trace=trace)
    with opened(target, trace=trace) as session:
        outcome, found = _commissioned(session, save=save)
        done = isinstance(outcome, Done)
        if done and try_code:
            _show_code(session, try_code)
    again = _read_again(target) if done else None
    row: dict[str, Any] = {
        "setting": SETTING,
        "value": found[-1].value if found else None,
        "proved": done and again is not False,
        "after_a_code": again if try_code else None,
        "saved": save and done,
    }
    if as_json:
        put_json(row)
    if isinstance(outcome, Refused) and not done:
        say(
            Pair(
                "关闭设置码失败。用厂家的手册或软件关闭，再运行本命令证明",
                "They could not be switched off from here. Use the maker's manual, then run this again to prove it",
            )
        )
    if isinstance(outcome, Refused):
        end_by(outcome, target.port)
    if not done:
        asked = isinstance(outcome, TimedOut) and outcome.maybe_executed
        fail(
            Exit.UNREACHABLE,
            Pair(
                "扫码器没有确认：设置码可能仍然有效。再运行一次",
                "The scanner did not confirm it: set-up codes may still be on. Run this again",
            )
            if asked
            else Pair("扫码器没有回答", "The scanner does not answer: check its wires, speed and make"),
        )
    if again is False:
        fail(
            Exit.FAILED,
            Pair(
                "出示一个码之后，设置码又打开了：此扫码器不能用于无人看守处",
                "After the code was shown they are on again: do not use this scanner where nobody watches it",
            ),
        )
    if not as_json:
        put_line(text(Pair("设置码已关闭，已读回确认", "printed set-up codes are off: read back")))
        if not save:
            warn(
                Pair(
                    "断电后会恢复原样；要永久保存加 --save",
                    "A power cut undoes it; to keep it add --save",
                )
            )


def _commissioned(session: Session, *, save: bool) -> tuple[AnyEvent | None, list[SetUp]]:
    """Its outcome, and what was read on the way."""
    id_, found = fresh_id(), []
    session.bus.submit(Commission(id=id_, save=save))
    until_s = time.monotonic() + _WITHIN_S
    while (event := session.next(until_s)) is not None:
        if isinstance(event, SetUp):
            found.append(event)
        elif getattr(event, "id", None) == id_:
            return event, found
        else:
            say_event(event)
    return None, found


def _show_code(session: Session, seconds: float) -> None:
    say(
        Pair(
            "现在请向镜头出示一个厂家的设置码（{s:g} 秒）",
            "Now show the lens a printed set-up code ({s:g} s)",
        ),
        s=seconds,
    )
    until_s = time.monotonic() + seconds
    while (event := session.next(until_s)) is not None:
        if isinstance(event, Scanned):
            say(Pair("读到：{hex}", "read: {hex}"), hex=hexed(event.data))


def _read_again(target: Target) -> bool | None:
    """Whether they are still off, read afresh; None when the device does not say."""
    with opened(target) as session:
        until_s = time.monotonic() + _SETTLES_S
        while (event := session.next(until_s)) is not None:
            if isinstance(event, SetUp) and event.proved:
                return event.good
    return None
