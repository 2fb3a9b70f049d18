from __future__ import annotations

import asyncio
import gc
import inspect
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import aclosing
from contextvars import copy_context

import pytest

from monitor.breaker.guard import Breaker, with_circuit_breaker
from monitor.breaker.hold import _HELD
from monitor.breaker.machine import State
from monitor.breaker.registry import OPERATION, Breakers
from monitor.errors import CircuitOpen, LocalError, ProbeError
from monitor.model import Category, Key, Severity
from tests.breaker.fakes import Clock, probe_error

EXTERNAL, EMULATOR = Category.EXTERNAL, Category.EMULATOR


class IgnoredError(ProbeError):
    """Says nothing of the layer where it is ignored."""


class Console:
    """A workstation's operations, of all four kinds."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.breakers = Breakers(clock=self.clock)
        self.workstation = "ws-01"
        self.guest = "ldplayer:3"

    def breaker(self, category: Category = EXTERNAL, scope: str = OPERATION) -> Breaker:
        return self.breakers.get(Key(category, self.workstation, scope))

    def state(self) -> State:
        return self.breaker().snapshot().state

    def failures(self, category: Category = EXTERNAL, scope: str = OPERATION) -> int:
        return sum(self.breaker(category, scope).snapshot().failures.values())

    def half_open(self) -> None:
        """Bring the breaker to where the next call is the trial."""
        for _ in range(3):
            self.breaker().acquire().failure(Severity.HIGH)
        self.clock.advance(60)

    @with_circuit_breaker(EXTERNAL, ignore=(IgnoredError,))
    def plain(self, error: BaseException | None = None, *, answer: str = "done") -> str:
        """Do it."""
        if error is not None:
            raise error
        return answer

    @with_circuit_breaker(EXTERNAL)
    async def coroutine(self, error: BaseException | None = None) -> str:
        await asyncio.sleep(0)
        if error is not None:
            raise error
        return "done"

    @with_circuit_breaker(EXTERNAL)
    def generator(self, error: BaseException | None = None) -> Generator[str, str, str]:
        got = yield "first"
        try:
            got = yield f"second {got}"
        except ValueError:
            yield "caught"
        if error is not None:
            raise error
        return f"returned {got}"

    @with_circuit_breaker(EXTERNAL)
    async def async_generator(self, error: BaseException | None = None) -> AsyncGenerator[str, str]:
        await asyncio.sleep(0)
        got = yield "first"
        try:
            got = yield f"second {got}"
        except ValueError:
            yield "caught"
        await asyncio.sleep(0)
        if error is not None:
            raise error

    @with_circuit_breaker(EMULATOR, "start_emulator")
    def start(self, error: BaseException) -> None:
        self.ask_guest(error)

    @with_circuit_breaker(EMULATOR, scope=lambda self: self.guest)
    def ask_guest(self, error: BaseException) -> None:
        raise error

    @with_circuit_breaker(EMULATOR, scope=lambda self: self.guest)
    def by_guest_through_operation(self, error: BaseException) -> None:
        self.start(error)

    @with_circuit_breaker(EXTERNAL)
    def nested(self, error: BaseException | None = None) -> str:
        return self.plain(error)

    @with_circuit_breaker(EXTERNAL)
    def swallowing(self) -> str:
        try:
            return self.plain(probe_error())
        except ProbeError:
            return "got along without"


@pytest.fixture
def console() -> Console:
    return Console()


@pytest.fixture(autouse=True)
def nothing_stays_held() -> Iterator[None]:
    yield
    assert _HELD.get() == ()


# ------------------------------------------------------------------------------------------------------------ signature
def test_guarded__keeps_name_doc_signature_and_kind() -> None:
    assert Console.plain.__name__ == "plain"
    assert Console.plain.__doc__ == "Do it."
    assert list(inspect.signature(Console.plain).parameters) == ["self", "error", "answer"]
    assert inspect.iscoroutinefunction(Console.coroutine)
    assert inspect.isgeneratorfunction(Console.generator)
    assert inspect.isasyncgenfunction(Console.async_generator)


def test_guarded__function_that_hands_out_an_unstarted_coroutine__is_refused_loudly(console: Console) -> None:
    """Guarded like a plain function it would always succeed, and the breaker could never open."""

    class Wrong(Console):
        @with_circuit_breaker(EXTERNAL)
        def hidden(self) -> object:
            return Console.coroutine(self)

    with pytest.raises(TypeError, match="hidden returns a coroutine: guard the function that is one"):
        Wrong().hidden()


# ------------------------------------------------------------------------------------------------------- plain function
def test_plain__arguments_and_value__pass_through(console: Console) -> None:
    assert console.plain(answer="yes") == "yes"


def test_plain__third_failure__raises_its_own_error_and_the_fourth_call_is_not_made(console: Console) -> None:
    for _ in range(3):
        with pytest.raises(ProbeError):
            console.plain(probe_error())
    with pytest.raises(CircuitOpen) as refusal:
        console.plain(KeyboardInterrupt())
    assert refusal.value.__notes__ == ["plain was not called"]
    assert refusal.value.key == Key(EXTERNAL, "ws-01", OPERATION)


def test_plain__same_error_instance_raised_by_each_call__counts_each_time(console: Console) -> None:
    error = probe_error()
    for _ in range(3):
        with pytest.raises(ProbeError):
            console.plain(error)
    assert console.state() is State.OPEN


@pytest.mark.parametrize(
    "error",
    [
        probe_error(Category.NETWORK),
        LocalError("no descriptor left"),
        IgnoredError("x", category=EXTERNAL, reason=probe_error().reason),
        ValueError("a defect of ours"),
        KeyboardInterrupt(),
        asyncio.CancelledError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_plain__error_that_says_nothing_of_the_layer__never_opens(console: Console, error: BaseException) -> None:
    for _ in range(5):
        with pytest.raises(type(error)):
            console.plain(error)
    assert console.failures() == 0


# ------------------------------------------------------------------------------------------------------------ coroutine
async def test_coroutine__sync_and_async_callers__share_one_state(console: Console) -> None:
    with pytest.raises(ProbeError):
        console.plain(probe_error())
    for _ in range(2):
        with pytest.raises(ProbeError):
            await console.coroutine(probe_error())
    with pytest.raises(CircuitOpen):
        console.plain()
    console.clock.advance(60)
    assert await console.coroutine() == "done"
    assert console.plain() == "done"


async def test_coroutine__made_but_not_awaited__asks_nothing(console: Console) -> None:
    console.half_open()
    waiting = console.coroutine()
    assert console.state() is State.OPEN
    assert await waiting == "done"


def test_coroutine__dropped_while_it_waits__releases_the_trial(console: Console) -> None:
    console.half_open()
    running = console.coroutine()
    running.send(None)
    assert console.state() is State.HALF_OPEN
    del running
    gc.collect()
    assert console.breaker().acquire().trial


def test_coroutine__closed_in_another_context__releases_and_leaves_what_is_held_there(console: Console) -> None:
    console.half_open()
    running = console.coroutine()
    copy_context().run(running.send, None)
    other = console.breaker(Category.NETWORK, "ssh:22")
    with other:
        held = _HELD.get()
        running.close()
        assert _HELD.get() == held
    assert console.breaker().acquire().trial


# ------------------------------------------------------------------------------------------------------------ generator
def test_generator__send_throw_and_return_value__behave_as_unguarded(console: Console) -> None:
    subject = console.generator()
    assert next(subject) == "first"
    assert subject.send("a") == "second a"
    assert subject.throw(ValueError()) == "caught"
    with pytest.raises(StopIteration) as stop:
        next(subject)
    assert stop.value.value == "returned a"


def test_generator__made_but_not_started__asks_nothing(console: Console) -> None:
    console.half_open()
    subject = console.generator()
    assert console.state() is State.OPEN
    assert next(subject) == "first"
    assert console.breaker().snapshot().trial_running


def test_generator__exhausted_trial__closes(console: Console) -> None:
    console.half_open()
    assert list(console.generator()) == ["first", "second None"]
    assert console.state() is State.CLOSED


def test_generator__error_of_its_body__counts_and_passes_on(console: Console) -> None:
    error = probe_error()
    with pytest.raises(ProbeError) as raised:
        list(console.generator(error))
    assert raised.value is error
    assert console.failures() == 1


@pytest.mark.parametrize("how", ["close", "drop", "break"])
def test_generator__left_half_way__is_neutral(console: Console, how: str) -> None:
    console.half_open()
    subject = console.generator()
    if how == "break":
        for _ in subject:
            break
    else:
        next(subject)
    if how != "close":
        del subject
        gc.collect()
    else:
        subject.close()
    assert console.breaker().acquire().trial
    assert console.failures() == 3


def test_generator__between_its_steps__the_consumer_holds_nothing(console: Console) -> None:
    """Else a consumer's own call would go along on the generator's permit."""
    console.half_open()
    subject = console.generator()
    next(subject)
    assert _HELD.get() == ()
    with pytest.raises(CircuitOpen):
        console.plain()
    subject.close()


def test_generator__body_inside_a_block_across_a_yield__settles_that_block(console: Console) -> None:
    other = console.breaker(Category.NETWORK, "ssh:22")

    class Streaming(Console):
        @with_circuit_breaker(EXTERNAL)
        def stream(self) -> Iterator[int]:
            with other:
                yield 1
                yield 2

    for _ in range(3):
        other.acquire().failure(Severity.HIGH)
    console.clock.advance(60)
    assert list(Streaming().stream()) == [1, 2]
    assert other.snapshot().state is State.CLOSED


def test_generator__closed_half_way_and_its_clean_up_fails__is_neutral_all_the_same(console: Console) -> None:
    class Streaming(Console):
        @with_circuit_breaker(EXTERNAL)
        def stream(self) -> Iterator[int]:
            try:
                yield 1
            finally:
                raise probe_error()

    subject = Streaming()
    subject.half_open()
    stream = subject.stream()
    next(stream)
    with pytest.raises(ProbeError):
        stream.close()  # type: ignore[attr-defined]  # an iterator to callers, a generator in truth
    assert subject.failures() == 3
    assert subject.breaker().acquire().trial


def test_generator__step_taken_twice_at_once__is_refused_as_unguarded(console: Console) -> None:
    class Twisted(Console):
        @with_circuit_breaker(EXTERNAL)
        def twisted(self) -> Iterator[int]:
            yield next(subject)

    subject = Twisted().twisted()
    with pytest.raises(ValueError, match="already executing"):
        next(subject)


# ------------------------------------------------------------------------------------------------------ async generator
async def test_async_generator__asend_and_athrow__behave_as_unguarded(console: Console) -> None:
    async with aclosing(console.async_generator()) as subject:
        assert await anext(subject) == "first"
        assert await subject.asend("a") == "second a"
        assert await subject.athrow(ValueError()) == "caught"
        with pytest.raises(StopAsyncIteration):
            await anext(subject)


async def test_async_generator__error_thrown_in_that_the_body_does_not_mind__comes_back(console: Console) -> None:
    subject = console.async_generator()
    await anext(subject)
    error = probe_error()
    with pytest.raises(ProbeError) as raised:
        await subject.athrow(error)
    assert raised.value is error
    assert console.failures() == 1


async def test_async_generator__exhausted_trial__closes(console: Console) -> None:
    console.half_open()
    assert [item async for item in console.async_generator()] == ["first", "second None"]
    assert console.state() is State.CLOSED


async def test_async_generator__failing_trial__reopens(console: Console) -> None:
    console.half_open()
    with pytest.raises(ProbeError):
        assert [item async for item in console.async_generator(probe_error())]
    with pytest.raises(CircuitOpen):
        await anext(console.async_generator())


async def test_async_generator__closed_half_way__is_neutral_and_the_body_cleans_up(console: Console) -> None:
    cleaned: list[str] = []

    class Streaming(Console):
        @with_circuit_breaker(EXTERNAL)
        async def stream(self) -> AsyncGenerator[int]:
            try:
                yield 1
            finally:
                await asyncio.sleep(0)
                cleaned.append("yes")
                raise probe_error()

    subject = Streaming()
    subject.half_open()
    stream = subject.stream()
    assert await anext(stream) == 1
    with pytest.raises(ProbeError):
        await stream.aclose()
    assert cleaned == ["yes"]
    assert subject.failures() == 3
    assert subject.breaker().acquire().trial


async def test_async_generator__dropped_half_way__is_released_by_the_loop(console: Console) -> None:
    console.half_open()
    stream = console.async_generator()
    await anext(stream)
    del stream
    gc.collect()
    for _ in range(5):  # turns the loop's own finaliser needs
        await asyncio.sleep(0)
    assert console.breaker().acquire().trial


async def test_async_generator__steps_in_different_tasks__leak_no_context(console: Console) -> None:
    console.half_open()
    stream = console.async_generator()
    assert await asyncio.create_task(anext(stream)) == "first"
    assert await asyncio.create_task(anext(stream)) == "second None"
    assert _HELD.get() == ()
    with pytest.raises(CircuitOpen):
        console.plain()
    await stream.aclose()


# -------------------------------------------------------------------------------------------------------------- nesting
def test_nested__same_key__shares_the_trial(console: Console) -> None:
    console.half_open()
    assert console.nested() == "done"
    assert console.state() is State.CLOSED


def test_nested__same_key__error_counts_once(console: Console) -> None:
    with pytest.raises(ProbeError):
        console.nested(probe_error())
    assert console.failures() == 1


def test_nested__error_swallowed_by_the_outer_call__is_the_outer_calls_success(console: Console) -> None:
    console.half_open()
    assert console.swallowing() == "got along without"
    assert console.state() is State.CLOSED


def test_nested__same_category_other_scope__counts_where_it_happened(console: Console) -> None:
    with pytest.raises(ProbeError):
        console.start(probe_error(EMULATOR))
    assert console.failures(EMULATOR, "ldplayer:3") == 1
    assert console.failures(EMULATOR, OPERATION) == 0


def test_nested__through_another_scope_back_to_the_first__counts_at_the_first_only(console: Console) -> None:
    with pytest.raises(ProbeError):
        console.by_guest_through_operation(probe_error(EMULATOR))
    assert console.failures(EMULATOR, "ldplayer:3") == 1
    assert console.failures(EMULATOR, OPERATION) == 0


def test_nested__inner_breaker_refuses__outer_is_neutral(console: Console) -> None:
    console.breaker(EMULATOR, "ldplayer:3").force_open()
    for _ in range(5):
        with pytest.raises(CircuitOpen):
            console.start(probe_error(EMULATOR))
    assert console.failures(EMULATOR, OPERATION) == 0


async def test_nested__in_every_step_of_a_generator__shares_its_trial(console: Console) -> None:
    class Streaming(Console):
        @with_circuit_breaker(EXTERNAL)
        def stream(self) -> Iterator[str]:
            yield self.plain()
            yield self.plain()

        @with_circuit_breaker(EXTERNAL)
        async def async_stream(self) -> AsyncGenerator[str]:
            yield await self.coroutine()
            yield await self.coroutine()

    subject = Streaming()
    subject.half_open()
    assert list(subject.stream()) == ["done", "done"]
    subject.half_open()
    assert [item async for item in subject.async_stream()] == ["done", "done"]
    assert subject.state() is State.CLOSED


async def test_nested__child_task_that_outlives_its_parent__counts_for_itself(console: Console) -> None:
    class Parent(Console):
        @with_circuit_breaker(EXTERNAL)
        async def parent(self) -> asyncio.Task[str]:
            return asyncio.create_task(self.coroutine(probe_error()))

    subject = Parent()
    with pytest.raises(ProbeError):
        await (await subject.parent())
    assert subject.failures() == 1


async def test_block__of_the_same_key_left_in_another_context__takes_nothing_from_the_call_around() -> None:
    class Outer(Console):
        @with_circuit_breaker(EXTERNAL)
        def outer(self) -> None:
            self.breaker().__exit__(None, None, None)
            assert self.state() is State.HALF_OPEN

    subject = Outer()
    subject.half_open()
    subject.outer()
    assert subject.state() is State.CLOSED


async def test_nested__child_task_and_thread_of_the_trial__share_it(console: Console) -> None:
    class Parent(Console):
        @with_circuit_breaker(EXTERNAL)
        async def parent(self) -> list[str]:
            return [await asyncio.create_task(self.coroutine()), await asyncio.to_thread(self.plain)]

    subject = Parent()
    subject.half_open()
    assert await subject.parent() == ["done", "done"]
    assert subject.state() is State.CLOSED


async def test_nested__child_task_that_outlives_the_trial__asks_for_itself(console: Console) -> None:
    children: list[asyncio.Task[str]] = []

    class Parent(Console):
        @with_circuit_breaker(EXTERNAL)
        async def parent(self) -> None:
            children.append(asyncio.create_task(self.coroutine()))
            raise probe_error()

    subject = Parent()
    subject.half_open()
    with pytest.raises(ProbeError):
        await subject.parent()
    with pytest.raises(CircuitOpen):
        await children[0]


async def test_nested__task_group__error_of_two_children_counts_once_and_at_its_layer(console: Console) -> None:
    class Parent(Console):
        @with_circuit_breaker(EMULATOR)
        async def parent(self) -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.guest_echo("ldplayer:1"))
                group.create_task(self.guest_echo("ldplayer:2"))

        @with_circuit_breaker(EMULATOR, scope=lambda self: self.guest)
        async def guest_echo(self, guest: str) -> None:
            raise probe_error(EMULATOR)

    subject = Parent()
    with pytest.raises(ExceptionGroup):
        await subject.parent()
    assert subject.failures(EMULATOR, "ldplayer:3") == 2
    assert subject.failures(EMULATOR, OPERATION) == 0
