"""The closed sets of words that gates, centre, pages and messages share.

Codes are added, never renamed: they are stored in journals and sent over the wire.
"""

from enum import IntEnum, StrEnum
from typing import Final, NewType

PassId = NewType("PassId", str)
"""Sixteen lower-case hex digits: the 8 random bytes of the pass's ``cti`` claim."""
PersonId = NewType("PersonId", str)
"""Sixteen lower-case hex digits: the site's keyed pseudonym of one person."""


class Colour(StrEnum):
    """What a pass looks like. RED is a state of a stay and never a colour that a pass carries."""

    GREEN = "green"
    BLUE = "blue"


class Category(IntEnum):
    """Who comes, as the ``category`` claim carries it: colour in the high nibble, kind in the low one."""

    RESIDENT = 0x10
    INVITED = 0x21
    COURIER = 0x22
    FOOD = 0x23
    RENOVATION = 0x24
    SERVICE = 0x25
    OTHER = 0x2F

    @property
    def colour(self) -> Colour:
        """The colour in the high nibble."""
        return Colour.GREEN if self >> 4 == 1 else Colour.BLUE

    @property
    def code(self) -> str:
        """The stable lower-case word for logs, messages and configuration, for example ``courier``."""
        return self.name.lower()

    @classmethod
    def from_code(cls, code: str) -> "Category":
        """Find a category by its word; raises ``KeyError`` for an unknown one."""
        return cls[code.upper()]


class Direction(StrEnum):
    """Which way a lane leads."""

    ENTRY = "entry"
    EXIT = "exit"


class ClockTrust(StrEnum):
    """Whether the wall clock may be used to judge validity."""

    TRUSTED = "trusted"
    UNTRUSTED = "untrusted"


class PassStatus(IntEnum):
    """What the site's status list says of one pass: the two bits themselves."""

    VALID = 0
    INVALID = 1  # withdrawn
    SUSPENDED = 2  # RED on the pass
    USED_UP = 3  # no entry left


class Reason(StrEnum):
    """Why a scan was refused, or sent to the guard. ``passes.words`` has the words for each."""

    MALFORMED = "malformed"
    BAD_SIGNATURE = "bad_signature"
    UNKNOWN_KEY = "unknown_key"
    NOT_YET_VALID = "not_yet_valid"
    EXPIRED = "expired"
    REVOKED = "revoked"
    WRONG_ACCESS_POINT = "wrong_access_point"
    ALREADY_INSIDE = "already_inside"
    CLOCK_UNTRUSTED = "clock_untrusted"
    INTERNAL_ERROR = "internal_error"
    RED = "red"
    STALE_CODE = "stale_code"
    REPLAYED = "replayed"
    ENTRIES_USED = "entries_used"
    WRONG_SITE = "wrong_site"
    WRONG_DIRECTION = "wrong_direction"
    OUTSIDE_HOURS = "outside_hours"
    BUNDLE_STALE = "bundle_stale"
    OPEN_STAY = "open_stay"
    GUARD_CONFIRM = "guard_confirm"
    SEVERAL_CODES = "several_codes"
    LANE_FAULT = "lane_fault"
    EMERGENCY = "emergency"
    LANE_BLOCKED = "lane_blocked"
    NO_VEHICLE = "no_vehicle"
    UNKNOWN_PASS = "unknown_pass"  # noqa: S105  # a short code, and this gate does not hold its pass


GATES_MAX: Final = 8
"""Gate bits a pass may carry without growing beyond its promised size (reference, pass format 3.1)."""

PURPOSE_ITEM_PASS: Final = 16
"""The ``purpose`` claim of an item pass (出门条): its holder carries things out, and the guard looks at them."""
