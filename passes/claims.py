"""What a pass says: claims as a value, and their one canonical CBOR form (GP1, section 5.3 of the format).

Encoding is deterministic, and ``decode_claims`` accepts nothing but that encoding: a second spelling of the same
claims would be a second pass for everything that compares bytes.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

import cbor2

from passes.schedule import Schedule, ScheduleError, decode_schedule
from passes.stay import CLAIM_LEAST
from passes.vocabulary import Category, Direction, PassId, PersonId

_EXP, _NBF, _IAT, _CTI, _CNF, _GP = 4, 5, 6, 7, 8, -65537
_LABELS: Final = frozenset({_EXP, _NBF, _IAT, _CTI, _CNF, _GP})
_GP_FIELDS: Final = 11
_SCHEDULE: Final = 11  # index of the one optional field
_DEPTH_MAX: Final = 4  # ours is 3; maps as keys of maps as keys take the library twice as long at each level
_TIME_MAX: Final = 2**32 - 1  # Unix seconds in four bytes: until 2106
UNIT_MAX: Final = 65_535
GATES_BITMAP_MAX: Final = 255
STAY_MINUTES_MAX: Final = 45 * 24 * 60  # house guests stay up to thirty days, with room to spare

FLAG_GUARD_CONFIRM: Final = 1 << 0
FLAG_PLATE_CHECK: Final = 1 << 1
FLAG_CHALLENGE: Final = 1 << 2
FLAG_CRITICAL_TAIL: Final = 1 << 7
KEY_LEVEL_SHIFT: Final = 4  # flags bits 4 and 5


class KeyLevel(IntEnum):
    """How well a pass is bound to one phone, as its flags say it."""

    NONE = 0  # static: whoever holds the paper
    SOFT = 1  # a key that could be copied by somebody who takes over the page
    KEPT = 2  # non-extractable, in the browser's store
    PASSKEY = 3  # enrolled after a passkey login, which does not exist yet: nothing issues it


class ClaimsError(ValueError):
    """The payload is not the canonical form of permitted claims."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """The claims of one pass. Times are Unix seconds.

    ``gates`` and ``directions`` are bitmaps (bit n = gate n; 1 in, 2 out); ``stay`` is read by
    ``passes.stay.rule_of_claim``; ``holder_key`` is the compressed P-256 point (33 bytes) of the phone's key, or None
    for a static pass; ``schedule`` says when a repeat visitor may enter and wants ``FLAG_CRITICAL_TAIL``, so that a
    reader without schedules refuses the pass instead of opening at any hour.
    """

    pass_id: PassId
    person: PersonId
    site: int
    category: Category
    unit: int
    purpose: int
    gates: int
    directions: int
    entries: int
    stay: int
    status: int
    flags: int
    not_before: int
    expires_at: int
    issued_at: int | None = None
    holder_key: bytes | None = None
    schedule: Schedule | None = None

    @property
    def key_level(self) -> KeyLevel:
        """How well it is bound to its phone."""
        return KeyLevel(self.flags >> KEY_LEVEL_SHIFT & 0b11)

    def allows_gate(self, number: int) -> bool:
        """Whether gate ``number`` (counted from 0) is in the bitmap."""
        return bool(self.gates >> number & 1)

    def allows_direction(self, direction: Direction) -> bool:
        """Whether the pass may be used this way."""
        return bool(self.directions & (1 if direction is Direction.ENTRY else 2))


def encode_claims(claims: Claims) -> bytes:
    """The canonical CBOR of ``claims``; raises ``ClaimsError`` when a value is out of its range."""
    _check_ranges(claims)
    table: dict[int, Any] = {_EXP: claims.expires_at, _NBF: claims.not_before}
    if claims.issued_at is not None:
        table[_IAT] = claims.issued_at
    table[_CTI] = bytes.fromhex(claims.pass_id)
    if claims.holder_key is not None:
        sign, x = claims.holder_key[0], claims.holder_key[1:]
        table[_CNF] = {1: {1: 2, -1: 1, -2: x, -3: sign == 3}}
    group = [
        claims.site,
        int(claims.category),
        bytes.fromhex(claims.person),
        claims.unit,
        claims.purpose,
        claims.gates,
        claims.directions,
        claims.entries,
        claims.stay,
        claims.status,
        claims.flags,
    ]
    if claims.schedule is not None:
        group.append(claims.schedule.encode())
    table[_GP] = group
    return cbor2.dumps(table, canonical=True)


def decode_claims(payload: bytes) -> Claims:
    """Read claims whose signature has been verified.

    Raises:
        ClaimsError: Not CBOR, not the canonical form, a missing or ill-typed claim, a value out of range, or an
            extension marked critical that this version does not know.
    """
    try:
        table = cbor2.loads(payload, max_depth=_DEPTH_MAX)
        canonical = cbor2.dumps(table, canonical=True)
    except Exception as error:  # noqa: BLE001  # the library raises many kinds; none may pass this line
        raise ClaimsError(f"not CBOR: {type(error).__name__}") from None
    if canonical != payload:
        raise ClaimsError("not the canonical encoding")
    if not isinstance(table, dict) or not all(type(label) is int for label in table):
        raise ClaimsError("claims are not a map with whole numbers as labels")  # 4.0 would pass for 4
    group = table.get(_GP)
    if not isinstance(group, list) or len(group) < _GP_FIELDS:
        raise ClaimsError("the pass group is missing or short")
    site, category, person, unit, purpose, gates, directions, entries, stay, status, flags = group[
        :_GP_FIELDS
    ]
    numbers = (site, category, unit, purpose, gates, directions, entries, stay, status, flags)
    expires_at, not_before, issued_at = table.get(_EXP), table.get(_NBF), table.get(_IAT)
    if type(expires_at) is not int or type(not_before) is not int or type(issued_at) not in {int, type(None)}:
        raise ClaimsError("a time is missing or of another type")
    if not all(type(number) is int for number in numbers):
        raise ClaimsError("a number is missing or of another type")
    if flags & FLAG_CRITICAL_TAIL and (len(group) > _SCHEDULE + 1 or not _LABELS.issuperset(table)):
        raise ClaimsError("a critical extension is not known here")
    try:
        kind = Category(category)
    except ValueError:
        raise ClaimsError(f"category {category} is not known") from None
    claims = Claims(
        pass_id=PassId(_octets(table.get(_CTI), 8).hex()),
        person=PersonId(_octets(person, 8).hex()),
        site=site,
        category=kind,
        unit=unit,
        purpose=purpose,
        gates=gates,
        directions=directions,
        entries=entries,
        stay=stay,
        status=status,
        flags=flags,
        not_before=not_before,
        expires_at=expires_at,
        issued_at=issued_at,
        holder_key=_holder_key(table.get(_CNF)),
        schedule=_schedule(group),
    )
    _check_ranges(claims)
    return claims


def _octets(value: object, length: int) -> bytes:
    if type(value) is not bytes or len(value) != length:
        raise ClaimsError(f"a byte string of {length} bytes is missing")
    return value


def _schedule(group: list[object]) -> Schedule | None:
    if len(group) <= _SCHEDULE:
        return None
    data = group[_SCHEDULE]
    if data == b"" and len(group) > _SCHEDULE + 1:
        return None  # the place is kept free for a later field
    if type(data) is not bytes:
        raise ClaimsError("the schedule is not a byte string")
    try:
        return decode_schedule(data)
    except ScheduleError as error:
        raise ClaimsError(f"schedule: {error}") from None


def _holder_key(cnf: object) -> bytes | None:
    if cnf is None:
        return None
    key = cnf.get(1) if isinstance(cnf, dict) and _has_labels(cnf, {1}) else None
    if not isinstance(key, dict) or not _has_labels(key, {1, -1, -2, -3}) or (key[1], key[-1]) != (2, 1):
        raise ClaimsError("the holder key is not a compressed P-256 key")
    if type(key[-3]) is not bool:
        raise ClaimsError("the holder key has no sign bit")
    return (b"\x03" if key[-3] else b"\x02") + _octets(key[-2], 32)


def _has_labels(table: dict[object, object], labels: set[int]) -> bool:
    return set(table) == labels and all(type(label) is int for label in table)


def _check_ranges(claims: Claims) -> None:
    limits = (
        ("site", claims.site, 0, UNIT_MAX),
        ("unit", claims.unit, 0, UNIT_MAX),
        ("purpose", claims.purpose, 0, UNIT_MAX),
        ("gates", claims.gates, 1, GATES_BITMAP_MAX),
        ("directions", claims.directions, 1, 3),
        ("entries", claims.entries, 0, 255),
        ("stay", claims.stay, CLAIM_LEAST, STAY_MINUTES_MAX),
        ("status", claims.status, 0, UNIT_MAX),
        ("flags", claims.flags, 0, 255),
        ("not_before", claims.not_before, 0, _TIME_MAX),
        ("expires_at", claims.expires_at, claims.not_before + 1, _TIME_MAX),
        ("issued_at", claims.issued_at or 0, 0, _TIME_MAX),
    )
    for name, value, least, most in limits:
        if not least <= value <= most:
            raise ClaimsError(f"{name} {value} is outside {least}..{most}")
    if claims.schedule is not None and not claims.flags & FLAG_CRITICAL_TAIL:
        raise ClaimsError("a schedule must be marked critical (flags bit 7)")
    if claims.holder_key is not None and (len(claims.holder_key) != 33 or claims.holder_key[0] not in {2, 3}):
        raise ClaimsError("the holder key is not a compressed P-256 point of 33 bytes")
