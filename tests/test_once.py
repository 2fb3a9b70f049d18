"""One look at a workstation: every check is really made."""

from __future__ import annotations

import asyncio
import json

from monitor.config import load_text
from monitor.model import Reason, Status
from monitor.once import probe_once


async def test_probe_once__more_checks_of_a_dead_console_than_trip_a_breaker__each_says_what_it_found() -> None:
    checks = [{"kind": "ldplayer", "name": f"console-{number}", "console": "no-such-program"} for number in range(6)]
    here = {"id": "ws-01", "host": "127.0.0.1", "transport": {"kind": "local"}, "platform": "linux", "checks": checks}
    document = {"lanes": {"process": 1}, "workstations": [here]}  # one after the other
    config = await asyncio.to_thread(load_text, json.dumps(document))
    state = await probe_once(config, config.targets)
    assert {(check.status, check.reason) for check in state.checks} == {(Status.DOWN, Reason.NOT_INSTALLED)}
    assert {check.message for check in state.checks} == {"ws-01 local: no-such-program: program not found"}
