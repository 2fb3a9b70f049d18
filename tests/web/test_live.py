from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry

from monitor.events import Asked, Event, Found, Kind
from monitor.feed import Feed
from monitor.fleet import Fleet
from monitor.metrics import Scrapes
from monitor.web import ServiceStatus, make_app

Client = TestClient[web.Request, web.Application]
URL = "/api/v1/stream"


def an_event(number: int, kind: Kind = Kind.CHECK, **more: str) -> Event:
    return Event(id=f"{number:016x}-00000000", at=float(number), kind=kind, **more)


class Past:
    """What the store knows."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    async def find(self, asked: Asked) -> Found:
        found = [event for event in self.events if asked.admits(event)]
        return Found(tuple(sorted(found, key=lambda event: event.id, reverse=True)[: asked.limit]))


@pytest.fixture
def feed() -> Feed:
    return Feed()


@pytest.fixture
def past() -> Past:
    return Past()


@pytest.fixture
async def client(feed: Feed, past: Past) -> AsyncIterator[Client]:
    async def reload(_: str) -> None:
        raise AssertionError

    app = make_app(
        fleet=Fleet(),
        breakers=_NoBreakers(),
        scrapes=Scrapes(registry=CollectorRegistry()),
        token="x",
        reload=reload,
        status=lambda: ServiceStatus(started_at=0.0, ready=True, version="0"),
        happened=past,
        feed=feed,
    )
    async with TestClient(TestServer(app)) as client:
        yield client


class _NoBreakers:
    def items(self) -> tuple[()]:
        return ()


async def message(response: aiohttp.ClientResponse) -> dict[str, Any]:
    """Read up to the next message: its fields, data as JSON."""
    fields: dict[str, Any] = {}
    async with asyncio.timeout(10):
        while line := (await response.content.readline()).decode().rstrip("\n"):
            name, _, value = line.partition(": ")
            fields[name] = json.loads(value) if name == "data" else value
    return fields


async def test_stream__sends_what_happens_as_it_happens(client: Client, feed: Feed) -> None:
    async with client.get(URL) as response:
        assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert await message(response) == {"retry": "3000"}
        feed.publish(an_event(5, Kind.TRIPPED, workstation="ws-01", message="next\n\ndata: forged"))
        sent = await message(response)
    assert (sent["id"], sent["event"]) == (an_event(5).id, "tripped")
    assert (sent["data"]["workstation"], sent["data"]["message"]) == ("ws-01", "next\n\ndata: forged")


async def test_stream__filters__leave_out_what_was_not_asked_for(client: Client, feed: Feed) -> None:
    async with client.get(f"{URL}?kind=tripped&workstation=ws-02") as response:
        await message(response)
        feed.publish(an_event(5, Kind.CHECK, workstation="ws-02"))
        feed.publish(an_event(6, Kind.TRIPPED, workstation="ws-01"))
        feed.publish(an_event(7, Kind.TRIPPED, workstation="ws-02"))
        assert (await message(response))["id"] == an_event(7).id


async def test_stream__who_comes_back__gets_what_it_missed_once(client: Client, feed: Feed, past: Past) -> None:
    past.events = [an_event(number) for number in (5, 6, 7)]
    async with client.get(URL, headers={"Last-Event-ID": an_event(5).id}) as response:
        await message(response)
        assert [(await message(response))["id"] for _ in range(2)] == [an_event(6).id, an_event(7).id]
        feed.publish(an_event(7))
        feed.publish(an_event(8))
        assert (await message(response))["id"] == an_event(8).id


@pytest.mark.parametrize("last", ["", "nonsense", "zzzzzzzzzzzzzzzz-1"])
async def test_stream__id_that_means_nothing__begins_now(client: Client, feed: Feed, past: Past, last: str) -> None:
    past.events = [an_event(5)]
    async with client.get(URL, headers={"Last-Event-ID": last}) as response:
        await message(response)
        feed.publish(an_event(6))
        assert (await message(response))["id"] == an_event(6).id


async def test_stream__service_ends__so_does_the_stream(client: Client, feed: Feed) -> None:
    async with client.get(URL) as response:
        await message(response)
        feed.close()
        async with asyncio.timeout(10):
            assert await response.content.read() == b""


async def test_stream__head__answers_at_once(client: Client) -> None:
    async with client.head(URL) as response:
        assert response.status == 200
