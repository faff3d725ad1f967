"""Which passes are good for one entry: paper, and phones with soft keys."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_ONE_ENTRY = "one_entry"


def upgrade() -> None:
    """Add the column, fill it for passes that are out, and let its index take the place of that of paper passes."""
    op.add_column(
        "pass_issued", sa.Column("one_entry", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.execute(
        "update pass_issued set one_entry = true where holder_key is null or pass_id in"
        " (select pass_id from enrolment where key_level = 1 and enrolment.site = pass_issued.site)"
    )
    op.drop_index("ix_pass_issued_paper", table_name="pass_issued")
    op.create_index(
        "ix_pass_issued_one_entry",
        "pass_issued",
        ["site", "expires_at"],
        unique=False,
        sqlite_where=sa.text(_ONE_ENTRY),
        postgresql_where=sa.text(_ONE_ENTRY),
    )
