from __future__ import annotations

from monitor.model import Category, EmulatorRun, Key
from monitor.roster import Roster
from tests.fakes import a_console, a_target, an_emulator, network

PATTERN = a_target("adb", network("ssh:22"), Key(Category.EMULATOR, "ws-01", "each"), each=True, through=1)


def names(roster: Roster) -> list[str]:
    return [target.name for target in roster.targets()]


def test_targets__pattern_without_emulators__is_none() -> None:
    roster = Roster()
    roster.replace([a_console(), PATTERN])
    assert names(roster) == ["ldplayer"]


def test_hear__emulators_appear__one_target_each_with_its_own_breaker() -> None:
    roster = Roster()
    roster.replace([PATTERN])
    assert roster.hear("ws-01", [an_emulator(0, adb_port=5555), an_emulator(3, adb_port=5561)])
    targets = list(roster.targets())
    assert [(t.name, t.emulator, t.adb_port) for t in targets] == [
        ("adb:ldplayer:0", "ldplayer:0", 5555),
        ("adb:ldplayer:3", "ldplayer:3", 5561),
    ]
    assert [t.path[-1].scope for t in targets] == ["ldplayer:0", "ldplayer:3"]
    assert {t.path[0] for t in targets} == {network("ssh:22")}


def test_hear__only_titles_and_states_changed__changes_nothing() -> None:
    roster = Roster()
    roster.replace([PATTERN])
    roster.hear("ws-01", [an_emulator(0)])
    assert not roster.hear("ws-01", [an_emulator(0, EmulatorRun.STOPPED, title="other")])


def test_hear__instance_vanishes__its_target_goes_and_other_consoles_stay() -> None:
    roster = Roster()
    roster.replace([PATTERN])
    roster.hear("ws-01", [an_emulator(0), an_emulator(1)])
    roster.hear("ws-01", [an_emulator(0, driver="mumu")])
    assert roster.hear("ws-01", [an_emulator(1)])
    assert names(roster) == ["adb:mumu:0", "adb:ldplayer:1"]


def test_hear__workstation_without_pattern__is_no_change() -> None:
    roster = Roster()
    roster.replace([a_console()])
    assert not roster.hear("ws-01", [an_emulator(0)])


def test_replace__pattern_stays__emulators_are_remembered() -> None:
    roster = Roster()
    roster.replace([PATTERN])
    roster.hear("ws-01", [an_emulator(0)])
    roster.replace([PATTERN, a_console()])
    assert names(roster) == ["ldplayer", "adb:ldplayer:0"]


def test_hear__console_lists_nothing_any_more__its_targets_go() -> None:
    roster = Roster()
    roster.replace([PATTERN])
    roster.hear("ws-01", [an_emulator(0)])
    roster.hear("ws-01", [an_emulator(0, driver="mumu")])
    assert roster.hear("ws-01", [], driver="ldplayer")
    assert names(roster) == ["adb:mumu:0"]
