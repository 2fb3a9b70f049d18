"""Operations on a simulated workstation over real SSH and WinRM connections, and what a Windows does to them."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Iterator

import pytest

from monitor.errors import CircuitOpen, ProbeError
from monitor.model import Category, EmulatorRun, Reason
from monitor.operations import Deadlines, LDPlayerManager, NobodyLoggedOnError, OperationError
from monitor.simulator.guest import Guest
from monitor.simulator.session import Task
from tests.operations.world import DEADLINES, World

SHORT = Deadlines(command=5, start=0.6, stop=0.6, create=0.6, delete=0.6, rename=0.6)


@pytest.fixture(params=["ssh", "winrm"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    world = World(request.param)
    try:
        yield world
    finally:
        world.close()


@pytest.fixture(autouse=True)
def _real_windows(world: World) -> None:
    world.ws.desktop.isolated = True


def test_life_of_an_emulator__every_step__is_seen(world: World) -> None:
    with world.workstation() as ws:
        index = ws.create_emulator("farm 9, spare")
        started = ws.start_emulator(index)
        restarted = ws.restart_emulator("farm 9, spare")
        renamed = ws.rename_emulator(index, "主号-9")
        stopped = ws.stop_emulator(f"ldplayer:{index}")
        deleted = ws.delete_emulator(index)

    runs = [done.after.run for done in (started, restarted, renamed, stopped, deleted)]
    assert runs == [EmulatorRun.RUNNING, EmulatorRun.RUNNING, EmulatorRun.RUNNING, EmulatorRun.STOPPED, None]
    assert index == 4
    assert world.ws.desktop.tasks == {}


def test_list__titles_in_the_code_page__are_read(world: World) -> None:
    with world.workstation() as ws:
        assert [row.title for row in ws.get_emulators_list()] == [guest.title for guest in world.ws.guests]


def test_title_the_code_page_has_no_letters_for__is_refused(world: World) -> None:
    with world.workstation() as ws:
        for name in (lambda: ws.create_emulator("ยักษ์"), lambda: ws.rename_emulator(0, "ยักษ์")):
            with pytest.raises(OperationError, match=r"code page \(gbk\) has no letters for"):
                name()

    assert len(world.ws.guests) == 4


def test_copy__new_index_by_comparison(world: World) -> None:
    with world.workstation() as ws:
        assert ws.create_emulator("copy", copy_from=1) == 4


def test_copy__another_copy_runs__says_so(world: World) -> None:
    world.ws.desktop.copying = True

    with world.workstation(deadlines=SHORT) as ws, pytest.raises(ProbeError, match="exit code 3; another copy may be"):
        ws.create_emulator("copy", copy_from=1)

    assert len(world.ws.guests) == 4


def test_plain_launch__from_session_0__does_nothing(world: World) -> None:
    with world.workstation() as ws:
        ws.stop_emulator(0)
        answer = ws.run_ldconsole_command("launch", "--index", "0")

        assert (answer.exit_code, ws.find_emulator(0).run) == (0, EmulatorRun.STOPPED)


def test_launch__task__names_the_console_and_is_for_who_is_logged_on(world: World) -> None:
    seen = watch_tasks(world)
    with world.workstation() as ws:
        ws.stop_emulator(0)

    [(name, task)] = seen
    assert name.startswith("emuwatch-")
    assert (task.action, task.user) == ("cmd /d /c ldconsole quit --index 0", "")


def test_launch__another_user_is_logged_on__the_task_is_for_him(world: World) -> None:
    world.ws.desktop.user = r"WS-01\farm"
    seen = watch_tasks(world)
    with world.workstation() as ws:
        ws.stop_emulator(0)

    assert seen[0][1].user == r"WS-01\farm"


def watch_tasks(world: World) -> list[tuple[str, Task]]:
    """Remember the tasks that are run, for they are deleted afterwards."""
    seen: list[tuple[str, Task]] = []
    desktop, run = world.ws.desktop, world.ws.desktop._run

    def noted(task: Task) -> None:
        seen.extend((name, each) for name, each in desktop.tasks.items() if each is task)
        run(task)

    desktop._run = noted  # type: ignore[method-assign]  # only to listen
    return seen


@pytest.mark.parametrize("operation", ["start_emulator", "stop_emulator", "restart_emulator"])
def test_nobody_logged_on__operation__says_so_and_changes_nothing(world: World, operation: str) -> None:
    index = 0
    if operation == "start_emulator":
        world.change(lambda: world.ws.guests[0].settle(running=False))
    before = world.ws.guests[0].row()
    world.ws.desktop.user = None

    with world.workstation() as ws, pytest.raises(NobodyLoggedOnError, match="ws-01: no one is logged on"):
        getattr(ws, operation)(index)

    assert (world.ws.guests[0].row(), world.ws.desktop.tasks) == (before, {})
    assert all(not any(state.failures.values()) for state in ws.breakers.items())


def test_nobody_logged_on__running_one__start_needs_nothing(world: World) -> None:
    world.ws.desktop.user = None

    with world.workstation() as ws:
        assert not ws.start_emulator(0).changed


def test_task_scheduler_refuses__says_what_it_said(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.ws.desktop.refuses_tasks = True

    with (
        world.workstation() as ws,
        pytest.raises(ProbeError, match=r"refused to create a task .*Access is denied") as caught,
    ):
        ws.stop_emulator(0)

    assert (caught.value.category, caught.value.reason) == (Category.EMULATOR, Reason.COMMAND_FAILED)
    assert "could not be deleted" not in caplog.text


def test_operation_fails__its_task__is_deleted_all_the_same(world: World) -> None:
    world.ws.desktop.deaf = True

    with (
        world.workstation(deadlines=SHORT) as ws,
        pytest.raises(ProbeError, match="asked to stop ldplayer:0") as caught,
    ):
        ws.stop_emulator(0)

    assert caught.value.reason is Reason.UNEXPECTED
    assert world.ws.desktop.tasks == {}


def test_host_dies_meanwhile__task__is_named_in_the_log(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.ws.desktop.deaf = True
    deadlines = Deadlines(command=0.3, start=2, stop=2)
    run = world.ws.desktop._run

    def run_and_die(task: Task) -> None:
        run(task)
        world.ws.power_off()

    world.ws.desktop._run = run_and_die  # type: ignore[method-assign]  # only to act at that moment

    with caplog.at_level(logging.WARNING), world.workstation(deadlines=deadlines) as ws, pytest.raises(ProbeError):
        ws.stop_emulator(0)

    assert "could not be deleted" in caplog.text


def test_stuck_boot__start__says_how_far_it_got(world: World) -> None:
    world.change(lambda: world.ws.stick_boot(3))

    with world.workstation(deadlines=SHORT) as ws, pytest.raises(ProbeError) as caught:
        ws.start_emulator(3)

    assert f"after 0.6 s the console still says starting (pid {world.ws.guests[3].pid}, no VM)" in str(caught.value)


def test_launch_while_the_machine_ends__waits__and_comes_up_with_a_machine(world: World) -> None:
    world.change(lambda: world.ws.quit(0))

    with world.workstation() as ws:
        done = ws.start_emulator(0)

    assert (done.before.run, done.after.run) == (EmulatorRun.DEGRADED, EmulatorRun.RUNNING)


def blind(world: World, index: int, *, adb: bool = True) -> Guest:
    """Let the console see nothing of an instance, as from session 0; perhaps with ADB switched off as well."""
    guest = world.ws.guests[index]

    def hide() -> None:
        guest.deny(denied=True)
        guest.adb = guest.adb and adb
        guest._show()

    world.change(hide)
    return guest


def test_blind_console__one_whose_android_has_started__is_not_launched_again_nor_deleted(world: World) -> None:
    guest = blind(world, 1)

    with world.workstation() as ws:
        done = ws.start_emulator(1)
        with pytest.raises(OperationError) as caught:
            ws.delete_emulator(1)

    assert (done.changed, done.after.run, done.confirmed) == (False, EmulatorRun.RUNNING, True)
    assert (
        f"is stopped, but its processes run (pid {guest.pid}, VM {guest.vm_pid}), its port 5557 listens, its Android "
        "has started: stop it first"
    ) in str(caught.value)


@pytest.mark.parametrize("adb", [True, False], ids=["ADB on", "ADB off"])
def test_blind_console__stop__is_over_when_the_processes_have_ended(world: World, *, adb: bool) -> None:
    guest = blind(world, 1, adb=adb)

    with world.workstation() as ws:
        done = ws.stop_emulator(1)

    assert (done.changed, done.before.run is not EmulatorRun.STOPPED, done.after.run) == (
        True,
        True,
        EmulatorRun.STOPPED,
    )
    assert (guest.pid, guest.vm_pid, done.confirmed) == (-1, -1, True)


def test_blind_console__start__is_over_when_the_guest_says_that_android_has_started(world: World) -> None:
    world.change(lambda: world.ws.guests[1].settle(running=False))
    guest = blind(world, 1)

    with world.workstation() as ws:
        done = ws.start_emulator(1)

    assert (done.before.run, done.after.run, guest.running) == (EmulatorRun.STOPPED, EmulatorRun.RUNNING, True)
    assert done.after.others is not None
    assert done.after.others.booted


def test_blind_console__start__is_not_over_when_a_port_listens(world: World) -> None:
    guest = blind(world, 1)
    guest.inside.booted = False

    with world.workstation(deadlines=SHORT) as ws, pytest.raises(ProbeError) as caught:
        ws.start_emulator(1)

    assert str(caught.value).endswith(
        f"stopped, but its processes run (pid {guest.pid}, VM {guest.vm_pid}), its port 5557 listens"
    )


def test_blind_console__start_while_adb_is_off__is_never_seen_and_says_how_far_it_got(world: World) -> None:
    guest = blind(world, 1, adb=False)

    with world.workstation(deadlines=SHORT) as ws, pytest.raises(ProbeError) as caught:
        ws.start_emulator(1)

    assert str(caught.value).endswith(f"stopped, but its processes run (pid {guest.pid}, VM {guest.vm_pid})")


def test_blind_console__start_while_an_operator_keeps_adb_shut__does_not_ask_the_guest(world: World) -> None:
    blind(world, 1)
    with world.workstation(deadlines=SHORT) as ws:
        for target in ws._lifecycle._witnesses._guests:
            ws.breakers.get(target.path[-1]).force_open(who="operator", why="a test")
        with pytest.raises(ProbeError, match=r"its port 5557 listens$"):
            ws.start_emulator(1)

    assert world.ws.bridge.requests == []


def test_blind_console__half_of_it_left__is_a_zombie_for_start_and_is_stopped(world: World) -> None:
    guest = blind(world, 1, adb=False)
    guest.vm_pid = -1

    with world.workstation() as ws:
        with pytest.raises(OperationError, match=r"its processes run \(pid [0-9]+, no VM\): restart it"):
            ws.start_emulator(1)
        assert ws.stop_emulator(1).after.run is EmulatorRun.STOPPED


def test_stopped_one__whose_processes_were_looked_for__is_stopped_for_sure(world: World) -> None:
    world.change(lambda: world.ws.guests[1].settle(running=False))

    with world.workstation() as ws:
        done = ws.stop_emulator(1)

    assert (done.changed, done.confirmed) == (False, True)
    assert str(done).endswith(": nothing to stop, it is stopped")


@pytest.mark.parametrize("why", ["no scripts", "command lines hidden"])
def test_stopped_one__without_a_second_witness__is_said_to_be_so_by_the_console_alone(world: World, why: str) -> None:
    blind(world, 1, adb=False)
    hardware = world.ws.console.hardware
    hardware.scripts, hardware.discreet = why != "no scripts", why != "no scripts"

    with world.workstation() as ws:
        done = ws.stop_emulator(1)

    assert (done.changed, done.confirmed) == (False, False)
    assert str(done).endswith(": nothing to stop, it is stopped, by the word of the console alone")


def test_blind_console__without_powershell__its_port_is_witness_enough(world: World) -> None:
    guest = blind(world, 1)
    world.ws.console.hardware.scripts = False

    with world.workstation() as ws:
        done = ws.stop_emulator(1)

    assert (done.changed, guest.pid, done.confirmed) == (True, -1, False)


def test_hanging_console__operation__ends_in_time_and_blames_the_console(world: World) -> None:
    world.change(world.ws.hang_console)
    began = time.monotonic()

    with world.workstation(deadlines=Deadlines(command=0.3)) as ws, pytest.raises(ProbeError) as caught:
        ws.start_emulator(0)

    assert (caught.value.category, caught.value.reason) == (Category.EXTERNAL, Reason.TIMEOUT)
    assert time.monotonic() - began < 10


def test_dead_host__connect__counts_on_the_network_then_is_refused_at_once(world: World) -> None:
    world.change(world.ws.power_off)

    with world.workstation(deadlines=Deadlines(command=0.3)) as ws:
        for _ in range(3):
            with pytest.raises(ProbeError) as caught:
                ws.connect()
            assert caught.value.category is Category.NETWORK
        with pytest.raises(CircuitOpen) as refused:
            ws.start_emulator(0)

    assert refused.value.key.category is Category.NETWORK
    assert 0 < refused.value.retry_after <= 60


def test_login_refused__connect__blames_the_workstation(world: World) -> None:
    world.change(world.ws.refuse_logins)

    with world.workstation() as ws, pytest.raises(ProbeError) as caught:
        ws.connect()

    assert (caught.value.category, caught.value.reason) == (Category.WORKSTATION, Reason.AUTH)


@pytest.fixture
def manager(world: World) -> LDPlayerManager:
    return world.manager()


async def test_manager__start_and_stop__block_no_loop(manager: LDPlayerManager) -> None:
    async with manager:
        stopped = await manager.stop_emulator(0)
        started = await manager.start_emulator(0)

    assert (stopped.after.run, started.after.run) == (EmulatorRun.STOPPED, EmulatorRun.RUNNING)


async def test_manager__cancelled__deletes_its_task(world: World, manager: LDPlayerManager) -> None:
    world.ws.desktop.deaf = True
    async with manager:
        stopping = asyncio.create_task(manager.stop_emulator(0))
        async with asyncio.timeout(5):
            while not world.ws.desktop.tasks:  # noqa: ASYNC110 - the simulator tells nobody what it does
                await asyncio.sleep(0.005)
        stopping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stopping

    assert world.ws.desktop.tasks == {}
    assert all(not any(state.failures.values()) for state in manager.breakers.items())


def test_disconnect__connection_and_thread__are_gone(world: World) -> None:
    ws = world.workstation(deadlines=DEADLINES)
    ws.connect()
    assert world.door.connections == 1
    ws.disconnect()

    limit = time.monotonic() + 5
    while world.door.connections:
        assert time.monotonic() < limit
        time.sleep(0.005)
    assert not world.ws.shells.shells
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("emuwatch")]
