"""What was told last by each channel, of each alert, and still holds. Pure.

From it what stands is told again, to channels that want that; what a message ends is known even after a restart; and
what a new config tells by a channel no more is told to be over.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from monitor.notices import Item, Message, Notice, Telling


@dataclass(frozen=True, slots=True)
class Ended:
    """Something a channel told that nobody tells by it any more."""

    channel: str
    notice: Notice


class Standing:
    """See the module."""

    def __init__(self) -> None:
        self._told: dict[str, dict[str, Message]] = {}

    def note(self, channel: str, alert: str, message: Message) -> None:
        """Take note of what was told last."""
        notice = message.notice
        if notice.telling is Telling.DIGEST:
            return
        told = self._told.setdefault(channel, {})
        if notice.telling.standing:
            told[alert] = replace(message, notice=replace(notice, before=()))
        else:
            told.pop(alert, None)

    def of(self, channel: str) -> Mapping[str, Message]:
        """What a channel told that still holds, by alert."""
        return dict(self._told.get(channel, {}))

    def before(self, channel: str, alert: str, beside: Iterable[Notice]) -> tuple[Item, ...]:
        """What a channel told of an alert last, but for what is told by another alert too, or by notices beside it."""
        last = self._told.get(channel, {}).get(alert)
        if last is None:
            return ()
        others = [message.notice for name, message in self._told[channel].items() if name != alert]
        return _without(_items(last.notice), [*others, *beside])

    def prune(self, pairs: Collection[tuple[str, str]], channels: Collection[str], now: float) -> list[Ended]:
        """Forget what no pair of a route and a channel tells; return what the channels that are left have to end."""
        ended = []
        for channel, told in list(self._told.items()):
            if channel not in channels:
                del self._told[channel]
                continue
            dropped = {
                alert: message for alert, message in told.items() if (message.notice.route, channel) not in pairs
            }
            self._told[channel] = {alert: message for alert, message in told.items() if alert not in dropped}
            kept = [message.notice for message in self._told[channel].values()]
            ended += [Ended(channel, _end(message.notice, kept, now)) for message in dropped.values()]
        return ended


def _end(notice: Notice, kept: Iterable[Notice], now: float) -> Notice:
    over = _without(_items(notice), kept)
    return replace(
        notice, telling=Telling.RESOLVED, at=now, problems=(), causes=(), recovered=over, before=over, parts=()
    )


def _items(notice: Notice) -> tuple[Item, ...]:
    return (*notice.problems, *notice.causes)


def _without(items: Iterable[Item], notices: Iterable[Notice]) -> tuple[Item, ...]:
    kept = {item.id: item for item in items}
    for item in (item for notice in notices for item in _items(notice)):
        if item.id in kept and _essence(item) == _essence(kept[item.id]):
            del kept[item.id]
    return tuple(kept.values())


def _essence(item: Item) -> object:
    """What makes two items the same to who is told of them."""
    return item.id, item.status, item.critical, item.category, item.site, dict(item.labels)
