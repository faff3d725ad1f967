"""``set-address`` and ``set-baud``: another address or speed for the one Modbus board on a line.

Nothing is written before the other addresses were asked and one board alone answered: those up to ``--up-to``, and
every one that there is where the new address is written to unit 0, which is everybody. What is written is read back
where it must be now, and put back if it is not there. What no document tells is refused, with a word on where to look.
"""

from contextlib import AbstractContextManager
from typing import Annotated, Final, NoReturn

import typer

from drivers.devices.modbus_frames import Question, Rtu
from drivers.devices.modbus_profile import Profile, ProfileError, load_profile
from drivers.model import LineSettings
from drivers.port import Port
from drivers.tool.confirm import IsolatedOption, confirmed_isolated
from drivers.tool.console import DryRunOption, Exit, JsonOption, both, fail, put_json, put_line, say, text
from drivers.tool.lone_unit import demand_alone, present, seconds_for
from drivers.tool.modbus_asking import UNIT_MAX
from drivers.tool.modbus_scan import BAUDS
from drivers.tool.resetting import AtSpeed, Result, change_address, change_speed, may_have_changed, speed_said
from drivers.tool.trace import TraceOption
from drivers.tool.wire import hexed, raw_port, traced
from passes.words import Pair

UNITS_MAX: Final = 247
_EVERYBODY: Final = range(1, UNIT_MAX + 1)  # a board may have got any number, whatever the standard says
_DELIVERED: Final = (1, 255)  # where boards of other makers may be
_EVERYWHERE: Final = Pair(
    "这种板的新地址会写给线上所有板：先问全部 {n} 个地址，约 {seconds:.0f} 秒",
    "Every board on the line would take this address: all {n} addresses are asked first, in about {seconds:.0f} s",
)
_LOOKING: Final = Pair("查找", "Looking")
# Where the address or speed of a device is set when no command for it is published (drivers reference 1).
ELSEWHERE: Final = {
    "eletechsup-r421a08": Pair(
        "地址用板上的六位拨码开关设定；速率固定 9600",
        "Its address is set by the six switches on the board; no document tells of another speed than 9600",
    ),
    "turnstile-7e": Pair(
        "没有公开的命令：看控制器的菜单（显示屏或按键）和说明书",
        "No command for it is published: look in the controller's own menu (display or keys) and its manual",
    ),
    "turnstile-eb": Pair(
        "说明书没有给出命令：看控制器上的拨码开关，或问厂家",
        "Its manual gives no command for it: look for switches on the controller, or ask the maker",
    ),
}
_NOT_TOLD: Final = Pair(
    "没有公开的命令：看板上的拨码开关和跳线、说明书，或厂家的工具",
    "No command for it is published: look for switches and jumpers on the board, in its manual, or for its "
    "maker's tool",
)

PortOption = Annotated[str, typer.Option("--port", help="Serial device; prefer a /dev/serial/by-path link.")]
ProfileOption = Annotated[
    str, typer.Option("--profile", help="Family of a Modbus board, or the path of your own file.")
]
UnitOption = Annotated[
    int | None, typer.Option("--unit", min=1, max=255, help="Its address now; as delivered unless given.")
]
BaudOption = Annotated[int | None, typer.Option("--baud", help="Its speed now; as delivered unless given.")]
UpToOption = Annotated[
    int,
    typer.Option(
        "--up-to",
        min=1,
        max=UNITS_MAX,
        help="Look for others up to here; where all boards would obey, everywhere.",
    ),
]


def set_address(
    new: Annotated[int, typer.Argument(metavar="NEW", min=1, max=UNITS_MAX, help="The new address.")],
    *,
    port: PortOption,
    profile: ProfileOption,
    unit: UnitOption = None,
    baud: BaudOption = None,
    units: UpToOption = 32,
    confirm: IsolatedOption = None,
    dry_run: DryRunOption = False,
    trace: TraceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change the address of the one Modbus board on this line. Take all other boards off the wires first.

    \b
    Examples:
      postern-driver set-address 5 --port /dev/ttyUSB1 --profile generic-0100-4 --dry-run
      postern-driver set-address 5 --port /dev/ttyUSB1 --profile lctech-2ch --confirm isolated

    First other addresses are asked; exactly one board may answer. lctech-2ch and generic-0100-4 are told by a message
    that every board obeys: for these all 255 addresses are asked (half a minute). Then the new one is written, and
    read there; if that fails the old one is written back. Boards with switches, or whose register nobody documents,
    are refused (exit 2).
    """
    board = _profile(profile)
    old = unit or board.unit
    write = board.address_question(unit=old, new=new)
    if write is None:
        _not_told(board.name)
    if new == old:
        fail(Exit.USAGE, Pair("新旧地址相同", "That is its address already"))
    if dry_run:
        put_line(hexed(_frame(write)))
        return
    confirmed_isolated(
        confirm,
        Pair(
            "改地址要在这条线上发送写命令 {hex}；线上只能有这一块板。",
            "To change the address {hex} is written on this line; it may be the only board there.",
        ),
        hex=hexed(_frame(write)),
    )
    line = _line(board, baud or board.line.baud)
    with raw_port(port, line, trace=trace, protocol="modbus-relay") as opened:
        asked = _others(units, old, new)
        if write.unit == 0:
            asked |= {*_EVERYBODY}
            say(_EVERYWHERE, n=len(asked), seconds=seconds_for(asked))
        demand_alone(present(opened, asked, what=_LOOKING, own=old), old)
        with may_have_changed(
            Pair("地址可能已改：modbus scan", "The address may be changed already: modbus scan")
        ):
            done = change_address(opened, board, old=old, new=new)
    _report(done, {"port": port, "profile": board.name, "old": old, "new": new}, as_json=as_json)


def set_baud(
    new: Annotated[int, typer.Argument(metavar="NEW", min=1, help="The new speed.")],
    *,
    port: PortOption,
    profile: ProfileOption,
    unit: UnitOption = None,
    baud: BaudOption = None,
    units: UpToOption = 32,
    confirm: IsolatedOption = None,
    dry_run: DryRunOption = False,
    trace: TraceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change the speed of the one Modbus board on this line. Take all other boards off the wires first.

    \b
    Examples:
      postern-driver set-baud 19200 --port /dev/ttyUSB1 --profile waveshare-relay-8 --dry-run
      postern-driver set-baud 19200 --port /dev/ttyUSB1 --profile lctech-2ch --confirm isolated

    Addresses up to --up-to are asked at both speeds; exactly one board may answer, and its register must say the speed
    at which it does. Only that board is written to, and read at the new speed; if that fails the old one is written
    back. A board whose register nobody documents is refused (exit 2): a wrong guess makes it deaf.
    """
    board = _profile(profile)
    old, at = unit or board.unit, baud or board.line.baud
    write = _speed_write(board, old, at, new)
    if dry_run:
        put_line(hexed(_frame(write)))
        return
    confirmed_isolated(
        confirm,
        Pair(
            "改速率要在这条线上发送写命令 {hex}；线上只能有这一块板。",
            "To change the speed {hex} is written on this line; it may be the only board there.",
        ),
        hex=hexed(_frame(write)),
    )
    with traced(trace, port, _line(board, at), protocol="modbus-relay") as written:

        def open_at(speed: int) -> AbstractContextManager[Port]:
            return raw_port(port, _line(board, speed), trace=written)

        _demand_ready(open_at, board, old, at=at, new=new, up_to=units)
        with may_have_changed(
            Pair(
                "速率可能已改：modbus scan --baud {new}",
                "The speed may be changed already: modbus scan --baud {new}",
            ),
            new=new,
        ):
            done = change_speed(open_at, board, unit=old, old=at, new=new)
    row = {"port": port, "profile": board.name, "unit": old, "old": at, "new": new}
    _report(done, row, as_json=as_json)


def _speed_write(board: Profile, unit: int, at: int, new: int) -> Question:
    if board.speed is None:
        _not_told(board.name)
    known = sorted(set(board.speed.codes) & set(BAUDS))
    for speed in (new, at):
        if speed not in known:
            fail(
                Exit.USAGE,
                Pair("{name} 没有速率 {speed}；有：{known}", "{name} has no speed {speed}. It has: {known}"),
                name=board.name,
                speed=speed,
                known=", ".join(map(str, known)),
            )
    if new == at:
        fail(Exit.USAGE, Pair("新旧速率相同", "That is its speed already"))
    found = board.speed_question(unit=unit, baud=new)
    assert found is not None, "the speed is one of its codes"
    return found


def _demand_ready(open_at: AtSpeed, board: Profile, unit: int, *, at: int, new: int, up_to: int) -> None:
    """End with a word why unless this board is alone at both speeds, and its register says what it should."""
    with open_at(new) as port:
        there = present(port, _others(up_to, unit), what=_LOOKING)
    if there.units or there.crowded:
        fail(
            Exit.UNSAFE,
            Pair(
                "{new} 速率下已有 {found} 回答：拆下其他板；若就是这块板，用 --baud {new}。没有写入",
                "At {new} baud unit {found} answers already: take the others off the wires, or say --baud {new} if "
                "that is the board. Nothing was written",
            ),
            new=new,
            found=", ".join(map(str, there.units or there.crowded)),
        )
    with open_at(at) as port:
        demand_alone(present(port, _others(up_to, unit), what=_LOOKING, own=unit), unit)
        code, said = speed_said(port, board, unit=unit)
    if said != at:
        fail(
            Exit.UNSAFE,
            Pair(
                "板在 {at} 速率下回答，速率寄存器却是 {says}：型号不符，或带校验位。没有写入",
                "The board answers at {at} baud and its speed register says {says}: not this profile, or a parity. "
                "Nothing was written",
            ),
            at=at,
            says="-" if code is None else f"{code:04X}",
        )


def _report(done: Result, row: dict[str, object], *, as_json: bool) -> None:
    if as_json:
        put_json(row | {"result": done})
    elif done == "done":
        put_line(text(Pair("{old} → {new}，已读回", "{old} -> {new}, read back"), **row))
        if "unit" in row:
            put_line(
                text(
                    Pair(
                        "在 gate.toml 里这块板下写上 baud = {new}",
                        "Now write baud = {new} into the board's entry of gate.toml",
                    ),
                    **row,
                )
            )
    match done:
        case "refused":
            fail(
                Exit.FAILED,
                Pair("板不接受，仍是 {old}", "The board does not take it; it is still {old}"),
                **row,
            )
        case "restored":
            fail(
                Exit.FAILED,
                Pair("在 {new} 没有回答，已改回 {old}", "Nobody answers at {new}; it was set back to {old}"),
                **row,
            )
        case "power_cycle":
            fail(
                Exit.FAILED,
                Pair(
                    "板已收下 {new}，断电再上电后才生效。然后确认：modbus scan --baud {new}",
                    "The board took {new}, and wants to be switched off and on. Then look: modbus scan --baud {new}",
                ),
                **row,
            )
        case "unknown":
            fail(
                Exit.UNREACHABLE,
                Pair(
                    "板在 {old} 和 {new} 都不回答：断电再上电，然后 modbus scan",
                    "The board answers neither at {old} nor at {new}: switch it off and on, then: modbus scan",
                ),
                **row,
            )


def _profile(name: str) -> Profile:
    if name in ELSEWHERE and name.startswith("turnstile"):
        _not_told(name)
    try:
        return load_profile(name)
    except ProfileError as error:
        fail(Exit.USAGE, both("{error}"), error=error)


def _not_told(name: str) -> NoReturn:
    where = ELSEWHERE.get(name, _NOT_TOLD)
    fail(Exit.USAGE, Pair("{name}：" + where.zh, "{name}: " + where.en), name=name)


def _others(up_to: int, *units: int) -> set[int]:
    return {*range(1, up_to + 1), *_DELIVERED, *units}


def _frame(question: Question) -> bytes:
    return Rtu().wrap(question.body())


def _line(board: Profile, baud: int) -> LineSettings:
    if baud not in BAUDS:
        fail(
            Exit.USAGE,
            Pair("--baud {baud} 不可用；可用：{known}", "--baud {baud} is no speed. Use one of: {known}"),
            baud=baud,
            known=", ".join(map(str, BAUDS)),
        )
    return LineSettings(baud=baud, parity=board.line.parity, stop_bits=board.line.stop_bits)
