"""Which key signs when, and what a rotation leaves of the old ones."""

from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from controller.issuer_keys import CLOCKS_APART, IssuerKey, key_set, signing_key
from controller.issuing import LIFE_MAX
from controller.key_changes import KEYS_LIVE, LEAD, ending, rotate
from passes.keys import KeyEntry, KeySetFile
from passes.vocabulary import Category, Colour

NOON = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
LIFE = LIFE_MAX[Colour.BLUE]
OLD, YOUNG, DEAD = (
    IssuerKey(Colour.BLUE, Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)) for number in (1, 2, 3)
)
EARLY = {"not_before": NOON - HOUR, "not_after": NOON + timedelta(days=400)}


def entry(key: IssuerKey, *, not_before: datetime, not_after: datetime) -> KeyEntry:
    made = key_set([key], site=7, seq=1, not_before=not_before, not_after=not_after)
    return made.keys[0]


def published(*entries: KeyEntry) -> KeySetFile:
    return KeySetFile(site=7, seq=1, keys=list(entries))


def signer(keys: KeySetFile, now: datetime, *, until: datetime | None = None) -> IssuerKey | None:
    ends = now + HOUR if until is None else until
    return signing_key((OLD, YOUNG), keys, Category.COURIER, now, expires_at=ends)


def test_a_new_key_waits_for_slow_clocks_and_then_signs() -> None:
    keys = published(entry(OLD, **EARLY), entry(YOUNG, not_before=NOON, not_after=NOON + LIFE))
    assert signer(keys, NOON + CLOCKS_APART - SECOND) is OLD
    assert signer(keys, NOON + CLOCKS_APART) is YOUNG


def test_a_new_key_signs_at_once_where_there_is_no_other() -> None:
    keys = published(entry(YOUNG, not_before=NOON, not_after=NOON + LIFE))
    assert signer(keys, NOON) is YOUNG
    assert signer(keys, NOON - SECOND) is None


def test_no_key_signs_a_pass_that_outlives_it() -> None:
    keys = published(entry(OLD, not_before=NOON - HOUR, not_after=NOON + HOUR))
    assert signer(keys, NOON, until=NOON + HOUR) is OLD
    assert signer(keys, NOON, until=NOON + HOUR + SECOND) is None


def test_an_older_key_signs_what_outlives_the_newest() -> None:
    keys = published(entry(OLD, **EARLY), entry(YOUNG, not_before=NOON - HOUR / 2, not_after=NOON + HOUR))
    assert signer(keys, NOON, until=NOON + HOUR) is YOUNG
    assert signer(keys, NOON, until=NOON + LIFE) is OLD


def test_the_old_key_outlives_the_last_pass_that_it_may_sign_and_no_longer() -> None:
    change = rotate(published(entry(OLD, **EARLY)), "visitor", now=NOON, lead=HOUR)
    old, new = change.key_set.keys
    assert old.not_after == NOON + HOUR + CLOCKS_APART + LIFE
    assert (new.not_before, new.not_after) == (NOON + HOUR, NOON + HOUR + KEYS_LIVE)
    last = NOON + HOUR + CLOCKS_APART - SECOND  # until then the old key signs, and for a whole life
    assert signer(change.key_set, last, until=last + LIFE) is OLD


def test_a_rotation_never_makes_an_old_key_live_longer() -> None:
    ends = NOON + timedelta(days=1)
    old, _ = rotate(
        published(entry(OLD, not_before=NOON - HOUR, not_after=ends)), "visitor", now=NOON, lead=HOUR
    ).key_set.keys
    assert old.not_after == ends


def test_a_rotation_drops_keys_that_are_over() -> None:
    over = entry(DEAD, not_before=NOON - HOUR, not_after=NOON)
    kids = [
        one.kid
        for one in rotate(published(over, entry(OLD, **EARLY)), "visitor", now=NOON, lead=HOUR).key_set.keys
    ]
    assert len(kids) == 2
    assert kids[0] == OLD.kid.hex()


def test_a_key_that_will_soon_sign_no_full_life_is_named_until_another_follows() -> None:
    keys = published(entry(OLD, **EARLY))
    soon = EARLY["not_after"] - LEAD - LIFE
    assert ending(keys, soon) == []
    assert ending(keys, soon + SECOND) == keys.keys
    change = rotate(keys, "visitor", now=soon + SECOND, lead=HOUR)
    assert ending(change.key_set, soon + SECOND) == []
