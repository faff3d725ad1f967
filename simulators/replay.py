"""The device's side of a trace, played again: the same answers to the same bytes, after the same time.

Consecutive writes of the same bytes are one *run*, a driver that polls: within it the host is answered by the clock, so
polling a little more or less often is no departure. Anything else that the trace does not have at its place is said.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from simulators.boards.cable import Cable
from simulators.boards.device import Answer, Device, earliest
from simulators.boards.ends import PtyEnd
from simulators.boards.knobs import Knobs
from simulators.replay_script import Said, Script, Turn

STREAM_PAUSE_S: Final = 0.1  # a trace without a host is said over and over
_HALF_S: Final = 0.3  # half a write that nothing follows
_EARLY_S: Final = 0.005
_SHOWN_BYTES: Final = 32


class Replay(Device):
    """Plays one script, as often as the host begins it.

    Args:
        script: The trace.
        strict: Everything that departs from the trace ends the play; else the nearest equal bytes are answered.
        ended: Called when a strict play has ended.
    """

    def __init__(
        self, script: Script, *, strict: bool = False, ended: Callable[[], None] = lambda: None
    ) -> None:
        super().__init__()
        self.rounds = self.departures = 0
        self.host_baud = 0
        self.left = False  # the host closed the line since it last wrote
        self._script, self._strict, self._ended = script, strict, ended
        self._runs = _runs(script.turns[1:])
        self._place = -1  # the run that is played
        self._began_s: float | None = None
        self._run_s = self._heard_s = 0.0
        self._pending = b""
        self._due: list[tuple[float, Said]] = []
        self._pulled: Said | None = None
        self._over = False
        self._again: set[int] = set()  # lines whose repetition was said

    @property
    def speed(self) -> int:
        """It hears every speed; a wrong one is a departure."""
        return 0

    def host_left(self) -> None:
        """The host closed the line: what it writes next may begin a new round."""
        self.left = True

    def take_pull(self) -> Said | None:
        """The moment at which the cable was lost in the trace, once."""
        pulled, self._pulled = self._pulled, None
        return pulled

    def _hear(self, data: bytes, now_s: float) -> list[Answer]:
        if self._over:
            return []
        self._heard_s = now_s
        self._pending += data
        while self._pending and not self._over:
            found = self._match()
            if found is None:
                if not self._may_become():
                    self._depart(
                        now_s, f"the host wrote {self._shown(self._pending)}, and {self._expected()}"
                    )
                    self._pending = b""
                break
            self.left = False
            place, restarts = found
            self._play(place, now_s, restarts=restarts)
        return self._pass_time(now_s)

    def _match(self) -> tuple[int, bool] | None:
        """The run whose bytes these are, and whether a new round begins there; without ``strict`` the nearest one."""
        for place in self._places():
            if self._fits(place):
                return place, place == 0 and (self.left or self._place != 0)
        if self._strict:
            return None
        others = (*range(self._place, -1, -1), *range(self._place + 1, len(self._runs)))
        return next(((place, False) for place in others if self._fits(place)), None)

    def _places(self) -> list[int]:
        """Where the host may be in the trace by the order of things: at this run, the next one, or the first again."""
        place, last = self._place, len(self._runs) - 1
        goes_on = not self.left or (place < last and self._runs[place + 1][0].opened)
        near = [each for each in (place, place + 1) if goes_on and 0 <= each <= last]
        return [*near, 0] if last >= 0 and (self.left or place == last) else near

    def _may_become(self) -> bool:
        """Whether these bytes are the beginning of a write that is still to come."""
        places = self._places() if self._strict else range(len(self._runs))
        return any(self._runs[place][0].data.startswith(self._pending) for place in places)

    def _fits(self, place: int) -> bool:
        if not 0 <= place < len(self._runs):
            return False
        turn = self._runs[place][0]
        return self._pending.startswith(turn.data) and self._at_its_speed(turn)

    def _at_its_speed(self, turn: Turn) -> bool:
        return not turn.baud or self.host_baud in (0, turn.baud)

    def _play(self, place: int, now_s: float, *, restarts: bool) -> None:
        """Answer as the device did, and go to this place, or stay where the host only repeats itself."""
        run = self._runs[place]
        turn = run[0]
        self._pending = self._pending[len(turn.data) :]
        if restarts:
            self._begin_round(now_s)
        elif place == self._place and len(run) > 1:
            since_s = now_s - self._run_s + _EARLY_S
            turn = [each for each in run if each.at_s - turn.at_s <= since_s][-1]
        elif place <= self._place:
            self._repeated(turn, now_s)
        elif place > self._place + 1:
            first = self._runs[self._place + 1][0].line
            self._depart(now_s, f"the host left out lines {first} to {turn.line - 1}")
        if restarts or place > self._place:
            self._place, self._run_s = place, now_s
        if not self._over:
            self._due += [(now_s + said.after_s, said) for said in turn.said]

    def _begin_round(self, now_s: float) -> None:
        if 0 <= self._place < len(self._runs) - 1:
            left = self._runs[self._place + 1][0].line
            self._depart(now_s, f"the host began again before line {left}")
        self.rounds += 1
        self._happen("round", now_s, self.rounds)
        self._due.clear()

    def _repeated(self, turn: Turn, now_s: float) -> None:
        """Say once for each line that the host repeats it."""
        if turn.line not in self._again:
            self._again.add(turn.line)
            self._depart(now_s, f"the host repeated line {turn.line}")

    def _depart(self, now_s: float, words: str) -> None:
        self.departures += 1
        self._happen("departure", now_s, 0, words)
        if self._strict:
            self._over = True
            self._ended()

    def _expected(self) -> str:
        place = self._place + 1
        if place == len(self._runs):
            return "the trace has ended" if self._runs else "the trace has no host"
        turn = self._runs[place][0]
        speed = "" if self._at_its_speed(turn) else f" at {turn.baud} baud, not {self.host_baud}"
        return f"line {turn.line} has {self._shown(turn.data)}{speed}"

    def _shown(self, data: bytes) -> str:
        if self._script.secret:
            return f"{len(data)} bytes (not shown: a modem's)"
        more = f" … +{len(data) - _SHOWN_BYTES}" if len(data) > _SHOWN_BYTES else ""
        return data[:_SHOWN_BYTES].hex(" ").upper() + more

    def _pass_time(self, now_s: float) -> list[Answer]:
        if self._began_s is None:
            self._began_s = now_s
            self._due = [(now_s + said.after_s, said) for said in self._script.turns[0].said]
        if self._pending and now_s - self._heard_s > _HALF_S:
            self._depart(now_s, f"the host stopped after {self._shown(self._pending)}; {self._expected()}")
            self._pending = b""
        ready = sorted((each for each in self._due if each[0] <= now_s), key=lambda each: each[0])
        self._due = [each for each in self._due if each[0] > now_s]
        for _, said in ready:
            if not said.data:
                self._pulled = said
        if not self._runs and not self._due:  # a device that only streams: again, for whoever comes later
            again_s = now_s + STREAM_PAUSE_S
            self._due = [(again_s + said.after_s, said) for said in self._script.turns[0].said]
        return [Answer(data=said.data, at_s=at_s) for at_s, said in ready if said.data]

    def _next_deadline(self) -> float | None:
        half_s = self._heard_s + _HALF_S + 0.001 if self._pending else None
        return earliest([half_s, *(at_s for at_s, _ in self._due)])


class ReplayEnd(PtyEnd):
    """The line of a replay: it goes when it went in the trace, and comes back as it did.

    Args:
        link: Where it is published.
        replay: What plays.
        knobs: What is wrong with the line besides.
        seed: Decides what is hit.
    """

    def __init__(self, link: Path, replay: Replay, *, knobs: Knobs | None = None, seed: int = 0) -> None:
        super().__init__(link, Cable([replay], knobs=knobs, seed=seed))
        self._replay = replay
        self._back_s: float | None = None

    def serve(self, fileno: int, now_s: float) -> None:
        """Take what the host has written, and tell at which speed."""
        self._replay.host_baud = self._line.baud()
        self._line.watch_client()
        super().serve(fileno, now_s)

    def flush(self, now_s: float) -> None:
        """Write what is due; pull the plug, or put it back."""
        super().flush(now_s)
        if self._line.client_left():
            self._replay.host_left()
        pulled = self._replay.take_pull()
        if pulled is not None:
            self.unplug(now_s, powers=False)
            self._back_s = now_s + pulled.back_after_s
        elif self._back_s is not None and now_s >= self._back_s:
            self._back_s = None
            self.plug(now_s)

    def next_deadline(self) -> float | None:
        """When the cable is due, or the plug."""
        return earliest([super().next_deadline(), self._back_s])


def _runs(turns: tuple[Turn, ...]) -> list[list[Turn]]:
    """Turns of the same bytes at the same speed one behind the other, together."""
    found: list[list[Turn]] = []
    for turn in turns:
        if found and (found[-1][0].data, found[-1][0].baud) == (turn.data, turn.baud):
            found[-1].append(turn)
        else:
            found.append([turn])
    return found
