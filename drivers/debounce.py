"""Turning sampled input levels into edges that stayed for the debounce time."""

from drivers.model import InputEdge

DEBOUNCE_S = 0.030  # drivers reference 3: contacts bounce for less


class Debouncer:
    """Levels of a row of inputs, inactive until seen otherwise.

    The first sample is compared with "all inactive", and levels are kept over a lost line: a contact that is
    active at start, or changed while nobody looked, is reported like any other.
    """

    def __init__(self, inputs: int) -> None:
        self._levels = [False] * inputs
        self._since_s: list[float | None] = [None] * inputs  # when the other level was first seen

    def sample(self, bits: int, now_s: float, *, mask: int = -1) -> list[InputEdge]:
        """Take one reading of the inputs in ``mask`` (bit 0 is channel 1) and return the edges it settles."""
        edges: list[InputEdge] = []
        for index, level in enumerate(self._levels):
            if not mask >> index & 1:
                continue
            active = bool(bits >> index & 1)
            since_s = self._since_s[index]
            if active == level:
                self._since_s[index] = None
            elif since_s is None:
                self._since_s[index] = now_s
            elif now_s - since_s >= DEBOUNCE_S:
                self._levels[index], self._since_s[index] = active, None
                edges.append(InputEdge(channel=index + 1, active=active, at_s=since_s))
        return edges

    def settles(self) -> list[tuple[float, int]]:
        """When each changed input may be believed if it is still changed, in monotonic seconds, and its channel."""
        return [
            (at_s + DEBOUNCE_S, index + 1) for index, at_s in enumerate(self._since_s) if at_s is not None
        ]

    def forget_changes(self) -> None:
        """Drop changes that are not settled: nobody looked in between."""
        self._since_s = [None] * len(self._levels)
