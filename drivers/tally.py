"""Counting bytes that belong to no frame, reported at most once a second so that noise is no flood."""

from drivers.model import Garbage

REPORT_EVERY_S = 1.0


class GarbageTally:
    """Collects counts between reports."""

    def __init__(self) -> None:
        self._count = 0
        self._due_s: float | None = None

    def add(self, count: int, now_s: float) -> None:
        """Remember ``count`` bytes; the report falls due one second after the first."""
        if count <= 0:
            return
        self._count += count
        if self._due_s is None:
            self._due_s = now_s + REPORT_EVERY_S

    def next_deadline(self) -> float | None:
        """When the report is due, in monotonic seconds."""
        return self._due_s

    def take(self, now_s: float) -> list[Garbage]:
        """The report if it is due, else nothing."""
        if self._due_s is None or now_s < self._due_s:
            return []
        report, self._count, self._due_s = Garbage(self._count), 0, None
        return [report]
