"""``hold``: keep a lane open for some minutes, with a banner that nobody misses; it ends by itself."""

import time
from threading import Event
from typing import Annotated, Final

import typer

from drivers.model import AnyEvent, Done, Hold, Line, Outputs, Refused, Release, TimedOut
from drivers.tool.confirm import ConfirmOption, confirmed_lane
from drivers.tool.console import DryRunOption, Exit, JsonOption, both, fail, put_line, say, text, warn
from drivers.tool.gate_file import LaneEntry
from drivers.tool.hold_report import End, Ended, announce, report
from drivers.tool.hold_through import held_by_daemon
from drivers.tool.interrupt import stops, unsuspended
from drivers.tool.moving import check_output, demand_own, frames_of
from drivers.tool.opening import Session, fresh_id, opened, say_event
from drivers.tool.outcomes import REFUSALS
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
from drivers.tool.through import ByOption, demand_no_trace
from drivers.tool.trace import TraceOption
from drivers.tool.wire import traced
from passes.words import Pair

MINUTES_MAX: Final = 15.0  # as the running gate has it; nobody stays at a gate for longer
_ENDS_WITHIN_S: Final = 3.0
_LOOK_EVERY_S: Final = 0.1
_NOT_HELD: Final = {
    "turnstile-eb": Pair(
        "EB 控制器的常开同时放开两侧，另一个方向也无人把守，且读不回来",
        "an EB controller frees both sides at once, so that the other way would be open to anybody, and cannot say so",
    ),
}
_NOT_HELD_7E: Final = Pair(
    "结束常开会同时关闭两侧，收回刚放行的人的许可；控制器不报告模式，程序中断后会一直放开",
    "its end closes both sides at once, and takes back the permit of whoever is just let through; the controller does "
    "not tell its mode, and stays free when this program dies",
)


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
    if info.sides:
        fail(
            Exit.UNSAFE,
            Pair(
                "转闸控制器的一侧不能用此命令保持常开，没有动作：{why}。请逐人放行（pulse），或用控制器自身的常开功能",
                "A side of a turnstile controller is not held by this command; nothing moved: {why}. Let people "
                "through one by one (pulse), or use the controller's own free mode",
            ),
            why=_why_not_held(target.protocol),
        )
    lane = _wired(target, output)
    if dry_run:
        for row in frames_of(target, output, info.pulse_ms[0]):
            if row["what"] == "rest":
                put_line(row["hex"])
        say(Pair("然后吸合，{m:g} 分钟后断开", "then close, and open after {m:g} min"), m=minutes)
        return
    demand_no_trace(target, trace)
    confirmed_lane(target, output, confirm)
    stop = stops()  # whatever ends this command releases the lane first
    with unsuspended():
        ended = held_by_daemon(target, lane.name, output, minutes=minutes, by=by, stop=stop)
        if ended is None:
            with traced(trace, target.port, info.line, protocol=target.protocol) as written:
                demand_own(target, lane.name, trace=written)
                with opened(target, trace=written) as session:
                    ended = _hold(session, lane, output, minutes, stop)
    report(lane.name, minutes, ended, as_json=as_json)


def _why_not_held(protocol: str) -> str:
    return text(_NOT_HELD.get(protocol, _NOT_HELD_7E))


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


def _hold(session: Session, lane: LaneEntry, output: int, minutes: float, stop: Event) -> Ended:
    """Hold, show it, and end it."""
    began_s, id_ = time.monotonic(), fresh_id()
    seconds = minutes * 60
    if stop.is_set():
        return Ended(End.RELEASED, 0.0)
    session.bus.submit(Hold(channel=output, seconds=seconds, id=id_, issued_s=began_s))
    announce(lane.name, minutes)
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
        if ended is End.UNKNOWN and _cable_is_out(session):
            ended = End.CABLE
        if ended is not None:
            return Ended(ended, round(time.monotonic() - began_s, 1))
    end = Release(channel=output, id=fresh_id())
    done = session.answer(end, within_s=_ENDS_WITHIN_S, meanwhile=lambda _event: None)
    held_s = round(time.monotonic() - began_s, 1)
    if isinstance(done, Done):
        return Ended(End.RELEASED if stop.is_set() else End.TIME, held_s)
    return Ended(End.UNKNOWN, held_s)


def _ended(event: AnyEvent | None, id_: str) -> End | None:
    """How an event ends the hold; None when it goes on."""
    match event:
        case Done(id=found) if found == id_:
            return End.TIME
        case TimedOut(id=found) if found == id_:
            return End.UNKNOWN
        case Refused(id=found, why=why) if found == id_:
            fail(
                Exit.FAILED,
                Pair(
                    f"被拒绝（{REFUSALS[why].zh}），没有动作", f"Refused ({REFUSALS[why].en}); nothing moved"
                ),
            )
        case Line(up=False, why=why):
            warn(both("{why}"), why=why)
            return End.CABLE
        case None | Outputs() | Line():
            return None
        case _:
            say_event(event)
    return None


def _cable_is_out(session: Session) -> bool:
    """Whether the line is what went away: the command is reported as lost first, and the line at once after it."""
    until_s = time.monotonic() + _LOOK_EVERY_S
    while (event := session.next(until_s)) is not None:
        say_event(event)
        if isinstance(event, Line) and not event.up:
            return True
    return False
