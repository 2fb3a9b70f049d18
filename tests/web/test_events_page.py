"""What happened, as a page and as JSON: filtered, in stretches, and with whatever text a host came up with."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pytest_aiohttp.plugin import AiohttpClient

from monitor.events import Asked, Event, Found, Kind
from monitor.web.sources import SOURCES
from tests.web.conftest import Client
from tests.web.farm import NOW, mixed, service
from tests.web.markup import Strict, read


def an_event(number: int, kind: Kind = Kind.CHECK, **told: str) -> Event:
    values = {"workstation": "ws-03", "subject": "ssh", "old": "up", "new": "down", "message": "refused", **told}
    return Event(id=f"{number:04}", at=NOW - 1000 + number, kind=kind, **values)


HOSTILE = "<script>alert(1)</script>\0\ud800\u202eevil"
REBOOT = {"subject": "", "old": "", "new": "", "message": "runs since 2026-11-23 00:25:00 UTC"}
EVENTS = (
    an_event(6, Kind.REBOOTED, workstation="ws-09", **REBOOT),
    an_event(5, Kind.RELOAD, workstation="", subject="", old="", new="refused", message="config.yaml:4: unknown key"),
    an_event(4, Kind.FORCED, subject="network/ssh:22", old="", new="open", message="moving the rack", who="ann"),
    an_event(3, Kind.TRIPPED, subject="network/ssh:22", old="closed", new="open", message="next trial in 60 s"),
    an_event(2, Kind.EMULATOR, subject="ldplayer:3", message=HOSTILE),
    an_event(1, workstation="ws-07", old="unknown", new="up", message=""),
)


class Happened:
    """A store that holds these events, or none that can be asked."""

    def __init__(self) -> None:
        self.complete = True

    async def find(self, asked: Asked) -> Found:
        return Found(tuple(event for event in EVENTS if asked.admits(event))[: asked.limit], complete=self.complete)


@pytest.fixture
def happened() -> Happened:
    return Happened()


@pytest.fixture
async def client(happened: Happened, aiohttp_client: AiohttpClient) -> Client:
    farm = mixed()
    farm.service = service(store_problem="the disk is full", store_since=NOW - 60)
    app = farm.app()
    app[SOURCES] = replace(app[SOURCES], events=happened)
    return await aiohttp_client(app)


async def page(client: Client, path: str) -> Strict:
    async with client.get(path) as response:
        assert response.status == 200
        return read(await response.text())


async def test_page__shows_what_where_why_and_who(client: Client) -> None:
    shown = await page(client, "/events")
    for words in (
        "Rebooted",
        "runs since 2026-11-23",
        "Reload refused",
        "Forced open",
        "Tripped",
        "moving the rack",
        "ann",
        "was up",
        "ldplayer:3",
    ):
        assert words in shown.text
    assert shown.all("script") == []
    assert "aria-current" in next(attrs for attrs in shown.all("a") if attrs["href"] == "/events")


async def test_page__filters__keep_what_was_asked(client: Client) -> None:
    shown = await page(client, "/events?kind=forced&workstation=ws-03&since=24h&refresh=off")
    assert "moving the rack" in shown.text
    assert "next trial in 60 s" not in shown.text
    selected = [attrs["value"] for attrs in shown.all("option") if "selected" in attrs]
    assert selected == ["forced", "24h"]


async def test_page__long__leads_to_older_ones_under_the_same_filter(client: Client) -> None:
    shown = await page(client, "/events?workstation=ws-03&limit=2")
    (older,) = [attrs["href"] for attrs in shown.all("a") if attrs.get("rel") == "next"]
    assert older == "?workstation=ws-03&limit=2&before=0003"
    shown = await page(client, f"/events{older}")
    assert "ldplayer:3" in shown.text
    assert "moving the rack" not in shown.text


async def test_page__nothing_matches__says_so(client: Client) -> None:
    assert "Nothing happened that matches" in (await page(client, "/events?workstation=nobody")).text


async def test_page__store_away__says_so_and_shows_what_is_held(client: Client, happened: Happened) -> None:
    happened.complete = False
    shown = await page(client, "/events")
    assert "The store can't be asked now" in shown.text
    assert "moving the rack" in shown.text


async def test_any_page__store_lost__has_a_line_about_it(client: Client) -> None:
    for path in ("/", "/breakers", "/events", "/workstations/ws-03"):
        assert "Nothing can be remembered since 1 min ago: the disk is full" in (await page(client, path)).text


@pytest.mark.parametrize(
    ("asked", "words"),
    [("kind=colour", "kind: 'colour' is not one of"), ("since=soon", "write a span such as 24h"), ("limit=0", "limit")],
)
async def test_api__word_it_does_not_know__is_refused_by_name(client: Client, asked: str, words: str) -> None:
    async with client.get(f"/api/v1/events?{asked}") as response:
        assert response.status == 400
        assert words in (await response.json())["error"]["message"]


async def test_api__events__have_all_fields_and_a_link_to_older_ones(client: Client) -> None:
    async with client.get("/api/v1/events?kind=forced&kind=tripped&limit=1") as response:
        answer = await response.json()
    (event,) = answer["events"]
    assert answer["complete"]
    assert answer["next"].endswith("before=0004")
    assert event == {
        "id": "0004",
        "at": "2026-01-01T23:43:24Z",
        "kind": "forced",
        "workstation": "ws-03",
        "subject": "network/ssh:22",
        "old": "",
        "new": "open",
        "message": "moving the rack",
        "who": "ann",
    }
    async with client.get(answer["next"]) as response:
        assert [event["id"] for event in (await response.json())["events"]] == ["0003"]


async def test_api__since_a_moment__leaves_out_what_was_before(client: Client) -> None:
    async with client.get("/api/v1/events", params={"since": "2026-01-01T23:43:24Z"}) as response:
        assert [event["id"] for event in (await response.json())["events"]] == ["0006", "0005", "0004"]
