from __future__ import annotations

import asyncssh
import pytest

from monitor.emulators import signed_exit
from monitor.emulators.ldplayer import is_missing
from monitor.simulator.console import Answer
from monitor.simulator.workstation import SimulatedWorkstation

KEY = asyncssh.generate_private_key("ssh-ed25519")
CREATE = 'schtasks /Create /F /TN t /TR ^"ldconsole launch --index 1^" /SC ONCE /ST 00:00 /IT'


@pytest.fixture
def ws() -> SimulatedWorkstation:
    return SimulatedWorkstation("ws-01", key=KEY, titles=("one", "two"))


def told(ws: SimulatedWorkstation, command: str) -> Answer:
    return ws.console.answer(command)


async def launched_by_task(ws: SimulatedWorkstation, more: str = "") -> bool:
    """Let a task launch an instance; tell whether it has a window a moment later."""
    async with ws:
        ws.desktop.isolated = True
        ws.guests[1].settle(running=False)
        assert told(ws, CREATE + more).exit_code == 0
        assert told(ws, "schtasks /Run /TN t").exit_code == 0
        return ws.guests[1]._life is not None


async def test_task__somebody_is_logged_on__runs_at_the_desktop(ws: SimulatedWorkstation) -> None:
    assert await launched_by_task(ws)


async def test_task__nobody_is_logged_on__claims_success_and_does_nothing(ws: SimulatedWorkstation) -> None:
    ws.desktop.user = None

    assert not await launched_by_task(ws)


async def test_task__of_another_user__does_nothing(ws: SimulatedWorkstation) -> None:
    assert not await launched_by_task(ws, r" /RU WS-01\stranger")


async def test_session_0__launch_and_quit__exit_with_0_and_do_nothing(ws: SimulatedWorkstation) -> None:
    async with ws:
        ws.desktop.isolated = True
        before = ws.guests[0].row()

        assert (told(ws, "ldconsole quit --index 0"), ws.guests[0].row()) == (Answer(), before)


def test_task__unknown_or_refused__fails(ws: SimulatedWorkstation) -> None:
    assert told(ws, "schtasks /Run /TN nothing").exit_code == 1
    assert told(ws, "schtasks /Delete /F /TN nothing").exit_code == 1
    ws.desktop.refuses_tasks = True
    assert "denied" in told(ws, CREATE).stderr
    assert told(ws, "schtasks").exit_code == 1


async def test_add_and_copy__exit_with_the_new_index_and_print_nothing(ws: SimulatedWorkstation) -> None:
    async with ws:
        assert told(ws, 'ldconsole add --name "x, y"') == Answer(exit_code=2)
        assert told(ws, "ldconsole copy --name z --from one") == Answer(exit_code=3)
        assert [guest.title for guest in ws.guests] == ["one", "two", "x, y", "z"]

        ws.desktop.copying = True
        assert told(ws, "ldconsole copy --name q --from one") == Answer(exit_code=3)
        assert len(ws.guests) == 4


async def test_copy_remove_rename__missing_instance__as_measured(ws: SimulatedWorkstation) -> None:
    async with ws:
        copied = told(ws, "ldconsole copy --name q --from 99")
        removed, renamed = (told(ws, f"ldconsole {what} --index 99 --title q") for what in ("remove", "rename"))

    assert all(is_missing(answer.stdout.encode()) for answer in (copied, removed, renamed))
    assert [signed_exit(answer.exit_code) for answer in (copied, removed, renamed)] == [0, -1001, -1001]


async def test_remove__running_one__fails__a_gap_is_filled_by_the_next(ws: SimulatedWorkstation) -> None:
    async with ws:
        assert signed_exit(told(ws, "ldconsole remove --index 0").exit_code) == -617
        ws.guests[0].settle(running=False)
        assert told(ws, "ldconsole remove --index 0").exit_code == 0
        assert told(ws, "ldconsole add").exit_code == 0
        assert sorted(guest.index for guest in ws.guests) == [0, 1]


async def test_netstat__lists_the_ports_of_what_runs(ws: SimulatedWorkstation) -> None:
    async with ws:
        ws.guests[1].settle(running=False)

        assert "127.0.0.1:5555" in told(ws, "netstat -an -p TCP").stdout
        assert "127.0.0.1:5557" not in told(ws, "netstat -an -p TCP").stdout
