"""What an answer tells beside how things stand: which emulators appeared or vanished, and who was booted anew. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from monitor.events import Kind
from monitor.model import Result
from monitor.store.boots import Boots
from monitor.store.listings import Listings
from monitor.store.rows import Past


class News:
    """Compares each answer with the one before, also over a restart."""

    def __init__(self) -> None:
        self.boots = Boots()
        self._listings = Listings()

    def restore(self, past: Past) -> None:
        """Take what was known before a restart."""
        self._listings.restore(past.emulators)
        self.boots.restore(past.beliefs)

    def hear(self, result: Result) -> Iterator[tuple[Kind, str, str]]:
        """Compare: what happened, to which emulator (empty: the workstation itself), and words about it."""
        for kind, name, title in self._listings.hear(result):
            if kind is Kind.VANISHED:
                self.boots.forget(result.target.workstation.id, name)
            yield kind, name, title
        for name, words in self.boots.hear(result):
            yield Kind.REBOOTED, name, words
