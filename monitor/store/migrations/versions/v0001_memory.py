"""Version 1: what is believed, the emulators, the breakers, and what happened."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, Float, Integer, String, Text

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables of version 1."""
    op.create_table(
        "beliefs",
        Column("kind", String(20), primary_key=True),
        Column("workstation", Text, primary_key=True),
        Column("name", Text, primary_key=True),
        Column("status", String(20), nullable=False),
        Column("since", Float(53)),
        Column("reason", String(40)),
        Column("message", Text, nullable=False),
        Column("driver", Text),
        Column("written_at", Float(53), nullable=False),
    )
    op.create_table(
        "emulators",
        Column("workstation", Text, primary_key=True),
        Column("emulator", Text, primary_key=True),
        Column("driver", Text, nullable=False),
        Column("title", Text, nullable=False),
        Column("state", String(40), nullable=False),
        Column("status", String(20), nullable=False),
        Column("since", Float(53), nullable=False),
        Column("reason", String(40)),
        Column("message", Text, nullable=False),
        Column("first_seen", Float(53), nullable=False),
        Column("last_seen", Float(53), nullable=False),
        Column("details", Text, nullable=False),
        Column("written_at", Float(53), nullable=False),
    )
    op.create_table(
        "breakers",
        Column("category", String(20), primary_key=True),
        Column("workstation", Text, primary_key=True),
        Column("scope", Text, primary_key=True),
        Column("until", Float(53)),
        Column("openings", Integer, nullable=False),
        Column("open_time", Float(53), nullable=False),
        Column("trips", Integer, nullable=False),
        Column("last_trip", Float(53)),
        Column("open_seconds", Float(53), nullable=False),
        Column("forced", String(10)),
        Column("forced_who", Text),
        Column("forced_why", Text),
        Column("forced_at", Float(53)),
        Column("written_at", Float(53), nullable=False),
    )
    _events()


def _events() -> None:
    op.create_table(
        "events",
        Column("id", String(40), primary_key=True),
        Column("at", Float(53), nullable=False),
        Column("kind", String(20), nullable=False),
        Column("workstation", Text, nullable=False),
        Column("subject", Text, nullable=False),
        Column("old", Text, nullable=False),
        Column("new", Text, nullable=False),
        Column("message", Text, nullable=False),
        Column("who", Text, nullable=False),
    )
    op.create_index("events_at", "events", ["at"])
    op.create_index("events_subject", "events", ["kind", "workstation", "subject", "at"])


def downgrade() -> None:
    """Leave nothing."""
    for name in ("events", "breakers", "emulators", "beliefs"):
        op.drop_table(name)
