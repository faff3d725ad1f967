"""Who is who on the broker: the certificates of gates, and the codes by which gates come in."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create both tables, empty: gates of before have no certificate and go on without one on their own machine."""
    op.create_table(
        "gate_identity",
        sa.Column("serial", sa.String(length=40), nullable=False),
        sa.Column("site", sa.Integer(), nullable=False),
        sa.Column("gate", sa.String(length=32), nullable=False),
        sa.Column("uri", sa.String(length=100), nullable=False),
        sa.Column("pem", sa.Text(), nullable=False),
        sa.Column("public", sa.String(length=64), nullable=False),
        sa.Column("issued_at", sa.String(length=24), nullable=False),
        sa.Column("issued_by", sa.String(length=60), nullable=False),
        sa.Column("not_after", sa.String(length=24), nullable=False),
        sa.Column("revoked_at", sa.String(length=24), nullable=True),
        sa.Column("revoked_by", sa.String(length=60), nullable=True),
        sa.Column("revoked_reason", sa.String(length=200), nullable=True),
        sa.PrimaryKeyConstraint("serial", name=op.f("pk_gate_identity")),
    )
    op.create_index("ix_gate_identity_gate", "gate_identity", ["gate"], unique=False)
    op.create_table(
        "gate_code",
        sa.Column("gate", sa.String(length=32), nullable=False),
        sa.Column("site", sa.Integer(), nullable=False),
        sa.Column("code_hash", sa.String(length=64), nullable=False),
        sa.Column("expires_at", sa.String(length=24), nullable=False),
        sa.Column("by", sa.String(length=60), nullable=False),
        sa.Column("used_by", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("gate", name=op.f("pk_gate_code")),
    )
