"""``set-address``: give the one unit on a bus another address, and read it back; the old one returns on failure."""

from typing import Annotated, Final

import typer

from drivers.devices.modbus_frames import AnswerFinder, Data, Question, Refusing, Rtu, Written
from drivers.devices.modbus_profile import Profile, ProfileError, load_profile
from drivers.model import LineSettings
from drivers.port import Port
from drivers.tool.confirm import IsolatedOption, confirmed_isolated
from drivers.tool.console import (
    DryRunOption,
    Exit,
    JsonOption,
    both,
    fail,
    progress,
    put_json,
    put_line,
    text,
)
from drivers.tool.modbus_asking import READS, answer, any_question
from drivers.tool.trace import TraceOption
from drivers.tool.wire import collect, hexed, raw_port
from passes.words import Pair

UNITS: Final = range(1, 248)
_WITHIN_S: Final = 0.3
_SCAN_S: Final = 0.06
_QUIET_S: Final = 0.02


def set_address(
    new: Annotated[int, typer.Argument(metavar="NEW", min=1, max=247, help="The new address.")],
    *,
    port: Annotated[str, typer.Option("--port", help="Serial device; prefer a /dev/serial/by-path link.")],
    profile: Annotated[
        str, typer.Option("--profile", help="Family of a Modbus board, or the path of your own file.")
    ],
    unit: Annotated[
        int | None, typer.Option("--unit", min=1, max=247, help="Its address now; as delivered unless given.")
    ] = None,
    units: Annotated[int, typer.Option("--up-to", min=1, max=247, help="Look for others up to here.")] = 32,
    confirm: IsolatedOption = None,
    dry_run: DryRunOption = False,
    trace: TraceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change the address of the one Modbus board on this line. Take all other boards off the wires first.

    \b
    Examples:
      postern-driver set-address 5 --port /dev/ttyUSB1 --profile generic-0100-4 --dry-run
      postern-driver set-address 5 --port /dev/ttyUSB1 --profile generic-0100-4 --confirm isolated

    First every address is asked; exactly one may answer. Then it is written, and read at the new address; if that
    fails the old one is written back. Boards with switches, or whose register nobody documents, are refused (exit 2).
    """
    board = _profile(profile)
    old = unit or board.unit
    write = _question(board, old, new)
    if new == old:
        fail(Exit.USAGE, Pair("新旧地址相同", "That is its address already"))
    frame = Rtu().wrap(write.body())
    if dry_run:
        put_line(frame.hex(" ").upper())
        return
    confirmed_isolated(
        confirm,
        Pair(
            "改地址要在这条线上发送写命令 {hex}；线上只能有这一块板。",
            "To change the address {hex} is written on this line; it may be the only board there.",
        ),
        hex=hexed(frame),
    )
    line = LineSettings(baud=board.line.baud, parity=board.line.parity, stop_bits=board.line.stop_bits)
    with raw_port(port, line, trace=trace, protocol="modbus-relay") as opened:
        found = _present(opened, max(units, old, new))
        _demand_alone(found, old)
        done = _changed(opened, board, old, new)
    row = {"port": port, "profile": board.name, "old": old, "new": new, "result": done}
    if as_json:
        put_json(row)
    elif done == "done":
        put_line(
            text(Pair("地址 {old} → {new}，已读回", "address {old} -> {new}, read back"), old=old, new=new)
        )
    if done == "refused":
        fail(Exit.FAILED, Pair("板拒绝了，地址仍是 {old}", "The board refuses; it is still {old}"), old=old)
    if done == "restored":
        fail(
            Exit.FAILED,
            Pair(
                "新地址没有回答，已改回 {old}", "Nobody answers at the new address; it was set back to {old}"
            ),
            old=old,
        )
    if done == "unknown":
        fail(
            Exit.UNREACHABLE,
            Pair(
                "板在 {old} 和 {new} 都不回答：断电再上电，然后 modbus scan",
                "The board answers neither at {old} nor at {new}: switch it off and on, then: modbus scan",
            ),
            old=old,
            new=new,
        )


def set_baud(
    new: Annotated[int, typer.Argument(metavar="NEW", min=1, help="The new speed.")],
    *,
    profile: Annotated[
        str, typer.Option("--profile", help="Family of a Modbus board, or the path of your own file.")
    ],
) -> None:
    """Change the speed of a Modbus board: no profile documents how, so this says what to do instead.

    \b
    Examples:
      postern-driver set-baud 19200 --profile waveshare-relay-8
      postern-driver set-baud 9600 --profile eletechsup-r421a08

    A speed register that is wrongly guessed makes a board deaf. Exit code 2.
    """
    board = _profile(profile)
    fail(
        Exit.USAGE,
        Pair(
            "{name}：没有厂家文件说明速率寄存器，不猜。请用厂家的工具改到 {new}，再用 modbus scan --baud {new} 确认",
            "{name}: no document that we have names its speed register, and a guess can make it deaf. Use the "
            "maker's tool to set {new}, then look: modbus scan --baud {new}",
        ),
        name=board.name,
        new=new,
    )


def _profile(name: str) -> Profile:
    try:
        return load_profile(name)
    except ProfileError as error:
        fail(Exit.USAGE, both("{error}"), error=error)


def _question(board: Profile, unit: int, new: int | None) -> Question:
    found = board.address_question(unit=unit, new=new)
    if found is None:
        fail(
            Exit.USAGE,
            Pair(
                "{name} 的地址用板上的拨码开关设定，或没有公开的命令",
                "{name} takes its address from its switches, or nobody documents how it is set",
            ),
            name=board.name,
        )
    return found


def _present(port: Port, up_to: int) -> list[int]:
    """The units that answer, of all that may be there; unit 0 is never asked."""
    found = []
    with progress(Pair("查找", "Looking"), up_to) as step:
        for unit in range(1, up_to + 1):
            if any(_answers(port, any_question(unit, function)) for function in READS[:1]):
                found.append(unit)
            step(str(unit))
    return found


def _answers(port: Port, frame: bytes) -> bool:
    port.write(frame)
    heard = collect(port, _SCAN_S, enough=lambda data: answer(data, frame) is not None)
    collect(port, _QUIET_S)
    return answer(heard, frame) is not None


def _demand_alone(found: list[int], old: int) -> None:
    if not found:
        fail(
            Exit.UNREACHABLE,
            Pair("没有板回答", "No board answers. Check supply, wires A and B, and the speed"),
        )
    if found != [old]:
        fail(
            Exit.UNSAFE,
            Pair(
                "线上有 {found}，应当只有 {old}：拆下其他板。没有写入",
                "Units {found} answer, and only {old} may: take the others off the wires. Nothing was written",
            ),
            found=", ".join(map(str, found)),
            old=old,
        )


def _changed(port: Port, board: Profile, old: int, new: int) -> str:
    """Write, read back, and restore when that fails: ``done``, ``refused``, ``restored`` or ``unknown``."""
    said = _exchange(port, _question(board, old, new))
    if isinstance(said, Refusing):
        return "refused"
    if _holds(port, board, new):
        return "done"
    for unit in (new, old):
        _exchange(port, _question(board, unit, old))
        if _holds(port, board, old):
            return "restored"
    return "unknown"


def _holds(port: Port, board: Profile, unit: int) -> bool:
    """Whether the board answers at this address, and says that this is its own."""
    said = _exchange(port, _question(board, unit, None))
    return isinstance(said, Data) and int.from_bytes(said.data, "big") == unit


def _exchange(port: Port, question: Question) -> Written | Data | Refusing | None:
    collect(port, _QUIET_S)
    frame, finder = Rtu().wrap(question.body()), AnswerFinder(Rtu())
    port.write(frame)
    found: list[Written | Data | Refusing] = []

    def complete(heard: bytes) -> bool:
        said = AnswerFinder(Rtu()).feed(heard, frame)
        found.extend([] if said is None else [said])
        return said is not None

    heard = collect(port, _WITHIN_S, enough=complete)
    return found[0] if found else finder.feed(heard, frame)
