"""``soak``: the same lane many times: pulses that were missed, how long they took, cables that came out meanwhile."""

import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from typing import Annotated, Any, Final, NoReturn

import typer

from drivers.model import AnyEvent, Done, Line
from drivers.tool.confirm import ConfirmOption, confirmed_lane
from drivers.tool.console import Exit, JsonOption, banner, fail, progress, put_json, put_line, text, warn
from drivers.tool.expecting import Watcher, check_input, expected_input
from drivers.tool.moving import Moved, Mover, Stopwatch, check_output, default_ms, demand_own
from drivers.tool.opening import Session, opened, say_event
from drivers.tool.outcomes import NEVER_HEARD, warn_of_closed
from drivers.tool.pulse import ChannelOption, OutputArgument, output_of
from drivers.tool.selftest_steps import percentile
from drivers.tool.target import (
    BoardOption,
    ConfigOption,
    KeyFileOption,
    PortOption,
    ProfileOption,
    ProtocolOption,
    UnitOption,
    driver_of,
    find_target,
)
from drivers.tool.trace import TraceOption
from drivers.tool.wire import traced
from passes.words import Pair

BACK_WITHIN_S: Final = 30.0
_DONE: Final = "done"
_UNSEEN: Final = "unseen"  # done, and the input that must answer did not
_SEEN_WITHIN_S: Final = 1.0  # after an opening, for the input that must answer


def soak(
    number: OutputArgument = None,
    *,
    channel: ChannelOption = None,
    n: Annotated[int, typer.Option("--n", min=1, max=100_000, help="How many openings.")] = 200,
    every: Annotated[float, typer.Option("--every", min=0.0, max=3600, help="Seconds between two.")] = 0.5,
    port: PortOption = None,
    protocol: ProtocolOption = None,
    profile: ProfileOption = None,
    unit: UnitOption = None,
    key_file: KeyFileOption = None,
    board: BoardOption = None,
    config: ConfigOption = None,
    ms: Annotated[int | None, typer.Option(help="Length in milliseconds.")] = None,
    expect: Annotated[
        str | None, typer.Option("--expect", metavar="INPUT", help="Input of this board that must answer.")
    ] = None,
    confirm: ConfirmOption = None,
    trace: TraceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Open one lane many times and count what was missed. Nobody may be in the lane.

    \b
    Examples:
      postern-driver soak 1 --n 2 --every 0 --port /dev/ttyUSB0 --protocol lcus --confirm entry
      postern-driver soak 1 --n 2 --every 0 --port /dev/ttyUSB0 --protocol lcus --confirm entry --json

    A cable that is pulled and put back within 30 s is counted and survived; a pulse that may have been executed is
    missed, and never given again. A relay that stays closed ends it at once. Exit code 1: some were missed; 130: Ctrl-C
    ended it, with the figures so far.
    """
    target = find_target(
        port=port,
        protocol=protocol,
        board=board,
        config=config,
        unit=unit,
        profile=profile,
        key_file=key_file,
    )
    info = driver_of(target).info
    output, length_ms = output_of(number, channel), default_ms(info, ms)
    check_output(info, output, length_ms)
    expected = expected_input(expect, target, output)
    if expected is not None:
        check_input(info.inputs if expected.other is None else 0, expected)
    lane = confirmed_lane(target, output, confirm)
    tally, stopwatch = _Tally(), Stopwatch()
    watcher = None if expected is None else Watcher(expected)
    try:
        with ExitStack() as stack:
            written = stack.enter_context(traced(trace, target.port, info.line, protocol=target.protocol))
            demand_own(target, lane, trace=written)
            session = stack.enter_context(opened(target, trace=written, notes=stopwatch))
            step = stack.enter_context(progress(Pair("耐久", "Soak"), n))
            banner(Pair("通道 {lane} 将打开 {n} 次", "LANE {lane} WILL OPEN {n} TIMES"), lane=lane, n=n)
            try:
                _openings(
                    Mover(session, target, stopwatch), (output, length_ms, n, every), tally, watcher, step
                )
            finally:
                tally.stuck(session.stays_closed)
    except KeyboardInterrupt:  # the relays are open again: leaving the session opens them
        tally.interrupted = True
    _report(lane, tally, as_json=as_json)


def _openings(
    mover: Mover,
    plan: tuple[int, int, int, float],
    tally: "_Tally",
    watcher: Watcher | None,
    step: Callable[[str], None],
) -> None:
    """Open again and again, until it was often enough, a relay stays closed or the cable stays out."""
    output, length_ms, n, every = plan
    for _ in range(n):
        tally.begin()
        moved = mover.move(output, length_ms, meanwhile=tally.meanwhile(watcher))
        if watcher is None:
            tally.add(moved)
        else:
            _look(mover.session, tally, watcher)
            tally.add(moved, watcher)
            watcher.edges.clear()
        step(f"{tally.missed}")
        _rest(mover.session, tally, watcher, every)
        if mover.session.stays_closed or not tally.is_up:
            return


def _look(session: Session, tally: "_Tally", watcher: Watcher) -> None:
    """Take events until the input has answered, its time is over, or the cable is out."""
    until_s = time.monotonic() + _SEEN_WITHIN_S
    while tally.is_up and not watcher.complete(whole=True):
        event = session.next(until_s)
        if event is None:
            return
        tally.meanwhile(watcher)(event)


def _rest(session: Session, tally: "_Tally", watcher: Watcher | None, seconds: float) -> None:
    """Wait between two openings; when the cable is out, until it is back; not at all when a relay stays closed."""
    until_s = time.monotonic() + (seconds if tally.is_up else BACK_WITHIN_S)
    while not session.stays_closed and (event := session.next(until_s)) is not None:
        was_up = tally.is_up
        tally.meanwhile(watcher)(event)
        if was_up != tally.is_up:
            until_s = time.monotonic() + (seconds if tally.is_up else BACK_WITHIN_S)


class _Tally:
    """What came of all openings."""

    def __init__(self) -> None:
        self.is_up, self.replugs = True, 0
        self.unheard = False  # a board that should answer never did
        self.interrupted = False
        self.stays_closed: list[int] = []
        self._results: Counter[str] = Counter()
        self._latencies: list[float] = []
        self._begun = False
        self._last = ""

    @property
    def openings(self) -> int:
        """Those that came to an end."""
        return sum(self._results.values())

    @property
    def missed(self) -> int:
        """Openings that were not done, or that the input did not see."""
        return self.openings - self._results["done"]

    @property
    def cut_short(self) -> int:
        """Openings that were begun and did not come to an end."""
        return int(self._begun)

    def meanwhile(self, watcher: Watcher | None) -> "_Takes":
        """For events that are about something else."""
        return _Takes(self, watcher)

    def line(self, line: Line) -> None:
        """The cable came out, or back."""
        self.replugs += line.up and not self.is_up
        self.is_up = line.up

    def begin(self) -> None:
        """The next opening begins."""
        self._begun = True

    def add(self, moved: Moved, watcher: Watcher | None = None) -> None:
        """It ended; ``watcher`` saw what the input did, where one must answer."""
        self._begun = False
        seen_ms = None if watcher is None else watcher.observed(moved.issued_s)["seen_ms"]
        self._last = moved.result["result"]
        if self._last == _DONE and watcher is not None and seen_ms is None:
            self._last = _UNSEEN
        self._results[self._last] += 1
        self.unheard |= moved.unheard
        if not isinstance(moved.outcome, Done):
            return
        known = (seen_ms,) if watcher is not None else (moved.answered_ms, moved.sent_ms)
        latency = next((ms for ms in known if ms is not None), None)
        if latency is not None:
            self._latencies.append(latency)

    def stuck(self, outputs: list[int]) -> None:
        """These outputs did not open at the end: the last opening was none that is done."""
        self.stays_closed = outputs
        if outputs and self._last in (_DONE, _UNSEEN):
            self._results.subtract([self._last])
            self._results["stays_closed"] += 1

    def row(self) -> dict[str, Any]:
        """For people and programs."""
        known = self._latencies
        return {
            "openings": self.openings,
            "done": self._results[_DONE],
            "missed": self.missed,
            "unseen": self._results[_UNSEEN],
            "maybe_executed": self._results["timed_out"],
            "p50_ms": percentile(known, 50) if known else None,
            "p99_ms": percentile(known, 99) if known else None,
            "stays_closed": self.stays_closed,
            "replugs": self.replugs,
            "interrupted": self.interrupted,
            "cut_short": self.cut_short,
        }


class _Takes:
    """Takes one event after the other."""

    def __init__(self, tally: _Tally, watcher: Watcher | None) -> None:
        self._tally, self._watcher = tally, watcher

    def __call__(self, event: AnyEvent) -> None:
        if isinstance(event, Line):
            self._tally.line(event)
        elif self._watcher is not None:
            self._watcher.take(event)
        else:
            say_event(event)


def _report(lane: str, tally: _Tally, *, as_json: bool) -> None:
    row = {"lane": lane, **tally.row()}
    if as_json:
        put_json(row)
    else:
        _put(row)
    if tally.unheard:
        warn(NEVER_HEARD)
    if tally.stays_closed:
        warn_of_closed(tally.stays_closed)
    if tally.interrupted:
        _end_interrupted(tally)
    if not tally.is_up:
        fail(Exit.UNREACHABLE, Pair("端口没有回来", "The port did not come back"))
    if tally.missed or tally.stays_closed:
        raise typer.Exit(Exit.FAILED)


def _put(row: dict[str, Any]) -> None:
    put_line(
        text(
            Pair(
                "{lane}：{openings} 次，成功 {done}，未成 {missed}",
                "{lane}: {openings} openings, {done} done, {missed} missed",
            ),
            **row,
        )
    )
    if row["missed"]:
        put_line(
            text(
                Pair(
                    "  可能已执行 {maybe_executed}，输入没有反应 {unseen}",
                    "  {maybe_executed} maybe executed, {unseen} not seen by the input",
                ),
                **row,
            )
        )
    shown = {name: "-" if row[name] is None else row[name] for name in ("p50_ms", "p99_ms", "replugs")}
    put_line(
        text(
            Pair(
                "  p50 {p50_ms} ms，p99 {p99_ms} ms，重新插拔 {replugs} 次",
                "  p50 {p50_ms} ms, p99 {p99_ms} ms, {replugs} re-plugs survived",
            ),
            **shown,
        )
    )


def _end_interrupted(tally: _Tally) -> NoReturn:
    cut_short = Pair(
        "第 {n} 次打到一半；所有继电器已令其断开。",
        "Opening {n} was cut short; every relay was told to open. ",
    )
    more = text(cut_short, n=tally.openings + 1) if tally.cut_short else ""
    fail(
        Exit.INTERRUPTED,
        Pair("已中断。{more}以上是到此为止的结果", "Interrupted. {more}These are the figures so far"),
        more=more,
    )
