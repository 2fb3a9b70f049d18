from __future__ import annotations

import asyncio

import pytest

from monitor.events import Event, Kind
from monitor.feed import MOST, ROOM, Feed, FullError


def an_event(number: int) -> Event:
    return Event(id=f"{number:016x}-0", at=float(number), kind=Kind.CHECK)


async def test_listen__hears_what_happens_from_then_on() -> None:
    feed = Feed()
    feed.publish(an_event(1))
    with feed.listen() as listener:
        feed.publish(an_event(2))
        feed.publish(an_event(3))
        assert [await listener.next(5.0), await listener.next(5.0)] == [an_event(2), an_event(3)]
        assert await listener.next(0.0) is None
    feed.publish(an_event(4))


async def test_listen__slow_one__is_let_go_and_the_others_go_on() -> None:
    feed = Feed()
    with feed.listen() as slow, feed.listen() as quick:
        for number in range(ROOM + 1):
            feed.publish(an_event(number))
            await quick.next(5.0)
        with pytest.raises(EOFError):
            await slow.next(5.0)
        feed.publish(an_event(7))
        assert await quick.next(5.0) == an_event(7)


async def test_close__whoever_waits__is_let_go() -> None:
    feed = Feed()
    with feed.listen() as listener:
        waiting = asyncio.create_task(listener.next(60.0))
        await asyncio.sleep(0)
        feed.close()
        with pytest.raises(EOFError):
            await waiting


async def test_listen__too_many__are_refused_until_one_goes() -> None:
    feed = Feed()
    held = [feed.listen() for _ in range(MOST)]
    for each in held:
        each.__enter__()
    with pytest.raises(FullError), feed.listen():
        pass
    held.pop().__exit__(None, None, None)
    with feed.listen():
        pass
