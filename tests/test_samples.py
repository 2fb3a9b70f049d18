"""Every recorded sample is claimed by exactly one family of tests, which takes all of its files and skips none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

SAMPLES = Path(__file__).parent / "data" / "samples"
FAMILIES = {
    "ld-*": "emulators/test_ldplayer_console.py",
    "adb-*": "emulators/test_adb_output.py",
    "mumu-*": "emulators/test_other_consoles.py",
    "memu-*": "emulators/test_other_consoles.py",
    "nox-*": "emulators/test_other_consoles.py",
    "bluestacks-*": "emulators/test_other_consoles.py",
    "avd-*": "emulators/test_other_consoles.py",
    "win-*": "hostfacts/test_windows_facts.py",
    "winrm-*.jsonl": "transports/test_winrm_replay.py",
    "winrm-fault-*.xml": "transports/test_winrm_replay.py",
}
NAMES = sorted(path.name for path in SAMPLES.iterdir() if path.suffix != ".meta")


@pytest.mark.parametrize("name", NAMES)
def test_sample__has_a_description_with_its_expected_parse(name: str) -> None:
    meta = (SAMPLES / f"{name}.meta").read_text(encoding="utf-8")
    assert json.loads(meta.partition("expected-json:")[2]) is not None


@pytest.mark.parametrize("name", NAMES)
def test_sample__belongs_to_exactly_one_family(name: str) -> None:
    assert sum(Path(name).match(pattern) for pattern in FAMILIES) == 1


@pytest.mark.parametrize(("pattern", "module"), FAMILIES.items())
def test_family__is_taken_whole_by_its_test(pattern: str, module: str) -> None:
    assert list(SAMPLES.glob(pattern))
    assert f'"{pattern.split("*", maxsplit=1)[0]}' in (Path(__file__).parent / module).read_text(encoding="utf-8")
