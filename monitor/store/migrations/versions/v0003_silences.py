"""Version 3: silences and windows of maintenance in one table; they are told apart by their purpose.

The two tables before it were never written to by any version.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, Float, String, Text

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the one table."""
    op.drop_table("maintenance")
    op.drop_table("silences")
    op.create_table(
        "silences",
        Column("id", String(40), primary_key=True),
        Column("purpose", String(20), nullable=False),
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
        Column("ended_by", Text, nullable=False),
    )


def downgrade() -> None:
    """Go back to version 2; silences and maintenance are lost."""
    op.drop_table("silences")
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
