"""What this gate knows of passes and people: who is inside, which codes were shown, whose stay is RED.

Each change is made in the transaction of the event that causes it (``Journal.append``), so a crash leaves both or
neither. Times in the tables are milliseconds since 1970 in UTC, always handed in.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import apsw

from edge.journal import Journal, JournalError, Recorded
from passes.bundle import Bundle, device_key
from passes.claims import Claims
from passes.decide import Deny as Denied
from passes.decide import Grant, Presence, Refer, Standing
from passes.stay import LATE_EXIT_GRACE, StayFacts, due_at, is_red, rule_of_claim
from passes.vocabulary import Category, Colour, Direction
from shell.logs import get_logger
from sync.messages import DecisionData, Kind, NoShowData, Outcome, PassageData, RegistrationData

log = get_logger("standing")

KEEP_ENDED: Final = timedelta(days=30)  # personal data of visits that are over, at the gate
_STAY_COLUMNS: Final = (
    "stay_id, pass_id, person, category, unit, purpose, stay_claim, pass_end_ms, state, entered_ms, due_ms"
)


class AlreadyGrantedError(Exception):
    """The compare-and-set found the pass pending or inside after all; nothing was recorded."""


class Shown(NamedTuple):
    """What a scan showed besides the claims: the code's own time, and the pass itself, kept for short codes."""

    at: int | None
    sealed: bytes = b""


class Registration(NamedTuple):
    """Who registered a visitor and why, and all that is kept of the visitor's number."""

    by: str
    reason: str
    phone_last4: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """One stay as the gate stores it; ``entered_at`` is None while it is pending."""

    stay_id: str
    pass_id: str
    person: str
    category: Category
    unit: int
    purpose: int
    stay_claim: int
    pass_end: datetime
    state: str
    entered_at: datetime | None
    due_at: datetime | None


class Standings:
    """Reads and changes the gate's knowledge of people. One deciding thread changes it.

    Args:
        journal: Where events and tables are.
        zone: The site's zone, for stays that end at a local time.
        bundle: The newest site bundle that the gate holds.
        bundle_required: Whether the age of that bundle counts, and the lack of one.
    """

    def __init__(
        self,
        journal: Journal,
        zone: ZoneInfo,
        *,
        bundle: Callable[[], Bundle | None] = lambda: None,
        bundle_required: bool = False,
    ) -> None:
        self._journal, self._zone = journal, zone
        self._bundle, self._bundle_required = bundle, bundle_required

    def of(self, claims: Claims, now: datetime, kid: bytes = b"") -> Standing:
        """What is known about this pass and its person at ``now``; raises ``JournalError``.

        Args:
            claims: The verified pass.
            now: Aware UTC wall time.
            kid: The id of the key that signed it.
        """
        bundle = self._bundle()
        known = self._of_journal(claims, now, bundle)
        if bundle is None:
            return replace(known, bundle_age_s=None) if self._bundle_required else known
        phone = claims.holder_key
        return replace(
            known,
            red=known.red or bundle.is_red(bytes.fromhex(claims.person)),
            red_device=phone is not None and bundle.is_red(device_key(phone)),
            revoked=bundle.refused_before(claims, kid),
            status=bundle.status_of(claims.status),
            bundle_age_s=bundle.age_s(now) if self._bundle_required else 0.0,
        )

    def _of_journal(self, claims: Claims, now: datetime, bundle: Bundle | None) -> Standing:
        stays = self._journal.read(
            "select stay_id, pass_id, state, due_ms, exited_ms, settled from stay where (person = ? or pass_id = ?)"
            " and (state in ('pending', 'inside') or (settled = 0 and due_ms is not null and exited_ms > due_ms))",
            (claims.person, claims.pass_id),
        )
        own = {state for _, pass_id, state, *_ in stays if pass_id == claims.pass_id}
        used = self._journal.read(
            "select last_shown_at, entries_used from pass_state where pass_id = ?", (claims.pass_id,)
        )
        last_shown_at, entries_used = used[0] if used else (None, 0)
        unused = used == [(None, 0)]  # of a static pass only ``record_registration`` makes such a row
        return Standing(
            presence=(
                Presence.PENDING
                if "pending" in own
                else Presence.INSIDE
                if "inside" in own
                else Presence.OUTSIDE
            ),
            person_inside=any(
                pass_id != claims.pass_id and state in {"pending", "inside"}
                for _, pass_id, state, *_ in stays
            ),
            red=any(
                is_red(
                    StayFacts(
                        due_at=_due(stay_id, _moment(due), bundle),
                        exited_at=_moment(exited),
                        settled=bool(settled),
                    ),
                    now,
                )
                for stay_id, _, _, due, exited, settled in stays
            ),
            last_shown_at=last_shown_at,
            entries_used=entries_used,
            confirmed=unused and claims.holder_key is None,
        )

    def sealed(self, pass_id: str) -> bytes | None:
        """The bytes of a pass that was let through here before; None when there are none, or they cannot be read."""
        try:
            rows = self._journal.read("select sealed from pass_state where pass_id = ?", (pass_id,))
        except JournalError as error:
            log.error("a pass cannot be looked up", error=str(error))
            return None
        return rows[0][0] if rows else None

    def record_registration(self, claims: Claims, registration: Registration) -> Recorded:
        """Record that a guard registered a visitor, before the pass is signed; raises ``JournalError``."""
        data = RegistrationData(
            **_subject(claims),
            by=registration.by,
            reason=registration.reason,
            phone_last4=registration.phone_last4,
            pass_end=datetime.fromtimestamp(claims.expires_at, UTC),
        )

        def change(db: apsw.Connection, _: Recorded) -> None:
            db.execute(
                "insert into pass_state (pass_id, pass_end_ms) values (?, ?)",
                (claims.pass_id, claims.expires_at * 1000),
            )

        return self._journal.append(Kind.REGISTRATION, data, change)

    def record_entry_grant(self, grant: Grant, lane: str, shown: Shown) -> Recorded:
        """Record that a pass may enter; its stay is pending until somebody walks. The event's id is the stay's.

        Raises:
            AlreadyGrantedError: The pass became pending or inside since ``of`` was asked.
            JournalError: Nothing is durable; do not open.
        """
        claims = grant.claims
        assert claims is not None
        data = DecisionData(
            **_subject(claims),
            outcome=Outcome.GRANT,
            lane=lane,
            direction=Direction.ENTRY,
            shown_at=shown.at,
            notes=[note.value for note in grant.notes],
        )
        hard = claims.category.colour is Colour.BLUE

        def change(db: apsw.Connection, recorded: Recorded) -> None:
            _remember_code(db, claims, shown)
            db.execute(
                "insert into stay (stay_id, pass_id, person, category, unit, purpose, stay_claim, pass_end_ms, lane,"
                " state, granted_ms) select ?, ?, ?, ?, ?, ?, ?, ?, ?, 'pending', ? where not exists (select 1 from"
                " stay where pass_id = ? and (state = 'pending' or (state = 'inside' and ?)))",
                (
                    recorded.id,
                    claims.pass_id,
                    claims.person,
                    claims.category.code,
                    claims.unit,
                    claims.purpose,
                    claims.stay,
                    claims.expires_at * 1000,
                    lane,
                    _ms(recorded.at),
                    claims.pass_id,
                    hard,
                ),
            )
            if db.changes() != 1:
                raise AlreadyGrantedError(claims.pass_id)

        return self._journal.append(Kind.DECISION, data, change)

    def record_exit_grant(self, grant: Grant, lane: str, shown: Shown) -> Recorded:
        """Record that an exit opened, and for whose stay if it is known; raises ``JournalError``."""
        claims = grant.claims
        stay = self.open_stay(claims) if claims else None
        data = DecisionData(
            **(_subject(claims) if claims else {}),
            outcome=Outcome.GRANT,
            lane=lane,
            direction=Direction.EXIT,
            stay_id=stay.stay_id if stay else None,
            shown_at=shown.at,
            notes=[note.value for note in grant.notes],
        )

        def change(db: apsw.Connection, recorded: Recorded) -> None:
            if claims is not None:
                _remember_code(db, claims, shown)
            if stay is not None:
                db.execute(
                    "update stay set leaving_ms = ?, leaving_lane = ? where stay_id = ?",
                    (_ms(recorded.at), lane, stay.stay_id),
                )

        return self._journal.append(Kind.DECISION, data, change)

    def record_refusal(
        self, answer: Denied | Refer, lane: str, direction: Direction, shown_at: int | None
    ) -> Recorded:
        """Record a scan that was not let in; raises ``JournalError``."""
        data = DecisionData(
            **(_subject(answer.claims) if answer.claims else {}),
            outcome=Outcome.REFER if isinstance(answer, Refer) else Outcome.DENY,
            reason=answer.reason.value,
            lane=lane,
            direction=direction,
            shown_at=shown_at,
        )
        return self._journal.append(Kind.DECISION, data)

    def record_entry(self, stay_id: str, lane: str, *, at: datetime, assumed: bool) -> Recorded:
        """Record the passage that begins a pending stay. ``at`` is when somebody walked."""
        stay = self.stay(stay_id)
        if stay is None:
            unknown = PassageData(lane=lane, direction=Direction.ENTRY, assumed=assumed)
            return self._journal.append(Kind.PASSAGE, unknown, at=at)
        visitor = stay.category.colour is Colour.BLUE
        end = due_at(
            rule_of_claim(stay.stay_claim),
            entered_at=at,
            zone=self._zone,
            pass_end=stay.pass_end if visitor else None,
        )
        data = PassageData(
            **_stay_subject(stay),
            lane=lane,
            direction=Direction.ENTRY,
            stay_id=stay_id,
            entered_at=at,
            due_at=end,
            assumed=assumed,
        )

        def change(db: apsw.Connection, _: Recorded) -> None:
            db.execute(
                "update stay set state = 'inside', entered_ms = ?, due_ms = ?, assumed = ?"
                " where stay_id = ? and state = 'pending'",
                (_ms(at), _ms(end) if end else None, assumed, stay_id),
            )
            if db.changes() != 1:
                return  # its exit was recorded before its entry: it has left
            db.execute(
                "update stay set state = 'superseded' where pass_id = ? and state = 'inside' and stay_id != ?",
                (stay.pass_id, stay_id),
            )
            db.execute(
                "insert into pass_state (pass_id, entries_used, pass_end_ms) values (?, 1, ?)"
                " on conflict (pass_id) do update set entries_used = entries_used + 1",
                (stay.pass_id, _ms(stay.pass_end)),
            )

        return self._journal.append(Kind.PASSAGE, data, change, at=at)

    def record_exit(
        self, claims: Claims | None, stay_id: str | None, lane: str, *, at: datetime, assumed: bool
    ) -> Recorded:
        """Record that somebody went out, and close the stay if it is known."""
        stay = self.stay(stay_id) if stay_id else self.open_stay(claims) if claims else None
        subject = _stay_subject(stay) if stay else _subject(claims) if claims else {}
        data = PassageData(
            **subject,
            lane=lane,
            direction=Direction.EXIT,
            stay_id=stay.stay_id if stay else None,
            entered_at=stay.entered_at if stay else None,
            due_at=stay.due_at if stay else None,
            assumed=assumed,
        )

        def change(db: apsw.Connection, _: Recorded) -> None:
            db.execute(
                "update stay set state = 'left', exited_ms = ? where stay_id = ? and state in ('pending', 'inside')",
                (_ms(at), data.stay_id),
            )

        return self._journal.append(Kind.PASSAGE, data, change, at=at)

    def record_no_show(
        self, stay_id: str | None, lane: str, direction: Direction, *, at: datetime
    ) -> Recorded:
        """Record that nobody walked after a grant; a pending stay is given back, an open one stays open."""
        stay = self.stay(stay_id) if stay_id else None
        data = NoShowData(
            **(_stay_subject(stay) if stay else {}), lane=lane, direction=direction, stay_id=stay_id
        )

        def change(db: apsw.Connection, _: Recorded) -> None:
            if direction is Direction.EXIT:
                db.execute("update stay set leaving_ms = null where stay_id = ?", (stay_id,))
            else:
                db.execute(
                    "update stay set state = 'no_show' where stay_id = ? and state = 'pending'", (stay_id,)
                )

        return self._journal.append(Kind.NO_SHOW, data, change, at=at)

    def stay(self, stay_id: str) -> Stay | None:
        """One stay by its id."""
        rows = self._journal.read(f"select {_STAY_COLUMNS} from stay where stay_id = ?", (stay_id,))  # noqa: S608  # a constant
        return _stay(rows[0]) if rows else None

    def open_stay(self, claims: Claims) -> Stay | None:
        """The stay that an exit with this pass would end: its own, else the person's."""
        rows = self._journal.read(
            f"select {_STAY_COLUMNS} from stay where (pass_id = ? or person = ?) and state in ('inside', 'pending')"  # noqa: S608
            " order by pass_id = ? desc, state = 'inside' desc, granted_ms desc limit 1",
            (claims.pass_id, claims.person, claims.pass_id),
        )
        return _stay(rows[0]) if rows else None

    def pending(self) -> list[tuple[str, str, datetime]]:
        """Stays of this gate left pending by an earlier run: id, lane, and when the lane was opened."""
        rows = self._journal.read(
            "select stay_id, lane, granted_ms from stay where state = 'pending' and gate is null"
        )
        return [(stay_id, lane, datetime.fromtimestamp(ms / 1000, UTC)) for stay_id, lane, ms in rows]

    def leaving(self) -> list[tuple[str, str, datetime]]:
        """Open stays to which an exit was opened by an earlier run: id, lane, and when."""
        rows = self._journal.read(
            "select stay_id, leaving_lane, leaving_ms from stay"
            " where state in ('pending', 'inside') and leaving_ms is not null"
        )
        return [(stay_id, lane, datetime.fromtimestamp(ms / 1000, UTC)) for stay_id, lane, ms in rows]

    def forget_old(self, now: datetime) -> int:
        """Delete what is needed no more: ended stays that keep nobody out, and codes of passes that are over."""
        horizon_ms, limit = _ms(now - KEEP_ENDED), 500
        gone = self._journal.forget(
            "delete from stay where stay_id in (select stay_id from stay where state in ('left', 'no_show',"
            " 'superseded') and coalesce(exited_ms, granted_ms) < ? and (settled or due_ms is null or exited_ms is null"
            " or exited_ms - due_ms <= ?) limit ?)",
            (horizon_ms, int(LATE_EXIT_GRACE.total_seconds() * 1000), limit),
        )
        return gone + self._journal.forget(
            "delete from pass_state where pass_id in (select pass_id from pass_state where pass_end_ms < ?"
            " and pass_id not in (select pass_id from stay where state in ('pending', 'inside')) limit ?)",
            (horizon_ms, limit),
        )

    def fell_due(self, since: datetime, now: datetime) -> bool:
        """Whether a stay's end lies after ``since`` and not after ``now``."""
        query = "select 1 from stay where state = 'inside' and due_ms > ? and due_ms <= ? limit 1"
        return bool(self._journal.read(query, (_ms(since), _ms(now))))

    def inside(self, limit: int = 500) -> list[Stay]:
        """Who is inside, the first to be due first."""
        rows = self._journal.read(
            f"select {_STAY_COLUMNS} from stay where state = 'inside'"  # noqa: S608  # a constant
            " order by due_ms is null, due_ms, entered_ms limit ?",
            (limit,),
        )
        return [_stay(row) for row in rows]


def _subject(claims: Claims) -> dict[str, Any]:
    return {
        "pass_id": claims.pass_id,
        "person": claims.person,
        "category": claims.category.code,
        "unit": claims.unit,
        "purpose": claims.purpose,
    }


def _stay_subject(stay: Stay) -> dict[str, Any]:
    return {
        "pass_id": stay.pass_id,
        "person": stay.person,
        "category": stay.category.code,
        "unit": stay.unit,
        "purpose": stay.purpose,
    }


def _stay(row: tuple[Any, ...]) -> Stay:
    stay_id, pass_id, person, category, unit, purpose, stay_claim, end_ms, state, entered_ms, due_ms = row
    pass_end = _moment(end_ms)
    assert pass_end is not None
    return Stay(
        stay_id=stay_id,
        pass_id=pass_id,
        person=person,
        category=Category.from_code(category),
        unit=unit,
        purpose=purpose,
        stay_claim=stay_claim,
        pass_end=pass_end,
        state=state,
        entered_at=_moment(entered_ms),
        due_at=_moment(due_ms),
    )


def _due(stay_id: str, due: datetime | None, bundle: Bundle | None) -> datetime | None:
    """The end of a stay, or the later one that it was extended to."""
    extended = bundle.due_of(stay_id) if bundle else None
    return due if due is None or extended is None else max(due, extended)


def _remember_code(db: apsw.Connection, claims: Claims, shown: Shown) -> None:
    if shown.at is None:
        return
    db.execute(
        "insert into pass_state (pass_id, last_shown_at, pass_end_ms, sealed) values (?, ?, ?, ?) on conflict (pass_id)"
        " do update set last_shown_at = max(coalesce(last_shown_at, 0), excluded.last_shown_at),"
        " sealed = coalesce(excluded.sealed, sealed)",
        (claims.pass_id, shown.at, claims.expires_at * 1000, shown.sealed or None),
    )


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _moment(ms: int | None) -> datetime | None:
    return None if ms is None else datetime.fromtimestamp(ms / 1000, UTC)
