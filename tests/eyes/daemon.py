"""A daemon with one eye, to be killed: prints the process ids of nursery and eye to
stderr, and waits."""

import signal
import sys

from edge.vision.eye import Eye
from edge.vision.nursery import Nursery
from edge.vision.shot import EyeError
from shell.clock import SystemClock
from tests.eyes.pictures import card, jpeg, shot
from tests.waiting import until


def main() -> None:
    """Look once, say who looked, and go on until killed."""
    nursery = Nursery(SystemClock())
    eye = Eye("entry", nursery, SystemClock())

    def looked() -> bool:
        try:
            return bool(eye.look(shot(jpeg(card("here")))).codes)
        except EyeError:
            return False

    until(looked, within_s=20, what="a look")
    sys.stderr.write(f"{nursery.pid} {eye.pid}\n")
    sys.stderr.flush()
    signal.pause()


if __name__ == "__main__":
    main()
