"""A restart is no news: what was known before and is confirmed after is no transition; what differs is one."""

from __future__ import annotations

from monitor.fleet import Fleet
from monitor.model import (
    Category,
    CheckState,
    EmulatorRun,
    Key,
    Reason,
    Status,
    SubjectKind,
    Target,
    Verdict,
    WorkstationState,
)
from tests.fakes import a_console, a_login, a_target, an_emulator, answered, failed, network, refused_by

SSH = network("ssh:22")


def watching(*targets: Target) -> Fleet:
    fleet = Fleet()
    fleet.replace({t.workstation.id: t.workstation for t in targets}.values(), targets)
    return fleet


def restarted(before: Fleet, *targets: Target) -> Fleet:
    after = watching(*targets)
    for state in before.snapshot():
        after.restore(*before.remember(state.workstation.id))
    return after


def shown(fleet: Fleet) -> WorkstationState:
    (state,) = fleet.snapshot()
    return state


def check(fleet: Fleet, name: str) -> CheckState:
    return next(state for state in shown(fleet).checks if state.target.name == name)


def test_restore__everything_known__is_shown_as_before() -> None:
    console = a_console()
    before = watching(console, rdp := a_target())
    before.apply(answered(console, 10.0, entities=(an_emulator(0), an_emulator(1, EmulatorRun.STOPPED, expected=True))))
    before.apply(answered(rdp, 20.0, Verdict.DEGRADED, message="slow"))
    after = restarted(before, console, rdp)
    old, new = shown(before), shown(after)
    assert (new.status, new.since, new.message) == (old.status, old.since, old.message)
    assert [(c.status, c.since, c.reason, c.message) for c in new.checks] == [
        (c.status, c.since, c.reason, c.message) for c in old.checks
    ]
    assert new.emulators == old.emulators


def test_apply__confirmed_after_a_restart__is_no_transition() -> None:
    console, rdp = a_console(), a_target()
    listed = (an_emulator(0), an_emulator(1, EmulatorRun.STOPPED, expected=True))
    before = watching(console, rdp)
    before.apply(answered(console, 10.0, entities=listed))
    for at in (20.0, 30.0):
        before.apply(failed(rdp, at))
    before.apply(answered(console, 35.0, entities=listed))
    after = restarted(before, console, rdp)
    assert after.apply(failed(rdp, 100.0)) == ()
    assert after.apply(answered(console, 110.0, entities=listed)) == ()
    assert shown(after).since == shown(before).since


def test_apply__other_than_before_the_restart__is_one_transition_each() -> None:
    before = watching(rdp := a_target())
    for at in (10.0, 20.0):
        before.apply(failed(rdp, at))
    after = restarted(before, rdp)
    changed = after.apply(answered(rdp, 100.0))
    assert [(t.kind, t.old, t.new, t.first) for t in changed] == [
        (SubjectKind.CHECK, Status.DOWN, Status.UP, False),
        (SubjectKind.WORKSTATION, Status.DOWN, Status.UP, False),
    ]


def test_apply__one_endpoint_was_silent__the_other_is_remembered_to_answer() -> None:
    """The first result after a restart is one of many: without the endpoints the workstation would be DOWN for it."""
    ssh, rdp = a_login(), a_target()
    before = watching(ssh, rdp)
    before.apply(answered(rdp, 10.0))
    for at in (20.0, 30.0):
        before.apply(failed(ssh, at))
    before.apply(answered(rdp, 35.0))
    assert shown(before).status is Status.DEGRADED
    after = restarted(before, ssh, rdp)
    assert after.apply(failed(ssh, 100.0)) == ()
    assert shown(after).status is Status.DEGRADED


def test_apply__first_failure_after_a_restart__is_only_pending() -> None:
    before = watching(rdp := a_target())
    before.apply(answered(rdp, 10.0))
    after = restarted(before, rdp)
    assert after.apply(failed(rdp, 100.0)) == ()
    assert check(after, "rdp").pending == "network refused"


def test_apply__suppressed_before_and_after__stays_unknown_without_news() -> None:
    console = a_console()
    before = watching(console)
    before.apply(answered(console, 10.0, entities=(an_emulator(0),)))
    before.apply(refused_by(console, 20.0, SSH))
    after = restarted(before, console)
    assert after.apply(refused_by(console, 100.0, SSH)) == ()
    (emulator,) = shown(after).emulators
    assert (emulator.status, emulator.message, emulator.since) == (Status.UNKNOWN, "ssh:22 open", 20.0)


def test_apply__guest_was_silent__console_heard_first__is_no_recovery() -> None:
    guest = a_target("adb", Key(Category.EMULATOR, "ws-01", "ldplayer:0"), emulator="ldplayer:0", down_after=1)
    console = a_console()
    before = watching(console, guest)
    before.apply(answered(console, 10.0, entities=(an_emulator(0),)))
    before.apply(failed(guest, 400.0, Category.EMULATOR, Reason.OFFLINE))
    before.apply(answered(console, 410.0, entities=(an_emulator(0),)))
    old = shown(before).emulators[0]
    after = restarted(before, console, guest)
    assert after.apply(answered(console, 900.0, entities=(an_emulator(0),))) == ()
    assert (shown(after).emulators[0].state, shown(after).emulators[0].since) == (old.state, old.since)


def test_restore__twice_or_late__never_overwrites_what_was_learnt_since() -> None:
    before = watching(rdp := a_target(), console := a_console())
    before.apply(answered(console, 5.0, entities=(an_emulator(0),)))
    for at in (10.0, 20.0):
        before.apply(failed(rdp, at))
    after = watching(rdp, console)
    after.apply(answered(rdp, 100.0))
    after.apply(answered(console, 100.0, entities=(an_emulator(0, EmulatorRun.STOPPED),)))
    after.restore(*before.remember("ws-01"))
    assert (check(after, "rdp").status, check(after, "rdp").since) == (Status.UP, 100.0)
    assert (shown(after).emulators[0].state, shown(after).emulators[0].first_seen) == ("stopped", 5.0)


def test_restore__no_longer_watched__is_passed_over() -> None:
    before = watching(rdp := a_target(), console := a_console())
    before.apply(answered(rdp, 10.0))
    before.apply(answered(console, 10.0, entities=(an_emulator(0),)))
    after = restarted(before, other := a_target("other"))
    assert [state.target for state in shown(after).checks] == [other]
    assert (check(after, "other").status, shown(after).emulators) == (Status.UNKNOWN, ())
    after.replace([], [])
    after.restore(*before.remember("ws-01"))
    assert after.snapshot() == ()


def test_replace__after_a_restore__emulators_stay_though_no_console_was_heard() -> None:
    before = watching(console := a_console())
    before.apply(answered(console, 10.0, entities=(an_emulator(0),)))
    after = restarted(before, console)
    after.replace([console.workstation], [console, a_target()])
    assert len(shown(after).emulators) == 1
