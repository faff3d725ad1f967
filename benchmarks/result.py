"""What a benchmark module hands back: one line of the table each."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line asked for.

    Args:
        qr_real: Folder of photographs with ``truth.json``, or None when none was named.
        seconds: Roughly how long one comparison may measure.
        quick: Fewer repetitions, where there are many.
    """

    qr_real: Path | None = None
    seconds: float = 2.0
    quick: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One figure beside the same figure of a baseline.

    Args:
        name: What was measured, for example ``check of a static pass``.
        value: Our figure, in ``unit``.
        unit: For example ``us`` or ``% read``.
        baseline: What it is compared with, by name.
        baseline_value: Its figure, in the same unit, from the same run.
        ratio_max: The ratio that we promise to stay at or below, where we promise one.
        ratio_min: The ratio that we promise to reach, where more is better.
    """

    name: str
    value: float
    unit: str
    baseline: str
    baseline_value: float
    ratio_max: float | None = None
    ratio_min: float | None = None

    @property
    def ratio(self) -> float:
        """Ours over the baseline's."""
        return self.value / self.baseline_value

    @property
    def kept(self) -> bool:
        """Whether the ratio is within what was promised."""
        enough = self.ratio_min is None or self.ratio >= self.ratio_min
        return enough and (self.ratio_max is None or self.ratio <= self.ratio_max)

    @property
    def limit(self) -> str:
        """What was promised, in words."""
        if self.ratio_min is not None:
            return f">= {self.ratio_min:.2f}"
        return "" if self.ratio_max is None else f"<= {self.ratio_max:.2f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A benchmark that did not run, and what it would need."""

    name: str
    why: str


Outcome = Result | Skipped
