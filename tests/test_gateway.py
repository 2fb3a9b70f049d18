"""Asking the gateways: by the real checks over real sockets, and by a script where time or the kernel is the point."""

from __future__ import annotations

import asyncio
import errno
import itertools
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import icmplib
import pytest
from structlog.testing import capture_logs

from monitor.checks import discover
from monitor.checks.icmp import NOT_ALLOWED
from monitor.checks.icmp import _ours as of_icmp
from monitor.checks.tcp import ERRORS, Params
from monitor.dispatch import Dispatcher, places
from monitor.errors import LocalError, ProbeError, classify
from monitor.gateway import AGAIN, Gateways, no_way
from monitor.model import Category, Key, Observation, Reason, Status, Target, Verdict, Workstation
from monitor.reach import Transports
from monitor.simulator.wire import Wire
from tests.fakes import FakeClock

START = 1000.0
SILENT = ProbeError("a tcp:53: no answer within 2 s", category=Category.NETWORK, reason=Reason.TIMEOUT)


def a_gateway(name: str = "a", *, port: int = 53, down_after: int = 2, interval: float = 5.0, **more: Any) -> Target:
    itself = Workstation(id=name, host="127.0.0.1")
    return Target(
        workstation=itself,
        name=name,
        kind="tcp",
        params=Params(port=port),
        path=(Key(Category.NETWORK, name, f"tcp:{port}"),),
        interval=interval,
        timeout=more.pop("timeout", 2.0),
        down_after=down_after,
        **more,
    )


@dataclass
class Script:
    """Gateways that are asked by hand; what each run meets is said beforehand."""

    meets: list[BaseException | None] = field(default_factory=list)
    turns: list[bool] = field(default_factory=list)
    stalled: bool = False
    takes: float = 0.0

    def __post_init__(self) -> None:
        self.clock = FakeClock(START)
        self.gateways = Gateways(
            probe=self.probe, stalled=lambda _: self.stalled, clock=self.clock, wall=self.clock, sleep=self.sleep
        )
        self.gateways.turned = lambda: self.turns.append(self.gateways.isolation.cut_off)
        self.slept: list[float] = []
        self.over = asyncio.Event()

    async def probe(self, target: Target) -> Observation:
        self.clock.pass_(self.takes)
        if not self.meets:
            self.over.set()
            await asyncio.Event().wait()
        met = self.meets.pop(0)
        if met is not None:
            raise met
        return Observation(verdict=Verdict.DOWN, reason=Reason.UNEXPECTED, message="HTTP 500")

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.clock.pass_(seconds)

    async def ask(self, target: Target, *met: BaseException | None) -> None:
        for one in met:
            self.meets.append(one)
            await self.gateways.ask(target)


async def test_ask__silence_as_often_as_it_takes_then_any_answer__is_one_line_and_one_call_on_each_edge() -> None:
    script, gateway = Script(), a_gateway()
    script.gateways.replace([gateway])
    with capture_logs() as lines:
        await script.ask(gateway, None, SILENT)
        assert script.turns == []
        script.clock.pass_(10)
        await script.ask(gateway, SILENT, SILENT)
        script.clock.pass_(60)
        await script.ask(gateway, None, None)
    assert script.turns == [True, False]
    assert [(line["event"], line["log_level"]) for line in lines] == [
        ("cut off from the network, what fails counts against nobody", "error"),
        ("cut off no more", "warning"),
    ]
    assert lines[0]["why"] == lines[1]["was"] == "gateway a does not answer"
    assert lines[1]["away_seconds"] == 60


async def test_excuse__holds_for_every_run_that_was_under_way_while_we_were_cut_off() -> None:
    script, gateway = Script(), a_gateway(down_after=1)
    script.gateways.replace([gateway])
    assert script.gateways.excuse(START) == ""
    await script.ask(gateway, SILENT)
    assert script.gateways.excuse(START - 100) == "we are cut off: gateway a does not answer"
    assert script.gateways.excuse(START + 1) == "we are cut off: gateway a does not answer"
    script.clock.pass_(30)
    await script.ask(gateway, None)
    begun_before, begun_after = START + 29, START + 31
    assert script.gateways.excuse(begun_before) == "we were cut off while it was asked: gateway a does not answer"
    assert script.gateways.excuse(begun_after) == ""


async def test_ask__timeout_while_our_loop_stood_still__is_no_failure() -> None:
    script, gateway = Script(stalled=True), a_gateway(down_after=1)
    script.gateways.replace([gateway])
    await script.ask(gateway, SILENT)
    assert not script.gateways.isolation.cut_off


def local(number: int) -> LocalError | ProbeError:
    """What the tcp check makes of an error of the kernel."""
    cause = OSError(number, "said the kernel")
    made = classify(cause, ERRORS, where="a")
    made.__cause__ = cause
    return made


def of_ping(number: int) -> LocalError | ProbeError:
    """What the icmp check makes of an error that icmplib hides behind one of its own."""
    hiding = icmplib.ICMPSocketError("said the kernel")
    hiding.__context__ = OSError(number, "said the kernel")
    made = of_icmp(hiding, "a icmp")
    made.__cause__ = hiding
    return made


@pytest.mark.parametrize("make", [local, of_ping])
@pytest.mark.parametrize(
    "number",
    [errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL, errno.ENODEV, errno.EPERM],
)
async def test_ask__kernel_that_lets_nothing_out__is_a_failure(
    make: Callable[[int], LocalError | ProbeError], number: int
) -> None:
    script, gateway = Script(), a_gateway()
    script.gateways.replace([gateway])
    await script.ask(gateway, make(number), make(number))
    assert script.gateways.isolation.cut_off


@pytest.mark.parametrize(
    "met",
    [LocalError(NOT_ALLOWED), local(errno.EMFILE), local(errno.EACCES), of_ping(errno.EMFILE), ZeroDivisionError()],
)
async def test_ask__trouble_that_says_nothing_of_the_network__is_told_once_and_never_cuts_us_off(
    met: BaseException,
) -> None:
    script, gateway = Script(), a_gateway(down_after=1)
    script.gateways.replace([gateway])
    with capture_logs() as lines:
        await script.ask(gateway, met, met, None)
    assert script.turns == []
    assert [(line["event"], line["log_level"]) for line in lines] == [
        ("gateway can't be asked, so it tells nothing of the network", "error"),
        ("gateway can be asked again", "info"),
    ]


def test_no_way__error_without_a_number_of_the_kernel__is_none() -> None:
    assert not no_way(LocalError("no permission"))


async def test_watch__healthy__asks_at_its_interval__failing__soon_again_until_it_is_clear__then_as_before() -> None:
    script = Script(meets=[None, None, SILENT, SILENT, SILENT, SILENT], takes=2.0)
    script.gateways.replace([a_gateway(down_after=3)])
    script.gateways.start()
    await script.over.wait()
    await script.gateways.aclose()
    assert script.slept == [3.0, 3.0, 0.0, 0.0, 3.0, 3.0], "from one beginning to the next: 5 s, and 1 s where in doubt"
    assert AGAIN == 1.0


async def test_watch__interval_shorter_than_the_pause_in_doubt__is_kept() -> None:
    script = Script(meets=[SILENT, SILENT])
    script.gateways.replace([a_gateway(interval=0.5)])
    script.gateways.start()
    await script.over.wait()
    await script.gateways.aclose()
    assert script.slept == [0.5, 0.5]


# ------------------------------------------------------------------------------------------ over real sockets
async def greet(sock: Any) -> None:
    sock.close()


@dataclass
class Real:
    """Gateways asked by the real check, and the wires they ask."""

    wires: list[Wire]
    gateways: Gateways
    turned: asyncio.Event = field(default_factory=asyncio.Event)

    def targets(self) -> list[Target]:
        names = itertools.count(1)
        return [a_gateway(f"gw-{next(names)}", port=w.port, interval=0.1, timeout=0.1) for w in self.wires]

    async def until(self, *, cut_off: bool) -> None:
        async with asyncio.timeout(20):
            while self.gateways.isolation.cut_off is not cut_off:
                self.turned.clear()
                await self.turned.wait()

    async def until_heard(self) -> None:
        async with asyncio.timeout(20):
            while self.gateways.isolation.status is not Status.UP:  # noqa: ASYNC110 - an answer is no edge
                await asyncio.sleep(0.01)


@pytest.fixture
async def real() -> AsyncIterator[Real]:
    wires = [Wire(greet), Wire(greet)]
    for wire in wires:
        wire.start()
    transports = Transports(kinds={}, credentials={})
    checks = await asyncio.to_thread(discover)
    dispatcher = Dispatcher(checks=checks, reach=transports.reach, places=places(1))
    made = Real(wires, Gateways(probe=dispatcher.probe))
    made.gateways.turned = made.turned.set
    made.gateways.replace(made.targets())
    made.gateways.start()
    yield made
    await made.gateways.aclose()
    await transports.aclose()
    for wire in wires:
        await wire.aclose()


async def test_gateways__all_silent__cut_us_off__one_back__ends_it(real: Real) -> None:
    await real.until_heard()
    for wire in real.wires:
        wire.silent()
    await real.until(cut_off=True)
    reached = real.gateways.isolation.reached()
    assert reached is not None
    port = real.wires[0].port
    assert reached.silent[0] == ("gw-1", f"tcp:{port}: no answer within 0.1 s")
    real.wires[1].restore()
    await real.until(cut_off=False)


async def test_gateways__that_refuse__cut_us_off_too(real: Real) -> None:
    await real.until_heard()
    for wire in real.wires:
        wire.refuse()
    await real.until(cut_off=True)


async def test_replace__unchanged_gateway__goes_on_as_it_is__changed_and_gone_ones_end(real: Real) -> None:
    first, second = real.targets()
    kept = real.gateways._tasks["gw-1"]
    ended = real.gateways._tasks["gw-2"]
    real.gateways.replace([first, replace(second, timeout=0.05)])
    assert real.gateways._tasks["gw-1"] is kept
    assert real.gateways._tasks["gw-2"] is not ended
    await asyncio.wait([ended])
    real.gateways.replace([])
    assert real.gateways.isolation.reached() is None
    await asyncio.wait([kept])
    await real.gateways.aclose()
    assert not any(task.get_name().startswith("gateway:") for task in asyncio.all_tasks())


async def test_replace__by_none_while_cut_off__ends_it(real: Real) -> None:
    for wire in real.wires:
        wire.silent()
    await real.until(cut_off=True)
    with capture_logs() as lines:
        real.gateways.replace([])
    assert not real.gateways.isolation.cut_off
    assert [line["event"] for line in lines] == ["no gateway is configured any more"]
    assert real.gateways.excuse(0.0).startswith("we were cut off while it was asked")
