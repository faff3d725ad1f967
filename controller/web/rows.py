"""The order of what the centre's page shows. Pure."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime

from controller.web.view import InsideRow, OverstayRow

_NEVER = datetime.max.replace(tzinfo=UTC)


def stays_by_end(rows: Iterable[InsideRow]) -> list[InsideRow]:
    """Those whose stay ends first on top, those without a limit last."""
    return sorted(rows, key=lambda row: (row.due_at or _NEVER, row.entered_at))


def by_category(rows: Iterable[InsideRow]) -> list[tuple[str, int]]:
    """How many of each category are inside, the largest group first."""
    return sorted(Counter(row.category for row in rows).items(), key=lambda group: (-group[1], group[0]))


def overstays_by_age(rows: Iterable[OverstayRow]) -> list[OverstayRow]:
    """The longest overstay on top."""
    return sorted(rows, key=lambda row: (row.since, row.incident))
