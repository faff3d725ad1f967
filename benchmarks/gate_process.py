"""The gate daemon as it is, that also writes down when what happened: a process of its own for benchmarks.

Run: python -m benchmarks.gate_process CONFIG TRACE [READS_PER_S]. Each line of TRACE is an object with ``what``,
``at_s`` (monotonic, the same for all processes of a machine) and more. Nothing of the gate is changed but that calls
are timed; READS_PER_S, when given, takes the place of the 30 a second at which a camera is read.
"""

import json
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TextIO

from drivers.gate.config import load_config
from drivers.gate.view import ViewSection
from edge.boards import Boards
from edge.daemon import EdgeDaemon
from edge.readers import Readers
from edge.standing import Standings
from edge.vision.camera import CameraSettings
from edge.vision.eye import Eye
from edge.vision.shot import EyeError
from shell.logs import set_up_logs
from shell.private import keep_private
from shell.supervision import stop_event

LOOKED: Final = "looked"
DECODED: Final = "decoded"
RECORDED: Final = "recorded"
SUBMITTED: Final = "submitted"


class Trace:
    """Lines of what happened; any thread may write.

    Args:
        file: Where they go.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._lock = threading.Lock()

    def put(self, what: str, **more: Any) -> None:
        """Write that this happened now."""
        line = json.dumps({"what": what, "at_s": time.monotonic(), **more}) + "\n"
        with self._lock:
            self._file.write(line)

    def around(self, owner: type, method: str, note: Callable[..., dict[str, Any]], what: str) -> None:
        """Note each call of a method when it has returned; ``note`` gets what it was called with, and its result."""
        call = getattr(owner, method)

        def timed(*given: Any, **named: Any) -> Any:
            result = call(*given, **named)
            self.put(what, **note(result, *given))
            return result

        setattr(owner, method, timed)


def trace_looks(trace: Trace) -> None:
    """Note each look of an eye: whose, when the picture came, the eye's CPU, how many codes."""
    look = Eye.look

    def timed(eye: Eye, shot: Any, *given: Any) -> Any:
        try:
            seen = look(eye, shot, *given)
        except EyeError as error:
            trace.put("lost", camera=eye.name, why=str(error))
            raise
        trace.put(
            LOOKED,
            camera=eye.name,
            came_s=shot.at_s,
            cpu_ms=round(seen.cpu_ms, 3),
            codes=len(seen.codes),
            quiet=seen.quiet,
        )
        return seen

    setattr(Eye, "look", timed)  # noqa: B010  # a method of the product, wrapped for this process alone


def read_at(reads_per_s: float) -> None:
    """Have every camera read at another rate."""
    settings_of = CameraSettings.of

    def faster(view: ViewSection | None) -> CameraSettings:
        return replace(settings_of(view), reads_per_s=reads_per_s)

    setattr(CameraSettings, "of", staticmethod(faster))  # noqa: B010  # as above


def main() -> None:
    """Run the gate of a configuration file until SIGTERM."""
    config, path = Path(sys.argv[1]), Path(sys.argv[2])
    if len(sys.argv) > 3:
        read_at(float(sys.argv[3]))
    set_up_logs("postern-edge", json=False)
    stop = stop_event()
    settings = load_config(config)
    keep_private(settings.gate.data_dir)
    with path.open("w", encoding="utf-8", buffering=1) as file:
        trace = Trace(file)
        trace_looks(trace)
        trace.around(
            Readers,
            "camera_saw",
            lambda _result, _self, lane, texts, came_s: {
                "lane": lane,
                "came_s": came_s,
                "texts": list(texts),
            },
            DECODED,
        )
        trace.around(Standings, "record_entry_grant", lambda *_: {}, RECORDED)
        trace.around(Boards, "submit", lambda *_: {}, SUBMITTED)
        EdgeDaemon(settings, config).run(stop)


if __name__ == "__main__":
    main()
