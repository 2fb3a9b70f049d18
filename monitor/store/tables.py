"""The tables, as the newest schema has them. `monitor.store.migrations` makes them; a test compares the two.

Moments are Unix time. Texts from hosts are cleaned on their way in (`monitor.store.rows.clean`).
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, Float, Index, Integer, MetaData, String, Table, Text

METADATA: Final = MetaData()

BELIEFS: Final = Table(
    "beliefs",
    METADATA,
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
"""What is believed now of workstations, checks and endpoints."""

EMULATORS: Final = Table(
    "emulators",
    METADATA,
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
"""The emulators known; `details` is JSON: what the console said of it, and its witnesses."""

BREAKERS: Final = Table(
    "breakers",
    METADATA,
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
"""Breakers that ever tripped or were forced."""

EVENTS: Final = Table(
    "events",
    METADATA,
    Column("id", String(40), primary_key=True),
    Column("at", Float(53), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("workstation", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("old", Text, nullable=False),
    Column("new", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("who", Text, nullable=False),
    Index("events_at", "at"),
    Index("events_subject", "kind", "workstation", "subject", "at"),
    Index("events_workstation", "workstation", "id"),
)
"""Append-only; pruned but for the last status of each subject before the cut-off."""

OUTBOX: Final = Table(
    "outbox",
    METADATA,
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
    Index("outbox_due", "state", "due_at"),
    Index("outbox_alert", "channel", "alert", "position"),
)
"""Messages to deliver: `id` is their stable key, `position` their order within an alert, `payload` JSON."""

SILENCES: Final = Table(
    "silences",
    METADATA,
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
"""Silences and windows of maintenance that operators made; those of the config are not kept.

`matchers` is JSON. One-off (`starts_at`, `ends_at`) or repeated (`schedule` as cron, `duration` in seconds,
`timezone`); `ended_at`: before its time, by hand.
"""
