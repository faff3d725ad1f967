"""``--expect in2``: which input must answer an opening, and what was seen of it.

The input may be on the board that opens (``in2``), on another board of the gate's file (``inputs.in2``), or the passage
contact that the gate's file names for the lane (``contact``).
"""

import re
import time
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

from drivers.model import AnyEvent, InputEdge
from drivers.tool.console import Exit, fail
from drivers.tool.opening import Session, say_event
from drivers.tool.target import Target, find_target
from passes.words import Pair

SETTLES_S: Final = 0.25  # a few polls and the debounce time: by then an input that is active has shown itself
_WORDS: Final = re.compile(r"(?:(?P<board>[^.]+)\.)?in(?P<channel>\d{1,2})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """An input; ``other`` is its board, None for the board that opens."""

    channel: int
    other: Target | None = None

    @property
    def name(self) -> str:
        """As ``--expect`` has it."""
        where = "" if self.other is None else f"{self.other.name}."
        return f"{where}in{self.channel}"


@dataclass(slots=True)
class Watcher:
    """Collects what one input did.

    Args:
        expected: The input.
        edges: Its edges so far.
    """

    expected: Expected
    edges: list[InputEdge] = field(default_factory=list)

    def take(self, event: AnyEvent) -> None:
        """An event of the input's board."""
        match event:
            case InputEdge(channel=self.expected.channel):
                self.edges.append(event)
            case InputEdge():
                pass
            case _:
                say_event(event)

    def listen(self, session: Session, until_s: float, *, whole: bool) -> None:
        """Take events until the input was active after all (``whole``: and inactive again), or the time is over."""
        while not self.complete(whole=whole):
            event = session.next(until_s)
            if event is None:
                return
            self.take(event)

    def settle(self, session: Session) -> bool:
        """Learn how the input stands now; whether it is active already."""
        until_s = time.monotonic() + SETTLES_S
        while (event := session.next(until_s)) is not None:
            self.take(event)
        active = bool(self.edges) and self.edges[-1].active
        self.edges.clear()
        return active

    def observed(self, issued_s: float) -> dict[str, Any]:
        """What came of a command: ``seen_ms`` after it, and for how long; None for what was not seen."""
        rose = next((edge for edge in self.edges if edge.active), None)
        fell = (
            None
            if rose is None
            else next((e for e in self.edges if not e.active and e.at_s > rose.at_s), None)
        )
        return {
            "input": self.expected.name,
            "seen_ms": None if rose is None else round((rose.at_s - issued_s) * 1000, 1),
            "lasted_ms": None if rose is None or fell is None else round((fell.at_s - rose.at_s) * 1000, 1),
        }

    def complete(self, *, whole: bool) -> bool:
        """Whether the input was active after all, and with ``whole`` inactive again."""
        rose = any(edge.active for edge in self.edges)
        return rose and (not whole or not self.edges[-1].active)


def expected_input(words: str | None, target: Target, channel: int) -> Expected | None:
    """What ``--expect`` names; ends with exit code 2 when that is no input."""
    if words is None:
        return None
    if words == "contact":
        return _contact(target, channel)
    match = _WORDS.fullmatch(words)
    if match is None or not int(match["channel"]):
        fail(
            Exit.USAGE,
            Pair(
                "--expect {words!r} 不是输入：写 in2，或配置中另一块板的 板名.in2，或 contact",
                "--expect {words!r} is no input. Write in2, BOARD.in2 for another board of --config, or contact",
            ),
            words=words,
        )
    board = match["board"]
    other = None if board is None or board == target.board else _board(target, board)
    return Expected(channel=int(match["channel"]), other=other)


def active_already(expected: Expected) -> NoReturn:
    """End with exit code 1: the input is active before anything moved."""
    fail(
        Exit.FAILED,
        Pair(
            "{name} 已经有效：分不出是不是脉冲引起的。先让它复位",
            "{name} is active already, so that nothing can be told by it. Have it released first",
        ),
        name=expected.name,
    )


def check_input(info_inputs: int, expected: Expected) -> None:
    """End with exit code 2 when the board has no such input."""
    if 1 <= expected.channel <= info_inputs:
        return
    fail(
        Exit.USAGE,
        Pair(
            "--expect {name}：这块板有 {n} 个输入。输入在另一块板上时写 板名.in2，并给出 --config",
            "--expect {name}: that board has {n} inputs. For an input of another board: BOARD.in2 and --config",
        ),
        name=expected.name,
        n=info_inputs,
    )


def _contact(target: Target, channel: int) -> Expected:
    lane = target.lane(channel)
    if lane is None or lane.contact is None:
        fail(
            Exit.USAGE,
            Pair(
                "--expect contact：配置里这个输出没有通行触点",
                "--expect contact: the gate's file names no contact for this output. Name the board by --board",
            ),
        )
    board, number = lane.contact
    return Expected(channel=number, other=None if board == target.board else _board(target, board))


def _board(target: Target, board: str) -> Target:
    if target.gate is None:
        fail(
            Exit.USAGE,
            Pair(
                "--expect {board}.in…：需要 --config gate.toml 才知道这块板",
                "--expect {board}.in…: which board that is stands in the gate's file: add --config gate.toml",
            ),
            board=board,
        )
    return find_target(port=None, protocol=None, board=board, config=target.gate.path)
