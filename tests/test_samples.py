"""Every recorded sample parses to what its description expects, and none is left out."""

from __future__ import annotations

import pytest

from tests.samples import FOLDER, NAMES, READERS, reader, sample


@pytest.mark.parametrize("name", NAMES)
def test_sample__parses_to_its_expected_json(name: str) -> None:
    recorded = sample(name)
    assert reader(name)(recorded) == recorded.expected


def test_samples__all_that_were_recorded__have_one_reader_each_and_a_description() -> None:
    assert len(NAMES) == 56
    assert {name: sum(name.startswith(prefix) for prefix in READERS) for name in NAMES} == dict.fromkeys(NAMES, 1)
    assert {prefix for prefix in READERS if not any(name.startswith(prefix) for name in NAMES)} == set()
    assert sorted(path.name for path in FOLDER.glob("*.meta")) == [f"{name}.meta" for name in NAMES]
