"""One gate as a process that a test kills: a real journal and uplink, recording until told that it is enough.

``python -m tests.delivery_gate FOLDER URL [CA CERTIFICATE KEY]``; ends by itself once everything has its receipt.
"""

import sys
import threading
from pathlib import Path
from random import Random

from edge.journal import Journal
from passes.vocabulary import ClockTrust, Direction
from shell.clock import SystemClock
from sync.link import LinkSettings
from sync.messages import DeviceData, Health, Kind, LaneHealth
from sync.tls import TlsFiles
from sync.uplink import Uplink

SITE, GATE = 7, "south"
ENOUGH = "enough"
EVERY_S = 0.02


def tls_of(words: list[str]) -> TlsFiles | None:
    if not words:
        return None
    ca, certificate, key = map(Path, words)
    return TlsFiles(ca=ca, certificate=certificate, key=key)


def main() -> None:
    folder, url = Path(sys.argv[1]), sys.argv[2]
    clock, pause = SystemClock(), threading.Event()
    journal = Journal(folder, clock)

    def health() -> Health:
        lane = LaneHealth(name="entry", direction=Direction.ENTRY, state="ready", camera="ok", board="ok")
        return Health(
            now=clock.now(), trust=ClockTrust.TRUSTED, software="test 1", outbox_depth=0, lanes=[lane]
        )

    uplink = Uplink(
        journal,
        link=LinkSettings(url=url, client_id=GATE, tls=tls_of(sys.argv[3:]), retry_max_s=1.0),
        gate=GATE,
        site=SITE,
        clock=clock,
        software="test 1",
        boot=journal.boot,
        health=health,
        rng=Random(7),
    )
    uplink.start()
    while not (folder / ENOUGH).exists():
        journal.append(Kind.DEVICE, DeviceData(device="camera", state="fault"))
        uplink.wake()
        pause.wait(EVERY_S)
    while journal.acked() < journal.last_seq():
        pause.wait(EVERY_S)
    uplink.stop()
    journal.close()


if __name__ == "__main__":
    main()
