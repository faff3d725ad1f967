"""``off``: open every relay of a board, or of the whole gate, and read back that they are open."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from drivers.model import AnyEvent, Fault, Outputs, ReadOutputs
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
)
from drivers.tool.moving import frames_of
from drivers.tool.opening import fresh_id, opened, say_event
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
from drivers.tool.through import ByOption, opened_by_daemon
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
    "open": Pair("全部断开，已读回", "all open, read back"),
    "told": Pair("已发送断开，板不应答", "told to open; this board says nothing"),
    "accepted": Pair("已断开，板已应答", "told to open, and the board says so"),
    "daemon": Pair("由守护进程断开", "opened by the running gate"),
    "closed": Pair("仍有继电器吸合！", "SOME ARE STILL CLOSED"),
    "fault": Pair("板没有照办", "the board did not obey"),
}


def off(
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Every board of the gate's file that has relays.")
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
    """Open every relay of a board. Lanes that are locked by current OPEN; the others close.

    \b
    Examples:
      postern-driver off --port /dev/ttyUSB0 --protocol lcus --dry-run
      postern-driver off --port /dev/ttyUSB0 --protocol lcus --confirm entry
      postern-driver off --all --config gate.toml --confirm entry

    Where the board can say so, it is read back. Exit code 1: a relay is still closed, or the board did not obey.
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
        if not driver_of(targets[0]).info.outputs:
            fail(
                Exit.USAGE,
                Pair("{protocol} 设备没有继电器", "{protocol} devices have no relays"),
                protocol=targets[0].protocol,
            )
    if dry_run:
        _print_frames(targets, as_json=as_json)
        return
    if everything:
        confirmed_gate(targets, confirm)
    else:
        confirmed_board(targets[0], confirm)
    rests = [_open_all(target, trace, by) for target in targets]
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
    found = [target for target in targets if driver_of(target).info.outputs]
    if not found:
        fail(
            Exit.USAGE,
            Pair("{file} 里没有继电器板", "{file} has no board with relays"),
            file=gate.path,
        )
    return found


def _open_all(target: Target, trace: Path | None, by: str | None) -> _Rest:
    taken = opened_by_daemon(target, by)
    if taken is not None:
        return _Rest(board=target.name, state="daemon" if taken else "fault")
    faults: list[str] = []

    def note(event: AnyEvent) -> None:
        if isinstance(event, Fault) and event.active:
            faults.append(event.why)
        else:
            say_event(event)

    with opened(target, trace=trace) as session:
        info = session.info
        if info.reads_outputs:
            read = session.answer(ReadOutputs(id=fresh_id()), within_s=_READ_WITHIN_S, meanwhile=note)
            if isinstance(read, Outputs):
                closed = tuple(n for n in range(1, info.outputs + 1) if read.bits >> (n - 1) & 1)
                return _Rest(board=target.name, state="closed" if closed else "open", closed=closed)
        until_s = time.monotonic() + _LINGER_S
        while (event := session.next(until_s)) is not None:
            note(event)
        healthy = session.bus.healthy
    if not healthy or faults:
        return _Rest(board=target.name, state="fault", why="; ".join(faults))
    return _Rest(board=target.name, state="accepted" if info.answers_within_s else "told")


def _report(rests: list[_Rest], *, as_json: bool) -> None:
    if as_json:
        put_json(
            [
                {"board": rest.board, "state": rest.state, "closed": list(rest.closed), "why": rest.why}
                for rest in rests
            ]
        )
    else:
        made = table(Pair("板", "board"), Pair("继电器", "relays"))
        for rest in rests:
            bad = rest.state in {"closed", "fault"}
            more = " ".join(map(str, rest.closed)) or rest.why
            words = text(_WORDS[rest.state])
            add_row(made, (rest.board, f"{words} {more}".strip()), style="red" if bad else None)
        show(made)
    if any(rest.state in {"closed", "fault"} for rest in rests):
        fail(
            Exit.FAILED,
            Pair(
                "有继电器可能没有断开：断开板的供电，检查是否粘连",
                "A relay may not have opened: take the board's supply off, and look for a welded contact",
            ),
        )


def _print_frames(targets: list[Target], *, as_json: bool) -> None:
    rows = [
        {"board": target.name, "hex": row["hex"]}
        for target in targets
        for row in frames_of(target, 1, driver_of(target).info.pulse_ms[0])
        if row["what"] == "rest"
    ]
    if as_json:
        put_json(rows)
        return
    for row in rows:
        put_line(text(both("{board}  {hex}"), **row))
