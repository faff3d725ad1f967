"""The names that persons have as walk-ins, so that RED under one name is RED under the other."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table; the centre fills it at its next start, with the secret that the names are made with."""
    op.create_table(
        "alias",
        sa.Column("site", sa.Integer(), nullable=False),
        sa.Column("person", sa.String(length=16), nullable=False),
        sa.Column("secret", sa.String(length=8), nullable=False),
        sa.Column("alias", sa.String(length=16), nullable=False),
        sa.PrimaryKeyConstraint("site", "person", "secret", name=op.f("pk_alias")),
    )
    op.create_index("ix_alias_alias", "alias", ["site", "alias"], unique=False)
