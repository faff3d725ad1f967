"""Residents who come and go on a real site, and one part of it that is killed in between."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from simulators.demo import Demo
from simulators.phone import Phone
from simulators.report import Report
from simulators.site import Site, free_ports

TURN_S = 2.1  # the two lanes take turns, so each has twice this time
HOLD_S = 1.6
EASY = {"medium": "phone", "ink": "black", "colour": "green", "difficulty": "easy"}


@dataclass(frozen=True)
class Outcome:
    """A run's account, and how often each relay really closed."""

    report: Report
    relay_closings: int


def play(
    folder: Path, *, seed: int, turns: int, embedded: str, at_turn: int, harm: Callable[[Site], None]
) -> Outcome:
    """Run one site in ``folder`` for so many turns, do ``harm`` in the middle of one, and account for all of it."""
    site = Site(folder, ports=free_ports(), seed=seed, embedded=embedded)
    stop = Event()
    demo = Demo(site, seed=seed, tell=lambda _line: None)
    try:
        site.prepare()
        site.start_all(stop)
        residents = [resident(site, seed * 100 + number) for number in range((turns + 1) // 2)]
        for turn in range(turns):
            lane = "entry" if turn % 2 == 0 else "exit"
            site.show(lane, residents[turn // 2].code(int(time.time())), HOLD_S, EASY)
            stop.wait(0.7)  # the code is seen and the relay told by now: the middle of a grant
            if turn == at_turn:
                harm(site)
            stop.wait(TURN_S - 0.7)
        site.wait_ready(stop)
        demo.settle(stop)
    finally:
        site.stop()
    closings = sum(
        json.loads(line)["what"] == "relay_on" for line in site.tape.read_text("utf-8").splitlines()
    )
    return Outcome(demo.account(0), closings)


def resident(site: Site, number: int) -> Phone:
    """A new resident with a pass on the phone."""
    phone = Phone()
    answer = site.issue(
        {
            "name": "王芳",
            "phone": f"+86139{number:08d}",
            "category": "resident",
            "unit": 1 + number % 8,
            "purpose": 0,
            "valid_minutes": 60,
            "gates": [0],
            "holder_key": phone.public_key.hex(),
        }
    )
    phone.keep(bytes.fromhex(answer["pass_hex"]))
    return phone
