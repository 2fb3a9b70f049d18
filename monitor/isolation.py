"""Whether it is we who are cut off: what the answers of the gateways add up to.

Pure; time comes with each answer. We are cut off once every gateway that can be asked has failed as often in a row as
its `down_after` says; one answer of one of them ends it. Nothing here asks, and a gateway that can't be asked for a
reason of our own (no permission to ping) tells nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from monitor.model import Category, Status, SubjectKind
from monitor.notices import Item

NAMED: Final = 4
"""Gateways that are named in a line."""


@dataclass(frozen=True, slots=True)
class Reached:
    """How we stand to the network."""

    status: Status
    """UP: a gateway answers; DOWN: we are cut off; UNKNOWN: none has answered yet, or none can be asked."""
    since: float
    """Unix time of the last change of `status`."""
    silent: tuple[tuple[str, str], ...]
    """The gateways that do not answer, and why."""
    unasked: tuple[tuple[str, str], ...]
    """The gateways that can't be asked, and why."""


@dataclass(slots=True)
class _Gateway:
    """One gateway and its last answers."""

    down_after: int
    misses: int = 0
    why: str = ""
    """Of the last miss."""
    unasked: str = ""
    """Why it could not be asked; empty when it could."""

    @property
    def silent(self) -> bool:
        return self.misses >= self.down_after


class Isolation:
    """See the module."""

    def __init__(self) -> None:
        self.status = Status.UNKNOWN
        self.since = 0.0
        """Unix time of the last change of `status`."""
        self.heard = 0.0
        """Unix time of the last answer of a gateway, or since when any is watched: what failed later is not sure."""
        self._gateways: dict[str, _Gateway] = {}

    @property
    def cut_off(self) -> bool:
        """Whether we are."""
        return self.status is Status.DOWN

    @property
    def cut_off_since(self) -> float | None:
        """Unix time since which we are; None: we are not."""
        return self.since if self.cut_off else None

    @property
    def watched(self) -> bool:
        """Whether there is any gateway."""
        return bool(self._gateways)

    def replace(self, gateways: Mapping[str, int], at: float, *, anew: Collection[str] = ()) -> None:
        """Take the gateways of a config.

        Args:
            gateways: How many failures in a row make each of them silent.
            at: Unix time.
            anew: Those that changed: what is known of them does not count any more.

        """
        old = {name: gateway for name, gateway in self._gateways.items() if name not in anew}
        if not self._gateways or not gateways:
            self.status, self.since, self.heard = Status.UNKNOWN, at, at
        self._gateways = {name: old.get(name) or _Gateway(down_after) for name, down_after in gateways.items()}

    def answered(self, name: str, at: float) -> None:
        """Take note that a gateway answered, whatever it said."""
        gateway = self._gateways[name]
        gateway.misses, gateway.unasked = 0, ""
        self.heard = at
        self._become(Status.UP, at)

    def failed(self, name: str, why: str, at: float) -> None:
        """Take note that a gateway did not answer."""
        gateway = self._gateways[name]
        gateway.misses, gateway.why, gateway.unasked = gateway.misses + 1, why, ""
        if all(each.silent or each.unasked for each in self._gateways.values()) and gateway.silent:
            self._become(Status.DOWN, at)

    def not_asked(self, name: str, why: str, at: float) -> None:
        """Take note that a gateway could not be asked."""
        self._gateways[name].unasked = why
        if not self.cut_off and all(each.unasked for each in self._gateways.values()):
            self._become(Status.UNKNOWN, at)

    def unasked(self, name: str) -> str:
        """Say why a gateway could not be asked last; empty: it could, or was not yet."""
        gateway = self._gateways.get(name)
        return "" if gateway is None else gateway.unasked

    def doubted(self, name: str) -> bool:
        """Whether a gateway failed last, too few times in a row to call it silent."""
        gateway = self._gateways.get(name)
        return gateway is not None and not gateway.silent and gateway.misses > 0

    def words(self) -> str:
        """Say who does not answer, on one line."""
        names = [name for name, gateway in self._gateways.items() if gateway.misses and not gateway.unasked]
        if not names:
            return "no gateway has answered yet"
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        one = len(names) == 1
        return f"gateway{'' if one else 's'} {', '.join(names[:NAMED])}{more} {'does' if one else 'do'} not answer"

    def reached(self) -> Reached | None:
        """Show how we stand; None: there is no gateway, so nobody knows."""
        if not self._gateways:
            return None
        known = self._gateways.items()
        silent = tuple((name, each.why) for name, each in known if each.misses and not each.unasked)
        unasked = tuple((name, each.unasked) for name, each in known if each.unasked)
        return Reached(self.status, self.since, silent, unasked)

    def items(self, share: str = "") -> tuple[Item, ...]:
        """What there is to tell of us: nothing without a gateway."""
        if not self._gateways:
            return ()
        item = Item(
            kind=SubjectKind.MONITOR,
            workstation="",
            name=share,
            category=Category.NETWORK,
            critical=True,
            status=self.status,
            since=self.since,
            message=self._message(),
        )
        return (item,)

    def mutes(self, item: Item) -> bool:
        """Whether an item is as it is perhaps only because we are cut off: then it is no news, and not over either.

        That is all that can't be asked meanwhile, and what failed between the last answer of a gateway and the moment
        when we knew. What fails later than that was answered, and is news. Before the first answer of a gateway,
        nobody knows whether what can't be asked is our own fault: a restart may have been in the middle of it.
        """
        if item.status is Status.UNKNOWN:
            return self._starting or (self.cut_off and item.kind is not SubjectKind.MONITOR)
        ours = item.kind is SubjectKind.MONITOR or item.status is Status.UP
        return self.cut_off and not ours and self.heard <= item.since <= self.since

    @property
    def _starting(self) -> bool:
        """Whether no gateway has told anything yet."""
        gateways = self._gateways.values()
        return bool(gateways) and self.status is Status.UNKNOWN and not any(each.unasked for each in gateways)

    def _message(self) -> str:
        if self.cut_off:
            return f"cut off from the network, {self.words()}"
        if self.status is Status.UP:
            return ""
        unasked = (
            f"gateway {name} can't be asked ({each.unasked})" for name, each in self._gateways.items() if each.unasked
        )
        why = "; ".join(itertools.islice(unasked, NAMED)) or self.words()
        return f"not able to tell whether it is cut off: {why}"

    def _become(self, status: Status, at: float) -> None:
        if self.status is not status:
            self.status, self.since = status, at
