"""From the outbox to a receiver: at least once, in order, retried, or given up and shown."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Self

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from monitor.breaker.policy import Policy
from monitor.breaker.registry import Breakers
from monitor.channels import alertmanager, discover, webhook
from monitor.fleet import Fleet
from monitor.model import Status
from monitor.notices import ChannelSpec, Notice, Notifications, Telling
from monitor.notify import Attempt, Ended, Notifier, Outbox, StoredJournal, crew, worker
from monitor.notify.outbox import Entry
from monitor.notify.payload import spoken_of
from monitor.store import Database, StoreError
from tests.notify.conftest import Receiver
from tests.notify.told import a_route, an_item

KINDS = discover()
NOW = 1_700_000_000.0


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "FIRST", 0.01)
    monkeypatch.setattr(worker, "LONGEST", 0.05)
    monkeypatch.setattr(worker, "GUARD", Policy(failures=3, window=600.0, open_time=0.05))


class Telephone:
    """A notifier with one webhook, and what became of each attempt."""

    def __init__(self, url: str, outbox: Outbox) -> None:
        self.attempts: list[Attempt] = []
        self.outbox = outbox
        self.notifier = Notifier(
            kinds=KINDS, fleet=Fleet(), breakers=Breakers(), outbox=outbox, told=self.attempts.append
        )
        self.dial(url)

    def dial(self, url: str) -> None:
        """Take a config with this address."""
        spec = ChannelSpec("webhook", webhook.Params(url=SecretStr(url), timeout="2s"))
        config = Notifications(channels={"c": spec}, routes=(a_route(),))
        self.notifier.replace(config, workstations=["ws-01", "ws-02"], url="https://m.example", window=60)

    async def __aenter__(self) -> Self:
        await self.notifier.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.notifier.aclose(0)

    def told(self) -> list[Telling]:
        """What was attempted, one after the other."""
        return [attempt.message.notice.telling for attempt in self.attempts if attempt.message is not None]

    def ended(self) -> list[Ended]:
        return [attempt.outcome for attempt in self.attempts]

    async def tell(
        self, telling: Telling, *, at: float = NOW, group: str = "ws-01", status: Status = Status.DOWN
    ) -> None:
        items = (an_item(group, status=status),)
        resolved = telling is Telling.RESOLVED
        problems, recovered = ((), items) if resolved else (items, ())
        await self.notifier._put(
            Notice(telling=telling, route="r", group=group, at=at, opened=NOW, problems=problems, recovered=recovered)
        )


async def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for sets no event
            await asyncio.sleep(0.01)


async def test_receiver_that_fails_sometimes__gets_all_in_order_and_repetitions_carry_the_same_key(
    receiver: Receiver, journal: StoredJournal
) -> None:
    receiver.answers = [500, 503, 200, 500, 200, 408, 200]
    async with Telephone(receiver.url, Outbox(journal)) as telephone:
        for number, telling in enumerate((Telling.PROBLEM, Telling.UPDATE, Telling.RESOLVED)):
            await telephone.tell(telling, at=NOW + number)
        await receiver.until(lambda: len(receiver.taken) == 3)
        assert [request.json["kind"] for request in receiver.taken] == ["problem", "update", "resolved"]
        keys = [request.headers["X-Emuwatch-Key"] for request in receiver.requests]
        assert list(dict.fromkeys(keys)) == [r.headers["X-Emuwatch-Key"] for r in receiver.taken]
        assert [keys.count(key) for key in dict.fromkeys(keys)] == [3, 2, 2]
        await until(lambda: len(telephone.attempts) == 7)
        assert [a.outcome for a in telephone.attempts].count(Ended.FAILURE) == 4
        (channel,) = telephone.notifier.channels()
        assert (channel.well, channel.pending, channel.problem) == (True, 0, "")


async def test_refused_token__messages_wait_and_are_not_tried_over_and_over_until_one_gets_through(
    receiver: Receiver,
) -> None:
    receiver.answers = [401]
    async with Telephone(receiver.url, Outbox()) as telephone:
        await telephone.tell(Telling.PROBLEM)
        await until(lambda: len(telephone.attempts) == 1)
        (channel,) = telephone.notifier.channels()
        assert (channel.well, channel.permanent, channel.problem) == (False, True, "answered HTTP 401")
        assert (channel.pending, telephone.ended()) == (1, [Ended.REFUSED])
        await telephone.tell(Telling.RESOLVED)
        await telephone.tell(Telling.PROBLEM, group="ws-02")
        await until(lambda: len(telephone.attempts) == 4)
        groups = [(request.json["kind"], request.json["group"]) for request in receiver.taken]
        assert groups == [("problem", "ws-02"), ("problem", "ws-01"), ("resolved", "ws-01")]
        (channel,) = telephone.notifier.channels()
        assert (channel.well, channel.problem, channel.pending) == (True, "", 0)


@pytest.mark.parametrize("restarts", [False, True])
async def test_refused_token__put_right_in_the_config__all_that_was_refused_is_delivered_in_order(
    receiver: Receiver, journal: StoredJournal, *, restarts: bool
) -> None:
    receiver.status = 403
    async with Telephone(receiver.url, Outbox(journal)) as telephone:
        await telephone.tell(Telling.PROBLEM)
        await until(lambda: len(telephone.attempts) == 1)
        await telephone.tell(Telling.RESOLVED)
        receiver.status = 200
        if not restarts:
            telephone.dial(f"{receiver.url}/right")
            await until(lambda: len(telephone.attempts) == 3)
    if restarts:
        async with Telephone(receiver.url, Outbox(journal)) as telephone:
            await until(lambda: len(telephone.attempts) == 2)
    assert [request.json["kind"] for request in receiver.taken] == ["problem", "resolved"]


async def test_address_that_is_gone__is_only_believed_after_a_while__and_tried_again_all_the_same(
    receiver: Receiver,
) -> None:
    receiver.answers = [404] * (worker.DOUBTS - 1)
    async with Telephone(receiver.url, Outbox()) as telephone:
        await telephone.tell(Telling.PROBLEM)
        await until(lambda: Ended.SUCCESS in telephone.ended())
        assert telephone.ended() == [Ended.FAILURE] * (worker.DOUBTS - 1) + [Ended.SUCCESS]
        receiver.status = 410
        await telephone.tell(Telling.RESOLVED)
        await until(lambda: telephone.notifier.channels()[0].permanent)
        assert telephone.ended()[worker.DOUBTS :] == [Ended.FAILURE] * worker.DOUBTS
        receiver.status = 200
        await until(lambda: telephone.ended()[-1] is Ended.SUCCESS)


@pytest.mark.parametrize("restarts", [False, True])
async def test_message_found_wrong__is_given_up_at_once__and_told_anew_after_a_change_if_nothing_was_told_since(
    receiver: Receiver, journal: StoredJournal, *, restarts: bool
) -> None:
    async with Telephone(receiver.url, Outbox(journal)) as telephone:
        for group, answer in (("ws-01", 400), ("ws-02", 422), ("ws-02", 200)):
            receiver.answers = [answer]
            await telephone.tell(Telling.PROBLEM if answer > 200 else Telling.RESOLVED, group=group)
            await until(lambda: not receiver.answers)
        await until(lambda: len(telephone.attempts) == 3)
        assert telephone.ended() == [Ended.DROPPED, Ended.DROPPED, Ended.SUCCESS]
        if not restarts:
            telephone.dial(f"{receiver.url}/right")
            await telephone.notifier.decide()
            await until(lambda: len(telephone.attempts) == 4)
    if restarts:
        async with Telephone(receiver.url, Outbox(journal)) as telephone:
            await until(lambda: len(telephone.attempts) == 1)
    told = [(request.json["kind"], request.json["group"]) for request in receiver.taken]
    assert told == [("resolved", "ws-02"), ("problem", "ws-01")]


async def test_message_nobody_can_read__is_given_up_at_once_and_in_nobodys_way(
    receiver: Receiver, journal: StoredJournal
) -> None:
    async with Telephone(receiver.url, Outbox(journal)) as telephone:
        await journal.put([an_entry("bad", at=NOW)])
        with capture_logs() as logs:
            assert await telephone.outbox.adopt(["c"], NOW)
            await telephone.tell(Telling.RESOLVED)
            await until(lambda: len(telephone.attempts) == 2)
        first, second = telephone.attempts
        assert (first.outcome, first.words) == (
            Ended.DROPPED,
            "no message of this version: 4 problems (key bad)",
        )
        assert second.outcome is Ended.SUCCESS
        assert telephone.notifier.channels()[0].well, "the channel has nothing to do with it"
    assert [(entry["event"], entry["key"]) for entry in logs] == [("message given up, it can't be read", "bad")]
    assert await journal.live(NOW) == []


async def test_what_stands__is_repeated_though_a_message_on_something_else_waits(receiver: Receiver) -> None:
    """What has a message of its own left to deliver is not: that would arrive after what is newer."""
    outbox = Outbox()
    notifier = Notifier(kinds=KINDS, fleet=Fleet(), breakers=Breakers(), outbox=outbox)
    spec = ChannelSpec("alertmanager", alertmanager.Params(url=SecretStr(receiver.url), refresh="1s"))
    config = Notifications(channels={"c": spec}, routes=(a_route(),))
    notifier.replace(config, workstations=["ws-01", "ws-02"], url=None, window=60)
    await notifier.start()
    for group in ("ws-01", "ws-02"):
        item = an_item(group, status=Status.DOWN)
        await notifier._put(Notice(telling=Telling.PROBLEM, route="r", group=group, at=NOW, problems=(item,)))
    await receiver.until(lambda: len(receiver.requests) == 2)
    await outbox.put([replace(an_entry("later", at=time.time(), alert="r/ws-02"), due_at=time.time() + 60)])
    await receiver.until(lambda: len(receiver.requests) == 4)
    assert {request.json[0]["labels"]["workstation"] for request in receiver.requests[2:]} == {"ws-01"}
    await notifier.aclose(0)


async def test_dead_receiver__trips_the_breaker_and_is_asked_by_trials_only(receiver: Receiver) -> None:
    receiver.status = 500
    async with Telephone(receiver.url, Outbox()) as telephone:
        for number in range(5):
            await telephone.tell(Telling.PROBLEM, group=f"ws-{number:02}")
        await receiver.until(lambda: len(receiver.requests) >= 6)
        receiver.status = 200
        await receiver.until(lambda: len(receiver.taken) == 5)
        assert len({request.json["key"] for request in receiver.taken}) == 5


async def test_killed_before_delivery__the_next_process_delivers_with_the_same_key(
    receiver: Receiver, journal: StoredJournal
) -> None:
    receiver.gate.clear()
    first = Telephone(receiver.url, Outbox(journal))
    await first.notifier.start()
    await first.tell(Telling.PROBLEM)
    (entry,) = await journal.live(NOW)
    await first.notifier.aclose(0)
    receiver.gate.set()
    async with Telephone(receiver.url, Outbox(journal)) as second:
        await until(lambda: bool(second.attempts))
        assert receiver.taken[-1].json["key"] == entry.id
        await second.tell(Telling.RESOLVED, at=NOW + 60)
        await until(lambda: len(second.attempts) == 2)
        assert [e.position for e in await journal.latest()] == [2]
    assert await journal.live(NOW) == []


@pytest.mark.parametrize("kept", [True, False])
async def test_channel_changed__while_a_message_is_under_way__the_new_worker_delivers_it_and_all_after_it(
    receiver: Receiver, journal: StoredJournal, *, kept: bool
) -> None:
    receiver.gate.clear()
    async with Telephone(receiver.url, Outbox(journal if kept else None)) as telephone:
        await telephone.tell(Telling.PROBLEM)
        await receiver.until(lambda: receiver.held == 1)
        telephone.dial(f"{receiver.url}/new")
        telephone.dial(f"{receiver.url}/newer")
        await telephone.tell(Telling.RESOLVED, at=NOW + 60)
        await receiver.until(lambda: receiver.held == 2)
        receiver.gate.set()
        await until(lambda: len(telephone.attempts) == 2)
        assert telephone.told() == [Telling.PROBLEM, Telling.RESOLVED]
        assert len({request.json["key"] for request in receiver.requests}) == 2
        assert telephone.notifier.channels()[0].pending == 0


async def test_channel_changed__its_old_worker_does_not_end__the_new_one_waits_no_longer_than_it_must(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew, "CLOSING", 0.05)
    stuck, aclose = asyncio.Event(), webhook.Webhook.aclose

    async def late(sender: webhook.Webhook) -> None:
        await stuck.wait()
        await aclose(sender)

    monkeypatch.setattr(webhook.Webhook, "aclose", late)
    async with Telephone(receiver.url, Outbox()) as telephone:
        await telephone.tell(Telling.PROBLEM)
        await until(lambda: len(telephone.attempts) == 1)
        telephone.dial(f"{receiver.url}/new")
        await telephone.tell(Telling.RESOLVED, at=NOW + 60)
        await until(lambda: len(telephone.attempts) == 2)
        stuck.set()


async def test_journal_written_to_while_cancelled__is_told_later(journal: StoredJournal) -> None:
    """What a reload cancels in the middle of writing must not leave a delivered message in the way of all after it."""
    slow = Slow(journal._database, who="1/1")
    outbox = Outbox(slow)
    await outbox.put([an_entry("a", at=1), an_entry("b", at=2)])
    entry = await outbox.claim("c", now=NOW, until=NOW + 60)
    assert entry is not None
    slow.gate.clear()
    slow.asked.clear()
    done = asyncio.create_task(outbox.done(entry, NOW))
    await slow.asked.wait()
    done.cancel()
    await asyncio.gather(done, return_exceptions=True)
    slow.gate.set()
    following = await outbox.claim("c", now=NOW, until=NOW + 60)
    assert following is not None
    assert following.id == "b"


async def test_claim_cancelled__is_let_go(journal: StoredJournal) -> None:
    slow = Slow(journal._database, who="1/1")
    outbox = Outbox(slow)
    await outbox.put([an_entry("a", at=1)])
    slow.gate.clear()
    claiming = asyncio.create_task(outbox.claim("c", now=NOW, until=NOW + 60))
    await slow.asked.wait()
    claiming.cancel()
    await asyncio.gather(claiming, return_exceptions=True)
    slow.gate.set()
    assert await outbox.claim("c", now=NOW, until=NOW + 60) is not None


class Slow(StoredJournal):
    """A journal that waits before it writes what became of an entry."""

    def __init__(self, database: Database, *, who: str) -> None:
        super().__init__(database, who=who)
        self.gate, self.asked = asyncio.Event(), asyncio.Event()
        self.gate.set()

    async def claim(self, entry: Entry, *, now: float, until: float) -> bool:
        self.asked.set()
        await self.gate.wait()
        return await super().claim(entry, now=now, until=until)

    async def done(self, entry: Entry, at: float) -> None:
        self.asked.set()
        await self.gate.wait()
        await super().done(entry, at)


async def test_claim__by_two_processes__is_one_ones(journal: StoredJournal) -> None:
    other = StoredJournal(journal._database, who="2/2")
    entries = [an_entry(str(number), at=number) for number in range(3)]
    await journal.put(entries)
    won = await asyncio.gather(*(who.claim(entries[0], now=NOW, until=NOW + 60) for who in (journal, other)))
    assert sorted(won) == [False, True]
    assert not await other.claim(entries[1], now=NOW, until=NOW + 60), "an older one of its alert is not settled"
    assert [e.id for e in await other.live(NOW + 61)] == ["0", "1", "2"], "a claim lapses"
    await journal.done(entries[0], NOW)
    assert await other.claim(entries[1], now=NOW, until=NOW + 60)


async def test_back_off__of_another_process__is_kept(journal: StoredJournal) -> None:
    ours, others = Outbox(journal), Outbox(StoredJournal(journal._database, who="2/2"))
    await ours.put([an_entry("a", at=1)])
    await others.adopt(["c"], NOW)
    entry = await ours.claim("c", now=NOW, until=NOW + 60)
    assert entry is not None
    await ours.retry_at(entry, NOW + 300, "answered HTTP 503")
    assert await others.claim("c", now=NOW, until=NOW + 60) is None
    await others.adopt(["c"], NOW)
    assert await others.claim("c", now=NOW + 299, until=NOW + 400) is None
    assert await others.claim("c", now=NOW + 300, until=NOW + 400) is not None


async def test_digest__overtakes_nothing_and_nothing_overtakes_it() -> None:
    outbox = Outbox()
    await outbox.put([an_entry("a", at=1), an_entry("d", at=2, alert="*"), an_entry("b", at=3, alert="r/other")])
    first = await outbox.claim("c", now=NOW, until=NOW)
    assert first is not None
    assert first.id == "a"
    assert await outbox.claim("c", now=NOW, until=NOW) is None
    await outbox.retry_at(first, NOW + 60, "no")
    assert await outbox.claim("c", now=NOW, until=NOW) is None
    outbox.hasten("c", NOW)
    for wanted in ("a", "d", "b"):
        entry = await outbox.claim("c", now=NOW, until=NOW)
        assert entry is not None
        assert entry.id == wanted
        await outbox.done(entry, NOW)


def test_message_of_a_site__speaks_of_the_workstations_it_names() -> None:
    items = tuple(an_item(name, status=Status.DOWN) for name in ("ws-01", "ws-02"))
    notice = Notice(telling=Telling.PROBLEM, route="r", group="site:berlin", at=NOW, problems=items)
    assert spoken_of(notice) == {"r/ws-01", "r/ws-02"}


async def test_message_of_a_workstation__never_overtakes_one_of_its_site_that_names_it() -> None:
    outbox, both = Outbox(), frozenset({"r/ws-01", "r/ws-02"})
    site = replace(an_entry("site", at=2, alert="r/site:berlin"), also=both)
    await outbox.put(
        [an_entry("1", at=1), site, an_entry("2", at=3, alert="r/ws-02"), an_entry("3", at=4, alert="r/x")]
    )
    first = await outbox.claim("c", now=NOW, until=NOW)
    other = await outbox.claim("c", now=NOW, until=NOW)
    assert first is not None
    assert other is not None
    assert (first.id, other.id) == ("1", "3"), "the site's waits for that of a workstation it names"
    await outbox.done(first, NOW)
    again = await outbox.claim("c", now=NOW, until=NOW)
    assert again == site
    assert await outbox.claim("c", now=NOW, until=NOW) is None
    await outbox.retry_at(site, NOW + 60, "no")
    assert await outbox.claim("c", now=NOW, until=NOW) is None, "and what names a workstation waits for the site's"
    await outbox.done(site, NOW)
    last = await outbox.claim("c", now=NOW, until=NOW)
    assert last is not None
    assert last.id == "2"


async def test_message_of_a_site__keeps_its_order_over_a_restart(receiver: Receiver, journal: StoredJournal) -> None:
    items = tuple(an_item(name, status=Status.DOWN) for name in ("ws-01", "ws-02"))
    site = Notice(telling=Telling.PROBLEM, route="r", group="site:berlin", at=NOW, opened=NOW, problems=items)
    first = Telephone(receiver.url, Outbox(journal))
    await first.notifier._put(site)
    await first.tell(Telling.RESOLVED, at=NOW + 1, status=Status.UP)
    entries = await journal.live(NOW)
    assert [entry.also for entry in entries] == [{"r/ws-01", "r/ws-02"}, {"r/ws-01"}]
    await journal.retry_at(replace(entries[0], due_at=time.time() + 0.2))
    async with Telephone(receiver.url, Outbox(journal)):
        await receiver.until(lambda: len(receiver.taken) == 2)
    assert [request.json["group"] for request in receiver.taken] == ["site:berlin", "ws-01"]


async def test_message__put_off_before_a_restart__is_tried_as_soon_as_another_gets_through(
    receiver: Receiver, journal: StoredJournal
) -> None:
    first = Telephone(receiver.url, Outbox(journal))
    await first.tell(Telling.PROBLEM, group="ws-02")
    (entry,) = await journal.live(NOW)
    await journal.retry_at(replace(entry, due_at=time.time() + 3600))
    async with Telephone(receiver.url, Outbox(journal)) as telephone:
        await telephone.tell(Telling.PROBLEM)
        await receiver.until(lambda: len(receiver.taken) == 2)
    assert sorted(request.json["group"] for request in receiver.taken) == ["ws-01", "ws-02"]


class Flaky(StoredJournal):
    """A journal whose store goes away."""

    away = False

    async def _gone(self) -> None:
        if self.away:
            raise StoreError("away")

    async def put(self, entries: object) -> None:
        await self._gone()
        await super().put(entries)  # type: ignore[arg-type] # passed on

    async def claim(self, entry: Entry, *, now: float, until: float) -> bool:
        await self._gone()
        return await super().claim(entry, now=now, until=until)

    async def done(self, entry: Entry, at: float) -> None:
        await self._gone()
        await super().done(entry, at)

    async def latest(self) -> list[Entry]:
        await self._gone()
        return list(await super().latest())


async def test_store_away__messages_go_out_in_order_and_it_learns_of_them_afterwards(
    receiver: Receiver, journal: StoredJournal
) -> None:
    flaky = Flaky(journal._database, who="1/1")
    outbox = Outbox(flaky)
    async with Telephone(receiver.url, outbox) as telephone:
        await telephone.tell(Telling.PROBLEM)
        await until(lambda: len(telephone.attempts) == 1)
        flaky.away = True
        await telephone.tell(Telling.UPDATE, at=NOW + 1)
        await telephone.tell(Telling.RESOLVED, at=NOW + 2)
        await until(lambda: len(telephone.attempts) == 3)
        assert outbox.behind == 2, "of each entry only how it stands now"
        flaky.away = False
        await outbox.adopt(["c"], NOW)
        assert outbox.behind == 0
    assert [request.json["kind"] for request in receiver.taken] == ["problem", "update", "resolved"]
    assert await journal.live(NOW) == []
    assert [e.position for e in await journal.latest()] == [3]


async def test_store_replaced_by_an_empty_one__loses_no_message(journal: StoredJournal) -> None:
    outbox = Outbox(journal)
    entry = an_entry("a", at=1)
    outbox._live[entry.id] = entry
    claimed = await outbox.claim("c", now=NOW, until=NOW + 60)
    assert claimed == entry


async def test_prune__keeps_the_last_of_each_alert_and_what_is_not_delivered(journal: StoredJournal) -> None:
    entries = [an_entry(str(number), at=number) for number in range(3)]
    await journal.put([*entries, an_entry("x", at=1, alert="r/x")])
    for entry in entries:
        await journal.done(entry, NOW)
    await journal.prune(NOW + 1)
    assert [e.id for e in await journal.latest()] == ["x", "2"]
    assert [e.id for e in await journal.live(NOW)] == ["x"]


def an_entry(identity: str, *, at: float, alert: str = "r/ws-01") -> Entry:
    return Entry(id=identity, channel="c", alert=alert, position=int(at), payload="{}", created_at=at, due_at=0.0)
