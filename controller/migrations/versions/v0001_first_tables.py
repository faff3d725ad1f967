"""The first tables: events and their cursors, visits, incidents, alerts, people, passes."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create everything."""
    op.create_table(
        "conflict",
        sa.Column("site", sa.Integer(), nullable=False),
        sa.Column("gate", sa.String(length=32), nullable=False),
        sa.Column("epoch", sa.String(length=16), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("raw", sa.Text(), nullable=False),
        sa.Column("at", sa.String(length=24), nullable=False),
        sa.PrimaryKeyConstraint("site", "gate", "epoch", "seq", "id", name=op.f("pk_conflict")),
    )
    op.create_table(
        "cursor",
        sa.Column("site", sa.Integer(), nullable=False),
        sa.Column("gate", sa.String(length=32), nullable=False),
        sa.Column("epoch", sa.String(length=16), nullable=False),
        sa.Column("upto", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("site", "gate", "epoch", name=op.f("pk_cursor")),
    )
    op.create_table(
        "dead_letter",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("topic", sa.String(length=200), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("payload_bytes", sa.Integer(), nullable=False),
        sa.Column("why", sa.String(length=300), nullable=False),
        sa.Column("at", sa.String(length=24), nullable=False),
        sa.Column("site", sa.Integer(), nullable=True),
        sa.Column("gate", sa.String(length=32), nullable=True),
        sa.Column("epoch", sa.String(length=16), nullable=True),
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dead_letter")),
        sa.UniqueConstraint("site", "gate", "epoch", "seq", name=op.f("uq_dead_letter_site_gate_epoch_seq")),
    )
    op.create_table(
        "event",
        sa.Column("site", sa.Integer(), nullable=False),
        sa.Column("gate", sa.String(length=32), nullable=False),
        sa.Column("epoch", sa.String(length=16), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("at", sa.String(length=24), nullable=False),
        sa.Column("received_at", sa.String(length=24), nullable=False),
        sa.Column("person", sa.String(length=16), nullable=True),
        sa.Column("pass_id", sa.String(length=16), nullable=True),
        sa.Column("stay_id", sa.String(length=16), nullable=True),
        sa.Column("raw", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("site", "gate", "epoch", "seq", name=op.f("pk_event")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_event_id", "event", ["site", "gate", "id"], unique=False)
    op.create_index(
        "ix_event_passage_pass",
        "event",
        ["pass_id", "at"],
        unique=False,
        sqlite_where=sa.text("kind = 'passage'"),
        postgresql_where=sa.text("kind = 'passage'"),
    )
    op.create_index(
        "ix_event_passage_person",
        "event",
        ["person", "at"],
        unique=False,
        sqlite_where=sa.text("kind = 'passage'"),
        postgresql_where=sa.text("kind = 'passage'"),
    )
    op.create_index(
        "ix_event_passage_stay",
        "event",
        ["stay_id", "at"],
        unique=False,
        sqlite_where=sa.text("kind = 'passage'"),
        postgresql_where=sa.text("kind = 'passage'"),
    )
    op.create_table(
        "gap",
        sa.Column("site", sa.Integer(), nullable=False),
        sa.Column("gate", sa.String(length=32), nullable=False),
        sa.Column("epoch", sa.String(length=16), nullable=False),
        sa.Column("why", sa.String(length=5), nullable=False),
        sa.Column("first", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("why in ('lost', 'known')", name=op.f("ck_gap_why")),
        sa.PrimaryKeyConstraint("site", "gate", "epoch", "why", "first", name=op.f("pk_gap")),
    )
    op.create_table(
        "gate",
        sa.Column("site", sa.Integer(), nullable=False),
        sa.Column("gate", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=True),
        sa.Column("birth", sa.BigInteger(), nullable=False),
        sa.Column("last_heard", sa.String(length=24), nullable=True),
        sa.Column("health", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("site", "gate", name=op.f("pk_gate")),
    )
    op.create_table(
        "incident",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("site", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("stay_id", sa.String(length=16), nullable=False),
        sa.Column("person", sa.String(length=16), nullable=True),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("raised_at", sa.String(length=24), nullable=False),
        sa.Column("due_at", sa.String(length=24), nullable=False),
        sa.Column("ended_at", sa.String(length=24), nullable=True),
        sa.Column("cites", sa.String(length=80), nullable=True),
        sa.CheckConstraint(
            "state in ('open', 'left_late', 'warned', 'withdrawn', 'settled')", name=op.f("ck_incident_state")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incident")),
        sa.UniqueConstraint("site", "kind", "stay_id", name=op.f("uq_incident_site_kind_stay_id")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_incident_person", "incident", ["site", "person"], unique=False)
    op.create_table(
        "pass_issued",
        sa.Column("site", sa.Integer(), nullable=False),
        sa.Column("pass_id", sa.String(length=16), nullable=False),
        sa.Column("person", sa.String(length=16), nullable=False),
        sa.Column("category", sa.String(length=20), nullable=False),
        sa.Column("unit", sa.Integer(), nullable=False),
        sa.Column("purpose", sa.Integer(), nullable=False),
        sa.Column("gates", sa.Integer(), nullable=False),
        sa.Column("stay", sa.Integer(), nullable=False),
        sa.Column("status_index", sa.Integer(), nullable=False),
        sa.Column("key_id", sa.String(length=8), nullable=False),
        sa.Column("holder_key", sa.String(length=66), nullable=True),
        sa.Column("issued_at", sa.String(length=24), nullable=False),
        sa.Column("expires_at", sa.String(length=24), nullable=False),
        sa.PrimaryKeyConstraint("site", "pass_id", name=op.f("pk_pass_issued")),
    )
    op.create_index("ix_pass_issued_person", "pass_issued", ["site", "person"], unique=False)
    op.create_index("ix_pass_issued_status", "pass_issued", ["site", "status_index"], unique=False)
    op.create_table(
        "person",
        sa.Column("site", sa.Integer(), nullable=False),
        sa.Column("person", sa.String(length=16), nullable=False),
        sa.Column("shown_name", sa.String(length=20), nullable=False),
        sa.Column("since", sa.String(length=24), nullable=False),
        sa.PrimaryKeyConstraint("site", "person", name=op.f("pk_person")),
    )
    op.create_table(
        "phone",
        sa.Column("site", sa.Integer(), nullable=False),
        sa.Column("person", sa.String(length=16), nullable=False),
        sa.Column("phone", sa.String(length=16), nullable=False),
        sa.PrimaryKeyConstraint("site", "person", name=op.f("pk_phone")),
    )
    op.create_table(
        "alert",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("incident_id", sa.Integer(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("recipient", sa.String(length=16), nullable=False),
        sa.Column("key", sa.String(length=32), nullable=False),
        sa.Column("text", sa.String(length=70), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("resumed", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.String(length=24), nullable=False),
        sa.Column("next_at", sa.String(length=24), nullable=False),
        sa.Column("ended_at", sa.String(length=24), nullable=True),
        sa.Column("gateway_id", sa.String(length=80), nullable=True),
        sa.Column("detail", sa.String(length=200), nullable=True),
        sa.CheckConstraint(
            "state in ('queued', 'sending', 'accepted', 'failed', 'unknown', 'cancelled')",
            name=op.f("ck_alert_state"),
        ),
        sa.ForeignKeyConstraint(["incident_id"], ["incident.id"], name=op.f("fk_alert_incident_id_incident")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert")),
        sa.UniqueConstraint(
            "incident_id", "step", "recipient", name=op.f("uq_alert_incident_id_step_recipient")
        ),
        sa.UniqueConstraint("key", name=op.f("uq_alert_key")),
    )
    op.create_index(
        "ix_alert_due",
        "alert",
        ["next_at"],
        unique=False,
        sqlite_where=sa.text("state = 'queued'"),
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.create_table(
        "visit",
        sa.Column("site", sa.Integer(), nullable=False),
        sa.Column("stay_id", sa.String(length=16), nullable=False),
        sa.Column("person", sa.String(length=16), nullable=True),
        sa.Column("pass_id", sa.String(length=16), nullable=True),
        sa.Column("category", sa.String(length=40), nullable=True),
        sa.Column("unit", sa.Integer(), nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("entry_gate", sa.String(length=32), nullable=False),
        sa.Column("entered_at", sa.String(length=24), nullable=False),
        sa.Column("entry_assumed", sa.Boolean(), nullable=False),
        sa.Column("due_at", sa.String(length=24), nullable=True),
        sa.Column("clock_doubted", sa.Boolean(), nullable=False),
        sa.Column("exit_gate", sa.String(length=32), nullable=True),
        sa.Column("left_at", sa.String(length=24), nullable=True),
        sa.Column("exit_assumed", sa.Boolean(), nullable=False),
        sa.Column("exit_doubted", sa.Boolean(), nullable=False),
        sa.Column("exit_event", sa.String(length=80), nullable=True),
        sa.Column("incident_id", sa.Integer(), nullable=True),
        sa.CheckConstraint("state in ('inside', 'left', 'replaced')", name=op.f("ck_visit_state")),
        sa.ForeignKeyConstraint(["incident_id"], ["incident.id"], name=op.f("fk_visit_incident_id_incident")),
        sa.PrimaryKeyConstraint("site", "stay_id", name=op.f("pk_visit")),
    )
    op.create_index(
        "ix_visit_due",
        "visit",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("state = 'inside' and incident_id is null and due_at is not null"),
        postgresql_where=sa.text("state = 'inside' and incident_id is null and due_at is not null"),
    )
    op.create_index(
        "ix_visit_inside",
        "visit",
        ["site", "entered_at"],
        unique=False,
        sqlite_where=sa.text("state = 'inside'"),
        postgresql_where=sa.text("state = 'inside'"),
    )
    for owner in ("person", "pass_id"):
        op.create_index(
            f"ix_visit_{owner}_left", "visit", ["site", owner, "left_at", "entered_at"], unique=False
        )
        op.create_index(f"ix_visit_{owner}_entered", "visit", ["site", owner, "entered_at"], unique=False)
