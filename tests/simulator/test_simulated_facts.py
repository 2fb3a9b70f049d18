"""What the simulated PowerShell answers, read by the parser that reads real ones."""

from __future__ import annotations

import subprocess

import pytest

from monitor.cmdline import command_line
from monitor.hostfacts import windows
from monitor.hostfacts.powershell import encoded
from monitor.model import HostFacts, Platform
from monitor.simulator.console import Answer, Console
from monitor.simulator.guest import Guest
from monitor.simulator.hostfacts import DISK_FREE, Hardware
from monitor.simulator.wire import Wire


async def _unreachable(sock: object) -> None:
    raise AssertionError


NOW = 1_800_000_000.0


def a_console(running: int = 0) -> Console:
    guests = [Guest(index, f"farm-{index}", wire=Wire(_unreachable)) for index in range(4)]
    for guest in guests[:running]:
        guest.settle(running=True)
    return Console(guests, name="ws-01", hardware=Hardware(clock=lambda: NOW))


def facts(console: Console, line: str = command_line(Platform.WINDOWS, windows.COMMAND)) -> HostFacts:
    answer = console.answer(line)
    assert answer.exit_code == 0
    assert answer.stderr.startswith("#< CLIXML")
    told = windows.parse(console.encode(answer.stdout))
    assert told is not None
    return told


@pytest.mark.parametrize(
    "line",
    [
        command_line(Platform.WINDOWS, windows.COMMAND),
        subprocess.list2cmdline(windows.COMMAND),
        f'cmd /c "{" ".join(windows.COMMAND)}"',
        " ".join(windows.COMMAND).replace(
            "powershell", r"C:\Windows\System32\WindowsPowerShell\v1.0\PowerShell.exe", 1
        ),
    ],
    ids=["ssh", "list2cmdline", "cmd", "with its folder"],
)
async def test_script__however_it_is_quoted__is_answered(line: str) -> None:
    assert facts(a_console(), line).code_page == "gbk"


async def test_facts__of_guests_that_run__grow_with_them() -> None:
    idle, busy = facts(a_console()), facts(a_console(running=3))
    assert (idle.memory_available_bytes or 0) > (busy.memory_available_bytes or 0)
    assert (idle.cpu_ratio or 0) < (busy.cpu_ratio or 0)
    assert {process.emulator for process in busy.processes or ()} - {None} == {
        "ldplayer:0",
        "ldplayer:1",
        "ldplayer:2",
    }
    assert [each.port for each in idle.listening or ()] == [5037]
    assert [each.port for each in busy.listening or ()] == [5037, 5555, 5557, 5559]


async def test_what_runs__asked_alone__is_what_the_whole_answer_says_of_it() -> None:
    console = a_console(running=2)
    whole, part = facts(console), facts(console, command_line(Platform.WINDOWS, windows.WHAT_RUNS))

    assert (part.processes, part.listening) == (whole.processes, whole.listening)
    assert (part.memory_total_bytes, part.code_page, part.volumes) == (None, None, ())


async def test_processes__of_another_account__hide_their_command_lines() -> None:
    console = a_console(running=2)
    console.hardware.discreet = True

    assert {process.emulator for process in facts(console).processes or ()} == {None}


async def test_powershell__that_runs_no_scripts__says_nothing() -> None:
    console = a_console()
    console.hardware.scripts = False

    assert windows.parse(console.encode(console.answer(command_line(Platform.WINDOWS, windows.COMMAND)).stdout)) is None


async def test_hardware__full_or_rebooted__says_so() -> None:
    console = a_console()
    before = facts(console)
    console.hardware.disk_free = 5
    console.hardware.reboot()
    after = facts(console)
    assert [volume.free_bytes for volume in (*before.volumes, *after.volumes)] == [DISK_FREE, 5]
    assert (before.boot_time_seconds, after.boot_time_seconds) == (NOW - 86400, NOW)


@pytest.mark.parametrize(
    "line",
    ["powershell", "powershell -EncodedCommand", "powershell -EncodedCommand !!!", " ".join(encoded("Get-Date"))],
)
async def test_script__that_is_another__is_not_run(line: str) -> None:
    answer = a_console().answer(line)
    assert isinstance(answer, Answer)
    assert (answer.stdout, answer.exit_code) == ("", 1)
