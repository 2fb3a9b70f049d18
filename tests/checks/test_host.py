"""The host check: what it makes of answers; and asked for real, of this machine, of a real sshd, of the simulator."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, MutableMapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncssh
import pytest
import yaml
from pydantic import ValidationError

from monitor.breaker.machine import State
from monitor.breaker.registry import Breakers
from monitor.checks import discover, path_of
from monitor.checks.host import CHECK, Params
from monitor.config import load_text
from monitor.dispatch import Dispatcher
from monitor.errors import ProbeError
from monitor.hostfacts import windows
from monitor.model import (
    Category,
    Fact,
    Key,
    Lane,
    Observation,
    Outcome,
    Platform,
    Reason,
    Severity,
    Target,
    TransportSpec,
    Verdict,
    Workstation,
)
from monitor.reach import Transports
from monitor.runner import Runner
from monitor.simulator.farm import Farm
from monitor.simulator.workstation import USER, SimulatedWorkstation
from monitor.transports import OUTPUT_LIMIT, Completed, Credential
from monitor.transports import discover as discover_transports
from monitor.transports.local import Params as LocalParams
from monitor.transports.ssh import Params as SshParams
from tests.sshd import a_server

GIB = 1024**3
BOOT = 1_795_390_000
ANSWER: dict[str, Any] = {
    "emuwatch": 1,
    "boot": BOOT,
    "os": {"TotalVisibleMemorySize": 16 * 1024**2, "FreePhysicalMemory": 8 * 1024**2},
    "cpu": 97,
    "disks": [
        {"DeviceID": "C:", "Size": 238 * GIB, "FreeSpace": int(3.2 * GIB)},
        {"DeviceID": "D:", "Size": 100 * GIB, "FreeSpace": 0},
    ],
    "procs": [],
    "listen": [],
}


class HostReach:
    """A reach whose workstation prints one thing, with a memory and a clock that tests turn."""

    def __init__(self) -> None:
        self.memory: MutableMapping[str, Fact] = {}
        self.clock = float(BOOT + 3600)
        self.asked: list[tuple[str, ...]] = []
        self.completed = self._printing(ANSWER)

    @staticmethod
    def _printing(told: dict[str, Any]) -> Completed:
        return Completed(argv=("powershell",), exit_code=0, stdout=json.dumps(told).encode(), stderr=b"#< CLIXML")

    def tells(self, **changes: object) -> None:
        self.completed = self._printing({**ANSWER, **changes})

    async def run(
        self, argv: Sequence[str], *, layer: Category = Category.WORKSTATION, limit: int = OUTPUT_LIMIT
    ) -> Completed:
        assert layer is Category.EXTERNAL
        self.asked.append(tuple(argv))
        return self.completed

    def now(self) -> float:
        return self.clock


def a_target(workstation: Workstation | None = None) -> Target:
    where = workstation or Workstation(id="ws-01", host="h")
    path = (Key(Category.WORKSTATION, "ws-01", "ssh"),)
    return Target(workstation=where, name="host", kind="host", params=Params(), path=path, interval=30, timeout=15)


async def seen(reach: HostReach, **params: object) -> Observation:
    return await CHECK.probe(a_target(), Params.model_validate(params), reach)  # type: ignore[arg-type]  # all it uses


async def failed(reach: HostReach) -> ProbeError:
    with pytest.raises(ProbeError) as caught:
        await seen(reach)
    assert (caught.value.category, caught.value.severity) == (Category.EXTERNAL, Severity.HIGH)
    return caught.value


async def test_host__without_limits__is_up_and_tells_its_figures_in_one_round_trip() -> None:
    reach = HostReach()
    observation = await seen(reach)
    assert reach.asked == [windows.COMMAND]
    assert (observation.verdict, observation.reason) == (Verdict.UP, None)
    assert observation.message == "CPU 97%, 8.0 GiB of 16 GiB memory available, C: 3.2 GiB free, D: 0 B free"
    assert observation.facts == {
        "cpu_ratio": 0.97,
        "memory_total_bytes": 16 * GIB,
        "memory_available_bytes": 8 * GIB,
        "boot_time_seconds": float(BOOT),
        "emulator_processes": 0,
    }
    assert observation.host is not None
    assert [volume.name for volume in observation.host.volumes] == ["C:", "D:"]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"disk_free": "10GiB", "disk_exclude": ["[D-Z]:"]}, "C: 3.2 GiB of 238 GiB free, limit 10GiB"),
        ({"disk_free": "1GiB"}, "D: 0 B of 100 GiB free, limit 1GiB"),
        ({"disk_free": "1%"}, "D: 0 B of 100 GiB free, limit 1%"),
        ({"memory_available": "60%"}, "memory 8.0 GiB of 16 GiB available, limit 60%"),
        ({"cpu": 0.95, "cpu_for": "0s"}, "CPU 97% for 0s, limit 95% for 0s"),
        (
            {"disk_free": "2%", "disk_exclude": ["D:"], "memory_available": "9GiB"},
            "C: 3.2 GiB of 238 GiB free, limit 2%; memory 8.0 GiB of 16 GiB available, limit 9GiB",
        ),
    ],
)
async def test_limit__exceeded__is_degraded_with_the_figures(params: dict[str, object], message: str) -> None:
    observation = await seen(HostReach(), **params)
    assert (observation.verdict, observation.reason) == (Verdict.DEGRADED, Reason.THRESHOLD)
    assert observation.message == message


@pytest.mark.parametrize(
    "params",
    [
        {"disk_free": "3GiB", "disk_exclude": ["D:"]},
        {"disk_exclude": ["*"], "disk_free": "50%"},
        {"memory_available": "8GiB"},
        {"commit_available": "99%"},
        {"cpu": 0.97, "cpu_for": "0s"},
    ],
)
async def test_limit__kept_or_not_known__is_up(params: dict[str, object]) -> None:
    assert (await seen(HostReach(), **params)).verdict is Verdict.UP


@pytest.mark.parametrize(
    "params", [{"disk_free": 10}, {"cpu": 95}, {"cpu": 0}, {"cpu_for": 5}, {"gpu": 1}, {"memory_available": "x"}]
)
def test_params__that_make_no_sense__are_refused(params: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Params.model_validate(params)


async def test_cpu__busy__is_degraded_only_after_the_minutes_and_starts_anew_after_a_calm_run() -> None:
    reach, verdicts = HostReach(), []
    for cpu in (97, 97, 97, 50, 97, 97, 97, 97):
        reach.tells(cpu=cpu)
        verdicts.append((await seen(reach, cpu=0.95, cpu_for="1m")).verdict is Verdict.DEGRADED)
        reach.clock += 30
    assert verdicts == [False, False, True, False, False, False, True, True]


async def test_cpu__busy_before_and_after_a_silence__is_busy_since_the_silence_ended() -> None:
    reach = HostReach()
    await seen(reach, cpu=0.95, cpu_for="1m")
    reach.clock += 3600
    assert (await seen(reach, cpu=0.95, cpu_for="1m")).verdict is Verdict.UP
    reach.clock += 60
    assert (await seen(reach, cpu=0.95, cpu_for="1m")).message == "CPU 97% for 1m, limit 95% for 1m"


async def test_reboot__between_two_runs__is_told_for_ten_minutes_and_not_judged() -> None:
    reach = HostReach()
    assert "rebooted" not in (await seen(reach)).facts
    reach.tells(boot=BOOT + 3500)
    for _ in range(2):
        observation = await seen(reach)
        assert (observation.verdict, observation.message) == (Verdict.UP, "rebooted at 2026-11-23 00:25:00 UTC")
        assert observation.facts["rebooted"] is True
        reach.clock += 600
    assert "rebooted" not in (await seen(reach)).message


async def test_boot_time__that_wavers_goes_back_or_is_missing__is_no_reboot() -> None:
    reach = HostReach()
    for boot in (BOOT, BOOT + 60, BOOT + 1, None, BOOT + 2, BOOT - 5000):
        reach.tells(boot=boot)
        assert "rebooted" not in (await seen(reach)).facts


@pytest.mark.parametrize(
    ("stdout", "stderr", "exit_code", "reason"),
    [
        (b"Welcome to Acme!\r\n", b"", 0, Reason.PROTOCOL),
        (b"", b"", 0, Reason.PROTOCOL),
        (b"", b"", 3221225794, Reason.COMMAND_FAILED),
        (b"", b"'powershell' is not recognized", 1, Reason.NOT_INSTALLED),
        (b"", b"", 9009, Reason.NOT_INSTALLED),
        (b'{"emuwatch":1,"os":null}', b"", 0, Reason.COMMAND_FAILED),
    ],
)
async def test_garbage__answered__is_an_error_of_its_own_layer(
    stdout: bytes, stderr: bytes, exit_code: int, reason: Reason
) -> None:
    reach = HostReach()
    reach.completed = Completed(argv=("powershell",), exit_code=exit_code, stdout=stdout, stderr=stderr)
    assert (await failed(reach)).reason is reason


# ------------------------------------------------------------------------------------------------------------ for real


@pytest.fixture
async def kinds() -> Any:
    return await asyncio.to_thread(discover_transports)


def proc(name: str) -> str:
    return Path(f"/proc/{name}").read_text()


async def asked(transports: Transports, workstation: Workstation, **params: object) -> Observation:
    """Ask over the production reach."""
    assert workstation.transport is not None
    kinds, checks = await asyncio.to_thread(discover_transports), await asyncio.to_thread(discover)
    valid = Params.model_validate(params)
    path = path_of(checks["host"], valid, workstation, kinds[workstation.transport.kind])
    target = replace(a_target(workstation), path=path)
    async with asyncio.timeout(15):
        return await CHECK.probe(target, valid, transports.reach(target))


async def test_this_machine__asked_over_the_local_transport__tells_what_it_is(kinds: Any) -> None:
    transports = Transports(kinds=kinds, credentials={})
    here = Workstation(
        id="here", host="localhost", platform=Platform.LINUX, transport=TransportSpec("local", LocalParams())
    )
    observation = await asked(transports, here, disk_free="100%")
    await transports.aclose()
    assert observation.verdict is Verdict.DEGRADED
    assert "/ " in observation.message
    assert observation.host is not None
    assert f"MemTotal: {(observation.host.memory_total_bytes or 0) // 1024:>14} kB" in proc("meminfo")
    assert observation.host.processes is not None
    assert observation.host.listening is not None
    assert f"btime {int(observation.host.boot_time_seconds or 0)}\n" in proc("stat")


async def test_linux_workstation__asked_over_a_real_sshd__tells_what_it_is(tmp_path: Path, kinds: Any) -> None:
    async with a_server(tmp_path) as sshd:
        transports = Transports(kinds=kinds, credentials={"key": sshd.credential})
        observation = await asked(transports, sshd.workstation)
        await transports.aclose()
    assert observation.verdict is Verdict.UP
    assert observation.host is not None
    assert observation.host.memory_total_bytes
    assert [volume.name for volume in observation.host.volumes if volume.name == "/"] == ["/"]


KEY = asyncssh.generate_private_key("ssh-ed25519")


@pytest.fixture
async def simulated() -> AsyncIterator[SimulatedWorkstation]:
    async with SimulatedWorkstation("ws-01", key=KEY, running=(0, 2)) as workstation:
        yield workstation


@pytest.fixture
async def farm(
    tmp_path: Path, simulated: SimulatedWorkstation, kinds: Any
) -> AsyncIterator[tuple[Transports, Workstation]]:
    """The production reach of a simulated Windows workstation."""
    host_key = simulated.endpoint.host_key.export_public_key().decode()
    known = tmp_path / "known_hosts"
    known.write_text(f"[{simulated.host}]:{simulated.ssh.port} {host_key}")
    KEY.write_private_key(tmp_path / "key")
    (tmp_path / "key").chmod(0o600)
    transports = Transports(kinds=kinds, credentials={"key": Credential(user=USER, key_file=tmp_path / "key")})
    params = SshParams(port=simulated.ssh.port, known_hosts=known, credential="key")
    yield transports, Workstation(id="ws-01", host=simulated.host, transport=TransportSpec("ssh", params))
    await transports.aclose()


async def test_simulated_workstation__asked__tells_processes_and_ports_of_the_guests_that_run(
    simulated: SimulatedWorkstation, farm: tuple[Transports, Workstation]
) -> None:
    simulated.lie(2)
    observation = await asked(*farm)
    facts = observation.host
    assert facts is not None
    processes = facts.processes or ()
    assert {process.emulator for process in processes} == {None, "ldplayer:0", "ldplayer:2"}
    assert {process.pid for process in processes if process.emulator == "ldplayer:2"} == {
        simulated.guests[2].pid,
        simulated.guests[2].vm_pid,
    }
    assert {(each.port, each.pid) for each in facts.listening or ()} == {
        (5037, 3400),
        (5555, simulated.guests[0].vm_pid),
        (5559, simulated.guests[2].vm_pid),
    }
    assert (facts.code_page, observation.verdict) == ("gbk", Verdict.UP)


async def test_simulated_workstation__with_a_full_disk_and_after_a_power_cut__says_so(
    simulated: SimulatedWorkstation, farm: tuple[Transports, Workstation]
) -> None:
    await asked(*farm)
    simulated.fill_disk(2 * GIB)
    simulated.power_off()
    simulated.power_on()
    observation = await asked(*farm, disk_free="10GiB")
    assert observation.message.startswith("C: 2.0 GiB of 238 GiB free, limit 10GiB; rebooted at ")
    simulated.fill_disk()
    assert (await asked(*farm, disk_free="10GiB")).verdict is Verdict.UP


@pytest.mark.parametrize("way", ["ssh", "winrm"])
async def test_script__that_takes_too_long__opens_its_own_breaker_and_silences_no_other_witness(
    way: str, tmp_path: Path, kinds: Any
) -> None:
    async with a_watched(way, tmp_path, kinds) as (host, console, runner, breakers, slow):
        slow.console.hung = {"powershell"}
        slow.hang_console()
        try:
            hung = [await runner.run(host) for _ in range(3)]
            refused, listing = await runner.run(host), await runner.run(console)
        finally:
            slow.hang_console(hanging=False)
    assert {(r.failure.category, r.failure.reason) for r in hung if r.failure} == {(Category.EXTERNAL, Reason.TIMEOUT)}
    assert [result.tripped for result in hung] == [None, None, host.path[-1]]
    assert refused.blocked is not None
    assert refused.blocked.key == Key(Category.EXTERNAL, "ws-01", "host")
    assert listing.outcome is Outcome.SUCCESS, listing
    assert {breakers.get(key).snapshot().state for key in console.path} == {State.CLOSED}


Watched = tuple[Target, Target, Runner, Breakers, SimulatedWorkstation]


@contextlib.asynccontextmanager
async def a_watched(way: str, folder: Path, kinds: Any) -> AsyncIterator[Watched]:
    """The targets of a host check with a short deadline and of a console check, and what runs them for real."""
    async with Farm(workstations=2, emulators=1) as farm:
        config = farm.config(interval=30)
        entry = next(e for e in config["workstations"] if e["transport"]["kind"] == way)  # type: ignore[attr-defined]
        entry |= {"id": "ws-01", "checks": [{"kind": "host", "timeout": "1s"}, {"kind": "ldplayer", "timeout": "10s"}]}
        loaded = await asyncio.to_thread(load_text, yaml.safe_dump({**config, "workstations": [entry]}))
        transports = Transports(kinds=kinds, credentials=loaded.credentials)
        checks = await asyncio.to_thread(discover)
        dispatcher = Dispatcher(checks=checks, reach=transports.reach, places=dict.fromkeys(Lane, 4))
        breakers = Breakers(policies=loaded.policies)
        breakers.plan(loaded.targets)
        runner = Runner(breakers=breakers, dispatcher=dispatcher)
        slow = next(w for w in farm.workstations if entry["transport"]["port"] in {w.ssh.port, w.winrm.port})
        host, console = loaded.targets
        assert (await runner.run(console)).outcome is Outcome.SUCCESS  # connects, so that the short deadline is for it
        try:
            yield host, console, runner, breakers, slow
        finally:
            await transports.aclose()
