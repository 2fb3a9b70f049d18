"""``emuwatch emulators`` against a simulated workstation, as typed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from typer.testing import CliRunner, Result

from monitor.cli import app
from tests.operations.world import World

Typed = Callable[..., Result]


@pytest.fixture(scope="module")
def shared() -> Iterator[World]:
    world = World()
    try:
        yield world
    finally:
        world.close()


@pytest.fixture
def world(shared: World) -> World:
    shared.ws.desktop.isolated = True
    shared.ws.desktop.user = shared.ws.desktop.login
    for guest in shared.ws.guests:
        shared.change(lambda guest=guest: guest.settle(running=guest.index != 3))  # type: ignore[misc]  # bound now
    return shared


@pytest.fixture
def typed(world: World) -> Typed:
    def run(command: str, *words: str, answer: str | None = None) -> Result:
        argv = ["emulators", command, "-c", str(world.config), *words]
        return CliRunner().invoke(app, argv, input=answer, env={"COLUMNS": "140", "NO_COLOR": "1"})

    return run


def test_list__shows_every_emulator(typed: Typed, world: World) -> None:
    done = typed("list", "ws-01")

    assert done.exit_code == 0
    for guest in world.ws.guests:
        assert f"ldplayer:{guest.index}" in done.stdout
        assert guest.title in done.stdout
    assert "5555" in done.stdout


def test_start_stop_restart__say_what_was_seen(typed: Typed) -> None:
    stopped, again, started, restarted = (
        typed("stop", "ws-01", "0"),
        typed("stop", "ws-01", "ldplayer:0"),
        typed("start", "ws-01", "0"),
        typed("restart", "ws-01", "0"),
    )

    assert [done.exit_code for done in (stopped, again, started, restarted)] == [0, 0, 0, 0]
    assert "stop done in" in stopped.stdout
    assert "nothing to stop, it is stopped" in again.stdout
    assert "start done in" in started.stdout
    assert "restart done in" in restarted.stdout


@pytest.mark.parametrize("answer", ["n\n", "\n", ""], ids=["no", "nothing", "end of input"])
def test_delete__not_confirmed__deletes_nothing(typed: Typed, world: World, answer: str) -> None:
    done = typed("delete", "ws-01", "3", answer=answer)

    assert (done.exit_code, len(world.ws.guests)) == (1, 4)
    assert "Delete ldplayer:3" in done.stdout
    assert "for good?" in done.stdout


def test_delete__running_one__is_refused(typed: Typed, world: World) -> None:
    done = typed("delete", "ws-01", "0", "--yes")

    assert (done.exit_code, len(world.ws.guests)) == (2, 4)
    assert "stop it first" in done.stderr


def test_create_rename_delete__confirmed__are_done(typed: Typed, world: World) -> None:
    created = typed("create", "ws-01", "farm 9")
    renamed = typed("rename", "ws-01", "farm 9", "farm 10")
    deleted = typed("delete", "ws-01", "farm 10", answer="y\n")

    assert [done.exit_code for done in (created, renamed, deleted)] == [0, 0, 0]
    assert created.stdout == "ldplayer:4\n"
    assert len(world.ws.guests) == 4


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("start", "ws-99", "0"), "there is no workstation 'ws-99'"),
        (("start", "ws-01", "nobody"), "there is no emulator 'nobody'"),
        (("create", "ws-01", 'a"b'), "a title holds none of"),
    ],
    ids=["workstation", "emulator", "title"],
)
def test_wrong_words__end_with_2_and_a_sentence(typed: Typed, words: tuple[str, ...], told: str) -> None:
    done = typed(*words)

    assert (done.exit_code, done.stdout) == (2, "")
    assert told in done.stderr


def test_nobody_logged_on__ends_with_1_and_a_sentence(typed: Typed, world: World) -> None:
    world.ws.desktop.user = None

    done = typed("stop", "ws-01", "0")

    assert done.exit_code == 1
    assert "no one is logged on" in done.stderr


def test_workstation_refuses_the_login__ends_with_3(typed: Typed, world: World) -> None:
    world.change(world.ws.refuse_logins)
    try:
        done = typed("list", "ws-01")
    finally:
        world.change(lambda: world.ws.refuse_logins(refused=False))

    assert done.exit_code == 3
    assert "login refused" in done.stderr
    assert "Traceback" not in done.stderr


def test_title_that_would_steer_the_terminal__is_shown_harmlessly(typed: Typed, world: World) -> None:
    title, world.ws.guests[3].title = world.ws.guests[3].title, "a\x1b[2Jb"
    try:
        done = typed("list", "ws-01")
    finally:
        world.ws.guests[3].title = title

    assert "\x1b" not in done.stdout
