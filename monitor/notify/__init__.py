"""Telling people: what is due (`policy`, pure), in which words, and how it gets there at least once and in order.

`Notifier` is what the service talks to: a sink that looks at what changed. It decides once a second, puts messages into
an `Outbox`, and one worker per channel delivers them in its own time; a slow channel delays nobody else.
"""

from __future__ import annotations

from monitor.notify.journal import StoredJournal
from monitor.notify.notifier import Notifier
from monitor.notify.outbox import Entry, Journal, Outbox
from monitor.notify.worker import Attempt, ChannelStatus, Ended

__all__ = ["Attempt", "ChannelStatus", "Ended", "Entry", "Journal", "Notifier", "Outbox", "StoredJournal"]
