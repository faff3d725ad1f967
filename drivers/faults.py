"""What is wrong with a device now, by kind, and the events that tell each change once."""

from drivers.model import Fault


class Faults:
    """The faults of one device. It is well again when the last of them is over."""

    def __init__(self) -> None:
        self._active: dict[str, str] = {}

    def __contains__(self, kind: str) -> bool:
        return kind in self._active

    def begin(self, kind: str, why: str) -> list[Fault]:
        """Something is wrong; nothing to tell when it was before."""
        if kind in self._active:
            return []
        self._active[kind] = why
        return [Fault(active=True, why=why)]

    def end(self, kind: str) -> list[Fault]:
        """It is right again."""
        gone = self._active.pop(kind, None)
        if gone is None:
            return []
        if self._active:
            return [Fault(active=True, why=next(iter(self._active.values())))]
        return [Fault(active=False, why=f"over: {gone}")]

    def forget(self) -> list[Fault]:
        """The line is gone, and with it what was known; what is still wrong will show again."""
        if not self._active:
            return []
        self._active.clear()
        return [Fault(active=False, why="the line was lost")]
