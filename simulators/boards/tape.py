"""What happened at the virtual devices, one line an event: for eyes on stdout, as JSON lines for tests."""

import json
from pathlib import Path
from typing import TextIO

from shell.clock import Clock
from simulators.boards.device import What


class Tape:
    """Writes each event at once, so that a killed process loses none.

    Args:
        clock: Times of the lines.
        screen: Gets a readable line.
        path: Gets ``{"at", "mono", "what", "channel"}`` a line, and ``"text"`` where there is one, appended; or None.
    """

    def __init__(self, clock: Clock, screen: TextIO, path: Path | None = None) -> None:
        self._clock, self._screen = clock, screen
        self._file = None if path is None else path.open("a", encoding="utf-8", buffering=1)

    def put(self, what: What, channel: int, text: str = "", *, mono_s: float | None = None) -> None:
        """Record one event: an edge of a relay or a contact, a passage, a setting; ``mono_s`` when it was not now."""
        at = self._clock.now()
        self._screen.write(f"{at:%H:%M:%S.%f} {what:<11} {channel}{' ' if text else ''}{text}\n")
        self._screen.flush()
        if self._file is not None:
            row: dict[str, object] = {
                "at": at.isoformat(),
                "mono": round(self._clock.monotonic_s() if mono_s is None else mono_s, 6),
                "what": what,
                "channel": channel,
            }
            if text:
                row["text"] = text
            self._file.write(json.dumps(row, ensure_ascii=False) + "\n")

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        if self._file is not None:
            self._file.close()
