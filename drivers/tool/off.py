"""``off``: every relay of a board, or of the whole gate, goes off and is read back; controllers go back to normal.

A turnstile controller has no relay of ours. It may have been left free or blocked, by whomever: "normal" ends that on
both sides, for it knows no other way. No controller that we know of tells its mode, so that it is not read back.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, NoReturn

import typer

from drivers.devices.turnstile_7e import Turnstile7eCodec
from drivers.devices.turnstile_controller import ControllerCodec
from drivers.devices.turnstile_eb import TurnstileEbCodec
from drivers.model import AnyEvent, Done, Fault, Grade, Mode, Outputs, ReadOutputs, Refused, SetMode
from drivers.tool.confirm import ConfirmOption, confirmed_board, confirmed_gate
from drivers.tool.console import (
    DryRunOption,
    Exit,
    JsonOption,
    add_row,
    both,
    fail,
    put_json,
    put_line,
    show,
    table,
    text,
    warn,
)
from drivers.tool.gate_refusals import why_words
from drivers.tool.moving import frames_of
from drivers.tool.opening import Session, fresh_id, opened, say_event
from drivers.tool.outcomes import INTERRUPTED
from drivers.tool.target import (
    DEFAULT_CONFIG,
    BoardOption,
    ConfigOption,
    KeyFileOption,
    MakeOption,
    PortOption,
    ProfileOption,
    ProtocolOption,
    Target,
    UnitOption,
    driver_of,
    find_target,
    read_gate,
)
from drivers.tool.through import ByOption, demand_no_trace, opened_by_daemon
from drivers.tool.trace import TraceOption
from passes.words import Pair

_READ_WITHIN_S: Final = 3.0
_LINGER_S: Final = 0.3  # bytes that no answer follows must have left the adapter before its port is closed


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rest:
    """How a board ended; ``state`` is a key of ``_WORDS``."""

    board: str
    state: str
    closed: tuple[int, ...] = ()
    why: str = ""


_WORDS: Final = {
    "open": Pair("全部断开，已读回", "all relays off, read back"),
    "told": Pair("已发送，板不应答", "told to go off; this board says nothing"),
    "accepted": Pair("已断开，板已应答", "told to go off, and the board says so"),
    "daemon": Pair("运行中的门已命令断开，未读回", "told to go off by the running gate; not read back"),
    "normal": Pair("两侧正常", "normal on both sides, and the controller says so"),
    "normal_told": Pair(
        "已命令两侧正常，模式读不回", "told to be normal on both sides; it does not tell its mode"
    ),
    "normal_daemon": Pair("运行中的门已命令两侧正常", "told by the running gate to be normal on both sides"),
    "closed": Pair("仍有继电器吸合！", "SOME ARE STILL CLOSED"),
    "fault": Pair("没有照办", "did not obey"),
    "unknown": Pair("不知道，命令被中断", "not known: interrupted"),
}
_BAD: Final = {"closed", "fault"}


def off(
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Every board of the gate's file that has relays or sides.")
    ] = False,
    port: PortOption = None,
    protocol: ProtocolOption = None,
    profile: ProfileOption = None,
    make: MakeOption = None,
    unit: UnitOption = None,
    key_file: KeyFileOption = None,
    board: BoardOption = None,
    config: ConfigOption = None,
    confirm: ConfirmOption = None,
    by: ByOption = None,
    dry_run: DryRunOption = False,
    trace: TraceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Switch every relay of a board off. Lanes that are locked by current OPEN; the others close.

    \b
    Examples:
      postern-driver off --port /dev/ttyUSB0 --protocol lcus --dry-run
      postern-driver off --port /dev/ttyUSB0 --protocol lcus --confirm entry
      postern-driver off --all --config gate.toml --confirm entry

    Where the board can say so, it is read back. A turnstile controller is set to normal on both sides: it CLOSES, and
    takes back what is free or blocked, so look first. Exit code 1: a relay is still closed, or a device did not obey.
    """
    if everything:
        targets = _all_of(board, port, protocol, config)
    else:
        targets = [
            find_target(
                port=port,
                protocol=protocol,
                board=board,
                config=config,
                unit=unit,
                profile=profile,
                make=make,
                key_file=key_file,
            )
        ]
        if not _moves(targets[0]):
            fail(
                Exit.USAGE,
                Pair("{protocol} 设备没有继电器", "{protocol} devices have no relays"),
                protocol=targets[0].protocol,
            )
    if dry_run:
        _print_frames(targets, as_json=as_json)
        return
    for target in targets:
        demand_no_trace(target, trace)
    if any(driver_of(target).info.sides for target in targets):
        warn(
            Pair(
                "控制器将回到两侧正常：摆门会关闭，三辊会升起。先看通道里有没有人",
                "A controller goes back to normal on both sides: its wings close, its arm rises. Look for people first",
            )
        )
    if everything:
        confirmed_gate(targets, confirm)
    else:
        confirmed_board(targets[0], confirm)
    rests: list[_Rest] = []
    try:
        for target in targets:
            rests.append(_open_all(target, trace, by))  # one by one: what was done before Ctrl-C counts
    except KeyboardInterrupt:
        _report_interrupted(rests, targets, as_json=as_json)
    _report(rests, as_json=as_json)


def _all_of(board: str | None, port: str | None, protocol: str | None, config: Path | None) -> list[Target]:
    if board is not None or port is not None or protocol is not None:
        fail(
            Exit.USAGE,
            Pair("--all 指配置里的全部板，不再写板或端口", "--all is every board of --config: name no other"),
        )
    gate = read_gate(config or DEFAULT_CONFIG)
    targets = [
        find_target(port=None, protocol=None, board=entry.name, config=gate.path) for entry in gate.boards
    ]
    found = [target for target in targets if _moves(target)]
    if not found:
        fail(
            Exit.USAGE,
            Pair("{file} 里没有继电器板", "{file} has no board with relays"),
            file=gate.path,
        )
    return found


def _moves(target: Target) -> bool:
    info = driver_of(target).info
    return bool(info.outputs or info.sides)


def _open_all(target: Target, trace: Path | None, by: str | None) -> _Rest:
    sides = bool(driver_of(target).info.sides)
    taken = opened_by_daemon(target, by)
    if taken is not None:
        done, why = taken
        state = "normal_daemon" if sides else "daemon"
        return _Rest(board=target.name, state=state if done else "fault", why="" if done else why)
    with opened(target, trace=trace) as session:
        return _normal(target, session) if sides else _let_go(target, session)


def _normal(target: Target, session: Session) -> _Rest:
    """Both sides of a controller, for it knows no normal of one side."""
    done = session.answer(SetMode(mode=Mode.NORMAL, id=fresh_id()), within_s=_READ_WITHIN_S)
    match done:
        case Done(grade=Grade.SENT):
            return _Rest(board=target.name, state="normal_told")
        case Done():
            return _Rest(board=target.name, state="normal")
        case Refused(why=why):
            return _Rest(board=target.name, state="fault", why=why.value)
        case _:
            return _Rest(board=target.name, state="fault", why="timed_out")


def _let_go(target: Target, session: Session) -> _Rest:
    """The relays of a board: opening its port has told them."""
    info, faults = session.info, list[str]()

    def note(event: AnyEvent) -> None:
        if isinstance(event, Fault) and event.active:
            faults.append(event.why)
        else:
            say_event(event)

    if info.reads_outputs:
        read = session.answer(ReadOutputs(id=fresh_id()), within_s=_READ_WITHIN_S, meanwhile=note)
        if isinstance(read, Outputs):
            closed = tuple(n for n in range(1, info.outputs + 1) if read.bits >> (n - 1) & 1)
            return _Rest(board=target.name, state="closed" if closed else "open", closed=closed)
    until_s = time.monotonic() + _LINGER_S
    while (event := session.next(until_s)) is not None:
        note(event)
    if not session.bus.healthy or faults:
        return _Rest(board=target.name, state="fault", why="; ".join(faults))
    return _Rest(board=target.name, state="accepted" if info.answers_within_s else "told")


def _report(rests: list[_Rest], *, as_json: bool) -> None:
    _put(rests, as_json=as_json)
    if any(rest.state in _BAD for rest in rests):
        fail(
            Exit.FAILED,
            Pair(
                "有继电器可能没有断开：断开板的供电，检查是否粘连",
                "A relay may not have opened: take the board's supply off, and look for a welded contact",
            ),
        )


def _report_interrupted(rests: list[_Rest], targets: list[Target], *, as_json: bool) -> NoReturn:
    """Say which boards were reached before somebody ended this."""
    left = targets[len(rests) :]
    _put([*rests, *(_Rest(board=target.name, state="unknown") for target in left)], as_json=as_json)
    warn(
        Pair(
            "已中断：{boards} 可能已执行，也可能没有。重新执行 off 没有害处",
            "Interrupted: {boards} may have been told, or not. Giving off again does no harm",
        ),
        boards=", ".join(target.name for target in left),
    )
    raise typer.Exit(INTERRUPTED)


def _put(rests: list[_Rest], *, as_json: bool) -> None:
    if as_json:
        put_json(
            [
                {"board": rest.board, "state": rest.state, "closed": list(rest.closed), "why": rest.why}
                for rest in rests
            ]
        )
        return
    made = table(Pair("板", "board"), Pair("输出", "outputs"))
    for rest in rests:
        why = text(why_words(rest.why)) if rest.why else ""
        more = " ".join(map(str, rest.closed)) or why
        add_row(
            made,
            (rest.board, f"{text(_WORDS[rest.state])} {more}".strip()),
            style="red" if rest.state in _BAD else None,
        )
    show(made)


def _print_frames(targets: list[Target], *, as_json: bool) -> None:
    rows = [
        {"board": target.name, "hex": shown}
        for target in targets
        for shown in (_normal_frames(target) if driver_of(target).info.sides else _rest_frames(target))
    ]
    if as_json:
        put_json(rows)
        return
    for row in rows:
        put_line(text(both("{board}  {hex}"), **row))


def _rest_frames(target: Target) -> list[str]:
    shortest_ms = driver_of(target).info.pulse_ms[0]
    return [row["hex"] for row in frames_of(target, 1, shortest_ms) if row["what"] == "rest"]


def _normal_frames(target: Target) -> list[str]:
    """What sets a controller to normal, in order; each frame waits for the answer to the one before."""
    unit, check = target.unit or 1, target.options.get("check", "rule")
    codec: ControllerCodec = (
        TurnstileEbCodec(unit=unit, check=check)
        if target.protocol == "turnstile-eb"
        else Turnstile7eCodec(unit=unit)
    )
    return [frame.hex(" ").upper() for frame in codec.mode(Mode.NORMAL, None)]
