"""What cameras cost a gate: six of 720p on one core, two of 1080p on two, and what the daemon keeps in memory.

The gate daemon runs as a process of its own with a lane for each camera; the cameras are MJPEG over HTTP from this
process. Processor time is that of the daemon and all its children, so that other work on the machine does not count;
frames looked at and their age do suffer from it: judge those on a quiet machine.
"""

import os
import statistics
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from benchmarks.gate_process import LOOKED
from benchmarks.gate_rig import Rig, RigError, cpu_s, memory_kb, running
from benchmarks.projector import Projector
from benchmarks.result import Options, Outcome, Result, Skipped
from edge.vision.background import SETTLES_S
from edge.vision.filters import Picture
from simulators.cameras.look import Look
from simulators.cameras.pixels import Generator, array
from simulators.cameras.scene import backgrounds, compose, jpeg, tinted

NOISE: Final = 4.0
RING: Final = 10  # different frames of a still scene
WALK: Final = 60  # frames of a scene with people: two seconds
SIX, TWO = 6, 2
SMALL, LARGE = (1280, 720), (1920, 1080)
MEASURED_S: Final = 12.0
MEMORY_FRAMES: Final = 20_000
MEMORY_LOOKS_AT: Final = (0, 5_000, 10_000, 15_000, 20_000)
QUICK: Final = 10  # times fewer frames
MEMORY_MAX_MB: Final = 250.0
GROWTH_MAX: Final = 1.03  # of the last quarter over the one before
AS_FAST_AS_IT_CAN: Final = 1000.0
MEMORY_FRAMES_PER_S: Final = 200.0
MEMORY_WITHIN_S: Final = 150.0  # a machine that is busy with other things gets no further than it gets
AGE_MAX_MS: Final = 2 * 1000 / 30  # two frames: what is looked at is the newest, or the one before


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What a while of looking cost."""

    share: float  # of one core
    looked_per_s: float  # frames of one camera
    age_ms: list[float]  # from the arrival of a frame to the answer
    cpu_ms: float  # of everything, for a frame


def still(size: tuple[int, int], seed: int) -> list[bytes]:
    """Frames of an empty scene: only the sensor's noise differs."""
    rng = np.random.default_rng(seed)
    behind = _sized(tinted(backgrounds()[seed % len(backgrounds())], rng), size)
    return [_taken(behind, rng) for _ in range(RING)]


def peopled(size: tuple[int, int], seed: int) -> list[bytes]:
    """Two seconds in which the scene moves all the time, and a third of which somebody shows a code."""
    rng = np.random.default_rng(seed)
    behind = tinted(backgrounds()[seed % len(backgrounds())], rng)
    shown = compose("GP1:" + "VISITOR" * 20, Look(), behind, rng)
    frames = []
    for number in range(WALK):
        scene = shown if number < WALK // 3 else behind
        moved = np.roll(scene, 4 * number if scene is behind else number % 5, axis=1)
        frames.append(_taken(_sized(array(moved), size), rng))
    return frames


def _sized(picture: Picture, size: tuple[int, int]) -> Picture:
    return array(cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR))


def _taken(picture: Picture, rng: Generator) -> bytes:
    grain = rng.standard_normal(picture.shape[:2], np.float32)[..., None] * NOISE
    return jpeg(array(np.clip(picture + grain, 0, 255).astype(np.uint8)))


def endless(frames: list[bytes]) -> Callable[[], bytes]:
    """The frames over and over."""
    ring = cycle(frames)
    return lambda: next(ring)


def used(rig: Rig, seconds: float, cameras: int) -> Used:
    """Watch the gate for a while."""
    noted, pids = len(rig.traced()), rig.pids()
    before, began_s = sum(map(cpu_s, pids)), time.monotonic()
    threading.Event().wait(seconds)
    took_s, cpu = time.monotonic() - began_s, sum(map(cpu_s, pids)) - before
    looks = [row for row in rig.traced(noted) if row["what"] == LOOKED]
    return Used(
        share=cpu / took_s,
        looked_per_s=len(looks) / took_s / cameras,
        age_ms=[(row["at_s"] - row["came_s"]) * 1000 for row in looks],
        cpu_ms=1000 * cpu / max(1, len(looks)),
    )


def pin(pids: list[int], cores: set[int]) -> None:
    """Keep these processes, with all their threads, on these cores."""
    for pid in pids:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(thread.name), cores)


def run(options: Options) -> list[Outcome]:
    """All of it: six cameras on one core, idle and with people; two larger ones; memory over 20,000 frames."""
    cv2.setNumThreads(1)
    cores = os.sched_getaffinity(0)
    seconds = MEASURED_S / 3 if options.quick else MEASURED_S
    outcomes: list[Outcome] = []
    parts: tuple[Callable[[], list[Outcome]], ...] = (
        lambda: _six(cores, seconds, settle=not options.quick),
        lambda: _two(cores, seconds),
        lambda: _memory(MEMORY_FRAMES // (QUICK if options.quick else 1)),
    )
    for part in parts:
        try:
            outcomes += part()
        except RigError as error:
            outcomes.append(Skipped(name="cameras of a gate", why=str(error)))
    return outcomes


def _six(cores: set[int], seconds: float, *, settle: bool) -> list[Outcome]:
    """Six cameras of 720p at 30 frames/s; the gate has the last core, the cameras have the others."""
    if len(cores) < 2:
        return [Skipped(name="six cameras on one core", why="the cameras need a core of their own")]
    empty = {f"lane{number}": still(SMALL, number) for number in range(SIX)}
    people = {name: peopled(SMALL, number) for number, name in enumerate(empty)}
    showing: dict[str, Callable[[], bytes]] = {name: endless(frames) for name, frames in empty.items()}
    os.sched_setaffinity(0, cores - {max(cores)})
    projector = Projector(
        {name: lambda name=name: showing[name]() for name in empty},  # type: ignore[misc]  # mypy and defaults
        frames_per_s=30,
    )
    try:
        with running({name: projector.address(name) for name in empty}) as rig:
            pin(rig.pids(), {max(cores)})
            new = used(rig, seconds, SIX)
            if settle:
                threading.Event().wait(SETTLES_S + 5 - seconds)
            idle = used(rig, seconds, SIX)
            for name, frames in people.items():
                showing[name] = endless(frames)
            busy = used(rig, seconds, SIX)
    finally:
        projector.close()
        os.sched_setaffinity(0, cores)
    found = _load("six 720p cameras, scenes not yet settled", new, SIX, 30, cores=1)
    found += _load("six 720p cameras, idle", idle, SIX, 30, cores=1) if settle else []
    return found + _load("six 720p cameras, people in all of them", busy, SIX, 30, cores=1)


def _two(cores: set[int], seconds: float) -> list[Outcome]:
    """Two cameras of 1080p at 25 frames/s, all cores."""
    people = {f"lane{number}": endless(peopled(LARGE, number)) for number in range(TWO)}
    projector = Projector(people, frames_per_s=25)
    try:
        with running({name: projector.address(name) for name in people}) as rig:
            found = used(rig, seconds, TWO)
            held_mb = _megabytes(rig)[1]
    finally:
        projector.close()
    return [
        *_load("two 1080p cameras, people in both", found, TWO, 25, cores=min(2, len(cores))),
        Result(
            name="two 1080p cameras: memory of the gate, all processes",
            value=held_mb,
            unit="MB",
            baseline="what is promised",
            baseline_value=MEMORY_MAX_MB,
            ratio_max=1.0,
        ),
    ]


def _megabytes(rig: Rig) -> tuple[float, float]:
    """What the daemon holds, and what all its processes hold together, what they share counted once."""
    held = [memory_kb(pid) for pid in rig.pids()]
    return held[0][0] / 1024, sum(pss for _, pss in held) / 1024


def _load(name: str, of: Used, cameras: int, frames_per_s: float, *, cores: int) -> list[Outcome]:
    """What so many cameras need of so many cores, whether all their frames were looked at, and how soon."""
    return [
        Result(
            name=f"{name}: processor that all frames need, {of.cpu_ms:.1f} ms each; {of.share:.0%} was had",
            value=of.cpu_ms * frames_per_s * cameras / 10,
            unit="%",
            baseline="one core" if cores == 1 else f"{cores} cores",
            baseline_value=100.0 * cores,
            ratio_max=1.0,
        ),
        Result(
            name=f"{name}: frames looked at",
            value=of.looked_per_s,
            unit="/s",
            baseline="frames of a camera",
            baseline_value=frames_per_s,
            ratio_min=0.97,
        ),
        Result(
            name=f"{name}: from a frame's arrival to its answer, p50",
            value=statistics.median(of.age_ms),
            unit="ms",
            baseline="two frames",
            baseline_value=AGE_MAX_MS,
        ),
        Result(
            name=f"{name}: from a frame's arrival to its answer, p99",
            value=sorted(of.age_ms)[len(of.age_ms) * 99 // 100],
            unit="ms",
            baseline="two frames",
            baseline_value=AGE_MAX_MS,
        ),
    ]


def _memory(frames: int) -> list[Outcome]:
    """Two cameras of 720p, as fast as the gate takes them: what all its processes hold, and whether that grows."""
    people = {f"lane{number}": endless(peopled(SMALL, number)) for number in range(TWO)}
    projector = Projector(people, frames_per_s=MEMORY_FRAMES_PER_S)
    sizes: list[tuple[int, float, float]] = []  # frames, then megabytes
    try:
        with running(
            {name: projector.address(name) for name in people}, reads_per_s=AS_FAST_AS_IT_CAN
        ) as rig:
            counted, end_s = _Counted(rig), time.monotonic() + MEMORY_WITHIN_S
            for share in MEMORY_LOOKS_AT:
                due = share * frames // MEMORY_FRAMES
                there = rig.wait(lambda: counted.looks() >= due, max(0.0, end_s - time.monotonic()))  # noqa: B023
                sizes.append((counted.looks(), *_megabytes(rig)))
                if not there:
                    break
    finally:
        projector.close()
    for seen, parent, whole in sizes:
        print(
            f"   after {seen:6} frames: daemon {parent:.1f} MB, with its children {whole:.1f} MB",
            file=sys.stderr,
        )
    outcomes: list[Outcome] = []
    if sizes[-1][0] < frames:
        why = f"{sizes[-1][0]:,} of them were looked at in {MEMORY_WITHIN_S:g} s: the machine is busy"
        outcomes.append(Skipped(name=f"memory over {frames:,} frames", why=why))
    if len(sizes) < 3:
        return outcomes
    start, (half, half_parent, half_whole), (end, parent, whole) = sizes[0], sizes[len(sizes) // 2], sizes[-1]
    a_thousand = 1024 * (parent - half_parent) * 1000 / max(1, end - half)
    return [
        *outcomes,
        Result(
            name=f"memory of a gate with two cameras after {end:,} frames, all processes",
            value=whole,
            unit="MB",
            baseline=f"after {half:,} frames; {start[2]:.0f} MB at the start",
            baseline_value=half_whole,
            ratio_max=GROWTH_MAX,
        ),
        Result(
            name=f"... the daemon alone, {a_thousand:.0f} kB for each 1,000 of the last",
            value=parent,
            unit="MB",
            baseline=f"after {half:,} frames; {start[1]:.0f} MB at the start",
            baseline_value=half_parent,
            ratio_max=GROWTH_MAX,
        ),
    ]


class _Counted:
    """Counts the looks in a growing trace without reading it anew each time."""

    def __init__(self, rig: Rig) -> None:
        self._path = rig.folder / "trace.jsonl"
        self._at = self._count = 0

    def looks(self) -> int:
        with self._path.open("rb") as file:
            file.seek(self._at)
            data = file.read()
        self._at += len(data)
        self._count += data.count(b'"what": "looked"')
        return self._count
