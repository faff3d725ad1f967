"""Walk-ins: the gates that may issue passes while the centre is away, and whom they registered."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create both tables."""
    op.create_table(
        "gate_key",
        sa.Column("site", sa.Integer(), nullable=False),
        sa.Column("kid", sa.String(length=8), nullable=False),
        sa.Column("public", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("categories", sa.String(length=200), nullable=False),
        sa.Column("enrolled_at", sa.String(length=24), nullable=False),
        sa.Column("enrolled_by", sa.String(length=60), nullable=False),
        sa.Column("withdrawn_at", sa.String(length=24), nullable=True),
        sa.Column("withdrawn_by", sa.String(length=60), nullable=True),
        sa.Column("withdrawn_reason", sa.String(length=200), nullable=True),
        sa.Column("certificate", sa.LargeBinary(), nullable=True),
        sa.Column("signed_by", sa.String(length=8), nullable=True),
        sa.Column("ends_at", sa.String(length=24), nullable=True),
        sa.PrimaryKeyConstraint("site", "kid", name=op.f("pk_gate_key")),
    )
    op.create_table(
        "registration",
        sa.Column("site", sa.Integer(), nullable=False),
        sa.Column("pass_id", sa.String(length=16), nullable=False),
        sa.Column("gate", sa.String(length=32), nullable=False),
        sa.Column("person", sa.String(length=16), nullable=True),
        sa.Column("category", sa.String(length=40), nullable=True),
        sa.Column("unit", sa.Integer(), nullable=True),
        sa.Column("phone_last4", sa.String(length=4), nullable=True),
        sa.Column("by", sa.String(length=200), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("at", sa.String(length=24), nullable=False),
        sa.Column("pass_end", sa.String(length=24), nullable=False),
        sa.PrimaryKeyConstraint("site", "pass_id", name=op.f("pk_registration")),
    )
