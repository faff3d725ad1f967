"""One conversation with a reader after the other: when one is over, and when the next begins.

libosdp sleeps for 300 s after a reader was silent for nine, or denied something. A panel that has given up is started
again, or thrown away where it still has a command that it might say.
"""

from pathlib import Path
from typing import Final

from drivers.devices.osdp_key import KeyFileError, read_key
from drivers.devices.osdp_panel import Panel
from drivers.faults import Faults
from drivers.model import Fault

AGAIN_S: Final = 0.05  # from giving up to the next attempt
STRANGE_S: Final = (
    0.5,
    1.0,
    2.0,
)  # likewise with one that answers, but not with our key: once, twice, always
KEY_AGAIN_S: Final = 1.0
ASLEEP_S: Final = 4.0  # silence after which it is begun again; libosdp gives up after nine
_NEVER: Final = float("inf")


class Conversation:
    """The panel in use, if there is one now.

    Args:
        key_file: Where the reader's key is; read at each beginning.
        unit: The reader's address.
        faults: Gets those of the key.
    """

    def __init__(self, *, key_file: Path, unit: int, faults: Faults) -> None:
        self._key_file, self._unit, self._faults = key_file, unit, faults
        self.panel: Panel | None = None
        self._idle: Panel | None = None
        self._strange = 0  # how often in a row it answered, but not with our key
        self.begins_s = _NEVER
        self.heard_s = self._made_s = float("-inf")

    @property
    def was_heard(self) -> bool:
        """Whether something came in this conversation, or in the one before."""
        return self._strange > 0 or self.heard_s >= self._made_s

    def silent_s(self, now_s: float) -> float:
        """For how long nothing came."""
        return now_s - max(self.heard_s, self._made_s)

    def hear(self, data: bytes, now_s: float) -> None:
        """Take bytes from the line."""
        if self.panel is not None:
            self.heard_s = now_s
            self.panel.hear(data)

    def begin(self, now_s: float) -> list[Fault]:
        """Begin from the beginning, with the key as it is now; without one, later."""
        self.begins_s, self._made_s, self.heard_s = _NEVER, now_s, float("-inf")
        idle, self._idle = self._idle, None
        try:
            key = read_key(self._key_file)
        except KeyFileError as error:
            self.begins_s = now_s + KEY_AGAIN_S
            return self._faults.begin("key", str(error))
        if idle is not None and idle.has_key(key):
            idle.restart()
            self.panel = idle
        else:
            self.panel = Panel(address=self._unit, key=key)
        return self._faults.end("key")

    def give_up(self, now_s: float, *, was_secure: bool, reusable: bool) -> None:
        """This one is over; ``reusable``: libosdp has no command of ours, and did not fail in itself."""
        strange = not was_secure and self.heard_s >= self._made_s
        self._strange = self._strange + 1 if strange else 0
        wait_s = STRANGE_S[min(self._strange, len(STRANGE_S)) - 1] if strange else AGAIN_S
        self._idle = self.panel if reusable else None
        self.panel, self.begins_s = None, now_s + wait_s

    def succeeded(self) -> None:
        """The secure channel stands."""
        self._strange = 0

    def close(self) -> None:
        """The line is gone."""
        self.panel = self._idle = None
        self._strange, self.begins_s = 0, _NEVER
