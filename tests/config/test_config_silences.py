"""``silences:`` and ``maintenance:`` of a config; what is wrong with them is in ``bad-silences.yaml``."""

from __future__ import annotations

from datetime import UTC, datetime

from monitor.config import load_text
from monitor.notices import ANY
from monitor.silences import Purpose, Repeat, Silence, Span

ONE = "workstations: [{host: 192.168.0.50, checks: [{kind: tcp, port: 3389}]}]\n"


def loaded(text: str) -> tuple[Silence, ...]:
    return load_text(ONE + text).silences


def test_silences__nothing_said__are_none() -> None:
    assert loaded("") == ()


def test_maintenance__again_and_again__in_its_time_zone() -> None:
    (window,) = loaded(
        "maintenance:\n"
        "  - {name: updates, sites: [berlin], labels: {rack: a*}, schedule: 0 3 * * sun, duration: 2h,"
        " timezone: Europe/Berlin, reason: Windows updates}\n"
    )
    assert (window.purpose, window.id, window.label) == (Purpose.MAINTENANCE, "config-maintenance-updates", "updates")
    assert window.when == Repeat(schedule="0 3 * * sun", duration=7200.0, timezone="Europe/Berlin")
    assert (window.matchers.sites, window.matchers.workstations) == (("berlin",), ANY)
    assert (window.matchers.labels, window.why, window.configured) == ({"rack": "a*"}, "Windows updates", True)


def test_silence__once__from_a_moment_of_its_zone_for_a_while_or_up_to_another() -> None:
    lasting, ending = loaded(
        "silences:\n"
        "  - {workstations: [ws-*], starts: 2026-12-01T22:00, duration: 90m, timezone: Europe/Berlin, reason: moved}\n"
        "  - {workstations: [ws-*], starts: 2026-12-01T22:00+01:00, ends: 2026-12-01T22:30Z, reason: moved}\n"
    )
    begins = datetime(2026, 12, 1, 21, 0, tzinfo=UTC).timestamp()
    assert (lasting.when, ending.when) == (Span(begins, begins + 5400.0), Span(begins, begins + 5400.0))
    assert lasting.purpose is Purpose.SILENCE


def test_silence__without_a_name__is_the_same_after_a_reload() -> None:
    text = "silences: [{workstations: [ws-*], schedule: 0 3 * * sun, duration: 2h, reason: %s}]\n"
    (before,), (after,), (other,) = loaded(text % "a"), loaded(text % "b"), loaded(text.replace("ws-", "pc-") % "a")
    assert before.id == after.id != other.id
