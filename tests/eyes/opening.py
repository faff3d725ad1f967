"""Eyes that have opened, and what they are shown."""

from pathlib import Path

import numpy as np

from edge.vision.eye import Eye
from edge.vision.nursery import Nursery
from edge.vision.shot import EyeError, Seen, Shot
from shell.clock import SystemClock
from tests.eyes.children import Fault
from tests.eyes.pictures import card, grey_shot, jpeg, shot
from tests.waiting import until


def opened(nursery: Nursery, kind: str = "eye") -> Eye:
    """An eye that has read a picture: the nursery has started, the child is there."""
    eye = Eye("entry", nursery, SystemClock(), kind=kind)
    until(lambda: _reads(eye), within_s=20, what="the first look")
    return eye


def _reads(eye: Eye) -> bool:
    try:
        return texts(eye.look(shot(jpeg(card("first"))))) == ["first"]
    except EyeError as error:
        assert "starting" in str(error), error
        return False


def texts(seen: Seen) -> list[str]:
    return sorted(code.text for code in seen.codes)


def fault(kind: Fault) -> Shot:
    return grey_shot(np.full((16, 16), kind, np.uint8))


def cpu_ticks(pid: int) -> int:
    """Processor time of a process, in hundredths of a second."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])
