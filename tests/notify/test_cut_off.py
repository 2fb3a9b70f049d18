"""What is told while we are cut off: that we are, once, and of the farm nothing that may be our own fault."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from monitor.breaker.registry import Breakers
from monitor.channels import webhook
from monitor.channels.alertmanager import _labels
from monitor.fleet import Fleet
from monitor.isolation import Isolation
from monitor.model import Category, Status, SubjectKind
from monitor.notices import MONITOR_GROUP, ChannelSpec, Notifications, Seen, Telling, monitor_group
from monitor.notify import Notifier, Outbox, StoredJournal
from monitor.notify.payload import dumps, loads
from monitor.store import Database
from monitor.wording import Templates
from tests.notify.conftest import Receiver
from tests.notify.told import World, a_route

PROBLEM, RESOLVED = Telling.PROBLEM, Telling.RESOLVED
EMULATORS = [f"ldplayer:{index}" for index in range(3)]


class Cut(World):
    """A world whose monitor asks a gateway every second."""

    def __init__(self, *changes: Any, **more: Any) -> None:
        self.isolation = Isolation()
        self.gateway = True
        super().__init__(*changes, **more)
        self.policy._muted = self.isolation.mutes
        self.isolation.replace({"router": 2}, self.now)
        self.look()

    def look(self) -> list[Any]:
        if self.isolation.watched and self.gateway:
            self.isolation.answered("router", self.now)
        elif self.isolation.watched:
            self.isolation.failed("router", "no answer", self.now)
        self.policy.see(MONITOR_GROUP, Seen(items=self.isolation.items()), self.now)
        for name, items in self.items.items():
            self.policy.see(name, Seen(items=tuple(items.values())), self.now)
        return super().look()

    def cut(self) -> None:
        """Lose the network; the farm can't be asked from a minute later on."""
        self.gateway = False
        self.pass_(60)
        for name, items in self.items.items():
            self.set(Status.UNKNOWN, *items, at=name)

    def mend(self) -> None:
        """Get the network back; the farm answers half a minute later."""
        self.gateway = True
        self.pass_(30)
        for name, items in self.items.items():
            self.set(Status.UP, *items, at=name)


def test_cut_off_for_hours__is_one_problem_and_its_end_one__and_of_the_farm_nothing() -> None:
    world = Cut(a_route(after=60, wait=30, resolve_after=30), emulators=3, workstations=4)
    world.cut()
    world.pass_(60)
    world.pass_(4 * 3600, 10)
    (told,) = world.told
    assert (told.telling, told.group, [item.kind for item in told.problems]) == (PROBLEM, "@monitor", ["monitor"])
    assert told.at - world.isolation.since == 90
    world.mend()
    world.pass_(3600, 10)
    assert [(notice.telling, notice.group) for notice in world.told] == [(PROBLEM, "@monitor"), (RESOLVED, "@monitor")]


def test_cut_off__shorter_than_after__is_not_told() -> None:
    world = Cut(a_route(after=60))
    world.gateway = False
    world.pass_(50)
    world.gateway = True
    world.pass_(600)
    assert world.told == []


def test_workstation_down_before__is_not_told_to_be_over_while_it_can_not_be_asked__but_when_it_is_up() -> None:
    world = Cut(a_route(), workstations=2)
    world.set(Status.DOWN, at="ws-01")
    world.pass_(10)
    world.cut()
    world.pass_(3600, 10)
    assert [(n.telling, n.group) for n in world.told] == [(PROBLEM, "ws-01"), (PROBLEM, "@monitor")]
    world.mend()
    world.pass_(1200, 10)
    assert [(n.telling, n.group) for n in world.told[2:]] == [(RESOLVED, "@monitor"), (RESOLVED, "ws-01")]


def test_workstations_down_in_the_moment_before_we_knew__are_not_told__unless_they_still_are_afterwards() -> None:
    world = Cut(a_route(after=20, statuses=frozenset({Status.DOWN})), workstations=3)
    world.gateway = False
    world.now += 0.5
    for name in world.items:
        world.set(Status.DOWN, at=name)
    world.pass_(3600, 10)
    assert [notice.group for notice in world.told] == ["@monitor"]
    world.gateway = True
    world.set(Status.UP, at="ws-01")
    world.set(Status.UP, at="ws-03")
    world.pass_(600, 1)
    assert [(n.telling, n.group) for n in world.told[1:]] == [(RESOLVED, "@monitor"), (PROBLEM, "ws-02")]
    assert world.told[2].at - world.isolation.since >= 20


def test_workstation_that_answers_badly_while_we_are_cut_off__is_told() -> None:
    world = Cut(a_route(), workstations=1)
    world.cut()
    world.pass_(100)
    world.set(Status.DEGRADED)
    world.pass_(100)
    assert [notice.group for notice in world.told] == ["@monitor", "ws-01"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, True),
        ({"sites": ("*",), "workstations": ("**",), "labels": {"rack": "*"}}, True),
        ({"kinds": frozenset({SubjectKind.MONITOR})}, True),
        ({"categories": frozenset({Category.NETWORK})}, True),
        ({"sites": ("berlin",)}, False),
        ({"workstations": ("ws-*",)}, False),
        ({"workstations": ("?*",)}, False),
        ({"labels": {"rack": "a*"}}, False),
        ({"categories": frozenset({Category.EMULATOR})}, False),
        ({"kinds": frozenset({SubjectKind.WORKSTATION, SubjectKind.EMULATOR})}, False),
    ],
)
def test_route__gets_it_only_if_it_is_about_everything(changes: dict[str, object], *, told: bool) -> None:
    world = Cut(a_route(**changes))
    world.cut()
    world.pass_(100)
    assert [notice.group for notice in world.told] == (["@monitor"] if told else [])


def test_words__say_who_is_meant_why_and_for_how_long() -> None:
    world = Cut(a_route(after=60))
    world.cut()
    world.pass_(100)
    world.mend()
    world.pass_(10)
    first, last = (Templates().compose("key", notice, url="https://m.example/") for notice in world.told)
    assert first.title == "[down] Emuwatch itself is cut off from the network, gateway router does not answer"
    assert first.text.splitlines()[0] == (
        "Emuwatch itself: down for 1m - cut off from the network, gateway router does not answer"
    )
    assert last.title.startswith("[well again] Emuwatch itself after 2m")
    assert last.text.startswith("Emuwatch itself: well again since 2023-")
    assert loads(dumps(first)) == first
    (item,) = first.notice.problems
    assert _labels(item) == {
        "alertname": "EmuwatchMonitor",
        "category": "network",
        "severity": "critical",
        "status": "down",
    }


def test_words__of_a_shard__name_it() -> None:
    isolation = Isolation()
    isolation.replace({"router": 1}, 1.0)
    isolation.failed("router", "no answer", 2.0)
    (item,) = isolation.items("2/3")
    assert item.label == "Emuwatch itself (shard 2/3)"
    assert (monitor_group("2/3"), monitor_group("")) == ("@monitor/2/3", "@monitor")


# ------------------------------------------------------------------------------------------------ the notifier
class Told:
    """A notifier on a receiver, with a gateway whose answers the test gives."""

    def __init__(self, receiver: Receiver, outbox: Outbox, *, group: str = MONITOR_GROUP) -> None:
        self.isolation = Isolation()
        self.isolation.replace({"router": 1}, 1.0)
        self.notifier = Notifier(
            kinds={"webhook": webhook.CHANNEL},
            fleet=Fleet(),
            breakers=Breakers(),
            outbox=outbox,
            muted=self.isolation.mutes,
            ourselves=self.isolation.items,
            own_group=group,
            tick=0.02,
        )
        self.config = Notifications(
            channels={"hook": ChannelSpec("webhook", webhook.Params(url=SecretStr(receiver.url)))},
            routes=(a_route(channels=("hook",)),),
        )
        self.replace()

    def replace(self) -> None:
        self.notifier.replace(self.config, workstations=["ws-01"], url="https://m.example", window=60)

    def fail(self) -> None:
        self.isolation.failed("router", "no answer", self.notifier._wall() - 10)

    def answer(self) -> None:
        self.isolation.answered("router", self.notifier._wall() - 10)


def kinds(receiver: Receiver) -> list[tuple[str, str]]:
    return [(request.json["kind"], request.json["group"]) for request in receiver.requests]


async def test_notifier__tells_it_once_with_a_link_to_the_overview__over_a_reload__and_its_end(
    receiver: Receiver,
) -> None:
    told = Told(receiver, Outbox())
    await told.notifier.start()
    told.fail()
    await receiver.until(lambda: len(receiver.requests) == 1)
    assert receiver.requests[0].json["url"] == "https://m.example/"
    told.replace()
    for _ in range(3):
        await told.notifier.decide()
    told.answer()
    await receiver.until(lambda: len(receiver.requests) == 2)
    await told.notifier.aclose()
    assert kinds(receiver) == [("problem", "@monitor"), ("resolved", "@monitor")]


async def test_notifier__whose_last_gateway_leaves_the_config__tells_its_end(receiver: Receiver) -> None:
    told = Told(receiver, Outbox())
    await told.notifier.start()
    told.fail()
    await receiver.until(lambda: len(receiver.requests) == 1)
    told.isolation.replace({}, 2.0)
    told.replace()
    await receiver.until(lambda: len(receiver.requests) == 2)
    await told.notifier.aclose()
    assert kinds(receiver) == [("problem", "@monitor"), ("resolved", "@monitor")]


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    made = Database(f"sqlite+aiosqlite:///{tmp_path}/emuwatch.db")
    await made.open()
    yield made
    await made.aclose()


async def test_restart_while_cut_off__tells_it_no_second_time__and_its_end(
    receiver: Receiver, database: Database
) -> None:
    before = Told(receiver, Outbox(StoredJournal(database, who="1/1")))
    await before.notifier.start()
    before.fail()
    await receiver.until(lambda: len(receiver.requests) == 1)
    await before.notifier.aclose()
    after = Told(receiver, Outbox(StoredJournal(database, who="1/1")))
    await after.notifier.start()
    await after.notifier.decide()  # no gateway has told anything yet: that is no end
    after.fail()
    await after.notifier.decide()
    assert len(receiver.requests) == 1
    after.answer()
    await receiver.until(lambda: len(receiver.requests) == 2)
    await after.notifier.aclose()
    assert kinds(receiver) == [("problem", "@monitor"), ("resolved", "@monitor")]


async def test_shards_that_share_a_store__tell_each_of_itself__and_none_of_another(
    receiver: Receiver, database: Database
) -> None:
    first = Told(receiver, Outbox(StoredJournal(database, who="1/2")), group=monitor_group("1/2"))
    await first.notifier.start()
    first.fail()
    await receiver.until(lambda: len(receiver.requests) == 1)
    second = Told(receiver, Outbox(StoredJournal(database, who="2/2")), group=monitor_group("2/2"))
    await second.notifier.start()
    second.answer()
    second.replace()
    await second.notifier.decide()
    assert len(receiver.requests) == 1
    first.answer()
    await receiver.until(lambda: len(receiver.requests) == 2)
    await first.notifier.aclose()
    await second.notifier.aclose()
    assert kinds(receiver) == [("problem", "@monitor/1/2"), ("resolved", "@monitor/1/2")]
