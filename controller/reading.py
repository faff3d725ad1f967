"""From an event on the wire to what the ledger folds: moments as they are kept, and what a passage says."""

from collections.abc import Hashable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from pydantic import ValidationError

from controller.ledger import Passage
from passes.vocabulary import ClockTrust
from sync.messages import Event, PassageData, Subject

_SUBJECT_FIELDS: Final = tuple(Subject.model_fields)
# Wide enough for any clock that forgot its time, and far enough from both ends for any zone, limit or grace.
_CALENDAR: Final = (datetime(1900, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC))


def kept(moment: datetime) -> datetime:
    """In UTC and to the millisecond, as it is kept: what is read back must equal what was read first.

    Raises:
        OverflowError: The moment is outside the calendar.
    """
    utc = moment.astimezone(UTC)
    if not is_kept(utc):
        raise OverflowError("outside the calendar")
    return utc.replace(microsecond=utc.microsecond // 1000 * 1000) if utc.microsecond % 1000 else utc


def is_kept(moment: datetime) -> bool:
    """Whether a moment is inside the calendar."""
    return _CALENDAR[0] <= moment < _CALENDAR[1]


def subject_of(event: Event) -> Subject:
    """Whom an event is about; nobody when its data does not say so readably."""
    said = tuple(map(event.data.get, _SUBJECT_FIELDS))
    try:
        return _subject(*said)
    except TypeError:  # a list or an object where a word belongs
        return Subject()


@lru_cache(maxsize=4096)
def _subject(*said: Hashable) -> Subject:
    """The same few people fill a batch."""
    try:
        return Subject.model_validate(dict(zip(_SUBJECT_FIELDS, said, strict=True)))
    except ValidationError:
        return Subject()


def passage_of(gate: str, epoch: str, event: Event) -> Passage | None:
    """The passage in an event, or None when its data cannot be read.

    Raises:
        OverflowError: The event's own time is outside the calendar.
    """
    at = kept(event.at)
    try:
        data = PassageData.model_validate(event.data)
        entered_at = kept(data.entered_at) if data.entered_at else None
        due_at = kept(data.due_at) if data.due_at else None
    except (ValidationError, OverflowError):
        return None
    return Passage(
        key=(gate, epoch, event.seq),
        id=event.id,
        at=at,
        clock_trusted=event.trust is ClockTrust.TRUSTED,
        direction=data.direction,
        person=data.person,
        pass_id=data.pass_id,
        category=data.category,
        unit=data.unit,
        stay_id=data.stay_id,
        entered_at=entered_at,
        due_at=due_at,
        assumed=data.assumed,
    )
