"""From the glass to the relay: a frame leaves the camera, and the first byte for the relay is at the board.

A rendered camera of 25 frames/s over HTTP, the gate daemon as a process of its own with its journal on this disk, a
virtual board on a pseudo-terminal. Visitors hold up our own passes, rotating codes and printed ones in turn, each
once, with an empty scene between. Times are wall time: it is waiting that a visitor feels. A busy machine is slower;
judge the figures on a quiet one.
"""

import random
import statistics
import sys
import threading
import time
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

import cv2
import numpy as np

from benchmarks.gate_process import DECODED, RECORDED, SUBMITTED
from benchmarks.gate_rig import Rig, RigError, running
from benchmarks.minted import minted
from benchmarks.projector import Projector
from benchmarks.result import Options, Outcome, Result, Skipped
from shell.clock import SystemClock
from simulators.cameras.look import Difficulty, Look, Medium
from simulators.cameras.scene import (
    backgrounds,
    compose,
    frame_of,
    grains,
    jpeg,
    noise_fields,
    noise_strength,
    tinted,
)

FRAMES_PER_S: Final = 25.0
VISITORS: Final = 110
VISITORS_QUICK: Final = 12
SHOWN_AT_ONCE: Final = 6  # different frames of one visitor, shown in turn
BLANKS: Final = 12
TIMES_OUT_S: Final = 4.0
BETWEEN_S: Final = 0.35  # a lane lets nobody in within 0.3 s of the one before
GOAL_MS: Final = 150.0
GOAL_OURS_MS: Final = 60.0
STAGES: Final = (
    "until a frame with the code is there",
    "frame to text",
    "text to a durable decision",
    "decision to the command",
    "command to the first byte at the board",
)


@dataclass
class Scene:
    """What the camera shows now, and when each frame left it."""

    blanks: list[bytes]
    shown: list[bytes] = field(default_factory=list)
    left_s: list[float] = field(default_factory=list)  # of the frames of the visitor in view
    number: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def next_jpeg(self) -> bytes:
        """The next frame, which leaves now."""
        with self.lock:
            self.number += 1
            frames = self.shown or self.blanks
            if self.shown:
                self.left_s.append(time.monotonic())
            return frames[self.number % len(frames)]

    def show(self, frames: list[bytes]) -> None:
        """Hold a code up, or with no frames take it down."""
        with self.lock:
            self.shown, self.left_s = frames, []


class Stage:
    """Draws visitors before one place, from a seed."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._fields = noise_fields(self._rng)
        self._behind = tinted(backgrounds()[0], self._rng)

    def empty(self) -> list[bytes]:
        """Frames without anybody."""
        grain = grains(self._fields, noise_strength(Look()))
        return [jpeg(frame_of(self._behind, grain, self._rng)) for _ in range(BLANKS)]

    def visitor(self, text: str, look: Look) -> list[bytes]:
        """Frames of somebody with a pass."""
        grain = grains(self._fields, noise_strength(look))
        scene = compose(text, look, self._behind, self._rng)
        return [jpeg(frame_of(scene, grain, self._rng)) for _ in range(SHOWN_AT_ONCE)]


def run(options: Options) -> list[Outcome]:
    """Show visitors to a real gate, and tell how long each waited, and for what."""
    cv2.setNumThreads(1)
    visitors = VISITORS_QUICK if options.quick else VISITORS
    stage = Stage(seed=25)
    scene = Scene(stage.empty())
    projector = Projector({"entry": scene.next_jpeg}, frames_per_s=FRAMES_PER_S)
    try:
        with running({"entry": projector.address("entry")}) as rig:
            waited = [visit(rig, stage, scene, number) for number in range(visitors)]
    except RigError as error:
        return [Skipped(name="glass to relay", why=str(error))]
    finally:
        projector.close()
    return _outcomes([one for one in waited if one is not None], visitors)


def visit(rig: Rig, stage: Stage, scene: Scene, number: int) -> list[float] | None:
    """Show one visitor: the milliseconds of each stage, or None when the relay did not move."""
    chance, now = random.Random(number), int(SystemClock().now().timestamp())
    visitor, on_phone = minted(random.Random(f"{number} {now}"), now), number % 2 == 0
    look = Look(
        medium=Medium.PHONE if on_phone else Medium.PAPER,
        difficulty=chance.choice([Difficulty.EASY, Difficulty.TYPICAL]),
    )
    frames = stage.visitor(visitor.shown(now) if on_phone else visitor.printed(), look)
    before, noted = len(_opened_s(rig)), len(rig.traced())
    scene.show(frames)
    opened = rig.wait(lambda: len(_opened_s(rig)) > before, TIMES_OUT_S)
    left_s = list(scene.left_s)
    scene.show([])
    threading.Event().wait(BETWEEN_S)
    if not opened:
        print(f"   visitor {number} was not let in: {rig.traced(noted)[-3:]}", file=sys.stderr)
        return None
    rows = rig.traced(noted)
    decoded = _first(rows, DECODED)
    points = (
        left_s[0],
        decoded["came_s"],
        decoded["at_s"],
        _first(rows, RECORDED)["at_s"],
        _first(rows, SUBMITTED)["at_s"],
        _opened_s(rig)[before],
    )
    return [(after - before_s) * 1000 for before_s, after in pairwise(points)]


def _opened_s(rig: Rig) -> list[float]:
    """When the board had a command to close its relay, monotonic: its bytes come at once."""
    return [row["mono"] for row in rig.moved() if row["what"] == "relay_on"]


def _first(rows: list[dict[str, Any]], what: str) -> dict[str, Any]:
    return next(row for row in rows if row["what"] == what)


def _outcomes(waited: list[list[float]], visitors: int) -> list[Outcome]:
    if len(waited) < 3:
        return [Skipped(name="glass to relay", why=f"{len(waited)} of {visitors} visitors were let in")]
    whole, ours = [sum(one) for one in waited], [sum(one[1:]) for one in waited]
    outcomes: list[Outcome] = [
        Result(
            name=f"visitors let in, of {visitors}",
            value=len(waited),
            unit="visitors",
            baseline="all",
            baseline_value=visitors,
            ratio_min=1.0,
        ),
        *_two("glass to relay", whole, "goal", GOAL_MS, promised=True),
        *_two("... of which ours, after the frame is there", ours, "goal", GOAL_OURS_MS, promised=True),
    ]
    for place, name in enumerate(STAGES):
        outcomes += _two(
            f"... {name}", [one[place] for one in waited], "glass to relay, p50", statistics.median(whole)
        )
    return outcomes


def _two(
    name: str, ms: list[float], baseline: str, baseline_ms: float, *, promised: bool = False
) -> list[Outcome]:
    """The middle of some times, and the longest of a hundred."""
    longest = sorted(ms)[min(len(ms) - 1, len(ms) * 99 // 100)]
    limit = 1.0 if promised else None
    return [
        Result(
            name=f"{name}, {which}",
            value=value,
            unit="ms",
            baseline=baseline,
            baseline_value=baseline_ms,
            ratio_max=limit if which == "p99" else None,
        )
        for which, value in (("p50", statistics.median(ms)), ("p99", longest))
    ]
