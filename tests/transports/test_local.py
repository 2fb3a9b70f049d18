"""Real processes, started and ended: what a command leaves behind, and that nothing else is left."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from monitor.errors import LocalError, ProbeError
from monitor.model import Category, Lane, Reason, Workstation
from monitor.transports import discover
from monitor.transports.local import TRANSPORT, LocalTransport, Params

HERE = Workstation(id="ws-01", host="localhost")


async def eventually(true: Callable[[], bool], *, within: float = 5.0) -> None:
    """Poll a condition until it holds; fail when it does not in time."""
    deadline = time.monotonic() + within
    while not true():
        assert time.monotonic() < deadline, "the condition never held"
        await asyncio.sleep(0.01)


def ignore(layer: Category) -> None:
    """Take a mark and forget it."""


def alive(pid: int) -> bool:
    """Tell whether a process runs; a zombie does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def children() -> set[int]:
    """Return this process's children, zombies among them."""
    return {int(pid) for path in Path("/proc/self/task").glob("*/children") for pid in path.read_text().split()}


@pytest.fixture
def transport() -> LocalTransport:
    return LocalTransport(HERE)


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """Count descriptors and children before and after; the child watcher's own are opened once, so run one first."""
    asyncio.run(LocalTransport(HERE).run(["true"], mark=ignore))
    descriptors, kids = len(list(Path("/proc/self/fd").iterdir())), children()
    yield
    deadline = time.monotonic() + 5
    while (len(list(Path("/proc/self/fd").iterdir())), children()) != (descriptors, kids):
        assert time.monotonic() < deadline, "a descriptor or a process was left behind"
        time.sleep(0.01)


def test_kind__discovered__has_no_endpoint_and_waits_in_the_process_lane() -> None:
    kind = discover()["local"]
    assert kind is TRANSPORT
    assert (kind.endpoint(Params()), kind.lane) == (None, Lane.PROCESS)


async def test_command__that_ends__leaves_its_exact_bytes_and_exit_code(transport: LocalTransport) -> None:
    script = r"printf 'a\0\377\r\n'; printf err >&2; exit 3"
    completed = await transport.run(["sh", "-c", script], mark=ignore)
    assert (completed.exit_code, completed.stdout, completed.stderr) == (3, b"a\0\xff\r\n", b"err")
    assert completed.argv == ("sh", "-c", script)


async def test_arguments__with_blanks_and_signs__arrive_as_they_are(transport: LocalTransport) -> None:
    words = ["a b", "$HOME", "'", '"', "*", "", "\\"]
    completed = await transport.run(["printf", r"%s\n", *words], mark=ignore)
    assert completed.stdout.decode().split("\n")[:-1] == words


async def test_command__that_reads_its_input__finds_none(transport: LocalTransport) -> None:
    assert (await transport.run(["cat"], mark=ignore)).stdout == b""


async def test_command__ended_by_a_signal__tells_it_as_a_negative_exit_code(transport: LocalTransport) -> None:
    assert (await transport.run(["sh", "-c", "kill -9 $$"], mark=ignore)).exit_code == -9


@pytest.mark.parametrize("size", [1, 65536, 1_000_000])
async def test_output__of_any_size_within_the_limit__is_complete(transport: LocalTransport, size: int) -> None:
    assert len((await transport.run(["head", "-c", str(size), "/dev/zero"], mark=ignore)).stdout) == size


@pytest.mark.parametrize("command", ["head -c 2000 /dev/zero", "yes", "yes >&2", "head -c 2000 /dev/zero; sleep 1000"])
async def test_output__above_the_limit__ends_the_command_at_once(transport: LocalTransport, command: str) -> None:
    async with asyncio.timeout(5):
        with pytest.raises(ProbeError, match="more than 1000 bytes") as caught:
            await transport.run(["sh", "-c", command], mark=ignore, limit=1000)
    assert (caught.value.category, caught.value.reason) == (Category.WORKSTATION, Reason.OUTPUT_TOO_LARGE)


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("no-such-program", Reason.NOT_INSTALLED),
        ("/etc/hostname/x", Reason.NOT_INSTALLED),
        ("/etc/passwd", Reason.PERMISSION),
    ],
)
async def test_program__that_can_not_be_started__is_named(
    transport: LocalTransport, program: str, reason: Reason
) -> None:
    with pytest.raises(ProbeError, match=program) as caught:
        await transport.run([program], mark=ignore, layer=Category.EXTERNAL)
    assert (caught.value.category, caught.value.reason, caught.value.recoverable) == (Category.EXTERNAL, reason, False)


async def test_argument__that_no_process_can_take__is_our_own_trouble(transport: LocalTransport) -> None:
    with pytest.raises(LocalError, match="ws-01 local: echo: ValueError"):
        await transport.run(["echo", "a\0b"], mark=ignore)


async def test_deadline__while_a_command_runs__ends_it_and_its_descendants(
    transport: LocalTransport, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    script = f"sleep 1000 & echo $! $$ > {pids}.new; mv {pids}.new {pids}; wait"
    marks: list[Category] = []
    run = asyncio.create_task(transport.run(["sh", "-c", script], mark=marks.append, layer=Category.EXTERNAL))
    await eventually(pids.exists)
    family = [int(pid) for pid in pids.read_text().split()]
    assert all(map(alive, family))
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    await eventually(lambda: not any(map(alive, family)))
    assert marks == [Category.WORKSTATION, Category.EXTERNAL]


@pytest.mark.parametrize("turns", range(6))
async def test_deadline__while_a_command_is_started__ends_it_however_long_its_descendants_would_take(
    transport: LocalTransport, turns: int
) -> None:
    run = asyncio.create_task(transport.run(["sh", "-c", "sleep 1000 & wait"], mark=ignore))
    for _ in range(turns):
        await asyncio.sleep(0)
    run.cancel()
    done, _ = await asyncio.wait({run}, timeout=20)
    assert done == {run}
    assert run.cancelled()


TASKKILL = """\
#!/bin/sh
echo "$@" > {folder}/said
kill -9 "-$4"
"""


async def test_deadline__on_a_platform_without_process_groups__ends_the_tree_by_its_own_program(
    transport: LocalTransport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "taskkill"
    program.write_text(TASKKILL.format(folder=tmp_path))
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delattr(os, "killpg")
    pids = tmp_path / "pids"
    script = f"sleep 1000 & echo $! $$ > {pids}.new; mv {pids}.new {pids}; wait"
    run = asyncio.create_task(transport.run(["sh", "-c", script], mark=ignore))
    await eventually(pids.exists)
    child, shell = (int(pid) for pid in pids.read_text().split())
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    await eventually(lambda: not alive(child) and not alive(shell))
    assert (tmp_path / "said").read_text() == f"/T /F /PID {shell}\n"


async def test_deadline__where_nothing_can_end_a_tree__ends_the_command(
    transport: LocalTransport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "killpg")
    pid = tmp_path / "pid"
    run = asyncio.create_task(transport.run(["sh", "-c", f"echo $$ > {pid}; exec sleep 1000"], mark=ignore))
    await eventually(lambda: pid.exists() and pid.read_text().endswith("\n"))
    monkeypatch.setenv("PATH", str(tmp_path))
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    await eventually(lambda: not alive(int(pid.read_text())))


async def test_descendant__that_holds_the_pipes__is_not_waited_for(transport: LocalTransport, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    script = f"setsid sleep 1000 & echo $! > {pid}; echo done"
    async with asyncio.timeout(5):
        completed = await transport.run(["sh", "-c", script], mark=ignore)
    os.kill(int(pid.read_text()), 9)
    assert completed.stdout == b"done\n"


async def test_descendant__that_left_the_session__does_not_delay_a_cancellation(
    transport: LocalTransport, tmp_path: Path
) -> None:
    pid = tmp_path / "pid"
    run = asyncio.create_task(
        transport.run(["sh", "-c", f"setsid sh -c 'echo $$ > {pid}; exec sleep 1000' & wait"], mark=ignore)
    )
    await eventually(lambda: pid.exists() and pid.read_text().endswith("\n"))
    run.cancel()
    async with asyncio.timeout(2):
        await asyncio.wait({run})
    os.kill(int(pid.read_text()), 9)


async def test_many_commands__at_once_and_half_of_them_cancelled__leave_nothing(transport: LocalTransport) -> None:
    runs = [asyncio.create_task(transport.run(["sleep", "1000" if i % 2 else "0"], mark=ignore)) for i in range(20)]
    await asyncio.gather(*runs[::2])
    for run in runs[1::2]:
        run.cancel()
    ends = await asyncio.gather(*runs[1::2], return_exceptions=True)
    assert all(isinstance(end, asyncio.CancelledError) for end in ends)


async def test_cancellation__before_the_process_runs__leaves_nothing(transport: LocalTransport) -> None:
    for turns in range(6):
        run = asyncio.create_task(transport.run(["sleep", "1000"], mark=ignore))
        for _ in range(turns):
            await asyncio.sleep(0)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
