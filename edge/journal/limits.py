"""How much room the journal takes and keeps, and what that means when there is little left. Pure figures."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

CHECKPOINT_PAGES: Final = 64  # with more, a full disk cannot be freed (reference, reliability 1.2 D)
PAGE_BYTES: Final = 4096
MB: Final = 1_000_000
MARGIN_BYTES: Final = CHECKPOINT_PAGES * PAGE_BYTES  # the rows of a busy hour


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one journal may take.

    Args:
        reserve_bytes: Kept for a full disk: at least twice what a checkpoint moves.
        receipted_bytes: Of rows that the centre has; beyond, the oldest go before their seven days are over.
        receipted_for: How long such a row stays otherwise.
        prune_rows: How many go at once, so that no decision waits for it.
    """

    reserve_bytes: int = 1 << 20
    receipted_bytes: int = 256 * MB
    receipted_for: timedelta = timedelta(days=7)
    prune_rows: int = 500

    def __post_init__(self) -> None:
        assert self.reserve_bytes >= 2 * CHECKPOINT_PAGES * PAGE_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What there is for rows, in bytes: on the disk, and in pages of the file that were freed."""

    disk: int
    inside: int

    def for_entries(self, limits: Limits) -> bool:
        """Whether an entry may be recorded, once the reserve is given up: what it held is for exits and alarms."""
        return self.disk + self.inside >= limits.reserve_bytes + MARGIN_BYTES

    def for_reserve(self, limits: Limits) -> bool:
        """Whether the reserve can be made again, and leave something."""
        return self.disk >= limits.reserve_bytes + 2 * MARGIN_BYTES


def beyond_quota(*, used_bytes: int, rows: int, receipted: int, limits: Limits) -> int:
    """How many of the receipted rows are too many, by what a row takes on average."""
    if not rows or not receipted:
        return 0
    each = max(1.0, used_bytes / rows)
    return max(0, min(receipted, round((receipted * each - limits.receipted_bytes) / each)))
