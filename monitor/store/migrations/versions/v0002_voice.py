"""Version 2: messages to deliver, silences, maintenance; and an index for the events of one workstation."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, Float, Integer, String, Text

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make what telling people needs."""
    op.create_index("events_workstation", "events", ["workstation", "id"])
    _outbox()
    op.create_table(
        "silences",
        Column("id", String(40), primary_key=True),
        Column("matchers", Text, nullable=False),
        Column("starts_at", Float(53), nullable=False),
        Column("ends_at", Float(53), nullable=False),
        Column("who", Text, nullable=False),
        Column("why", Text, nullable=False),
        Column("created_at", Float(53), nullable=False),
        Column("ended_at", Float(53)),
        Column("ended_by", Text),
    )
    op.create_index("silences_end", "silences", ["ends_at"])
    op.create_table(
        "maintenance",
        Column("id", String(40), primary_key=True),
        Column("name", Text, nullable=False),
        Column("matchers", Text, nullable=False),
        Column("starts_at", Float(53)),
        Column("ends_at", Float(53)),
        Column("schedule", Text),
        Column("duration", Float(53)),
        Column("timezone", Text),
        Column("who", Text, nullable=False),
        Column("why", Text, nullable=False),
        Column("created_at", Float(53), nullable=False),
        Column("ended_at", Float(53)),
        Column("ended_by", Text),
    )


def _outbox() -> None:
    op.create_table(
        "outbox",
        Column("id", String(64), primary_key=True),
        Column("channel", Text, nullable=False),
        Column("alert", Text, nullable=False),
        Column("position", Integer, nullable=False),
        Column("state", String(20), nullable=False),
        Column("payload", Text, nullable=False),
        Column("created_at", Float(53), nullable=False),
        Column("due_at", Float(53), nullable=False),
        Column("attempts", Integer, nullable=False),
        Column("claimed_by", Text),
        Column("claimed_until", Float(53)),
        Column("sent_at", Float(53)),
        Column("error", Text),
    )
    op.create_index("outbox_due", "outbox", ["state", "due_at"])
    op.create_index("outbox_alert", "outbox", ["channel", "alert", "position"])


def downgrade() -> None:
    """Go back to version 1; messages, silences and maintenance are lost."""
    for name in ("maintenance", "silences", "outbox"):
        op.drop_table(name)
    op.drop_index("events_workstation", "events")
