"""Read by the type checker only: the decorator keeps every signature, and takes any class that is `Guarded`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Coroutine, Generator
from dataclasses import dataclass
from typing import Any, assert_type

from monitor.breaker.guard import Breaker, Permit, with_circuit_breaker
from monitor.breaker.registry import Breakers
from monitor.model import Category


@dataclass(frozen=True)
class Frozen:
    """Read-only attributes are enough."""

    breakers: Breakers
    workstation: str

    @with_circuit_breaker(Category.EXTERNAL, operation_name="list")
    def plain(self, name: str, *, force: bool = False) -> list[int]:
        return [len(name), force]

    @with_circuit_breaker(Category.EMULATOR, scope="ldplayer:3", ignore=(OSError,))
    async def coroutine(self, index: int) -> str:
        return str(index)

    @with_circuit_breaker(Category.NETWORK, scope=lambda self: f"ssh:{self.workstation}", lease=300.0)
    def generator(self) -> Generator[int, str, bytes]:
        yield 1
        return b""

    @with_circuit_breaker(Category.NETWORK)
    async def async_generator(self, start: int) -> AsyncGenerator[int, str]:
        yield start


class WithProperties:
    """And so are properties."""

    @property
    def breakers(self) -> Breakers:
        return Breakers()

    @property
    def workstation(self) -> str:
        return "ws-01"

    @with_circuit_breaker(Category.EXTERNAL)
    def plain(self) -> None: ...


async def uses(frozen: Frozen, breaker: Breaker) -> None:
    assert_type(frozen.plain("x", force=True), list[int])
    answer: Coroutine[Any, Any, str] = frozen.coroutine(1)
    assert_type(await answer, str)
    assert_type(frozen.generator(), Generator[int, str, bytes])
    assert_type(frozen.async_generator(start=1), AsyncGenerator[int, str])
    assert_type(breaker.acquire(), Permit)
    frozen.plain()  # type: ignore[call-arg]  # `name` is missing
    frozen.plain("x", True)  # type: ignore[call-arg]  # noqa: FBT003 - `force` is keyword-only
    frozen.plain(1)  # type: ignore[arg-type]  # `name` is a string
    async with breaker:
        pass
    with breaker:
        pass
