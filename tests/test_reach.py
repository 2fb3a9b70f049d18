"""The pool of transports: one per way, closed when its way is gone; what a run remembers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import aiohttp
import pytest
from aiohttp import web
from pydantic import SecretStr

from monitor.errors import LocalError
from monitor.logins import Logins
from monitor.model import Category, Key, Platform, Target, TransportSpec, Workstation
from monitor.reach import Transports, parse_code_page
from monitor.recording import Recorder
from monitor.transports import OUTPUT_LIMIT, Completed, Credential, Mark, TransportKind, TransportParams


class Wired(TransportParams):
    port: int = 1


class FakeTransport:
    """Answers what it is told to, once it is let."""

    def __init__(self, workstation: Workstation, credential: Credential | None) -> None:
        self.workstation = workstation
        self.credential = credential
        self.go = asyncio.Event()
        self.go.set()
        self.answer = b"out"
        self.runs = 0
        self.closed = 0

    async def run(
        self, argv: Sequence[str], *, mark: Mark, layer: Category = Category.WORKSTATION, limit: int = OUTPUT_LIMIT
    ) -> Completed:
        self.runs += 1
        mark(Category.WORKSTATION)
        await self.go.wait()
        mark(layer)
        return Completed(argv=tuple(argv), exit_code=0, stdout=self.answer, stderr=b"")

    async def aclose(self) -> None:
        self.closed += 1


class Pool:
    """Transports over fakes, which it remembers."""

    def __init__(self, credentials: Mapping[str, Credential] | None = None, record: Recorder | None = None) -> None:
        self.made: list[FakeTransport] = []
        self.logins: list[Logins] = []
        kind = TransportKind(
            name="wired", params=Wired, open=self._open, endpoint=lambda params: f"wired:{params.port}"
        )
        self.transports = Transports(
            kinds={"wired": kind}, credentials=credentials or {}, clock=lambda: 7.0, record=record
        )

    def _open(
        self, workstation: Workstation, params: Wired, credential: Credential | None, logins: Logins
    ) -> FakeTransport:
        self.logins.append(logins)
        self.made.append(FakeTransport(workstation, credential))
        return self.made[-1]


def a_workstation(
    identity: str = "ws-01", params: Wired | None = None, *, host: str = "10.0.0.1", site: str = ""
) -> Workstation:
    spec = TransportSpec("wired", params or Wired())
    return Workstation(id=identity, host=host, site=site, transport=spec)


def a_target(workstation: Workstation) -> Target:
    path = (Key(Category.NETWORK, workstation.id, "wired:1"), Key(Category.WORKSTATION, workstation.id, "wired"))
    return Target(workstation=workstation, name="x", kind="x", params=None, path=path, interval=30, timeout=5)


async def test_runs__of_one_workstation__share_one_transport_also_after_a_reload() -> None:
    pool = Pool()
    for workstation in (a_workstation(), a_workstation(site="garage"), a_workstation("ws-02")):
        await pool.transports.reach(a_target(workstation)).run(["x"])
    assert [made.workstation.id for made in pool.made] == ["ws-01", "ws-02"]


async def test_run__on_its_way__remembers_the_layer_it_deals_with() -> None:
    pool = Pool()
    reach = pool.transports.reach(a_target(a_workstation()))
    assert (reach.layer, reach.now()) == (Category.NETWORK, 7.0)
    await reach.run(["x"], layer=Category.EXTERNAL)
    assert reach.layer is Category.EXTERNAL


async def test_retain__of_some__closes_the_others() -> None:
    pool = Pool()
    workstations = [a_workstation("ws-01"), a_workstation("ws-02"), a_workstation("ws-03", host="10.0.0.3")]
    for workstation in workstations:
        await pool.transports.reach(a_target(workstation)).run(["x"])
    await pool.transports.retain([a_workstation("ws-01"), a_workstation("ws-03", host="10.0.0.4")])
    assert [made.closed for made in pool.made] == [0, 1, 1]


async def test_retain__with_another_password__closes_what_logged_in_with_the_old_one() -> None:
    old, new = (Credential(user="farm", password=SecretStr(word)) for word in ("old", "new"))
    pool = Pool({"farm": old})
    workstation = a_workstation(params=Wired(credential="farm"))
    await pool.transports.reach(a_target(workstation)).run(["x"])
    await pool.transports.retain([workstation], {"farm": new})
    await pool.transports.reach(a_target(workstation)).run(["x"])
    assert [(made.credential, made.closed) for made in pool.made] == [(old, 1), (new, 0)]


async def test_retain__of_a_workstation_reached_in_another_way__lets_it_refuse_anew() -> None:
    pool, logins = Pool(), Logins()
    pool.transports._logins = logins
    doors = [logins.door(name, where=name, user="monitor", secret="x") for name in ("ws-01", "ws-02")]
    for name in ("ws-01", "ws-02"):
        await pool.transports.reach(a_target(a_workstation(name))).run(["x"])
    for door in doors:
        door.refused()
    await pool.transports.retain([a_workstation("ws-01"), a_workstation("ws-02", Wired(port=2))])
    assert [door.shut for door in doors] == [True, False]


async def test_transports__of_one_pool__share_what_hosts_said_of_logins() -> None:
    pool = Pool()
    for name in ("ws-01", "ws-02"):
        await pool.transports.reach(a_target(a_workstation(name))).run(["x"])
    assert len({id(each) for each in pool.logins}) == 1


async def test_retain__while_a_run_is_under_way__closes_after_it() -> None:
    pool = Pool()
    reach = pool.transports.reach(a_target(a_workstation()))
    await reach.run(["x"])
    pool.made[0].go.clear()
    run = asyncio.create_task(reach.run(["x"]))
    await asyncio.sleep(0)
    await pool.transports.retain([])
    assert pool.made[0].closed == 0
    pool.made[0].go.set()
    await run
    assert pool.made[0].closed == 1


class Lasting:
    """What outlives a run; remembers in which order things were closed."""

    order: ClassVar[list[str]] = []

    async def aclose(self) -> None:
        self.order.append("lasting")


async def test_shared__by_the_runs_of_one_workstation__is_one_of_its_kind_and_name() -> None:
    pool = Pool()
    here, there = a_target(a_workstation()), a_target(a_workstation("ws-02"))
    one = pool.transports.reach(here).shared(Lasting, "a")
    assert pool.transports.reach(here).shared(Lasting, "a") is one
    others = [pool.transports.reach(here).shared(Lasting, "b"), pool.transports.reach(there).shared(Lasting, "a")]
    assert one not in others


@pytest.mark.parametrize("whole", [True, False])
async def test_shared__when_its_transport_closes__is_closed_before_it(
    monkeypatch: pytest.MonkeyPatch, *, whole: bool
) -> None:
    pool, order = Pool(), list[str]()
    monkeypatch.setattr(Lasting, "order", order)
    pool.transports.reach(a_target(a_workstation())).shared(Lasting, "a")
    pool.made[0].aclose = closing(order)  # type: ignore[method-assign]  # tells when
    await (pool.transports.aclose() if whole else pool.transports.retain([]))
    assert order == ["lasting", "transport"]


def closing(order: list[str]) -> Callable[[], Coroutine[None, None, None]]:
    async def aclose() -> None:
        order.append("transport")

    return aclose


async def test_code_page__wanted_by_many_at_once__is_asked_once() -> None:
    pool = Pool()
    reach = pool.transports.reach(a_target(a_workstation()))
    await reach.run(["x"])
    pool.made[0].answer = b"\r\n    ACP    REG_SZ    1251\r\n"
    pool.made[0].go.clear()
    asked = [asyncio.create_task(reach.code_page()) for _ in range(5)]
    await asyncio.sleep(0)
    pool.made[0].go.set()
    pages = await asyncio.gather(*asked)
    assert (set(pages), pool.made[0].runs) == ({"cp1251"}, 2)


@pytest.mark.parametrize(
    ("answer", "platform", "page"),
    [
        (b"HKEY\r\n    ACP    REG_SZ    936\r\n", Platform.WINDOWS, "gbk"),
        (b"    ACP    REG_SZ    65001\r\n", Platform.WINDOWS, "utf-8"),
        (b"    ACP    REG_SZ    949\r\n", Platform.WINDOWS, "cp949"),
        (b"    ACP    REG_SZ    1258", Platform.WINDOWS, "cp1258"),
        (b"    ACP    REG_SZ    31337", Platform.WINDOWS, None),
        (b"    OEMCP    REG_SZ    437", Platform.WINDOWS, None),
        (b"ERROR", Platform.WINDOWS, None),
        (b"", Platform.WINDOWS, None),
        (b"UTF-8\n", Platform.LINUX, "utf-8"),
        (b"ANSI_X3.4-1968\n", Platform.LINUX, "ascii"),
        (b"\xff\0", Platform.LINUX, None),
        (b"", Platform.LINUX, None),
    ],
)
def test_code_page__answered__is_a_codec_or_nothing(answer: bytes, platform: Platform, page: str | None) -> None:
    assert parse_code_page(answer, platform) == page


async def test_workstation__without_a_transport_or_its_credential__is_our_own_trouble() -> None:
    pool = Pool()
    with pytest.raises(LocalError, match="ws-01 has no transport"):
        await pool.transports.reach(a_target(Workstation(id="ws-01", host="h"))).run(["x"])
    with pytest.raises(LocalError, match="no credential 'gone'"):
        await pool.transports.reach(a_target(a_workstation(params=Wired(credential="gone")))).run(["x"])


async def test_session__of_all_runs__keeps_no_cookie_and_no_connection_and_is_closed() -> None:
    peers: list[object] = []
    cookies: list[dict[str, str]] = []

    async def greet(request: web.Request) -> web.Response:
        peers.append(request.transport and request.transport.get_extra_info("peername"))
        cookies.append(dict(request.cookies))
        response = web.Response()
        response.set_cookie("a", "b")
        return response

    app = web.Application()
    app.router.add_get("/", greet)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    pool = Pool()
    session: aiohttp.ClientSession = pool.transports.reach(a_target(a_workstation())).http
    for _ in range(2):
        async with session.get(f"http://127.0.0.1:{port}/"):
            pass
    await pool.transports.aclose()
    await runner.cleanup()
    assert (len(set(peers)), cookies, session.closed) == (2, [{}, {}], True)


async def test_record__of_a_run__keeps_what_its_commands_printed_under_the_name_of_its_check(tmp_path: Path) -> None:
    pool = Pool(record=(recorder := Recorder(tmp_path)))
    reach = pool.transports.reach(a_target(a_workstation()))
    await reach.run(["ldconsole", "list2"])
    assert await reach.code_page() == "ascii"
    await reach.record("tcp:22 greeting", lambda: b"SSH-2.0-x")
    assert [path.name for path in recorder.samples["x"]] == [
        "ldconsole-list2.txt",
        "reg-query-hklm-system-currentcontrolset-control-nls-codepage.txt",
        "tcp-22-greeting.txt",
    ]
    assert (tmp_path / "ldconsole-list2.txt").read_bytes() == b"out"


async def test_record__when_nothing_is_recorded__does_not_even_ask_for_the_answer() -> None:
    def never() -> bytes:
        raise AssertionError

    await Pool().transports.reach(a_target(a_workstation())).record("x", never)
