"""A gate and its centre on a machine of their own: run inside a network namespace, whose lines this program cuts.

``unshare --net python -m tests.real.net.apart CASE FOLDER`` plays one case and prints what came of it as JSON.
"""

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any, Final

from sqlalchemy import func, select
from structlog.testing import capture_logs

from controller import schema
from controller.intake_store import CentreIntake
from controller.store import Store
from edge.journal import Journal
from passes.vocabulary import ClockTrust
from shell.clock import SystemClock
from sync.broker import EmbeddedBroker
from sync.intake import Intake
from sync.link import LinkSettings
from sync.messages import DeviceData, Health, Kind
from sync.uplink import Uplink
from tests.waiting import until

PORT: Final = 18830
WITHIN_S: Final = 120.0


class Lines:
    """The packet filter of this namespace."""

    def __init__(self) -> None:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        self._tell("add table inet lines")
        self._tell("add chain inet lines inwards { type filter hook input priority 0 ; policy accept ; }")

    def lose(self, percent: int) -> None:
        """Drop this share of the packets to the broker."""
        self.heal()
        self._tell(f"add rule inet lines inwards tcp dport {PORT} numgen random mod 100 < {percent} drop")

    def cut(self) -> None:
        """Drop all of them: nobody is told, connections stay half open."""
        self.heal()
        for end in ("dport", "sport"):
            self._tell(f"add rule inet lines inwards tcp {end} {PORT} drop")

    def heal(self) -> None:
        """Let everything through."""
        self._tell("flush chain inet lines inwards")

    def _tell(self, rule: str) -> None:
        subprocess.run(["nft", *rule.split()], check=True)


class Apart:
    """A journal with its uplink, a broker, and a centre's database with its intake."""

    def __init__(self, folder: Path) -> None:
        clock, self.lines = SystemClock(), Lines()
        self.broker = EmbeddedBroker(PORT, folder / "broker")
        self.journal = Journal(folder / "gate", clock)
        self.uplink = Uplink(
            self.journal,
            link=LinkSettings(url=self.broker.url, client_id="south"),
            gate="south",
            site=7,
            clock=clock,
            software="test",
            boot=self.journal.boot,
            health=lambda: Health(
                now=clock.now(), trust=ClockTrust.TRUSTED, software="test", outbox_depth=0, lanes=[]
            ),
            rng=Random(1),
        )
        self.store = Store(folder / "centre.db")
        self.intake = Intake(
            CentreIntake(store=self.store, clock=clock),
            link=LinkSettings(url=self.broker.url, client_id="centre-1"),
            clock=clock,
            rng=Random(2),
        )

    def start(self) -> None:
        self.broker.start()
        self.intake.start()
        self.uplink.start()
        self.record(1)
        self.drained()

    def close(self) -> None:
        self.lines.heal()
        self.uplink.stop()
        self.intake.stop()
        self.broker.stop()
        self.journal.close()
        self.store.close()

    def record(self, count: int) -> None:
        for _ in range(count):
            self.journal.append(Kind.DEVICE, DeviceData(device="camera entry", state="fault"))
            self.uplink.wake()

    def drained(self) -> float:
        """Wait until the centre has everything; how many seconds that took."""
        began_s = time.monotonic()
        until(lambda: self.journal.acked() == self.journal.last_seq(), within_s=WITHIN_S)
        return time.monotonic() - began_s

    def came_of_it(self) -> dict[str, Any]:
        event = schema.event.c
        with self.store.transaction() as connection:
            rows, ids = connection.execute(select(func.count(), func.count(event.id.distinct()))).one()
        return {"recorded": self.journal.last_seq(), "rows": rows, "ids": ids}


@contextmanager
def apart(folder: Path) -> Iterator[Apart]:
    site = Apart(folder)
    try:
        site.start()
        yield site
    finally:
        site.close()


def lossy(site: Apart) -> dict[str, Any]:
    """Three packets in ten are lost."""
    site.lines.lose(30)
    site.record(300)
    return {"drained_s": site.drained()}


def half_open(site: Apart) -> dict[str, Any]:
    """The line goes dead without a word, and comes back."""
    began_s = time.monotonic()
    site.lines.cut()
    site.record(5)
    until(lambda: not site.uplink.status().connected, within_s=WITHIN_S)
    noticed_s = time.monotonic() - began_s
    waiting = site.journal.last_seq() - site.journal.acked()
    site.lines.heal()
    return {"noticed_s": noticed_s, "waiting": waiting, "drained_s": site.drained()}


def flapping(site: Apart) -> dict[str, Any]:
    """The line goes and comes every half second for ten seconds, and events go on."""
    clock, never = time.process_time, threading.Event()
    began_s, busy_s = time.monotonic(), clock()
    with capture_logs() as lines:
        for _ in range(10):
            site.lines.cut()
            site.record(5)
            never.wait(0.5)
            site.lines.heal()
            never.wait(0.5)
        took_s = time.monotonic() - began_s
    busy = (clock() - busy_s) / took_s
    return {"log_lines": len(lines), "busy": busy, "drained_s": site.drained()}


CASES: Final[dict[str, Callable[[Apart], dict[str, Any]]]] = {
    "lossy": lossy,
    "half_open": half_open,
    "flapping": flapping,
}


def main() -> None:
    """Play the case that the command line names."""
    case, folder = sys.argv[1], Path(sys.argv[2])
    with contextlib.redirect_stdout(sys.stderr), apart(folder) as site:
        figures = CASES[case](site)
        figures |= site.came_of_it()
    sys.stdout.write(json.dumps(figures))


if __name__ == "__main__":
    main()
