"""Visitors' passes that two gates let in at one time."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table, empty: what two gates let in before is not looked for."""
    op.create_table(
        "double_use",
        sa.Column("site", sa.Integer(), nullable=False),
        sa.Column("stay_id", sa.String(length=16), nullable=False),
        sa.Column("other_stay", sa.String(length=16), nullable=False),
        sa.Column("seen_at", sa.String(length=24), nullable=False),
        sa.Column("incident_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incident.id"], name=op.f("fk_double_use_incident_id_incident")
        ),
        sa.PrimaryKeyConstraint("site", "stay_id", name=op.f("pk_double_use")),
    )
    op.create_index(
        "ix_double_use_seen",
        "double_use",
        ["seen_at"],
        unique=False,
        sqlite_where=sa.text("incident_id is null"),
        postgresql_where=sa.text("incident_id is null"),
    )
