"""What a site bundle is made of: revocations, "before T" rules, its number; and the audit."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables, and the index of the paper passes that may be used up."""
    op.create_table(
        "revocation",
        sa.Column("site", sa.Integer(), nullable=False),
        sa.Column("pass_id", sa.String(length=16), nullable=False),
        sa.Column("status_index", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.String(length=24), nullable=False),
        sa.Column("at", sa.String(length=24), nullable=False),
        sa.Column("by", sa.String(length=60), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("site", "pass_id", name=op.f("pk_revocation")),
    )
    op.create_index("ix_revocation_expires_at", "revocation", ["site", "expires_at"], unique=False)
    op.create_table(
        "before_rule",
        sa.Column("site", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=16), nullable=False),
        sa.Column("moment", sa.String(length=24), nullable=False),
        sa.PrimaryKeyConstraint("site", "key", name=op.f("pk_before_rule")),
    )
    op.create_table(
        "bundle_number",
        sa.Column("site", sa.Integer(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("site", name=op.f("pk_bundle_number")),
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.String(length=24), nullable=False),
        sa.Column("site", sa.Integer(), nullable=False),
        sa.Column("actor", sa.String(length=60), nullable=False),
        sa.Column("action", sa.String(length=40), nullable=False),
        sa.Column("subject", sa.String(length=40), nullable=False),
        sa.Column("detail", sa.String(length=300), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_pass_issued_paper",
        "pass_issued",
        ["site", "expires_at"],
        unique=False,
        sqlite_where=sa.text("holder_key is null"),
        postgresql_where=sa.text("holder_key is null"),
    )
    op.create_index(
        "ix_incident_red",
        "incident",
        ["site"],
        unique=False,
        sqlite_where=sa.text("state in ('open', 'left_late')"),
        postgresql_where=sa.text("state in ('open', 'left_late')"),
    )
