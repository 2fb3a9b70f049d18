"""What is told of an operation, and that whoever is told can't hurt it."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from monitor.config import load_text
from monitor.errors import ProbeError
from monitor.operations import Announcement, Deadlines, LDPlayerManager, OperationError
from monitor.operations.announce import ToService
from tests.operations.host import Host

SHORT = Deadlines(start=1, stop=1, create=1, delete=1)


class Listener:
    """Keeps what it is told, and with it what the console was asked until then."""

    def __init__(self, host: Host) -> None:
        self.said: list[Announcement] = []
        self.asked: list[list[str]] = []
        self._host = host

    def __call__(self, announcement: Announcement) -> None:
        self.said.append(announcement)
        self.asked.append(self._host.commands())

    def brief(self) -> list[str]:
        return [f"{said.operation} {said.emulator} {said.outcome}".replace("  ", " ") for said in self.said]


@pytest.fixture
def listener(host: Host) -> Listener:
    return Listener(host)


@pytest.fixture
def manager(host: Host, listener: Listener) -> LDPlayerManager:
    return host.manager(announce=listener, deadlines=SHORT)


Operate = Callable[[LDPlayerManager], Awaitable[object]]


@pytest.mark.parametrize(
    ("operate", "said"),
    [
        (lambda m: m.start_emulator(1), ["start ldplayer:1 begun", "start ldplayer:1 done"]),
        (lambda m: m.stop_emulator(0), ["stop ldplayer:0 begun", "stop ldplayer:0 done"]),
        (
            lambda m: m.restart_emulator(0),
            ["restart ldplayer:0 begun", "restart ldplayer:0 begun", "restart ldplayer:0 done"],
        ),
        (lambda m: m.delete_emulator(0, stop=True), ["delete ldplayer:0 begun", "delete ldplayer:0 done"]),
        (lambda m: m.delete_emulator(1), ["delete ldplayer:1 done"]),
        (lambda m: m.create_emulator("new"), ["create ldplayer:2 done"]),
        (lambda m: m.rename_emulator(1, "three"), ["rename ldplayer:1 done"]),
        (lambda m: m.start_emulator(0), []),
        (lambda m: m.stop_emulator(1), []),
    ],
    ids=["start", "stop", "restart", "delete running", "delete", "create", "rename", "start running", "stop stopped"],
)
async def test_operation__that_changes_something__is_told(
    manager: LDPlayerManager, listener: Listener, operate: Operate, said: list[str]
) -> None:
    await operate(manager)

    assert listener.brief() == said


async def test_emulator_that_is_about_to_move__is_told_of_before_the_command_is_sent(
    manager: LDPlayerManager, listener: Listener
) -> None:
    await manager.restart_emulator(0)

    assert listener.asked == [[], ["quit --index 0"], ["quit --index 0", "launch --index 0"]]
    assert listener.said[-1].message.startswith("ldplayer:0 'one': restart done in")


async def test_operation__that_fails__is_told_with_its_reason(
    host: Host, manager: LDPlayerManager, listener: Listener
) -> None:
    host.says["launch"] = (b"", 0)

    with pytest.raises(ProbeError):
        await manager.start_emulator(1)

    assert listener.brief() == ["start ldplayer:1 begun", "start ldplayer:1 failed"]
    assert "after 1 s the console still says stopped" in listener.said[-1].message


async def test_operation__that_is_refused_before_anything_is_sent__is_not_told(
    host: Host, manager: LDPlayerManager, listener: Listener
) -> None:
    for operate in (manager.delete_emulator(0), manager.create_emulator("one"), manager.start_emulator("nobody")):
        with pytest.raises(OperationError):
            await operate
    host.breakers.get(manager.way.target.path[0]).force_open(who="operator", why="a test")

    assert listener.said == []


async def test_operation__that_is_given_up__is_told_as_failed(
    host: Host, manager: LDPlayerManager, listener: Listener
) -> None:
    def hang(command: str) -> None:
        host.hanging = asyncio.Event() if command == "quit" else None

    host.sees_command = hang
    stopping = asyncio.create_task(manager.stop_emulator(0))
    while host.hanging is None:  # noqa: ASYNC110 - the fake tells nobody
        await asyncio.sleep(0)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping

    assert listener.said[-1].outcome == "failed"
    assert "may still take effect" in listener.said[-1].message


async def test_listener__that_raises__changes_nothing(host: Host, caplog: pytest.LogCaptureFixture) -> None:
    def raises(announcement: Announcement) -> None:
        raise ZeroDivisionError

    done = await host.manager(announce=raises).start_emulator(1)

    assert done.changed
    assert "ZeroDivisionError" in caplog.text


# ---------------------------------------------------------------------------------------------------------- a service
@pytest.fixture
def silent() -> Iterator[int]:
    """A port that takes connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def to_service(tmp_path: Path, port: int) -> ToService:
    (tmp_path / "operator-token").write_text("token", encoding="ascii")
    (tmp_path / "operator-token").chmod(0o600)
    where = {"id": "ws-01", "host": "127.0.0.1", "checks": [{"kind": "tcp", "port": 1}]}
    config = {"listen": f"127.0.0.1:{port}", "data_dir": str(tmp_path), "workstations": [where]}
    return ToService(load_text(json.dumps(config), name="x"), "ws-01")


def telling() -> bool:
    return any(thread.name == "telling the service" for thread in threading.enumerate())


def ended() -> None:
    limit = time.monotonic() + 10
    while telling():
        assert time.monotonic() < limit
        time.sleep(0.01)


SAID = Announcement(operation="start", emulator="ldplayer:1", outcome="done")


def test_service__that_does_not_run__makes_no_difference(tmp_path: Path, unused_tcp_port: int) -> None:
    tell = to_service(tmp_path, unused_tcp_port)
    for _ in range(3):
        tell(SAID)
    ended()


def test_service__whose_token_can_t_be_read__makes_no_difference(tmp_path: Path, silent: int) -> None:
    tell = to_service(tmp_path, silent)
    (tmp_path / "operator-token").unlink()
    tell(SAID)
    ended()


def test_service__that_hangs__holds_no_operation_up(
    tmp_path: Path, silent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.operations.announce.PATIENCE", 0.3)
    tell = to_service(tmp_path, silent)
    began = time.monotonic()
    for _ in range(2):
        tell(SAID)
    assert time.monotonic() - began < 0.2
    assert telling()
    ended()
