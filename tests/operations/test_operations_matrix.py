"""The eleven guarded operations of old, each with its breaker closed, open and half-open; nothing here waits."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from blockbuster import BlockBuster

from monitor.breaker.machine import State
from monitor.errors import CircuitOpen, ProbeError
from monitor.model import Category, Key, Severity
from monitor.operations import Deadlines, Workstation
from tests.operations.host import KEYS, Host


@dataclass(frozen=True)
class Case:
    name: str
    category: Category
    call: Callable[..., object]
    blocks: bool = True

    @property
    def key(self) -> Key:
        return KEYS[self.category]


SYNC = (
    Case("connect", Category.NETWORK, Workstation.connect),
    Case("run_ldconsole_command", Category.EXTERNAL, lambda ws: ws.run_ldconsole_command("list2")),
    Case("get_emulators_list", Category.EXTERNAL, Workstation.get_emulators_list),
    Case("create_emulator", Category.EMULATOR, lambda ws: ws.create_emulator("new")),
    Case("delete_emulator", Category.EMULATOR, lambda ws: ws.delete_emulator("two")),
    Case("start_emulator", Category.EMULATOR, lambda ws: ws.start_emulator(1)),
    Case("stop_emulator", Category.EMULATOR, lambda ws: ws.stop_emulator(0)),
)
ASYNC = tuple(
    Case(f"async {case.name}", case.category, case.call, blocks=False)
    for case in SYNC
    if case.category is Category.EMULATOR
)
SHORT = Deadlines(start=1, stop=1, create=1, delete=1)
CASES = pytest.mark.parametrize("case", [*SYNC, *ASYNC], ids=lambda case: case.name)


def state(host: Host, key: Key) -> State:
    return host.breakers.get(key).snapshot().state


async def attempt(host: Host, case: Case) -> object:
    """Call the operation once, on a fresh front, for the state lives in the breakers."""
    if not case.blocks:
        outcome = case.call(host.manager(deadlines=SHORT))
        assert inspect.isawaitable(outcome)
        return await outcome
    with host.workstation(deadlines=SHORT) as ws:
        return case.call(ws)


async def fail(host: Host, case: Case) -> ProbeError:
    """Let the operation fail once at its own layer; one that waits for an effect does so for a second."""
    host.broken = case.category
    with pytest.raises(ProbeError) as caught:
        await attempt(host, case)
    host.broken = None
    assert caught.value.category is case.category
    return caught.value


async def trip(host: Host, case: Case) -> None:
    await fail(host, case)
    host.clock.pass_(25)
    await fail(host, case)
    host.clock.pass_(25)
    await fail(host, case)


@pytest.fixture(autouse=True)
def _blocking(blockbuster: BlockBuster) -> None:
    blockbuster.deactivate()  # these callers block on purpose


def test_cases__are_the_eleven() -> None:
    assert len((*SYNC, *ASYNC)) == 11


@CASES
async def test_closed__operation__is_done_and_counts_nothing(case: Case, host: Host) -> None:
    await attempt(host, case)

    assert (state(host, case.key), host.failures()) == (State.CLOSED, {})


@CASES
async def test_closed__two_failures__do_not_open(case: Case, host: Host) -> None:
    for _ in range(2):
        await fail(host, case)

    assert (state(host, case.key), host.failures()) == (State.CLOSED, {case.key: 2})


@CASES
async def test_closed__three_high_failures_within_60_s__open(case: Case, host: Host) -> None:
    await trip(host, case)

    assert (state(host, case.key), host.failures()) == (State.OPEN, {case.key: 3})


@CASES
async def test_open__operation__is_refused_at_once_and_asks_nothing(case: Case, host: Host) -> None:
    await trip(host, case)
    asked = len(host.asked)
    host.clock.pass_(15)

    with pytest.raises(CircuitOpen) as caught:
        await attempt(host, case)

    assert (caught.value.key, caught.value.retry_after, len(host.asked)) == (case.key, 45, asked)


@CASES
async def test_half_open__success__closes(case: Case, host: Host) -> None:
    await trip(host, case)
    host.clock.pass_(60)

    await attempt(host, case)

    assert state(host, case.key) is State.CLOSED


@CASES
async def test_half_open__failure__opens_again_for_60_s(case: Case, host: Host) -> None:
    await trip(host, case)
    host.clock.pass_(60)

    await fail(host, case)

    snapshot = host.breakers.get(case.key).snapshot()
    assert (snapshot.state, snapshot.trips, snapshot.openings) == (State.OPEN, 1, 2)
    with pytest.raises(CircuitOpen):
        await attempt(host, case)


@CASES
async def test_half_open__second_caller__is_refused_while_the_trial_runs(case: Case, host: Host) -> None:
    await trip(host, case)
    host.clock.pass_(60)
    trial = host.breakers.get(case.key).acquire()

    with pytest.raises(CircuitOpen):
        await attempt(host, case)

    trial.release()
    await attempt(host, case)


LAYERS = tuple(Category)


def outside(case: Case) -> tuple[Category, ...]:
    """The layers an operation passes before its own."""
    return LAYERS[: LAYERS.index(case.category)]


WAYS = [pytest.param(case, layer, id=f"{case.name}-{layer}") for case in (*SYNC, *ASYNC) for layer in outside(case)]


@pytest.mark.parametrize(("case", "layer"), WAYS)
async def test_outer_layer_open__operation__is_refused_by_the_outermost(
    case: Case, layer: Category, host: Host
) -> None:
    host.breakers.get(KEYS[layer]).force_open()
    host.breakers.get(case.key).force_open()

    with pytest.raises(CircuitOpen) as caught:
        await attempt(host, case)

    assert (caught.value.key, host.asked) == (KEYS[layer], [])


@pytest.mark.parametrize(("case", "layer"), WAYS)
async def test_fault_on_the_way__counts_on_one_breaker_only(case: Case, layer: Category, host: Host) -> None:
    host.broken = layer

    with pytest.raises(ProbeError):
        await attempt(host, case)

    assert host.failures() == {KEYS[layer]: 1}


@pytest.mark.parametrize("case", SYNC[:3], ids=lambda case: case.name)
async def test_mild_failures__however_many__do_not_open(case: Case, host: Host) -> None:
    host.severity = Severity.MEDIUM
    for _ in range(5):
        await fail(host, case)

    assert state(host, case.key) is State.CLOSED


async def test_login_refused__connect__blames_the_login_once(host: Host) -> None:
    host.broken = Category.WORKSTATION

    with pytest.raises(ProbeError):
        await attempt(host, SYNC[0])

    assert host.failures() == {KEYS[Category.WORKSTATION]: 1}


async def test_half_open_network__login_refused__proves_the_network_and_blames_the_login(host: Host) -> None:
    connect = SYNC[0]
    await trip(host, connect)
    host.clock.pass_(60)
    host.broken = Category.WORKSTATION

    with pytest.raises(ProbeError):
        await attempt(host, connect)

    assert state(host, KEYS[Category.NETWORK]) is State.CLOSED
    assert host.failures() == {KEYS[Category.NETWORK]: 3, KEYS[Category.WORKSTATION]: 1}


async def test_half_open_way__start__settles_each_layer_by_its_first_command(host: Host) -> None:
    for layer in (Category.NETWORK, Category.WORKSTATION, Category.EXTERNAL):
        for _ in range(3):
            host.breakers.get(KEYS[layer]).acquire().failure(Severity.HIGH)
    host.clock.pass_(60)

    await host.manager().start_emulator(1)

    assert {state(host, key) for key in KEYS.values()} == {State.CLOSED}


async def test_starts_that_time_out_one_after_another__open_though_each_takes_minutes(host: Host) -> None:
    host.broken = Category.EMULATOR
    for _ in range(3):
        with pytest.raises(ProbeError):
            await host.manager().start_emulator(1)

    assert host.clock.now >= 1000 + 3 * 240
    with pytest.raises(CircuitOpen) as caught:
        await host.manager().start_emulator(1)
    assert caught.value.key == KEYS[Category.EMULATOR]


async def test_dead_guest__does_not_block_its_own_restart(host: Host) -> None:
    host.breakers.get(Key(Category.EMULATOR, "ws-01", "ldplayer:1")).force_open()

    done = await host.manager().restart_emulator(1)

    assert done.after.run == "running"


async def test_sync_and_async__share_one_state(host: Host) -> None:
    start, async_start = SYNC[5], ASYNC[2]
    await fail(host, start)
    await fail(host, async_start)
    await fail(host, start)

    for case in (start, async_start):
        with pytest.raises(CircuitOpen):
            await attempt(host, case)


async def test_refusal__names_the_operation(host: Host) -> None:
    host.breakers.get(KEYS[Category.EMULATOR]).force_open()

    with pytest.raises(CircuitOpen) as caught:
        await host.manager().delete_emulator(1)

    assert caught.value.__notes__ == ["delete_emulator was not called"]
