"""What LDPlayer's console is known to do, and what operations make of it; the clock is moved by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from monitor.errors import ProbeError
from monitor.model import Category, EmulatorRun, Reason
from monitor.operations import Deadlines, Done, LDPlayerManager, OperationError
from monitor.operations.console import Answer, check_title, find
from monitor.operations.outcome import LONGEST
from tests.operations.host import KEYS, Host

USAGE = b"dnplayer v14.0.26.1 Command Line Management Interface\r\nUsage:\r\n  launch ...\r\n"
MISSING = b"player don't exist!"


def turn(host: Host, index: int, state: str, *, at: int) -> None:
    """Let an instance change its state when it is looked at for the n-th time."""
    before = host.at_look

    def change(look: int) -> None:
        before(look)
        if look == at:
            host.rows[index][1] = state

    host.at_look = change


async def command(host: Host, *args: str) -> Answer:
    return await host.manager()._lifecycle.console.command(*args)


# ------------------------------------------------------------------------------------------------------------ start
async def test_start__running_one__is_left_alone_and_said(host: Host) -> None:
    done = await host.manager().start_emulator(0)

    assert (done.changed, str(done), host.commands()) == (
        False,
        "ldplayer:0 'one': nothing to start, it is running (pid 4, VM 8)",
        [],
    )


async def test_start__stopped_one__says_what_was_and_what_is(host: Host) -> None:
    turn(host, 1, "starting", at=2)
    turn(host, 1, "running", at=4)
    host.says["launch"] = (b"", 0)

    done = await host.manager().start_emulator("two")

    assert (done.emulator, done.before.run, done.after.run) == ("ldplayer:1", "stopped", "running")
    assert str(done) == "ldplayer:1 'two': start done in 0.6 s; was stopped, is running (pid 4, VM 8)"


async def test_start__no_effect_though_exit_code_0__is_unexpected(host: Host) -> None:
    host.broken = Category.EMULATOR

    with pytest.raises(ProbeError) as caught:
        await host.manager().start_emulator(1)

    assert (caught.value.category, caught.value.reason) == (Category.EMULATOR, Reason.UNEXPECTED)
    assert str(caught.value) == "ws-01: asked to start ldplayer:1 'two', after 240 s the console still says stopped"


async def test_start__stuck_boot__times_out_and_says_how_far_it_got(host: Host) -> None:
    host.says["launch"] = (b"", 0)
    turn(host, 1, "starting", at=2)

    with pytest.raises(ProbeError) as caught:
        await host.manager().start_emulator(1)

    assert caught.value.reason is Reason.TIMEOUT
    assert str(caught.value).endswith("after 240 s the console still says starting (pid 4, no VM)")


async def test_start__one_that_starts__is_waited_for_and_not_launched_again(host: Host) -> None:
    host.rows[1][1] = "starting"
    turn(host, 1, "running", at=4)

    done = await host.manager().start_emulator(1)

    assert (done.after.run, host.commands()) == (EmulatorRun.RUNNING, [])


async def test_start__machine_outlives_the_window__waits_for_its_end_before_the_launch(host: Host) -> None:
    host.rows[1][1] = "ending"
    turn(host, 1, "stopped", at=3)
    launched: list[int] = []
    host.sees_command = lambda name: launched.append(host.looks) if name == "launch" else None

    await host.manager().start_emulator(1)

    assert launched == [3]


async def test_start__window_without_machine__is_refused(host: Host) -> None:
    host.rows[1][1] = "zombie"

    with pytest.raises(OperationError, match=r"degraded \(pid 4, no VM\): restart it"):
        await host.manager().start_emulator(1)


# ------------------------------------------------------------------------------------------------------------ stop
async def test_stop__stopped_one__is_left_alone_and_said(host: Host) -> None:
    done = await host.manager().stop_emulator(1)

    assert (str(done), host.commands()) == ("ldplayer:1 'two': nothing to stop, it is stopped", [])


async def test_stop__machine_outlives_the_window__is_not_over_before_it_ends(host: Host) -> None:
    host.says["quit"] = (b"", 0)
    turn(host, 0, "ending", at=2)
    turn(host, 0, "stopped", at=5)

    done = await host.manager().stop_emulator(0)

    assert (host.looks, done.after.run) == (5, EmulatorRun.STOPPED)


async def test_stop__machine_never_ends__times_out(host: Host) -> None:
    host.says["quit"] = (b"", 0)
    turn(host, 0, "ending", at=2)

    with pytest.raises(ProbeError, match=r"after 60 s the console still says degraded \(no window, VM 8\)") as caught:
        await host.manager().stop_emulator(0)

    assert caught.value.reason is Reason.TIMEOUT


async def test_restart__quits_waits_and_launches__never_reboots(host: Host) -> None:
    host.says["quit"] = (b"", 0)
    turn(host, 0, "ending", at=2)
    turn(host, 0, "stopped", at=4)

    done = await host.manager().restart_emulator(0)

    assert host.commands() == ["quit --index 0", "launch --index 0"]
    assert (done.operation, done.after.run) == ("restart", EmulatorRun.RUNNING)


async def test_restart__stopped_one__is_only_launched(host: Host) -> None:
    await host.manager().restart_emulator(1)

    assert host.commands() == ["launch --index 1"]


# ------------------------------------------------------------------------------------------------------------ create
async def test_create__index__is_that_of_the_new_row_not_the_exit_code(host: Host) -> None:
    def add(look: int) -> None:
        if look == 3:
            host.rows[7] = ["new", "stopped"]

    host.at_look = add
    host.says["add"] = (b"", 3)

    assert await host.manager().create_emulator("new") == 7


async def test_copy__another_copy_runs__exit_code_3_is_no_index(host: Host) -> None:
    host.says["copy"] = (b"", 3)

    with pytest.raises(ProbeError) as caught:
        await host.manager().create_emulator("new", copy_from="one")

    assert str(caught.value) == (
        "ws-01: asked to create 'new' (exit code 3; another copy may be running), "
        "after 300 s the console lists nothing new"
    )


async def test_copy__source__is_named_by_its_index(host: Host) -> None:
    await host.manager().create_emulator("new", copy_from="two")

    assert host.commands() == ["copy --name new --from 1"]


async def test_create__somebody_else_creates_too__ours_is_the_one_with_our_title(host: Host) -> None:
    def add(look: int) -> None:
        if look == 2:
            host.rows[2] = ["theirs", "stopped"]
        if look == 3:
            host.rows[3] = ["ours", "stopped"]

    host.at_look = add
    host.says["add"] = (b"", 3)

    assert await host.manager().create_emulator("ours") == 3


async def test_create__title_taken__is_refused_before_anything_is_sent(host: Host) -> None:
    with pytest.raises(OperationError, match="ldplayer:1 is called 'two' already"):
        await host.manager().create_emulator("two")

    assert host.commands() == []


@pytest.mark.parametrize(
    "title",
    ["", " a", "a\nb", "a\r", 'say "hi"', "it's", "%PATH%", "a&b", "--index", "3", "ldplayer:3", "x" * 61, "a\x1b[2J"],
)
async def test_title__that_something_on_the_way_would_misread__is_refused_unsent(title: str, host: Host) -> None:
    for attempt in (host.manager().create_emulator(title), host.manager().rename_emulator(1, title)):
        with pytest.raises(OperationError, match="title"):
            await attempt

    assert host.asked == []


@pytest.mark.parametrize("title", ["farm 9", "farm, spare", "雷电模拟器-1", "Läufer (2)", "a-b_c.d"])
def test_title__plain__is_taken(title: str) -> None:
    assert check_title(title) == title


# ------------------------------------------------------------------------------------------------------------ delete
async def test_delete__running_one__is_refused_unless_asked_to_stop_it(host: Host) -> None:
    with pytest.raises(OperationError, match=r"is running \(pid 4, VM 8\): stop it first, or ask for that too"):
        await host.manager().delete_emulator(0)
    assert (host.commands(), host.failures()) == ([], {})

    done = await host.manager().delete_emulator(0, stop=True)

    assert (host.commands(), done.after.row) == (["quit --index 0", "remove --index 0"], None)


async def test_delete__still_listed__is_no_success_whatever_the_exit_code(host: Host) -> None:
    host.says["remove"] = (b"", 0)

    with pytest.raises(ProbeError, match="asked to delete ldplayer:1 'two', after 60 s the console still says stopped"):
        await host.manager().delete_emulator(1)


async def test_rename__title__is_seen_to_change(host: Host) -> None:
    done = await host.manager().rename_emulator(1, "three")

    assert (done.title, host.rows[1][0]) == ("three", "three")
    with pytest.raises(OperationError, match="another emulator is called 'one'"):
        await host.manager().rename_emulator(1, "one")


# ------------------------------------------------------------------------------------------------------------ names
@pytest.mark.parametrize("name", [1, "1", "ldplayer:1", "two"], ids=repr)
async def test_emulator__named_in_any_way__is_found(name: int | str, host: Host) -> None:
    assert (await host.manager().stop_emulator(name)).index == 1


async def test_emulator__ambiguous_title__lists_the_indexes(host: Host) -> None:
    host.rows[5] = ["two", "stopped"]

    with pytest.raises(OperationError, match="several emulators are called 'two': name one of ldplayer:1, ldplayer:5"):
        await host.manager().start_emulator("two")


@pytest.mark.parametrize("name", ["Two", 9, "9", "ldplayer:9", "memu:1", ""], ids=repr)
async def test_emulator__unknown__is_refused_and_what_there_is_is_named(name: int | str, host: Host) -> None:
    with pytest.raises(OperationError, match=r"there is no emulator .*ldplayer:0 'one', ldplayer:1 'two'"):
        await host.manager().start_emulator(name)

    assert host.failures() == {}


def test_emulator__truth_value__is_no_index() -> None:
    with pytest.raises(OperationError, match="by index or title"):
        find((), True)  # noqa: FBT003 - the point


# ------------------------------------------------------------------------------------------------------------ console
@pytest.mark.parametrize("code", [0, 2**32 - 1001, 23])
async def test_command__unknown_player__is_told_whatever_the_exit_code(code: int, host: Host) -> None:
    host.says["runapp"] = (MISSING, code)

    with pytest.raises(OperationError, match="runapp: there is no such player"):
        await command(host, "runapp", "--index", "99", "--packagename", "a.b")

    assert host.failures() == {}


async def test_command__usage_text__is_the_callers_mistake(host: Host) -> None:
    host.says["lits2"] = (USAGE, 2**32 - 1000)

    with pytest.raises(OperationError, match="printed its usage text: it knows no 'lits2', or no such player"):
        await command(host, "lits2")

    assert host.failures() == {}


async def test_list__usage_text__is_the_consoles_failure(host: Host) -> None:
    host.says["list2"] = (USAGE, 0)

    for attempt in (command(host, "list2"), host.manager().start_emulator(1)):
        with pytest.raises(ProbeError) as caught:
            await attempt
        assert (caught.value.category, caught.value.reason) == (Category.EXTERNAL, Reason.PROTOCOL)

    assert host.failures() == {KEYS[Category.EXTERNAL]: 2}


async def test_command__unsigned_exit_code__is_told_as_meant(host: Host) -> None:
    host.says["modify"] = (b"parameter error!", 2**32 - 5)

    answer = await command(host, "modify", "--index", "1", "--cpu", "99")

    assert (answer.text, answer.exit_code) == ("parameter error!", -5)


async def test_command__program_missing__is_the_consoles_failure(host: Host) -> None:
    host.says["list"] = (b"", 127)

    with pytest.raises(ProbeError, match="could not be started") as caught:
        await command(host, "list")

    assert caught.value.reason is Reason.NOT_INSTALLED


async def test_command__none__is_refused(host: Host) -> None:
    with pytest.raises(OperationError, match="name a command"):
        await command(host)


# ------------------------------------------------------------------------------------------------------------ looking
def failing(host: Host, looks: Callable[[int], bool]) -> None:
    def change(look: int) -> None:
        host.says["list2"] = (USAGE, 0) if looks(look) else (host.listing(), 0)

    host.at_look = change


async def test_watch__one_look_fails__is_no_verdict_on_the_operation(host: Host) -> None:
    failing(host, lambda look: look in {2, 3})

    done = await host.manager().start_emulator(1)

    assert (done.after.run, host.failures()) == (EmulatorRun.RUNNING, {KEYS[Category.EXTERNAL]: 2})


async def test_watch__console_fails_for_good__its_own_error_is_raised_and_its_breaker_opens(host: Host) -> None:
    failing(host, lambda look: look > 1)

    with pytest.raises(ProbeError) as caught:
        await host.manager().start_emulator(1)

    assert (caught.value.category, host.looks) == (Category.EXTERNAL, 4)
    assert host.failures() == {KEYS[Category.EXTERNAL]: 3}


async def test_watch__looks__become_rarer(host: Host) -> None:
    host.broken = Category.EMULATOR

    with pytest.raises(ProbeError):
        await host.manager().start_emulator(1)

    assert host.looks < 240 / 5 + 15


@pytest.mark.parametrize("seconds", [0, -1, LONGEST + 1, float("nan")])
def test_deadlines__unusable__are_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="stop must be"):
        Deadlines(stop=seconds)


async def test_deadline__of_a_command__is_blamed_on_the_layer_it_was_at(host: Host) -> None:
    host.hanging = asyncio.Event()
    manager: LDPlayerManager = host.manager(deadlines=Deadlines(command=0.01))

    with pytest.raises(ProbeError, match=r"no answer within 0\.01 s"):
        await manager.start_emulator(1)

    assert host.failures() == {KEYS[Category.NETWORK]: 1}


def test_done__is_a_value() -> None:
    with pytest.raises(AttributeError):
        Done.__new__(Done).index = 3  # type: ignore[misc]  # the point
