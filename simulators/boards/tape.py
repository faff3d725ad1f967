"""What happened at the virtual boards, one line an event: for eyes on stdout, as JSON lines for tests."""

import json
from pathlib import Path
from typing import Literal, TextIO

from shell.clock import Clock

What = Literal["relay_on", "relay_off", "contact_on", "contact_off"]


class Tape:
    """Writes each event at once, so that a killed process loses none.

    Args:
        clock: Times of the lines.
        screen: Gets a readable line.
        path: Gets ``{"at", "mono", "what", "channel"}`` a line, appended; or None.
    """

    def __init__(self, clock: Clock, screen: TextIO, path: Path | None = None) -> None:
        self._clock, self._screen = clock, screen
        self._file = None if path is None else path.open("a", encoding="utf-8", buffering=1)

    def put(self, what: What, channel: int) -> None:
        """Record one edge of a relay or of a passage contact."""
        at = self._clock.now()
        self._screen.write(f"{at:%H:%M:%S.%f} {what:<11} {channel}\n")
        self._screen.flush()
        if self._file is not None:
            row = {
                "at": at.isoformat(),
                "mono": round(self._clock.monotonic_s(), 6),
                "what": what,
                "channel": channel,
            }
            self._file.write(json.dumps(row) + "\n")

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        if self._file is not None:
            self._file.close()
