"""The adb check, rung by rung: over a simulated server, over Debian's, through a real sshd, by a program."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import shlex
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import aiohttp
import pytest
from pydantic import SecretStr, ValidationError

from monitor.adb.watch import DeviceWatch
from monitor.checks import S, path_of, travelled
from monitor.checks.adb import CHECK
from monitor.checks.adb.params import Params
from monitor.config import load_text
from monitor.dispatch import Dispatcher
from monitor.errors import ConfigError, LocalError, ProbeError
from monitor.model import (
    Category,
    Fact,
    Key,
    Lane,
    Observation,
    Platform,
    Reason,
    Severity,
    Target,
    TransportSpec,
    Verdict,
    Workstation,
)
from monitor.reach import Transports
from monitor.roster import for_emulator
from monitor.simulator.adb import AdbHost
from monitor.simulator.android import Android
from monitor.simulator.wire import Wire
from monitor.stream import Stream, open_tcp
from monitor.transports import OUTPUT_LIMIT, AnyTransportKind, Completed, local, ssh
from tests.adbs import SOON, a_guest, a_host, a_real_server
from tests.fakes import an_emulator
from tests.servers import free_port
from tests.sshd import a_server

PORT = 5561
NOW = 1_800_000_000.0


def a_target(params: Params, workstation: Workstation | None = None, port: int = PORT, timeout: float = 5.0) -> Target:
    """The target of one emulator, made as the config and the roster make it."""
    spec = TransportSpec("local", local.Params())
    where = workstation or Workstation(id="ws-01", host="127.0.0.1", transport=spec, platform=Platform.LINUX)
    kinds: dict[str, AnyTransportKind] = {"local": local.TRANSPORT, "ssh": ssh.TRANSPORT}
    kind = kinds[(where.transport or spec).kind]
    path = path_of(CHECK, params, where, kind)
    pattern = Target(
        workstation=where,
        name="adb",
        kind="adb",
        params=params,
        path=path,
        through=travelled(CHECK, path),
        interval=30.0,
        timeout=timeout,
        each=True,
    )
    return for_emulator(pattern, an_emulator(3, adb_port=port))


class ToPort:
    """A reach whose workstation's ports are those of this machine."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.ports = {5037, port}
        """Ports that lead to that one."""
        self.tunnels = True
        self.printed: dict[str, Completed] = {}
        """What the workstation's own adb prints, by its first argument."""
        self.now_is = NOW
        self.memory: dict[str, Fact] = {}
        self.layer = Category.NETWORK
        self.facts: dict[str, Fact] = {}
        self.watch = DeviceWatch()

    def shared(self, kind: type[S], name: str) -> S:
        assert isinstance(self.watch, kind)
        return self.watch

    def mark(self, layer: Category) -> None:
        self.layer = layer

    async def record(self, what: str, said: Callable[[], bytes], *, secrets: Iterable[SecretStr] = ()) -> None:
        """Keep nothing."""

    async def open_stream(self, host: str, port: int, *, layer: Category) -> Stream:
        self.layer = layer
        try:
            return await open_tcp(host, self.port if port in self.ports else port)
        except ConnectionRefusedError as exc:
            raise ProbeError("refused", category=layer, reason=Reason.REFUSED) from exc

    async def run(
        self, argv: Sequence[str], *, layer: Category = Category.EXTERNAL, limit: int = OUTPUT_LIMIT
    ) -> Completed:
        return self.printed[argv[1]]

    async def code_page(self) -> str:
        raise AssertionError

    @property
    def http(self) -> aiohttp.ClientSession:
        raise AssertionError

    def now(self) -> float:
        return self.now_is


class Bench:
    """A guest at PORT, a simulated server in front of it, and the check."""

    def __init__(self, guests: dict[int, Android], host: AdbHost, wire: Wire) -> None:
        self.guest = guests[PORT]
        self.guests = guests
        self.host = host
        self.wire = wire
        self.reach = ToPort(wire.port)

    async def ask(self, **params: object) -> Observation:
        async with asyncio.timeout(SOON):
            checked = Params.model_validate(params)
            return await CHECK.probe(a_target(checked), checked, self.reach)

    async def fail(self, **params: object) -> ProbeError:
        with pytest.raises(ProbeError) as caught:
            await self.ask(**params)
        return caught.value


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    guests = {PORT: Android(clock=lambda: 5.0), 5555: Android()}
    guests[PORT].started = -95.0
    async with a_host(guests) as (host, wire):
        bench = Bench(guests, host, wire)
        yield bench
        await bench.reach.watch.aclose()


def test_path__for_each_way__has_a_layer_for_the_server() -> None:
    guest = Key(Category.EMULATOR, "ws-01", "ldplayer:3")
    server = Key(Category.EXTERNAL, "ws-01", "adb")
    over = Workstation(id="ws-01", host="h", transport=TransportSpec("ssh", ssh.Params()))
    way = (Key(Category.NETWORK, "ws-01", "ssh:22"), Key(Category.WORKSTATION, "ws-01", "ssh"))
    assert a_target(Params(), over).path == (*way, server, guest)
    assert a_target(Params(via="run"), over).path == (*way, server, guest)
    assert a_target(Params(via="tunnel"), over).path == (*way, server, guest)
    direct = a_target(Params(via="direct"), over)
    assert (direct.path, direct.through) == ((Key(Category.NETWORK, "ws-01", "adb:5037"), guest), 1)
    assert not a_target(Params(), over).owns(server)


async def test_guest__that_is_well__is_up_with_its_facts(bench: Bench) -> None:
    seen = await bench.ask()
    assert (seen.verdict, seen.reason, seen.message) == (Verdict.UP, None, "emulator-5560 answers")
    assert seen.facts == {
        "serial": "emulator-5560",
        "boot_completed": True,
        "boot_id": bench.guest.boot_id,
        "rebooted": False,
        "uptime_seconds": 100.0,
        "data_size_bytes": 32_000_000 * 1024,
        "data_free_bytes": 20_000_000 * 1024,
    }
    assert bench.reach.layer is Category.EMULATOR


async def test_way__not_given__is_the_workstations_own_adb_where_nothing_can_be_tunnelled(bench: Bench) -> None:
    bench.reach.tunnels = False
    told = {"devices": b"List of devices attached\r\n", "connect": b"cannot connect: actively refused it. (10061)\r\n"}
    for word, stdout in told.items():
        bench.reach.printed[word] = Completed(argv=("adb", word), exit_code=0, stdout=stdout, stderr=b"")
    seen = await bench.ask()
    assert (seen.verdict, seen.reason) == (Verdict.DOWN, Reason.REFUSED)
    assert bench.host.requests == []


@pytest.mark.parametrize(("transport", "fits"), [("winrm", False), ("ssh", True), ("local", True)])
def test_config__tunnel_over_a_transport_without_one__is_refused(transport: str, *, fits: bool) -> None:
    entry = f"{{id: ws-01, transport: {{kind: {transport}}}, checks: [{{kind: adb}}, {{kind: adb, name: t, via: %s}}]}}"
    assert len(load_text(f"workstations: [{entry % 'auto'}]").targets) == 2
    refused = pytest.raises(ConfigError, match=r"checks\[1\]\.via: can't be had on ws-01 .*; leave via out")
    with contextlib.nullcontext() if fits else refused:
        load_text(f"workstations: [{entry % 'tunnel'}]")


async def test_old_guest__without_shell_v2__is_up_all_the_same(bench: Bench) -> None:
    bench.guest.old = True
    seen = await bench.ask(package="com.android.launcher3")
    assert (seen.verdict, seen.facts["boot_completed"], seen.facts["uptime_seconds"]) == (Verdict.UP, True, 100.0)
    assert seen.facts["boot_id"] == bench.guest.boot_id


async def test_port__not_known__is_our_own_trouble(bench: Bench) -> None:
    target = replace(a_target(Params()), adb_port=None)
    with pytest.raises(LocalError, match="port"):
        await CHECK.probe(target, Params(), bench.reach)
    assert (await CHECK.probe(target, Params(port=PORT), bench.reach)).verdict is Verdict.UP


@pytest.mark.parametrize(("via", "layer"), [("tunnel", Category.EXTERNAL), ("direct", Category.NETWORK)])
async def test_server__missing__is_blamed_itself_and_says_nothing_of_the_guest(
    bench: Bench, via: str, layer: Category
) -> None:
    bench.wire.refuse()
    error = await bench.fail(via=via, server_port=bench.wire.port)
    assert (error.category, error.reason) == (layer, Reason.REFUSED)


@pytest.mark.parametrize("via", ["tunnel", "direct"])
async def test_server__that_is_none__is_blamed_itself(bench: Bench, via: str) -> None:
    bench.wire.garbage()
    error = await bench.fail(via=via, server_port=bench.wire.port)
    assert (error.category, error.reason) == (
        Category.NETWORK if via == "direct" else Category.EXTERNAL,
        Reason.PROTOCOL,
    )


async def test_guest__that_does_not_run__is_an_answer_and_opens_no_breaker(bench: Bench) -> None:
    del bench.guests[PORT]
    seen = await bench.ask()
    assert (seen.verdict, seen.reason) == (Verdict.DOWN, Reason.REFUSED)
    assert f"host:connect:127.0.0.1:{PORT}" in bench.host.requests


async def test_guest__not_listed__is_left_alone_when_told_so(bench: Bench) -> None:
    bench.host.scans = False
    seen = await bench.ask(connect=False)
    assert (seen.verdict, seen.reason) == (Verdict.DOWN, Reason.OFFLINE)
    assert not bench.host.connected


async def test_guest__not_listed__is_connected_to(bench: Bench) -> None:
    bench.host.scans = False
    seen = await bench.ask()
    assert (seen.verdict, seen.facts["serial"]) == (Verdict.UP, f"127.0.0.1:{PORT}")


@pytest.mark.parametrize(
    ("state", "reason", "severity", "recoverable"),
    [
        ("offline", Reason.OFFLINE, Severity.HIGH, True),
        ("unauthorized", Reason.UNAUTHORIZED, Severity.HIGH, False),
        ("authorizing", Reason.UNAUTHORIZED, Severity.MEDIUM, True),
        ("connecting", Reason.OFFLINE, Severity.MEDIUM, True),
        ("no permissions", Reason.PERMISSION, Severity.HIGH, False),
    ],
)
async def test_device__in_a_state_it_can_t_be_asked_in__is_told_apart(
    bench: Bench, state: str, reason: Reason, severity: Severity, *, recoverable: bool
) -> None:
    bench.guest.state = state
    bench.reach.ports.add(PORT)
    error = await bench.fail()
    assert (error.category, error.reason, error.severity) == (Category.EMULATOR, reason, severity)
    assert error.recoverable is recoverable
    assert state in str(error)


async def test_device__offline_and_nothing_listens__is_gone(bench: Bench) -> None:
    bench.guest.state = "offline"
    seen = await bench.ask()
    assert (seen.verdict, seen.reason) == (Verdict.DOWN, Reason.REFUSED)


async def test_device__in_recovery__answers_but_is_no_android(bench: Bench) -> None:
    bench.guest.state = "recovery"
    seen = await bench.ask()
    assert (seen.verdict, seen.reason) == (Verdict.DOWN, Reason.UNEXPECTED)


async def test_guest__frozen__fails_within_its_limit(bench: Bench) -> None:
    bench.guest.freeze(frozen=True)
    error = await bench.fail(echo_within="100ms")
    assert (error.category, error.reason) == (Category.EMULATOR, Reason.TIMEOUT)
    bench.guest.freeze(frozen=False)
    assert (await bench.ask(echo_within="5s")).verdict is Verdict.UP


async def test_guest__frozen__when_the_frame_strikes_first__is_blamed_itself(bench: Bench) -> None:
    bench.guest.freeze(frozen=True)
    dispatcher = Dispatcher(checks={"adb": CHECK}, reach=lambda _: bench.reach, places=dict.fromkeys(Lane, 4))
    with pytest.raises(ProbeError) as caught:
        await dispatcher.probe(a_target(Params(), timeout=0.2))
    assert (caught.value.category, caught.value.reason) == (Category.EMULATOR, Reason.TIMEOUT)


async def test_server__silent__when_the_frame_strikes__is_blamed_itself(bench: Bench) -> None:
    bench.wire.silent()
    dispatcher = Dispatcher(checks={"adb": CHECK}, reach=lambda _: bench.reach, places=dict.fromkeys(Lane, 4))
    with pytest.raises(ProbeError) as caught:
        await dispatcher.probe(a_target(Params(), timeout=0.2))
    assert (caught.value.category, caught.value.reason) == (Category.EXTERNAL, Reason.TIMEOUT)


async def test_guest__whose_shell_answers_nonsense__is_an_error(bench: Bench) -> None:
    async def nonsense(service: str) -> bytes:
        return b"\x02\x05\x00\x00\x00oops!\x03\x01\x00\x00\x00\x01"

    bench.guest.answer = nonsense  # type: ignore[method-assign]  # a shell that can't start
    error = await bench.fail()
    assert (error.category, error.reason) == (Category.EMULATOR, Reason.PROTOCOL)
    assert "oops!" in str(error)


async def test_guest__still_booting__is_alive_and_degraded(bench: Bench) -> None:
    bench.guest.booted = False
    seen = await bench.ask(package="com.example.game", frozen_after="1s")
    assert (seen.verdict, seen.reason, seen.facts["boot_completed"]) == (Verdict.DEGRADED, Reason.BOOTING, False)
    assert seen.message == "answers, but Android has not finished booting"


async def test_guest__rebooted_between_two_looks__is_told_once(bench: Bench) -> None:
    await bench.ask()
    bench.guest.reboot()
    assert (await bench.ask()).facts["rebooted"] is True
    assert (await bench.ask()).facts["rebooted"] is False


async def test_app__that_does_not_run__degrades(bench: Bench) -> None:
    seen = await bench.ask(package="com.example.game")
    assert (seen.verdict, seen.message) == (Verdict.DEGRADED, "com.example.game does not run")
    bench.guest.apps.add("com.example.game")
    assert (await bench.ask(package="com.example.game")).verdict is Verdict.UP


@pytest.mark.parametrize(
    ("focus", "anr", "message"),
    [
        ("com.example.game/.Main", False, None),
        ("com.android.launcher3/.L", False, "com.android.launcher3 has the focus instead of com.example.game"),
        ("com.example.game/.Main", True, "com.example.game does not respond"),
    ],
)
async def test_app__in_focus_or_not__is_told(bench: Bench, focus: str, message: str | None, *, anr: bool) -> None:
    bench.guest.focus, bench.guest.anr = focus, anr
    seen = await bench.ask(package="com.example.game", package_is="focused")
    assert (seen.message if seen.verdict is Verdict.DEGRADED else None) == message
    assert seen.facts["focused_package"] == focus.partition("/")[0]


async def test_data__nearly_full__degrades(bench: Bench) -> None:
    bench.guest.data_free_kb = 500_000
    seen = await bench.ask(data_free="1GiB")
    assert (seen.verdict, seen.reason) == (Verdict.DEGRADED, Reason.THRESHOLD)
    assert "488 MiB of 31 GiB free" in seen.message
    assert (await bench.ask(data_free="1%")).verdict is Verdict.UP


async def test_screen__the_same_for_minutes__is_frozen(bench: Bench) -> None:
    bench.guest.still = True
    assert (await bench.ask(frozen_after="5m")).facts["screen_unchanged_seconds"] == 0
    bench.reach.now_is += 299
    assert (await bench.ask(frozen_after="5m")).verdict is Verdict.UP
    bench.reach.now_is += 1
    seen = await bench.ask(frozen_after="5m")
    assert (seen.verdict, seen.reason) == (Verdict.DEGRADED, Reason.THRESHOLD)
    assert seen.message == "the screen has shown the same picture for 300 s"
    bench.guest.still = False
    assert (await bench.ask(frozen_after="5m")).facts["screen_unchanged_seconds"] == 0


async def test_screen__not_asked_for__is_not_looked_at(bench: Bench) -> None:
    assert "screen_unchanged_seconds" not in (await bench.ask()).facts


async def test_two_serials_of_one_guest__are_one_emulator_and_compared_once_per_boot(bench: Bench) -> None:
    bench.host.connected.add(PORT)
    assert (await bench.ask()).verdict is Verdict.UP
    once = bench.guest.commands
    seen = await bench.ask()
    assert (seen.verdict, seen.facts["serial"]) == (Verdict.UP, f"127.0.0.1:{PORT}")
    assert bench.guest.commands - once == once - 1


async def test_second_serial__offline__does_not_matter(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    dead = Android()
    dead.state = "offline"
    listed = {f"127.0.0.1:{PORT}": dead, "emulator-5560": bench.guest}
    monkeypatch.setattr(bench.host, "devices", lambda: listed)
    seen = await bench.ask()
    assert (seen.verdict, seen.facts["serial"]) == (Verdict.UP, "emulator-5560")


async def test_second_serial__of_another_guest__is_a_contradiction(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = {f"127.0.0.1:{PORT}": bench.guest, "emulator-5560": Android()}
    monkeypatch.setattr(bench.host, "devices", lambda: listed)
    for _ in range(2):
        seen = await bench.ask()
        assert (seen.verdict, seen.reason) == (Verdict.DEGRADED, Reason.WITNESSES_DISAGREE)


async def test_server__replaced_by_another_version__is_a_war(bench: Bench) -> None:
    assert (await bench.ask()).verdict is Verdict.UP
    bench.host.version = 36
    bench.wire.drop()  # the server that was ended took its connections with it
    async with asyncio.timeout(SOON):
        while bench.reach.watch._told:  # noqa: ASYNC110 - it is told in its own time
            await asyncio.sleep(0.001)
    seen = await bench.ask()
    assert (seen.verdict, seen.reason) == (Verdict.DEGRADED, Reason.UNEXPECTED)
    assert "version 41 became 36" in seen.message
    assert (await bench.ask()).verdict is Verdict.UP


async def test_probe__cancelled_anywhere__leaves_no_connection(bench: Bench) -> None:
    for turns in range(0, 120, 4):
        probing = asyncio.ensure_future(bench.ask(frozen_after="1m"))
        for _ in range(turns):
            await asyncio.sleep(0)
        probing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await probing
    await bench.reach.watch.aclose()
    async with asyncio.timeout(SOON):
        while bench.wire.connections:  # noqa: ASYNC110 - the simulator tells nobody
            await asyncio.sleep(0.001)


async def test_guests__of_one_server__are_asked_about_over_one_connection_that_stays(bench: Bench) -> None:
    for _ in range(3):
        await bench.ask()
    asked = Counter(
        request for request in bench.host.requests if request.startswith("host:") and "transport" not in request
    )
    assert asked == {"host:version": 1, "host:track-devices-l": 1}
    async with asyncio.timeout(SOON):
        while bench.wire.connections != 1:  # noqa: ASYNC110 - the simulator tells nobody
            await asyncio.sleep(0.001)


async def test_guest__that_came_since__is_found_without_another_question(bench: Bench) -> None:
    android = bench.guests.pop(PORT)
    assert (await bench.ask(connect=False)).verdict is Verdict.DOWN
    bench.guests[PORT] = android
    bench.host.changed()
    async with asyncio.timeout(SOON):
        while (await bench.ask(connect=False)).verdict is Verdict.DOWN:  # noqa: ASYNC110 - the same
            await asyncio.sleep(0)
    assert bench.host.requests.count("host:track-devices-l") == 1


async def test_guest__listed_and_gone__is_asked_for_anew(bench: Bench) -> None:
    await bench.ask()
    del bench.guests[PORT]  # and the server tells nobody
    assert (await bench.fail()).reason is Reason.OFFLINE
    assert (await bench.ask()).verdict is Verdict.DOWN


@pytest.mark.parametrize("params", [{"package": "a b"}, {"package": "x;rm"}, {"via": "usb"}, {"frozen_after": "0s"}])
def test_params__that_make_no_sense__are_refused(params: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Params.model_validate(params)


def test_config__direct__needs_no_transport_and_an_emulator_of_its_own_has_its_breaker() -> None:
    config = load_text(
        "workstations:\n- id: ws-01\n  host: 10.0.0.1\n  checks:\n"
        "  - {kind: adb, via: direct}\n"
        "  - {kind: adb, name: third, via: direct, emulator: 'ldplayer:3', port: 5561}\n"
    )
    every, third = config.targets
    assert (every.each, third.each) == (True, False)
    assert third.path == (Key(Category.NETWORK, "ws-01", "adb:5037"), Key(Category.EMULATOR, "ws-01", "ldplayer:3"))


@pytest.mark.parametrize("via", ["tunnel", "direct"])
async def test_debian_server__with_a_guest_behind_it__is_climbed_to_the_top(
    tmp_path: Path, via: Literal["tunnel", "direct"]
) -> None:
    guest = Android()
    async with a_guest(guest) as daemon, a_real_server(tmp_path) as port:
        params = Params(via=via, server_port=port, package="com.android.launcher3")
        target = a_target(params, port=daemon.port)
        reach = ToPort(port)
        seen = await CHECK.probe(target, params, reach)
        assert (seen.verdict, seen.facts["serial"]) == (Verdict.UP, f"127.0.0.1:{daemon.port}")
        assert seen.facts["boot_id"] == guest.boot_id
        guest.freeze(frozen=True)
        slow = params.model_copy(update={"echo_within": 0.2})
        with pytest.raises(ProbeError) as caught:
            await CHECK.probe(target, slow, reach)
        assert caught.value.reason is Reason.TIMEOUT
        guest.freeze(frozen=False)
        daemon.refuse()
        if via == "direct":  # only adb can tell, and lists it as offline for a minute
            with pytest.raises(ProbeError) as caught:
                await CHECK.probe(target, params, reach)
            assert (caught.value.category, caught.value.reason in {Reason.OFFLINE, Reason.RESET}) == (
                Category.EMULATOR,
                True,
            )
        else:
            async with asyncio.timeout(SOON):
                seen = await _until_answered(lambda: CHECK.probe(target, params, reach))
            assert (seen.verdict, seen.reason) == (Verdict.DOWN, Reason.REFUSED)


async def _until_answered(ask: Callable[[], Awaitable[Observation]]) -> Observation:
    """Ask until the server has noticed that a guest is gone: until then what it had begun breaks off."""
    while True:
        with contextlib.suppress(ProbeError):
            return await ask()
        await asyncio.sleep(0.05)


async def test_tunnel__through_a_real_sshd__reaches_the_server_on_its_loopback(tmp_path: Path) -> None:
    async with a_server(tmp_path) as sshd, a_host({PORT: Android()}) as (_, wire):
        transports = Transports(kinds={"ssh": ssh.TRANSPORT}, credentials={"key": sshd.credential})
        params = Params(server_port=wire.port)
        target = a_target(params, sshd.workstation)
        try:
            for _ in range(2):
                seen = await CHECK.probe(target, params, transports.reach(target))
                assert (seen.verdict, seen.facts["serial"]) == (Verdict.UP, "emulator-5560")
            assert sshd.connections == 1
            wire.refuse()
            with pytest.raises(ProbeError) as caught:
                await CHECK.probe(target, params, transports.reach(target))
            assert (caught.value.category, caught.value.reason) == (Category.EXTERNAL, Reason.REFUSED)
            completed = await transports.reach(target).run(["echo", "fine"])
            assert completed.stdout == b"fine\n"
        finally:
            await transports.aclose()


async def test_tunnel__forbidden_by_the_sshd__is_told_and_leaves_the_transport_alone(tmp_path: Path) -> None:
    async with a_server(tmp_path, "AllowTcpForwarding no") as sshd:
        transports = Transports(kinds={"ssh": ssh.TRANSPORT}, credentials={"key": sshd.credential})
        target = a_target(Params(), sshd.workstation)
        try:
            with pytest.raises(ProbeError) as caught:
                await CHECK.probe(target, Params(), transports.reach(target))
            assert (caught.value.category, caught.value.reason) == (Category.EXTERNAL, Reason.PERMISSION)
            assert not caught.value.recoverable
        finally:
            await transports.aclose()


async def test_tunnel__lost_with_the_connection__is_the_transports_failure(tmp_path: Path) -> None:
    guest = Android()
    guest.freeze(frozen=True)
    async with a_server(tmp_path) as sshd, a_host({PORT: guest}) as (host, wire):
        transports = Transports(kinds={"ssh": ssh.TRANSPORT}, credentials={"key": sshd.credential})
        params = Params(server_port=wire.port)
        target = a_target(params, sshd.workstation)
        try:
            probing = asyncio.ensure_future(CHECK.probe(target, params, transports.reach(target)))
            async with asyncio.timeout(SOON):
                while not any(request.startswith("shell") for request in host.requests):  # noqa: ASYNC110 - no event
                    await asyncio.sleep(0.005)
            await asyncio.to_thread(sshd.kill_sessions)
            with pytest.raises(ProbeError) as caught:
                await probing
            assert (caught.value.category, caught.value.reason) == (Category.WORKSTATION, Reason.SHELL_LOST)
            guest.freeze(frozen=False)
            assert (await CHECK.probe(target, params, transports.reach(target))).verdict is Verdict.UP
        finally:
            await transports.aclose()


async def test_tunnel__cancelled_anywhere__leaves_no_channel(tmp_path: Path) -> None:
    async with a_server(tmp_path) as sshd, a_host({PORT: Android()}) as (_, wire):
        transports = Transports(kinds={"ssh": ssh.TRANSPORT}, credentials={"key": sshd.credential})
        params = Params(server_port=wire.port)
        target = a_target(params, sshd.workstation)
        try:
            for turns in range(0, 60, 2):
                probing = asyncio.ensure_future(CHECK.probe(target, params, transports.reach(target)))
                for _ in range(turns):
                    await asyncio.sleep(0.0005)
                probing.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await probing
            async with asyncio.timeout(SOON):
                while wire.connections > 1:  # noqa: ASYNC110 - the simulator tells nobody
                    await asyncio.sleep(0.005)
            assert (await CHECK.probe(target, params, transports.reach(target))).verdict is Verdict.UP
        finally:
            await transports.aclose()
        async with asyncio.timeout(SOON):
            while wire.connections:  # noqa: ASYNC110 - the same
                await asyncio.sleep(0.005)


async def test_tunnel__given_up_while_another_is_open__leaves_that_one_alone_and_nothing_behind(tmp_path: Path) -> None:
    opened, closed = [], []

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.append(writer)
        while data := await reader.read(100):
            writer.write(data)
        writer.close()
        await writer.wait_closed()
        closed.append(writer)

    async with a_server(tmp_path) as sshd, await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        transport = ssh.SshTransport(sshd.workstation, sshd.params, sshd.credential)
        opening = functools.partial(
            transport.open_stream, "127.0.0.1", port, mark=lambda _: None, layer=Category.EXTERNAL
        )
        try:
            kept = await opening()
            given_up = asyncio.ensure_future(opening())
            for _ in range(3):
                await asyncio.sleep(0)
            given_up.cancel()
            with pytest.raises(asyncio.CancelledError):
                await given_up
            async with asyncio.timeout(SOON):
                while (len(opened), len(closed)) != (2, 1):  # noqa: ASYNC110 - the server is a plain function
                    await asyncio.sleep(0.005)
            kept.write(b"still there")
            assert await kept.exactly(11) == b"still there"
            again = await opening()
            link = transport._link
            assert link is not None
            assert link.users == 1
            for stream in (again, again, kept):
                stream.close()
            assert link.users == 0
        finally:
            await transport.aclose()
            async with asyncio.timeout(SOON):
                while len(closed) < len(opened):  # noqa: ASYNC110 - the same
                    await asyncio.sleep(0.005)


class Program:
    """An adb of the workstation's own, made of a shell script, and the check that runs it."""

    def __init__(self, folder: Path, port: int) -> None:
        self.path = folder / "adb.sh"
        self.port = port
        self.folder = folder
        self.transports = Transports(kinds={"local": local.TRANSPORT}, credentials={})

    def script(self, text: str) -> None:
        self.path.write_text(f"#!/bin/sh\n{text}\n")
        self.path.chmod(0o755)

    async def ask(self, *, port: int = PORT, **more: object) -> Observation:
        params = Params.model_validate({"via": "run", "program": str(self.path), **more})
        target = a_target(params, port=port)
        async with asyncio.timeout(SOON):
            return await CHECK.probe(target, params, self.transports.reach(target))


async def test_program__of_debian__run_on_the_workstation__climbs_to_the_top(tmp_path: Path) -> None:
    guest = Android()
    async with a_guest(guest) as daemon, a_real_server(tmp_path) as port:
        program = Program(tmp_path, port)
        real = f'exec env HOME={shlex.quote(str(tmp_path))} adb -P {port} "$@"'
        await asyncio.to_thread(program.script, real)
        seen = await program.ask(port=daemon.port, data_free="1GiB")
        assert (seen.verdict, seen.facts["serial"]) == (Verdict.UP, f"127.0.0.1:{daemon.port}")
        assert seen.facts["boot_id"] == guest.boot_id
        seen = await program.ask(port=free_port())
        assert (seen.verdict, seen.reason) == (Verdict.DOWN, Reason.REFUSED)


LISTED = f"[ $1 = devices ] && {{ printf 'List of devices attached\\n127.0.0.1:{PORT}\\t%s\\n' device; exit 0; }}"
WELL = 'eval "echo emuwatch; echo ::0"'


@pytest.mark.parametrize(
    ("script", "category", "reason"),
    [
        ("echo 'error: cannot connect to daemon' >&2; exit 1", Category.EXTERNAL, Reason.REFUSED),
        ("echo 'error: protocol fault (no status)' >&2; exit 1", Category.EXTERNAL, Reason.REFUSED),
        ("echo 'adb: who knows' >&2; exit 1", Category.EXTERNAL, Reason.PROTOCOL),
        (f"{LISTED}\necho 'error: device offline' >&2; exit 1", Category.EMULATOR, Reason.OFFLINE),
        (
            f"{LISTED}\nprintf 'error: device unauthorized.\\nCheck for a dialog on your device.\\n' >&2; exit 1",
            Category.EMULATOR,
            Reason.UNAUTHORIZED,
        ),
        (f"{LISTED}\necho 'adb.exe: device unauthorized.' >&2; exit 1", Category.EMULATOR, Reason.UNAUTHORIZED),
        (f"{LISTED}\necho 'error: closed' >&2; exit 1", Category.EMULATOR, Reason.RESET),
        (f"{LISTED}\necho emuwatch", Category.EMULATOR, Reason.PROTOCOL),
        ("exit 127", Category.EXTERNAL, Reason.NOT_INSTALLED),
    ],
)
async def test_program__failing__is_told_apart(tmp_path: Path, script: str, category: Category, reason: Reason) -> None:
    program = Program(tmp_path, 0)
    await asyncio.to_thread(program.script, script)
    with pytest.raises(ProbeError) as caught:
        await program.ask()
    assert (caught.value.category, caught.value.reason) == (category, reason)


async def test_program__not_there__is_not_installed(tmp_path: Path) -> None:
    with pytest.raises(ProbeError) as caught:
        await Program(tmp_path, 0).ask()
    assert (caught.value.category, caught.value.reason) == (Category.EXTERNAL, Reason.NOT_INSTALLED)


async def test_program__that_ends_a_server_of_another_version__is_a_war(tmp_path: Path) -> None:
    program = Program(tmp_path, 0)
    noise = (
        "adb server version (31) doesn't match this client (41); killing...\n"
        "* daemon not running; starting now at tcp:5037\n* daemon started successfully"
    )
    await asyncio.to_thread(program.script, f"[ $1 = devices ] && echo {shlex.quote(noise)} >&2\n{LISTED}\n{WELL}")
    seen = await program.ask()
    assert (seen.verdict, seen.reason) == (Verdict.DEGRADED, Reason.BOOTING)
    assert "version 31 ran, this adb (41) ended it" in seen.message


async def test_program__that_starts_the_server_first__is_no_trouble(tmp_path: Path) -> None:
    program = Program(tmp_path, 0)
    noise = "* daemon not running; starting now at tcp:5037\n* daemon started successfully"
    await asyncio.to_thread(program.script, f"[ $1 = devices ] && echo {shlex.quote(noise)} >&2\n{LISTED}\n{WELL}")
    assert (await program.ask()).message == "answers, but Android has not finished booting"
