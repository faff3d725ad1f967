"""The centre's tables, for SQLite today and PostgreSQL later; ``controller.migrations`` creates them.

Moments are text in one spelling (UTC, milliseconds, ``Z``), which sorts as time in every database and reads well
in any tool. No default and no index asks the database what time it is: time is always an argument.
"""

from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.types import TypeDecorator

from sync.messages import utc_text

NAMING: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
DEAD_LETTER_BYTES_MAX: Final = 16 * 1024  # of one refused payload; the rest is cut and the length kept


class Moment(TypeDecorator[datetime]):
    """An aware datetime, stored as 24 characters: ``2026-11-22T09:30:00.000Z``."""

    impl = String(24)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> str | None:  # noqa: ARG002
        """To the one spelling; a naive datetime is a programming error."""
        if value is None:
            return None
        assert value.tzinfo is not None, "a moment needs a zone"
        return utc_text(value)

    def process_result_value(self, value: str | None, dialect: Any) -> datetime | None:  # noqa: ARG002
        """Back to an aware UTC datetime."""
        return None if value is None else datetime.fromisoformat(value).astimezone(UTC)


def _where(condition: str) -> dict[str, Any]:
    """A partial index, in both databases."""
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


metadata = MetaData(naming_convention=NAMING)

event = Table(
    "event",
    metadata,
    Column("site", Integer, primary_key=True),
    Column("gate", String(32), primary_key=True),
    Column("epoch", String(16), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("id", String(16), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("at", Moment, nullable=False),
    Column("received_at", Moment, nullable=False),
    Column("person", String(16)),
    Column("pass_id", String(16)),
    Column("stay_id", String(16)),
    Column("raw", Text, nullable=False),
    # Only passages are folded into visits, so only they are looked up by whom they concern. These ids are random:
    # with the site in front, SQLite, which counts nothing, would take the primary key and read the whole site.
    Index("ix_event_passage_person", "person", "at", **_where("kind = 'passage'")),
    Index("ix_event_passage_pass", "pass_id", "at", **_where("kind = 'passage'")),
    Index("ix_event_passage_stay", "stay_id", "at", **_where("kind = 'passage'")),
    # A restored gate sends rows again under another epoch: the id tells. Ids are random, so an index of them alone
    # would be written in a different place for each row of a backlog; behind the time they come at its end.
    Index("ix_event_at", "site", "gate", "at", "id"),
    sqlite_with_rowid=False,
)

cursor = Table(
    "cursor",
    metadata,
    Column("site", Integer, primary_key=True),
    Column("gate", String(32), primary_key=True),
    Column("epoch", String(16), primary_key=True),
    Column("upto", BigInteger, nullable=False),
)

gap = Table(  # rows that the cursor may pass: lost for good, or known already from another epoch
    "gap",
    metadata,
    Column("site", Integer, primary_key=True),
    Column("gate", String(32), primary_key=True),
    Column("epoch", String(16), primary_key=True),
    Column("why", String(5), primary_key=True),
    Column("first", BigInteger, primary_key=True, autoincrement=False),
    Column("last", BigInteger, nullable=False),
    CheckConstraint("why in ('lost', 'known')", name="why"),
)

dead_letter = Table(
    "dead_letter",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("topic", String(200), nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("payload_bytes", Integer, nullable=False),
    Column("why", String(300), nullable=False),
    Column("at", Moment, nullable=False),
    # Set when the refused thing is one row of a gate's journal: it counts as applied, and is kept once.
    Column("site", Integer),
    Column("gate", String(32)),
    Column("epoch", String(16)),
    Column("seq", BigInteger),
    UniqueConstraint("site", "gate", "epoch", "seq"),
)

conflict = Table(  # one event key with two event ids: both kept, neither overwrites the other
    "conflict",
    metadata,
    Column("site", Integer, primary_key=True),
    Column("gate", String(32), primary_key=True),
    Column("epoch", String(16), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("id", String(16), primary_key=True),
    Column("raw", Text, nullable=False),
    Column("at", Moment, nullable=False),
)

gate = Table(
    "gate",
    metadata,
    Column("site", Integer, primary_key=True),
    Column("gate", String(32), primary_key=True),
    Column("state", String(10)),
    Column("birth", BigInteger, nullable=False, default=-1),
    Column("last_heard", Moment),
    Column("health", Text),
)

person = Table(
    "person",
    metadata,
    Column("site", Integer, primary_key=True),
    Column("person", String(16), primary_key=True),
    Column("shown_name", String(20), nullable=False),  # masked already: 张*
    Column("since", Moment, nullable=False),
)

phone = Table(  # apart from the rest, so that a query for names never meets a number
    "phone",
    metadata,
    Column("site", Integer, primary_key=True),
    Column("person", String(16), primary_key=True),
    Column("phone", String(16), nullable=False),
)

pass_issued = Table(
    "pass_issued",
    metadata,
    Column("site", Integer, primary_key=True),
    Column("pass_id", String(16), primary_key=True),
    Column("person", String(16), nullable=False),
    Column("category", String(20), nullable=False),
    Column("unit", Integer, nullable=False),
    Column("purpose", Integer, nullable=False),
    Column("gates", Integer, nullable=False),
    Column("stay", Integer, nullable=False),
    Column("status_index", Integer, nullable=False),
    Column("key_id", String(8), nullable=False),
    Column("holder_key", String(66)),
    Column("one_entry", Boolean, nullable=False, server_default=false()),
    Column("issued_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    # Not unique: an index is free again once its pass is over. Issuing looks and writes in one transaction.
    Index("ix_pass_issued_status", "site", "status_index"),
    Index("ix_pass_issued_person", "site", "person"),
    Index("ix_pass_issued_one_entry", "site", "expires_at", **_where("one_entry")),
)

incident = Table(
    "incident",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("site", Integer, nullable=False),
    Column("kind", String(20), nullable=False),
    Column("stay_id", String(16), nullable=False),
    Column("person", String(16)),
    Column("state", String(12), nullable=False),
    Column("raised_at", Moment, nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Column("cites", String(80)),  # the exit event that ended or withdrew it: gate/epoch/seq
    UniqueConstraint("site", "kind", "stay_id"),
    CheckConstraint("state in ('open', 'left_late', 'warned', 'withdrawn', 'settled')", name="state"),
    Index("ix_incident_person", "site", "person"),
    Index("ix_incident_red", "site", **_where("state in ('open', 'left_late')")),
    sqlite_autoincrement=True,  # a number that was texted to somebody is never given again
)

visit = Table(
    "visit",
    metadata,
    Column("site", Integer, primary_key=True),
    Column("stay_id", String(16), primary_key=True),
    Column("person", String(16)),
    Column("pass_id", String(16)),
    Column("category", String(40)),
    Column("unit", Integer),
    Column("state", String(10), nullable=False),
    Column("entry_gate", String(32), nullable=False),
    Column("entered_at", Moment, nullable=False),
    Column("entry_assumed", Boolean, nullable=False),
    Column("due_at", Moment),
    Column("clock_doubted", Boolean, nullable=False),
    Column("exit_gate", String(32)),
    Column("left_at", Moment),
    Column("exit_assumed", Boolean, nullable=False),
    Column("exit_doubted", Boolean, nullable=False),
    Column("exit_event", String(80)),
    Column("incident_id", Integer, ForeignKey("incident.id")),
    CheckConstraint("state in ('inside', 'left', 'replaced')", name="state"),
    # The overstay monitor reads this index alone: who is due, inside, and not yet told about.
    Index(
        "ix_visit_due",
        "due_at",
        **_where("state = 'inside' and incident_id is null and due_at is not null"),
    ),
    Index("ix_visit_inside", "site", "entered_at", **_where("state = 'inside'")),
    # What a new passage may concern: the newest open stays of its owner, and those around its time.
    Index("ix_visit_person_left", "site", "person", "left_at", "entered_at"),
    Index("ix_visit_person_entered", "site", "person", "entered_at"),
    Index("ix_visit_pass_id_left", "site", "pass_id", "left_at", "entered_at"),
    Index("ix_visit_pass_id_entered", "site", "pass_id", "entered_at"),
)

double_use = Table(  # a visitor's stay that began elsewhere while an earlier one of its pass was not over
    "double_use",
    metadata,
    Column("site", Integer, primary_key=True),
    Column("stay_id", String(16), primary_key=True),
    Column("other_stay", String(16), nullable=False),
    Column("seen_at", Moment, nullable=False),
    Column("incident_id", Integer, ForeignKey("incident.id")),
    Index("ix_double_use_seen", "seen_at", **_where("incident_id is null")),
)

alert = Table(  # the SMS outbox; later steps of an escalation are further rows of the same incident
    "alert",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("incident_id", Integer, ForeignKey("incident.id"), nullable=False),
    Column("step", Integer, nullable=False),
    Column("recipient", String(16), nullable=False),
    Column("key", String(32), nullable=False, unique=True),
    Column("text", String(70), nullable=False),
    Column("state", String(10), nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column(
        "resumed", Boolean, nullable=False, default=False
    ),  # its send was killed once: it may repeat itself
    Column("created_at", Moment, nullable=False),
    Column("next_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Column("gateway_id", String(80)),
    Column("detail", String(200)),
    UniqueConstraint("incident_id", "step", "recipient"),
    CheckConstraint(
        "state in ('queued', 'sending', 'accepted', 'failed', 'unknown', 'cancelled')", name="state"
    ),
    Index("ix_alert_due", "next_at", **_where("state = 'queued'")),
)

enrolment = Table(  # one-time links for phones; a used or expired one keeps no name and no number
    "enrolment",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("secret_hash", String(64), nullable=False, unique=True),
    Column("challenge", String(64), nullable=False),
    Column("site", Integer, nullable=False),
    Column("category", String(20), nullable=False),
    Column("ordered", Text),  # what the pass is to say, as JSON, until it has been issued
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("used_at", Moment),
    Column("holder_key", String(66)),
    Column("key_level", Integer),
    Column("device", String(40)),
    Column("pass_id", String(16)),
    Column("pass_expires_at", Moment),
    Column("sealed", LargeBinary),
    CheckConstraint("(used_at is null) = (holder_key is null)", name="used"),
    Index("ix_enrolment_expires_at", "expires_at"),
)

revocation = Table(  # a pass that was taken back
    "revocation",
    metadata,
    Column("site", Integer, primary_key=True),
    Column("pass_id", String(16), primary_key=True),
    Column("status_index", Integer, nullable=False),
    Column("expires_at", Moment, nullable=False),  # then its place in the status list is free again
    Column("at", Moment, nullable=False),
    Column("by", String(60), nullable=False),
    Column("reason", String(200), nullable=False),
    Index("ix_revocation_expires_at", "site", "expires_at"),
)

before_rule = Table(  # all passes of a person, or under an issuer key, that were issued before a moment
    "before_rule",
    metadata,
    Column("site", Integer, primary_key=True),
    Column("key", String(16), primary_key=True),
    Column("moment", Moment, nullable=False),
)

bundle_number = Table(  # the number of the newest bundle of each site
    "bundle_number",
    metadata,
    Column("site", Integer, primary_key=True),
    Column("seq", BigInteger, nullable=False),
)

gate_key = Table(  # gates that may issue walk-in passes, each with its newest certificate
    "gate_key",
    metadata,
    Column("site", Integer, primary_key=True),
    Column("kid", String(8), primary_key=True),
    Column("public", String(64), nullable=False),
    Column("number", Integer, nullable=False),
    Column("name", String(32), nullable=False),
    Column("categories", String(200), nullable=False),  # codes, with commas between
    Column("enrolled_at", Moment, nullable=False),
    Column("enrolled_by", String(60), nullable=False),
    Column("withdrawn_at", Moment),
    Column("withdrawn_by", String(60)),
    Column("withdrawn_reason", String(200)),
    Column("certificate", LargeBinary),
    Column("signed_by", String(8)),
    Column("ends_at", Moment),
)

registration = Table(  # whom a guard registered at a gate; names no number, only its last four digits
    "registration",
    metadata,
    Column("site", Integer, primary_key=True),
    Column("pass_id", String(16), primary_key=True),
    Column("gate", String(32), nullable=False),
    Column("person", String(16)),
    Column("category", String(40)),
    Column("unit", Integer),
    Column("phone_last4", String(4)),
    Column("by", String(200), nullable=False),
    Column("reason", String(200), nullable=False),
    Column("at", Moment, nullable=False),
    Column("pass_end", Moment, nullable=False),
)

alias = Table(  # who somebody with a known number is as a walk-in, under each person secret that the site had
    "alias",
    metadata,
    Column("site", Integer, primary_key=True),
    Column("person", String(16), primary_key=True),
    Column("secret", String(8), primary_key=True),  # its fingerprint
    Column("alias", String(16), nullable=False),
    Index("ix_alias_alias", "site", "alias"),
)

gate_identity = Table(  # by which certificate the broker knows a gate
    "gate_identity",
    metadata,
    Column("serial", String(40), primary_key=True),
    Column("site", Integer, nullable=False),
    Column("gate", String(32), nullable=False),
    Column("uri", String(100), nullable=False),
    Column("pem", Text, nullable=False),
    Column("public", String(64), nullable=False),  # SHA-256 of its key
    Column("issued_at", Moment, nullable=False),
    Column("issued_by", String(60), nullable=False),
    Column("not_after", Moment, nullable=False),
    Column("revoked_at", Moment),
    Column("revoked_by", String(60)),
    Column("revoked_reason", String(200)),
    Index("ix_gate_identity_gate", "gate"),
)

gate_code = Table(  # one-time codes by which gates come in; ids of gates are unique over all sites
    "gate_code",
    metadata,
    Column("gate", String(32), primary_key=True),
    Column("site", Integer, nullable=False),
    Column("code_hash", String(64), nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("by", String(60), nullable=False),
    Column("used_by", String(64)),  # the SHA-256 of the key that came in by it
)

command = Table(  # what gates are told to do, and what became of it
    "command",
    metadata,
    Column("site", Integer, primary_key=True),
    Column("gate", String(32), primary_key=True),
    Column("cseq", BigInteger, primary_key=True, autoincrement=False),
    Column("id", String(16), nullable=False, unique=True),
    Column("op", String(40), nullable=False),
    Column("args", Text, nullable=False),
    Column("by", String(60), nullable=False),
    Column("reason", String(200), nullable=False),
    Column("issued_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("state", String(8), nullable=False),
    Column("sent_at", Moment),
    Column("ended_at", Moment),
    Column("why", String(40)),
    Column("detail", String(200), nullable=False, default=""),
    CheckConstraint("state in ('waiting', 'sent', 'done', 'refused', 'expired', 'unknown')", name="state"),
    Index("ix_command_pending", "site", "gate", "cseq", **_where("state in ('waiting', 'sent')")),
)

audit = Table(  # who did what: added in the transaction of the deed, never changed
    "audit",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("site", Integer, nullable=False),
    Column("actor", String(60), nullable=False),
    Column("action", String(40), nullable=False),
    Column("subject", String(40), nullable=False),
    Column("detail", String(300), nullable=False),
    sqlite_autoincrement=True,
)
