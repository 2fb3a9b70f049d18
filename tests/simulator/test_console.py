from __future__ import annotations

import pytest

from monitor.emulators import signed_exit
from monitor.emulators.ldplayer import is_missing, parse_banner, parse_isrunning, parse_list2
from monitor.model import EmulatorRun
from monitor.simulator.console import Console
from monitor.simulator.guest import Guest
from monitor.simulator.wire import Wire


async def _unreachable(sock: object) -> None:
    raise AssertionError


def console(*titles: str, code_page: int = 936) -> Console:
    guests = [Guest(index, title, wire=Wire(_unreachable)) for index, title in enumerate(titles)]
    for guest in guests[:1]:
        guest.settle(running=True)
    return Console(guests, name="ws-01", code_page=code_page)


def printed(console: Console, command: str) -> bytes:
    return console.encode(console.answer(command).stdout)


@pytest.mark.parametrize(
    ("code_page", "title"),
    [(936, "雷电模拟器-1"), (1251, "Ферма, вторая"), (949, "에뮬레이터"), (1252, "Café №"), (950, "雷電模擬器")],
)
def test_list2__any_code_page__parses_back(code_page: int, title: str) -> None:
    titles = tuple(title.encode(f"cp{code_page}", "replace").decode(f"cp{code_page}") for title in ("main", title))

    listing = parse_list2(printed(console(*titles, code_page=code_page), "ldconsole list2"), f"cp{code_page}")

    assert listing.rejected == ()
    assert tuple(row.title for row in listing.instances) == titles
    assert [row.run for row in listing.instances] == [EmulatorRun.RUNNING, EmulatorRun.STOPPED]
    assert all(pid % 4 == 0 for pid in listing.instances[0].pids)


def test_list2__lines__end_in_crlf() -> None:
    data = printed(console("a", "b"), "ldconsole list2")

    assert data.count(b"\r\n") == data.count(b"\n") == 2
    assert data.endswith(b"1,b,0,0,0,-1,-1,1280,720,240\r\n")


def test_list2__no_instances__prints_nothing() -> None:
    assert printed(console(), "ldconsole list2") == b""


@pytest.mark.parametrize(
    "command",
    [
        "ldconsole list2",
        "ldconsole.exe list2",
        "dnconsole list2",
        r'"C:\LDPlayer\LDPlayer9\ldconsole.exe" list2',
        r"C:\LDPlayer\LDPlayer9\LDCONSOLE.EXE list2",
        'cmd /d /c "ldconsole list2"',
        "cmd.exe /c ldconsole list2",
        '"ldconsole" "list2"',
    ],
)
def test_command_line__however_written__finds_the_console(command: str) -> None:
    desk = console("one")

    assert desk.hangs(command)
    assert len(parse_list2(printed(desk, command), "cp936").instances) == 1


def test_misspelt__prints_usage_and_ends_with_minus_1000() -> None:
    answer = console("one").answer("ldconsole lits2")

    assert parse_banner(answer.stdout.encode()) is not None
    assert signed_exit(answer.exit_code) == -1000


def test_isrunning__running_stopped_and_missing__as_measured() -> None:
    desk = console("one", "two, with comma")

    assert parse_isrunning(printed(desk, "ldconsole isrunning --index 0")) is True
    assert parse_isrunning(printed(desk, 'ldconsole isrunning --name "two, with comma"')) is False
    assert parse_isrunning(printed(desk, "ldconsole isrunning --index 99")) is False


def test_quit__missing_player__says_so_on_stdout_and_ends_with_minus_1001() -> None:
    answer = console("one").answer("ldconsole quit --index 99")

    assert is_missing(answer.stdout.encode())
    assert signed_exit(answer.exit_code) == -1001


def test_launch__missing_player__prints_usage_and_ends_with_minus_1001() -> None:
    answer = console("one").answer("ldconsole launch --index 99")

    assert parse_banner(answer.stdout.encode()) is not None
    assert signed_exit(answer.exit_code) == -1001


def test_list_and_runninglist__titles_one_per_line() -> None:
    desk = console("one", "two")

    assert printed(desk, "ldconsole list") == b"one\r\ntwo\r\n"
    assert printed(desk, "ldconsole runninglist") == b"one\r\n"


def test_quitall__stops_every_window() -> None:
    async def scenario() -> bytes:
        desk = console("one", "two")
        desk.answer("ldconsole quitall")
        return printed(desk, "ldconsole runninglist")

    import asyncio  # noqa: PLC0415 - only this test needs a loop

    assert asyncio.run(scenario()) == b""


def test_code_page__asked_of_the_registry__tells_acp() -> None:
    answer = console(code_page=1251).answer(r"reg query HKLM\SYSTEM\CurrentControlSet\Control\Nls\CodePage /v ACP")

    assert answer.stdout.split()[-3:] == ["ACP", "REG_SZ", "1251"]
    assert answer.exit_code == 0


@pytest.mark.parametrize(
    ("command", "stdout", "exit_code"),
    [("echo a  b", "a b\r\n", 0), ("hostname", "ws-01\r\n", 0), ("reg query HKLM\\X", "", 1), ("", "", 1)],
)
def test_shell__a_few_commands__answer(command: str, stdout: str, exit_code: int) -> None:
    answer = console().answer(command)

    assert (answer.stdout, answer.exit_code) == (stdout, exit_code)


def test_shell__unknown_program__is_told_on_stderr() -> None:
    answer = console().answer("lsb_release -a")

    assert answer.exit_code == 1
    assert "'lsb_release' is not recognized" in answer.stderr
