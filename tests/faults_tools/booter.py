"""A gate's core that starts, lets somebody in and goes on with visitors until the power is cut.

``python -m tests.faults_tools.booter FOLDER NUMBER`` is the NUMBER-th start; it says what it decided.
"""

import sys
from datetime import timedelta
from pathlib import Path

from sync.messages import BootData, Kind
from tests.faults_tools.writer import say
from tests.gate_world import World, granted
from tests.minting import NOW
from tests.ticking import HandClock

VISITORS = 50


def boot(folder: Path, number: int) -> None:
    """Visitors of this start, each with a pass of their own."""
    world = World(folder, HandClock(NOW + timedelta(minutes=number)))
    world.start()
    world.gate.note(Kind.BOOT, BootData(software="test", config_sha256="0" * 64))
    for visitor in range(VISITORS):
        world.wait(8)
        say("decided", granted(world.show(world.fresh(1 + number * VISITORS + visitor))))
        world.walk()


if __name__ == "__main__":
    boot(Path(sys.argv[1]), int(sys.argv[2]))
