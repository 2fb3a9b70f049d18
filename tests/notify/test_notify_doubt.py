"""What a process that was just started tells: what it has found out itself, never what it only remembers."""

from __future__ import annotations

from pydantic import SecretStr

from monitor.breaker.registry import Breakers
from monitor.channels import discover, webhook
from monitor.fleet import Fleet
from monitor.model import Result, Target, Verdict
from monitor.notices import ChannelSpec, Notice, Notifications, Telling
from monitor.notify import Notifier, Outbox
from monitor.notify.doubt import PATIENCE
from monitor.notify.payload import loads
from tests.fakes import a_target, a_workstation, answered, failed, network, refused_by
from tests.notify.told import START, a_route

KINDS = discover()
RDP = a_target()
PANEL = a_target("panel")
WITNESS = a_target("adb-0", network("adb:5037"), emulator="ldplayer:0")


class Restarted:
    """A notifier whose fleet remembers what another learnt before."""

    def __init__(self, *before: Result, targets: tuple[Target, ...] = (RDP, PANEL)) -> None:
        self.now = START
        self.outbox = Outbox()
        self.notices: list[Notice] = []
        watched = {target.workstation.id: target.workstation for target in targets}
        old, self._fleet = Fleet(), Fleet()
        for fleet in (old, self._fleet):
            fleet.replace(watched.values(), targets)
        for result in before:
            old.apply(result)
        for name in watched:
            self._fleet.restore(*old.remember(name))
        self.notifier = Notifier(
            kinds=KINDS, fleet=self._fleet, breakers=Breakers(), outbox=self.outbox, wall=lambda: self.now
        )
        spec = ChannelSpec("webhook", webhook.Params(url=SecretStr("http://127.0.0.1:1/")))
        config = Notifications(channels={"c": spec}, routes=(a_route(after=60.0),))
        self.notifier.replace(config, workstations=watched, url=None, window=60)

    async def hear(self, *results: Result) -> list[Telling]:
        """Hear of results; return all that was told so far."""
        for result in results:
            await self.notifier.deliver(result, self._fleet.apply(result))
        await self.notifier.decide()
        self.notices = [loads(entry.payload).notice for entry in self.outbox._live.values()]
        return [notice.telling for notice in self.notices]

    async def look(self) -> list[Telling]:
        """Look at everything, as at the start and every so often."""
        await self.notifier._sweep()
        return await self.hear()


def gone(target: Target, at: float) -> tuple[Result, Result]:
    """Two runs without an answer: enough to believe it."""
    return failed(target, at), failed(target, at + 1)


LONG_AGO = (*gone(RDP, START - 600), *gone(PANEL, START - 600))


async def test_trouble__known_before_the_start_and_over_by_now__is_not_told() -> None:
    restarted = Restarted(*LONG_AGO)
    assert await restarted.look() == []
    assert await restarted.hear(answered(RDP, START), answered(PANEL, START)) == []
    restarted.now += 3600
    assert await restarted.look() == []


async def test_trouble__known_before_the_start__is_told_as_soon_as_it_is_found_again_and_lasted_all_the_time() -> None:
    restarted = Restarted(*LONG_AGO)
    await restarted.look()
    assert await restarted.hear(failed(PANEL, START)) == [Telling.PROBLEM]
    assert [notice.opened for notice in restarted.notices] == [START - 600]


async def test_trouble__of_one_check__is_not_found_again_by_another_that_is_well() -> None:
    restarted = Restarted(*gone(PANEL, START - 600), answered(RDP, START - 600))
    await restarted.look()
    assert await restarted.hear(answered(RDP, START)) == []
    assert await restarted.hear(answered(PANEL, START)) == []


async def test_trouble__whose_breaker_lets_nobody_ask__is_told_after_a_while() -> None:
    restarted = Restarted(*LONG_AGO)
    await restarted.look()
    blocked = [refused_by(target, START, target.path[0]) for target in (RDP, PANEL)]
    assert await restarted.hear(*blocked) == []
    restarted.now += PATIENCE
    assert await restarted.look() == [Telling.PROBLEM]


async def test_emulator__whose_witness_was_not_heard_again__does_not_keep_its_workstation_from_being_told() -> None:
    before = (*LONG_AGO, answered(WITNESS, START - 600, Verdict.DOWN))
    restarted = Restarted(*before, targets=(RDP, PANEL, WITNESS))
    assert await restarted.look() == []
    assert await restarted.hear(failed(PANEL, START)) == [Telling.PROBLEM]


def doors(count: int) -> tuple[Target, ...]:
    """One check on each of so many workstations of one site."""
    return tuple(a_target(workstation=a_workstation(f"ws-{number:02}")) for number in range(count))


async def test_site__that_was_cut_off_before_the_start_and_still_is__is_one_incident_once_all_were_asked() -> None:
    targets = doors(4)
    restarted = Restarted(*(result for target in targets for result in gone(target, START - 600)), targets=targets)
    assert await restarted.look() == []
    for target in targets[:3]:
        assert await restarted.hear(failed(target, START)) == []
    assert await restarted.hear(failed(targets[3], START)) == [Telling.PROBLEM]
    assert [notice.group for notice in restarted.notices] == ["site:garage"]
    assert len(restarted.notices[0].problems) == 4


async def test_site__whose_last_workstation_is_well_again__tells_of_the_others_that_are_not() -> None:
    targets = doors(5)
    before = [result for target in targets[:2] for result in gone(target, START - 600)]
    restarted = Restarted(*before, *(answered(target, START - 600) for target in targets[2:]), targets=targets)
    await restarted.look()
    assert await restarted.hear(failed(targets[0], START)) == []
    assert await restarted.hear(answered(targets[1], START)) == [Telling.PROBLEM]
    assert [notice.group for notice in restarted.notices] == ["ws-00"]


async def test_site__of_which_few_are_down_before_the_rest_was_asked__is_no_incident() -> None:
    targets = doors(5)
    before = [result for target in targets[:2] for result in gone(target, START - 600)]
    restarted = Restarted(*before, *(answered(target, START - 600) for target in targets[2:]), targets=targets)
    await restarted.look()
    assert await restarted.hear(*(failed(target, START) for target in targets[:2])) == [Telling.PROBLEM] * 2
    assert [notice.group for notice in restarted.notices] == ["ws-00", "ws-01"]


async def test_new_trouble__at_a_site_of_which_not_all_could_be_asked__waits_for_nobody() -> None:
    targets = doors(3)
    before = [result for target in targets[:1] for result in gone(target, START - 600)]
    restarted = Restarted(*before, *(answered(target, START - 600) for target in targets[1:]), targets=targets)
    await restarted.look()
    await restarted.hear(*gone(targets[1], START + 30))
    restarted.now += 120
    assert await restarted.look() == [Telling.PROBLEM]
    assert [notice.group for notice in restarted.notices] == ["ws-01"]


async def test_workstation__that_left_the_config__keeps_nobody_waiting() -> None:
    targets = doors(3)
    before = [result for target in targets[:2] for result in gone(target, START - 600)]
    restarted = Restarted(*before, answered(targets[2], START - 600), targets=targets)
    await restarted.look()
    assert await restarted.hear(failed(targets[0], START)) == []
    restarted.notifier._doubt.retain(["ws-00", "ws-02"])
    assert await restarted.hear(failed(targets[0], START)) == []
    restarted.notifier.look("ws-00")
    assert await restarted.hear() == [Telling.PROBLEM]
