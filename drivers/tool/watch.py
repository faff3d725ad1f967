"""``watch``: what a device says as it comes: inputs with their roles, counters, codes, temperatures, alarms."""

import time
from collections.abc import Callable
from typing import Annotated, Any, Final

import typer

from drivers.devices.scanner_stream import text_of
from drivers.model import Alarm, AnyEvent, Counted, InputEdge, Outputs
from drivers.peripherals import Measure, Measured, ModemState, Scanned, SetUp
from drivers.tool.confirm import IsolatedOption
from drivers.tool.console import Exit, JsonOption, fail, put_json, put_line, say, text
from drivers.tool.looking import looking
from drivers.tool.opening import Session, fresh_id, opened, say_event
from drivers.tool.proof import demand_proof
from drivers.tool.target import (
    BoardOption,
    ConfigOption,
    KeyFileOption,
    MakeOption,
    PortOption,
    ProfileOption,
    ProtocolOption,
    Target,
    UnitOption,
    find_target,
)
from drivers.tool.through import watched_by_daemon
from drivers.tool.trace import TraceOption
from passes.words import Pair
from shell.clock import SystemClock
from shell.text import visible

_LEVELS: Final = {True: Pair("有效", "active"), False: Pair("无效", "inactive")}
_KINDS: Final = {  # of what the running gate tells
    "input_edge": "input",
    "counted": "counted",
    "alarm": "alarm",
    "outputs": "outputs",
    "scanned": "scan",
}
_CODE_MAX: Final = 60  # characters of a code that are shown: a whole pass would fill the screen


def watch(
    *,
    port: PortOption = None,
    protocol: ProtocolOption = None,
    profile: ProfileOption = None,
    make: MakeOption = None,
    unit: UnitOption = None,
    key_file: KeyFileOption = None,
    board: BoardOption = None,
    config: ConfigOption = None,
    count: Annotated[int | None, typer.Option(min=1, help="Stop after so many.")] = None,
    timeout: Annotated[float | None, typer.Option(min=0.0, help="Stop after so many seconds.")] = None,
    confirm: IsolatedOption = None,
    trace: TraceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a device says as it comes, until Ctrl-C: inputs, counters, codes, temperatures. It only reads.

    \b
    Examples:
      postern-driver watch --port /dev/ttyUSB1 --protocol modbus-inputs
      postern-driver watch --port /dev/ttyUSB1 --protocol modbus-inputs --count 2 --timeout 20 --json

    An input that is active at the start shows as its first edge; with a gate.toml inputs have the names of their
    roles. No relay is switched. Exit code 1: the time was over before --count came; 3: the port or the device could
    not be reached.
    """
    target = find_target(
        port=port,
        protocol=protocol,
        board=board,
        config=config,
        unit=unit,
        profile=profile,
        make=make,
        key_file=key_file,
    )
    lines = _Lines(target, as_json=as_json)
    _demand_something(target)
    try:
        watched = _watch_daemon(target, lines, count, timeout)
    except KeyboardInterrupt:
        _say_seen(lines.seen)
        return
    if watched:
        _demand_count(lines.seen, count, timeout)
        return
    demand_proof(target, looking(target), confirm, trace=trace)
    try:
        with opened(target, driver=looking(target), trace=trace) as session:
            _show(session, lines, count, timeout)
            healthy = session.bus.healthy
    except KeyboardInterrupt:  # it was to be watched until then
        _say_seen(lines.seen)
        return
    if not healthy:
        fail(
            Exit.UNREACHABLE,
            Pair("时间到时板子读不到", "The board could not be read when the time was over"),
        )
    _demand_count(lines.seen, count, timeout)


class _Lines:
    """Prints events, each on one line; ``seen`` is how many there were.

    Args:
        target: Whose.
        as_json: As JSON objects.
    """

    def __init__(self, target: Target, *, as_json: bool) -> None:
        self._target, self._as_json = target, as_json
        self._clock = SystemClock()
        self._began_s = self._clock.monotonic_s()
        self.seen = 0

    def put(self, event: AnyEvent) -> bool:
        """Print an event; False when it is none to print."""
        row = _row(event)
        if row is None:
            return False
        at_s = getattr(event, "at_s", None) or self._clock.monotonic_s()
        if isinstance(event, InputEdge) and self._target.gate is not None and self._target.board is not None:
            role = self._target.gate.role_at(self._target.board, event.channel)
            if role:
                row["role"] = role
        self._print(row, round((at_s - self._began_s) * 1000))
        return True

    def put_happening(self, happening: dict[str, Any]) -> bool:
        """Print what the running gate saw at this board; False when it is none to print."""
        kind = _KINDS.get(str(happening.get("event")))
        if kind is None or happening.get("board") != self._target.board:
            return False
        names = ("channel", "active", "side", "delta", "total", "what", "bits", "bytes", "prefix")
        row = {"kind": kind} | {name: happening[name] for name in names if name in happening}
        if kind == "input" and self._target.gate is not None:
            role = self._target.gate.role_at(str(self._target.board), int(row["channel"]))
            row |= {"role": role} if role else {}
        self._print(row, round((self._clock.monotonic_s() - self._began_s) * 1000))
        return True

    def _print(self, row: dict[str, Any], since_ms: int) -> None:
        self.seen += 1
        at = self._clock.now().isoformat(timespec="milliseconds")
        if self._as_json:
            put_json({"at": at, "ms": since_ms, **row})
            return
        put_line(f"{at[11:23]} {since_ms:>8} ms  {text(_words(row))}")


def _row(event: AnyEvent) -> dict[str, Any] | None:
    match event:
        case InputEdge():
            return {"kind": "input", "channel": event.channel, "active": event.active}
        case Outputs():
            return {"kind": "outputs", "bits": event.bits}
        case Counted():
            return {"kind": "counted", "side": event.side.value, "delta": event.delta, "total": event.total}
        case Alarm():
            return {"kind": "alarm", "what": event.what, "active": event.active}
        case Scanned():
            return {"kind": "scan", "text": text_of(event.data), "bytes": len(event.data)}
        case Measured():
            return {
                "kind": "temperature",
                "target_c": event.target_c,
                "body_c": event.body_c,
                "ambient_c": event.ambient_c,
            }
        case ModemState():
            return {
                "kind": "modem",
                "sim": event.sim,
                "registered": event.registered,
                "signal_dbm": event.signal_dbm,
            }
        case SetUp():
            return {"kind": "setting", "setting": event.setting, "value": event.value, "good": event.good}
    return None


def _words(row: dict[str, Any]) -> Pair:
    match row["kind"]:
        case "input":
            level, role = _LEVELS[bool(row["active"])], row.get("role", "")
            named = f" ({role})" if role else ""
            return Pair(
                f"输入 {row['channel']}{named} {level.zh}", f"input {row['channel']}{named} {level.en}"
            )
        case "outputs":
            closed = [str(n + 1) for n in range(32) if int(row["bits"]) >> n & 1]
            return Pair(
                f"吸合的继电器：{' '.join(closed) or '无'}", f"relays closed: {' '.join(closed) or 'none'}"
            )
        case "counted":
            return Pair(
                f"{row['side']} 侧通过 {row['delta']} 人，累计 {row['total']}",
                f"{row['delta']} passed {row['side']}, {row['total']} in all",
            )
        case "alarm":
            state = Pair("报警", "alarm") if row["active"] else Pair("报警解除", "alarm over")
            return Pair(f"{state.zh}：{row['what']}", f"{state.en}: {row['what']}")
        case "scan":
            if "prefix" in row:  # the gate tells no more of it
                begins = visible(str(row["prefix"])).replace("{", "(").replace("}", ")")
                return Pair(
                    f"码 {row['bytes']} 字节，以 {begins} 开头" if begins else f"码 {row['bytes']} 字节",
                    f"code, {row['bytes']} bytes, begins {begins}"
                    if begins
                    else f"code, {row['bytes']} bytes",
                )
            shown = "?" if row["text"] is None else str(row["text"]).replace("{", "(").replace("}", ")")
            shown = shown if len(shown) <= _CODE_MAX else shown[:_CODE_MAX] + "…"
            shown = visible(shown)
            return Pair(f"码 {row['bytes']} 字节：{shown}", f"code, {row['bytes']} bytes: {shown}")
        case "temperature":
            if row["target_c"] is None:
                return Pair("没有读数", "no reading")
            return Pair(f"目标 {row['target_c']:g} °C", f"target {row['target_c']:g} °C")
        case "modem":
            dbm = "?" if row["signal_dbm"] is None else f"{row['signal_dbm']} dBm"
            yes = row["registered"]
            return Pair(
                f"SIM {row['sim']}，{'已' if yes else '未'}注册，信号 {dbm}",
                f"SIM {row['sim']}, {'' if yes else 'not '}registered, signal {dbm}",
            )
    return Pair(f"{row['setting']}：{row['value']}", f"{row['setting']}: {row['value']}")


def _demand_something(target: Target) -> None:
    info = looking(target).info
    if info.inputs or info.reads_outputs or info.sides or info.streams:
        return
    fail(
        Exit.USAGE,
        Pair(
            "{protocol} 设备没有输入可看",
            "{protocol} devices have no inputs to watch. Use for example --protocol modbus-inputs",
        ),
        protocol=target.protocol,
    )


def _demand_count(seen: int, count: int | None, timeout: float | None) -> None:
    if count is None or seen >= count:
        return
    fail(
        Exit.FAILED,
        Pair("{s:g} 秒内只有 {seen}/{count} 次变化", "{seen} of {count} edges came within {s:g} s"),
        s=timeout or 0,
        seen=seen,
        count=count,
    )


def _say_seen(seen: int) -> None:
    say(Pair("结束，共看到 {n} 次", "Ended; {n} seen in all"), n=seen)


def _show(session: Session, lines: _Lines, count: int | None, timeout_s: float | None) -> None:
    """Print events until enough came or the time is over."""
    until_s = None if timeout_s is None else time.monotonic() + timeout_s
    ask = _asks_again(session)
    ask()
    while count is None or lines.seen < count:
        event = session.next(until_s)
        if event is None:
            break
        if not lines.put(event):
            say_event(event)
        if isinstance(event, Measured):
            ask()


def _asks_again(session: Session) -> Callable[[], None]:
    """A thermometer measures only when it is asked to."""
    if session.info.protocol != "thermometer":
        return lambda: None

    def ask() -> None:
        session.bus.submit(Measure(id=fresh_id()))

    return ask


def _watch_daemon(target: Target, lines: _Lines, count: int | None, timeout_s: float | None) -> bool:
    """Print what the running gate sees at this board; False when none runs."""
    answer = watched_by_daemon(target, None)
    if answer is None:
        return False
    until_s = None if timeout_s is None else time.monotonic() + timeout_s
    while answer is not None:
        since = int(answer.get("seq", 0))
        for happening in answer.get("events", []):
            lines.put_happening(happening)
        if (count is not None and lines.seen >= count) or (
            until_s is not None and time.monotonic() >= until_s
        ):
            break
        answer = watched_by_daemon(target, since)
    return True
