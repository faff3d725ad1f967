"""``hold``: keep a lane open for some minutes, with a banner that nobody misses; it ends by itself."""

import time
from datetime import timedelta
from typing import Annotated, Any, Final

import typer

from drivers.model import AnyEvent, Done, Hold, Line, Outputs, Refused, Release, TimedOut
from drivers.tool.confirm import ConfirmOption, confirmed_lane
from drivers.tool.console import (
    DryRunOption,
    Exit,
    JsonOption,
    banner,
    both,
    fail,
    put_json,
    put_line,
    say,
    text,
    warn,
)
from drivers.tool.gate_file import LaneEntry
from drivers.tool.moving import check_output, frames_of
from drivers.tool.opening import Session, fresh_id, opened, say_event
from drivers.tool.outcomes import REFUSALS, UNKNOWN
from drivers.tool.pulse import ChannelOption, OutputArgument, output_of
from drivers.tool.target import (
    BoardOption,
    ConfigOption,
    PortOption,
    ProtocolOption,
    Target,
    driver_of,
    find_target,
)
from drivers.tool.through import ByOption, kept_open_by_daemon, released_by_daemon
from drivers.tool.trace import TraceOption
from passes.words import Pair
from shell.clock import SystemClock
from shell.supervision import stop_event

MINUTES_MAX: Final = 15.0  # as the running gate has it; nobody stays at a gate for longer
_ENDS_WITHIN_S: Final = 3.0
_LOOK_EVERY_S: Final = 0.1
_TAKEN_WITHIN_S: Final = 2.0


def hold(
    number: OutputArgument = None,
    *,
    channel: ChannelOption = None,
    board: BoardOption = None,
    config: ConfigOption = None,
    port: PortOption = None,
    protocol: ProtocolOption = None,
    minutes: Annotated[
        float, typer.Option(min=0.01, max=MINUTES_MAX, help="It ends by itself after so many minutes.")
    ] = 5.0,
    confirm: ConfirmOption = None,
    by: ByOption = None,
    dry_run: DryRunOption = False,
    trace: TraceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Keep a lane OPEN for some minutes; Ctrl-C ends it at once.

    \b
    Examples:
      postern-driver hold 1 --board relays --config gate.toml --dry-run
      postern-driver hold 1 --board relays --config gate.toml --minutes 10 --confirm entry

    Refused (exit 4) unless the gate's file has the lane's wiring facts: release, on_power_loss, and who tested them on
    which day (tested_by, tested_on). Some turnstiles shut without their safety when a long contact ends.
    """
    target = find_target(port=port, protocol=protocol, board=board, config=config)
    output = output_of(number, channel)
    info = driver_of(target).info
    check_output(info, output)
    if info.sides:  # its ways back differ, and some set both sides at once: a lane must not stay free
        fail(
            Exit.UNSAFE,
            Pair(
                "转闸控制器的一侧不能用此命令保持常开，没有动作。请用控制器自身的常开功能",
                "A side of a turnstile controller is not held by this command; nothing moved. Use the controller's own"
                " free mode",
            ),
        )
    lane = _wired(target, output)
    if dry_run:
        for row in frames_of(target, output, info.pulse_ms[0]):
            if row["what"] == "rest":
                put_line(row["hex"])
        say(Pair("然后吸合，{m:g} 分钟后断开", "then close, and open after {m:g} min"), m=minutes)
        return
    confirmed_lane(target, output, confirm)
    by_daemon = kept_open_by_daemon(target, lane.name, max(1, round(minutes * 60)), by)
    if by_daemon is not None:
        ended = _wait_for_daemon(target, lane, minutes, by_daemon, by)
    else:
        with opened(target, trace=trace) as session:
            ended = _hold(session, lane, output, minutes)
    row = {"lane": lane.name, "minutes": minutes, "held_s": ended[1], "ended": ended[0]}
    if as_json:
        put_json(row)
    elif ended[0] in {"released", "time"}:
        words = Pair("{lane}：已断开，共 {s:g} 秒", "{lane}: released after {s:g} s")
        put_line(text(words, lane=lane.name, s=ended[1]))
    if ended[0] == "unknown":
        warn(UNKNOWN)
        raise typer.Exit(Exit.UNREACHABLE)
    if ended[0] == "fault":
        raise typer.Exit(Exit.FAILED)


def _wired(target: Target, output: int) -> LaneEntry:
    """The lane, whose wiring somebody has signed for; ends with exit code 4 otherwise."""
    lane = target.lane(output)
    if lane is None or not lane.is_tested:
        names = ("release", "on_power_loss", "tested_by", "tested_on")
        missing = names if lane is None else [name for name in names if not getattr(lane, name)]
        fail(
            Exit.UNSAFE,
            Pair(
                "不能保持常开：配置里没有此通道的接线事实（{missing}）。先试断电，再写入：postern-driver init",
                "Not held: the gate's file does not say how this lane is wired and tested ({missing}). Pull the plug "
                "and see, then write it down: postern-driver init",
            ),
            missing=", ".join(missing),
        )
    if lane.release != "pulse_to_open":
        fail(
            Exit.UNSAFE,
            Pair(
                "通道 {lane} 靠通电锁住：吸合是锁，不是开。要开用 off",
                "Lane {lane} is locked by current: a closed relay locks it. To open it: off",
            ),
            lane=lane.name,
        )
    return lane


def _hold(session: Session, lane: LaneEntry, output: int, minutes: float) -> tuple[str, float]:
    """Hold, show it, and end it; how it ended, and after how many seconds."""
    stop, began_s, id_ = stop_event(), time.monotonic(), fresh_id()
    seconds = minutes * 60
    session.bus.submit(Hold(channel=output, seconds=seconds, id=id_, issued_s=began_s))
    _announce(lane, minutes)
    if session.info.host_timed:
        warn(
            Pair(
                "此板由主机计时：程序若被强行结束，继电器会保持吸合",
                "This board is timed from here: if this program is killed, the relay stays closed",
            )
        )
    until_s = began_s + seconds
    while not stop.is_set() and time.monotonic() < until_s + _ENDS_WITHIN_S:
        event = session.next(min(until_s + _ENDS_WITHIN_S, time.monotonic() + _LOOK_EVERY_S))
        ended = _ended(event, id_)
        if ended is not None:
            return ended, round(time.monotonic() - began_s, 1)
    end = Release(channel=output, id=fresh_id())
    done = session.answer(end, within_s=_ENDS_WITHIN_S, meanwhile=lambda _event: None)
    held_s = round(time.monotonic() - began_s, 1)
    if isinstance(done, Done):
        return ("released" if stop.is_set() else "time"), held_s
    return "unknown", held_s


def _ended(event: AnyEvent | None, id_: str) -> str | None:
    """How an event ends the hold; None when it goes on."""
    match event:
        case Done(id=found) if found == id_:
            return "time"
        case TimedOut(id=found) if found == id_:
            return "unknown"
        case Refused(id=found, why=why) if found == id_:
            fail(
                Exit.FAILED,
                Pair(
                    f"被拒绝（{REFUSALS[why].zh}），没有动作", f"Refused ({REFUSALS[why].en}); nothing moved"
                ),
            )
        case Line(up=False, why=why):
            warn(both("{why}"), why=why)
            return "unknown"
        case None | Outputs() | Line():
            return None
        case _:
            say_event(event)
    return None


def _wait_for_daemon(
    target: Target, lane: LaneEntry, minutes: float, outcome: dict[str, Any], by: str | None
) -> tuple[str, float]:
    """The running gate holds; wait until its time is over, or until somebody ends it here."""
    if outcome["result"] == "refused":
        fail(
            Exit.FAILED,
            Pair("被拒绝（{why}），没有动作", "Refused ({why}); nothing moved"),
            why=outcome.get("why", "?"),
        )
    if outcome["result"] not in {"held", "done"}:
        return "unknown", 0.0
    stop, began_s = stop_event(), time.monotonic()
    _announce(lane, minutes)
    stop.wait(minutes * 60)
    held_s = round(time.monotonic() - began_s, 1)
    if not stop.is_set():
        return "time", held_s
    ended = released_by_daemon(target, lane.name, by)
    return ("released" if ended is not None and ended["result"] == "done" else "unknown"), held_s


def _announce(lane: LaneEntry, minutes: float) -> None:
    until = SystemClock().now().astimezone() + timedelta(minutes=minutes)
    values: dict[str, Any] = {"lane": lane.name, "until": f"{until:%H:%M:%S}"}
    banner(
        Pair(
            "通道 {lane} 常开，至 {until} 自动断开。按 Ctrl-C 立即断开",
            "LANE {lane} IS HELD OPEN until {until}. Ctrl-C releases it",
        ),
        **values,
    )
