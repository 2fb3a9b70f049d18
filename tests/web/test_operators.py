from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry

from monitor.breaker.registry import Breakers
from monitor.fleet import Fleet
from monitor.metrics import Scrapes
from monitor.model import Key
from monitor.web import Action, Operation, ServiceStatus, make_app
from tests.fakes import network

Client = TestClient[web.Request, web.Application]
TOKEN = "correct-horse"
HOLDER = {"Authorization": f"Bearer {TOKEN}"}
KEY = network("ssh:22")
PATH = "/api/v1/breakers/network/ws-01/ssh%3A22"


@dataclass
class Hand:
    """An operator whose actions are kept."""

    breakers: Breakers = field(default_factory=Breakers)
    done: list[tuple[Key, Action, str, str]] = field(default_factory=list)
    noted: list[tuple[str, str]] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)

    def act(self, key: Key, action: Action, *, who: str, why: str) -> object:
        breaker = self.breakers.find(key)
        if breaker is None:
            return None
        self.done.append((key, action, who, why))
        {"force-open": breaker.force_open, "force-close": breaker.force_closed, "reset": breaker.reset}[action]()
        return breaker.snapshot()

    def carried_out(self, workstation: str, operation: Operation) -> bool:
        self.operations.append(operation)
        return workstation == "ws-01"

    def told(self, workstation: str, emulator: str) -> bool:
        self.noted.append((workstation, emulator))
        return emulator == "ldplayer:3"


@pytest.fixture
def hand() -> Hand:
    hand = Hand()
    hand.breakers.get(KEY)
    return hand


@pytest.fixture
async def client(hand: Hand) -> AsyncIterator[Client]:
    async def reload(_: str) -> None:
        raise AssertionError

    app = make_app(
        fleet=Fleet(),
        breakers=hand.breakers,
        scrapes=Scrapes(registry=CollectorRegistry()),
        token=TOKEN,
        reload=reload,
        status=lambda: ServiceStatus(started_at=0.0, ready=True, version="x"),
        operator=hand,  # type: ignore[arg-type]  # a fake with the same methods
    )
    async with TestClient(TestServer(app)) as client:
        yield client


@pytest.mark.parametrize(
    ("action", "state", "forced"),
    [("force-open", "open", "open"), ("force-close", "closed", "closed"), ("reset", "closed", None)],
)
async def test_action__with_token_and_reason__is_done_and_answers_with_the_state(
    client: Client, hand: Hand, action: str, state: str, forced: str | None
) -> None:
    async with client.post(f"{PATH}/{action}", headers=HOLDER, json={"reason": "cabling", "who": "ann"}) as response:
        body = await response.json()
    assert (response.status, body["state"], body["forced"]) == (200, state, forced)
    assert hand.done == [(KEY, Action(action), "ann", "cabling")]


@pytest.mark.parametrize(
    "path",
    [
        f"{PATH}/force-open",
        "/api/v1/workstations/ws-01/emulators/ldplayer:3/told",
        "/api/v1/workstations/ws-01/operations",
    ],
)
async def test_action__without_token__is_refused_and_not_done(client: Client, hand: Hand, path: str) -> None:
    async with client.post(path, json={"reason": "x"}) as response:
        assert response.status == 401
    assert (hand.done, hand.noted, hand.operations) == ([], [], [])


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        (f"{PATH}/reset", b"{}", 400, "Say why"),
        (f"{PATH}/reset", b'{"reason": "  "}', 400, "Say why"),
        (f"{PATH}/reset", b"[]", 400, "must be an object"),
        (f"{PATH}/reset", b"{", 400, "not JSON"),
        (f"{PATH}/reset", b'{"reason": 7}', 400, "must be a text"),
        (f"{PATH}/melt", b'{"reason": "x"}', 404, ""),
        ("/api/v1/breakers/network/ws-01/ssh%3A23/reset", b'{"reason": "x"}', 404, "There is no breaker"),
        ("/api/v1/breakers/nonsense/ws-01/ssh%3A22/reset", b'{"reason": "x"}', 404, "There is no category"),
        ("/api/v1/workstations/ws-01/emulators/ldplayer:9/told", b"", 404, "No emulator"),
        ("/api/v1/workstations/ws-01/operations", b"{}", 400, "Say what was done"),
        ("/api/v1/workstations/ws-01/operations", b'{"operation": "start", "outcome": "begun"}', 400, "Say what"),
        ("/api/v1/workstations/ws-01/operations", b'{"operation": 3, "outcome": "done"}', 400, "must be a text"),
        ("/api/v1/workstations/ws-9/operations", b'{"operation": "start", "outcome": "done"}', 404, "no workstation"),
    ],
)
async def test_action__that_makes_no_sense__is_refused_with_words(
    client: Client, hand: Hand, path: str, body: bytes, status: int, words: str
) -> None:
    async with client.post(path, headers=HOLDER, data=body) as response:
        text = await response.text()
    assert (response.status, words in text, hand.done) == (status, True, [])


async def test_told__known_emulator__is_noted(client: Client, hand: Hand) -> None:
    async with client.post("/api/v1/workstations/ws-01/emulators/ldplayer:3/told", headers=HOLDER) as response:
        assert (await response.json())["noted"] is True
    assert hand.noted == [("ws-01", "ldplayer:3")]


async def test_operation__carried_out__is_noted_with_who_and_what(client: Client, hand: Hand) -> None:
    told = {"operation": "restart", "emulator": "ldplayer:3", "outcome": "failed", "message": "x" * 900, "who": "ann"}
    for body in (told, {"operation": "create", "outcome": "done"}):
        async with client.post("/api/v1/workstations/ws-01/operations", headers=HOLDER, json=body) as response:
            assert (response.status, (await response.json())["noted"]) == (200, True)
    assert hand.operations == [
        Operation(name="restart", emulator="ldplayer:3", outcome="failed", message="x" * 500, who="ann"),
        Operation(name="create", emulator="", outcome="done", message="", who="operator"),
    ]


async def test_action__from_a_page_of_another_origin__is_refused(client: Client, hand: Hand) -> None:
    headers = {**HOLDER, aiohttp.hdrs.ORIGIN: "https://evil.example"}
    async with client.post(f"{PATH}/reset", headers=headers, json={"reason": "x"}) as response:
        assert response.status == 403
    assert hand.done == []
