"""Events are looked up by their time and id, so that a backlog is added at the end of the index."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Exchange the index: one by random ids alone was written in a different place for each row."""
    op.drop_index("ix_event_id", table_name="event")
    op.create_index("ix_event_at", "event", ["site", "gate", "at", "id"], unique=False)
