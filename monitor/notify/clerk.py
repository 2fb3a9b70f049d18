"""Makes entries of the outbox from notices: the words, the key, the place in the order of its alert."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Final

from monitor.breaker.machine import State
from monitor.breaker.registry import Breakers
from monitor.notices import DIGEST_GROUP, MONITOR_GROUP, Guard, Message, Notice, Notifications
from monitor.notify.outbox import EVERY_ALERT, Entry
from monitor.notify.payload import dumps, named, spoken_of
from monitor.notify.site import site_group
from monitor.wording import Templates

GUARDS: Final = 5
"""Breakers a message shows."""


class Clerk:
    """See the module. Knows how far each alert has come."""

    def __init__(self, breakers: Breakers, *, shard: tuple[int, int], wall: Callable[[], float]) -> None:
        self._breakers = breakers
        self._shard = shard
        self._wall = wall
        self._config = Notifications()
        self._url = ""
        self._positions: dict[tuple[str, str], int] = {}
        self._last = 0.0

    def replace(self, config: Notifications, url: str) -> None:
        """Take the templates of a config, and where the page is."""
        self._config, self._url = config, url

    def learn(self, entry: Entry) -> None:
        """Go on after an entry made by an older process."""
        where = (entry.channel, entry.alert)
        self._positions[where] = max(entry.position, self._positions.get(where, 0))
        self._last = max(self._last, entry.created_at)

    def alert(self, notice: Notice) -> str:
        """Name what a notice is about in the outbox, where each shard has its own view of a site."""
        if notice.group == DIGEST_GROUP:
            return EVERY_ALERT
        index, shards = self._shard
        share = f"#{index}/{shards}" if shards > 1 and notice.group.startswith(site_group("")) else ""
        return f"{notice.route}/{notice.group}{share}"

    def write(self, channel: str, notice: Notice, *, settled: bool) -> tuple[Message, Entry]:
        """Put a notice into words for a channel, next after what was said of the same by it."""
        alert = self.alert(notice)
        position = self._positions.get((channel, alert), 0) + 1
        self._positions[channel, alert] = position
        message = self._words(channel, _key(channel, alert, notice, position), notice)
        self._last = at = max(self._wall(), self._last + 1e-5)
        return message, Entry(
            id=message.key,
            channel=channel,
            alert=alert,
            also=spoken_of(notice),
            position=position,
            payload=dumps(message),
            created_at=at,
            due_at=self._wall(),
            settled=settled,
        )

    def _words(self, channel: str, key: str, notice: Notice) -> Message:
        spec = self._config.channels[channel]
        templates = Templates(spec.title or self._config.title, spec.text or self._config.text)
        guards = tuple(self._guards(named(notice)))
        return templates.compose(key, notice, url=self._page(notice), breakers=guards)

    def _page(self, notice: Notice) -> str:
        if not self._url:
            return ""
        several = notice.group == DIGEST_GROUP or notice.group.startswith(MONITOR_GROUP) or notice.workstations
        return f"{self._url}/" if several else f"{self._url}/workstations/{notice.group}"

    def _guards(self, workstations: Collection[str]) -> Iterator[Guard]:
        """The breakers of some workstations that are not closed."""
        if len(workstations) != 1:
            return
        found: Iterable[str] = workstations
        (name,) = found
        mine = [b for b in self._breakers.items() if b.key.workstation == name and b.state is not State.CLOSED]
        for breaker in sorted(mine, key=lambda b: b.key)[:GUARDS]:
            wait = None if breaker.forced else breaker.retry_after
            trial = None if wait is None else self._wall() + wait
            yield Guard(name=breaker.key.scope, state=breaker.state.value, trial_at=trial)


def _key(channel: str, alert: str, notice: Notice, position: int) -> str:
    """Make the key of a message: the same again if it is decided again before it was kept."""
    parts = [channel, notice.route, alert, notice.telling.value, str(int(notice.opened)), str(position)]
    if notice.group == DIGEST_GROUP:
        parts.append(str(notice.at))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
