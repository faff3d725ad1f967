"""The site bundle: what the centre tells all gates of a site about passes and people, as one signed file.

It holds the status list (two bits a pass), who is RED, "everything before T" rules, extended stays, and certificates of
gates that may issue walk-in passes; never a name.
In front of it travels the site's key set under the operator's own signature, so that new keys reach gates that were
away for long. Every copy is whole and proves itself: broker, USB stick and neighbour may all carry it.

This module knows the format and what may follow what; files, topics and policy are with the gate and the centre.
"""

import hashlib
import zlib
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from itertools import pairwise
from typing import Any, Final, NamedTuple

import cbor2

from passes.claims import Claims
from passes.cose import cut_file, seal_file
from passes.gp1 import Algorithm, MalformedError, Sign
from passes.keys import KeyTable
from passes.trust import KEY_SET_BYTES_MAX
from passes.vocabulary import GATES_MAX, ClockTrust, PassStatus
from passes.walkin import CERTIFICATE_BYTES_MAX

BUNDLE_BYTES_MAX: Final = 255 * 1024  # one MQTT message of 256 KiB, with room for its topic
STATUS_PLACES: Final = 65_536
STATUS_BYTES: Final = STATUS_PLACES // 4
KEY_BYTES: Final = 8
WALK_IN_MAX: Final = GATES_MAX * 2  # certificates: one of each gate, and room for a box that was replaced
AHEAD_MAX_S: Final = 60  # two clocks that are both in order may differ by this

_DOMAIN: Final = b"postern/bundle/1"
_MAGIC: Final = b"PB1\x00"
_TIME_MAX: Final = 2**32 - 1
_SEQ_MAX: Final = 2**53
_VERSION: Final = 1
_DEPTH_MAX: Final = 4  # a map of lists of rows is 3; deep keys take the library twice as long at each level
_BITS: Final = 2


class Problem(StrEnum):
    """Why a gate does not take a bundle."""

    MALFORMED = "malformed"
    UNKNOWN_KEY = "unknown_key"
    BAD_SIGNATURE = "bad_signature"
    WRONG_SITE = "wrong_site"
    ROLLED_BACK = "rolled_back"
    AHEAD_OF_CLOCK = "ahead_of_clock"
    WITHOUT_KEY_SET = "without_key_set"


@dataclass(frozen=True, slots=True)
class Refused:
    """A bundle that is not taken. ``detail`` is for logs and for whoever carried it here."""

    problem: Problem
    detail: str


class RedCause(IntEnum):
    """Why a key is RED. A reader keeps causes that it does not know: they are RED all the same."""

    OVERSTAY = 1  # inside, past the limit
    LEFT_LATE = 2  # left later than the grace, not settled


class Red(NamedTuple):
    """Somebody or something that no entry opens for: person, phone or plate, as 8 bytes; since when, and why."""

    key: bytes
    since: int
    cause: int


class Before(NamedTuple):
    """Passes of this person (8 bytes) or under this issuer key (4 bytes) that were issued before ``moment``."""

    key: bytes
    moment: int


class Extension(NamedTuple):
    """A stay (8 bytes of its id) that may last until ``due``."""

    stay: bytes
    due: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """The state of a site at ``issued_at``. Times are Unix seconds; the tuples are sorted by their keys.

    ``walkin`` holds certificates that nothing here has verified: ``passes.trust.open_certificates`` does.
    """

    site: int
    seq: int
    issued_at: int
    ttl_s: int
    expires_at: int
    keyset_seq: int
    statuses: bytes = field(default=bytes(STATUS_BYTES), repr=False)  # two bits a place, the lowest first
    red: tuple[Red, ...] = ()
    before: tuple[Before, ...] = ()
    extensions: tuple[Extension, ...] = ()
    walkin: tuple[bytes, ...] = field(default=(), repr=False)

    def status_of(self, index: int) -> PassStatus:
        """What the list says of the pass with this status index; places beyond it are valid."""
        if not 0 <= index < len(self.statuses) * 4:
            return PassStatus.VALID
        return PassStatus(self.statuses[index >> 2] >> 2 * (index & 3) & 3)

    def is_red(self, key: bytes) -> bool:
        """Whether this person, phone or plate is RED."""
        return _find(self.red, key) is not None

    def refused_before(self, claims: Claims, kid: bytes) -> bool:
        """Whether the pass is older than its person's or its issuer key's "before T".

        A pass that does not say when it was issued counts as older than any T.
        """
        for key in (bytes.fromhex(claims.person), kid):
            rule = _find(self.before, key)
            if rule is not None and (claims.issued_at is None or claims.issued_at < rule.moment):
                return True
        return False

    def due_of(self, stay_id: str) -> datetime | None:
        """Until when this stay was extended; None when it was not."""
        found = _find(self.extensions, bytes.fromhex(stay_id))
        return None if found is None else datetime.fromtimestamp(found.due, UTC)

    def age_s(self, now: datetime) -> float:
        """How old it is, never negative; without bound once its own end has come."""
        moment = now.timestamp()
        return float("inf") if moment >= self.expires_at else max(0.0, moment - self.issued_at)

    def count(self, status: PassStatus) -> int:
        """How many places of the list hold ``status``."""
        return sum(byte >> shift & 3 == status for byte in self.statuses for shift in (0, 2, 4, 6))


class Parts(NamedTuple):
    """A bundle file cut in two: the signed key set (may be empty) and the signed state."""

    key_set: bytes
    state: bytes


def device_key(holder_key: bytes) -> bytes:
    """The key under which a phone is RED: the first 8 bytes of SHA-256 of its public key."""
    return hashlib.sha256(holder_key).digest()[:KEY_BYTES]


def pack_statuses(found: Mapping[int, PassStatus]) -> bytes:
    """The status list with these places set. It always has its whole length: nobody reads off how many passes are."""
    packed = bytearray(STATUS_BYTES)
    for index, status in found.items():
        packed[index >> 2] |= status << 2 * (index & 3)
    return bytes(packed)


def seal_bundle(
    bundle: Bundle, *, algorithm: Algorithm, kid: bytes, sign: Sign, key_set: bytes = b""
) -> bytes:
    """Sign ``bundle`` with the site's status key, behind its signed key set.

    Raises:
        ValueError: A value is out of range, or the file outgrows ``BUNDLE_BYTES_MAX``.
    """
    problem = _problem(bundle)
    if problem is not None:
        raise ValueError(problem)
    table = {
        "v": _VERSION,
        "site": bundle.site,
        "seq": bundle.seq,
        "iat": bundle.issued_at,
        "ttl": bundle.ttl_s,
        "exp": bundle.expires_at,
        "keyset_seq": bundle.keyset_seq,
        "bits": _BITS,
        "lst": zlib.compress(bundle.statuses, 9),
        "red": [list(one) for one in bundle.red],
        "before": [list(one) for one in bundle.before],
        "ext": [list(one) for one in bundle.extensions],
        "walkin": list(bundle.walkin),
    }
    payload = cbor2.dumps(table, canonical=True)
    state = seal_file(payload, domain=_DOMAIN, algorithm=algorithm, kid=kid, sign=sign)
    data = join_bundle(key_set, state)
    if len(data) > BUNDLE_BYTES_MAX or len(key_set) > KEY_SET_BYTES_MAX:
        raise ValueError(f"a bundle of {len(data)} bytes is too large: at most {BUNDLE_BYTES_MAX}")
    return data


def join_bundle(key_set: bytes, state: bytes) -> bytes:
    """The file that holds these two signed parts."""
    return _MAGIC + len(key_set).to_bytes(4, "big") + key_set + state


def split_bundle(data: bytes) -> Parts | Refused:
    """Cut a bundle file in its two signed parts, of which nothing is verified yet."""
    if len(data) > BUNDLE_BYTES_MAX:
        return Refused(Problem.MALFORMED, f"{len(data)} bytes are too many for a bundle")
    size = int.from_bytes(data[4:8], "big")
    if len(data) < 8 or data[:4] != _MAGIC or size > min(len(data) - 8, KEY_SET_BYTES_MAX):
        return Refused(Problem.MALFORMED, "not a bundle file")
    return Parts(data[8 : 8 + size], data[8 + size :])


def open_state(state: bytes, keys: KeyTable, *, now: datetime, trust: ClockTrust) -> Bundle | Refused:
    """Verify and read the signed state; whatever the bytes, this does not raise.

    Args:
        state: The second part of the file.
        keys: The status keys of this site, and no others.
        now: Aware UTC wall time.
        trust: With an untrusted clock the dates of the key are not judged.
    """
    try:
        signed = cut_file(state)
    except MalformedError as error:
        return Refused(Problem.MALFORMED, str(error))
    key = keys.find(signed.protected)
    if key is None:
        return Refused(Problem.UNKNOWN_KEY, f"no status key for header {signed.protected.hex()}")
    if trust is ClockTrust.TRUSTED and not key.not_before <= now < key.not_after:
        return Refused(Problem.UNKNOWN_KEY, f"status key {key.kid.hex()} is not valid now")
    if not key.verifies(signed.to_be_signed(_DOMAIN), signed.signature):
        return Refused(Problem.BAD_SIGNATURE, f"status key {key.kid.hex()} did not sign this")
    try:
        return _decode(signed.payload)
    except _ContentError as error:
        return Refused(Problem.MALFORMED, str(error))


def accept(
    current: Bundle | None, new: Bundle, *, site: int, now: datetime, trust: ClockTrust
) -> Refused | None:
    """Whether a verified bundle may follow the one that is held; None when it may.

    Numbers rise, that of the key set first: a status key that was stolen and taken out of it cannot have used up the
    numbers of its successor. The dates of two bundles are not compared, since the centre's clock may have been set
    back. Its own date may lie ahead of a trusted clock by ``AHEAD_MAX_S`` at most: beyond, one of the two clocks is
    wrong, and a gate that believed it would doubt its own clock from then on.
    """
    if new.site != site:
        return Refused(
            Problem.WRONG_SITE, f"the bundle is of site {new.site}, and this gate stands at {site}"
        )
    if current is not None and (new.keyset_seq, new.seq) <= (current.keyset_seq, current.seq):
        return Refused(Problem.ROLLED_BACK, f"bundle {new.seq} comes after bundle {current.seq}")
    ahead_s = new.issued_at - now.timestamp()
    if trust is ClockTrust.TRUSTED and ahead_s > AHEAD_MAX_S:
        return Refused(Problem.AHEAD_OF_CLOCK, f"the bundle is dated {ahead_s:.0f} s ahead of this clock")
    return None


class _ContentError(ValueError):
    """Signed, and yet not a bundle of this version."""


def _decode(payload: bytes) -> Bundle:
    try:
        table = cbor2.loads(payload, max_depth=_DEPTH_MAX)
        canonical = cbor2.dumps(table, canonical=True)
    except Exception as error:  # noqa: BLE001  # the library raises many kinds; none may pass this line
        raise _ContentError(f"not CBOR: {type(error).__name__}") from None
    if canonical != payload or not isinstance(table, dict):
        raise _ContentError("not the canonical encoding of a map")
    if (table.get("v"), table.get("bits")) != (_VERSION, _BITS):
        raise _ContentError("the bundle is of another version")
    bundle = Bundle(
        site=_number(table, "site"),
        seq=_number(table, "seq"),
        issued_at=_number(table, "iat"),
        ttl_s=_number(table, "ttl"),
        expires_at=_number(table, "exp"),
        keyset_seq=_number(table, "keyset_seq"),
        statuses=_inflate(table.get("lst")),
        red=tuple(Red(*row) for row in _rows(table, "red", (bytes, int, int))),
        before=tuple(Before(*row) for row in _rows(table, "before", (bytes, int))),
        extensions=tuple(Extension(*row) for row in _rows(table, "ext", (bytes, int))),
        walkin=_certificates(table),
    )
    problem = _problem(bundle)
    if problem is not None:
        raise _ContentError(problem)
    return bundle


def _number(table: dict[Any, Any], name: str) -> int:
    value = table.get(name)
    if type(value) is not int:
        raise _ContentError(f"{name} is not a whole number")
    return value


def _rows(table: dict[Any, Any], name: str, types: tuple[type, ...]) -> list[list[Any]]:
    rows = table.get(name)
    if not isinstance(rows, list):
        raise _ContentError(f"{name} is not a list")
    for row in rows:
        if not isinstance(row, list) or tuple(map(type, row)) != types:
            raise _ContentError(f"{name} holds a row of another shape")
    return rows


def _certificates(table: dict[Any, Any]) -> tuple[bytes, ...]:
    """Bytes that may be certificates; an older centre has none."""
    found = table.get("walkin", [])
    if not isinstance(found, list) or not all(type(one) is bytes for one in found):
        raise _ContentError("walkin is not a list of byte strings")
    return tuple(found)


def _inflate(data: object) -> bytes:
    """The status list, with a hard bound on what it may grow to."""
    if type(data) is not bytes:
        raise _ContentError("lst is not a byte string")
    inflater = zlib.decompressobj()
    try:
        statuses = inflater.decompress(data, STATUS_BYTES + 1)
    except zlib.error:
        raise _ContentError("lst is not zlib data") from None
    if len(statuses) > STATUS_BYTES or not inflater.eof or inflater.unused_data:
        raise _ContentError(f"lst does not inflate to at most {STATUS_BYTES} bytes and nothing else")
    return statuses


def _problem(bundle: Bundle) -> str | None:
    """What is out of range."""
    limits = (
        ("site", bundle.site, 0, 65_535),
        ("seq", bundle.seq, 1, _SEQ_MAX),
        ("iat", bundle.issued_at, 0, _TIME_MAX),
        ("ttl", bundle.ttl_s, 1, 24 * 3600),
        ("exp", bundle.expires_at, bundle.issued_at + 1, _TIME_MAX),
        ("keyset_seq", bundle.keyset_seq, 1, _SEQ_MAX),
    )
    for name, value, least, most in limits:
        if not least <= value <= most:
            return f"{name} {value} is outside {least}..{most}"
    if len(bundle.statuses) > STATUS_BYTES:
        return f"the status list has more than {STATUS_PLACES} places"
    if len(bundle.walkin) > WALK_IN_MAX or any(len(one) > CERTIFICATE_BYTES_MAX for one in bundle.walkin):
        return f"walkin holds more than {WALK_IN_MAX} certificates, or one of more than {CERTIFICATE_BYTES_MAX} B"
    lists: tuple[tuple[str, tuple[tuple[Any, ...], ...], set[int]], ...] = (
        ("red", bundle.red, {KEY_BYTES}),
        ("before", bundle.before, {KEY_BYTES, 4}),
        ("ext", bundle.extensions, {KEY_BYTES}),
    )
    for name, rows, sizes in lists:
        keys = [row[0] for row in rows]
        if any(earlier >= later for earlier, later in pairwise(keys)):
            return f"{name} is not sorted, or names a key twice"
        if any(
            len(row[0]) not in sizes or not all(0 <= value <= _TIME_MAX for value in row[1:]) for row in rows
        ):
            return f"{name} holds a key or a time that is none"
    return None


def _find(rows: tuple[Any, ...], key: bytes) -> Any:
    """The row of this key in rows sorted by key."""
    place = bisect_left(rows, key, key=lambda row: row[0])
    return rows[place] if place < len(rows) and rows[place][0] == key else None
