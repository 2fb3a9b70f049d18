"""Names whose look-up hangs hurt nobody but the hosts that bear them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from monitor.app import Service
from monitor.breaker.machine import State
from monitor.config import load_text
from monitor.model import Category, Key, Outcome, Status
from monitor.names import THREADS
from tests.e2e.conftest import Recorder
from tests.hanging import hanging_names
from tests.sshd import Sshd, a_server

HUNG = 40


def document(sshd: Sshd) -> str:
    way = {"kind": "ssh", "port": sshd.port, "credential": "key", "known_hosts": str(sshd.folder / "known_hosts")}
    patient = {"interval": "2s", "timeout": "2s"}  # so that a busy machine is no failure
    ssh = {"transport": way, "checks": [{"kind": "ssh", **patient}], "platform": "linux"}
    tcp = {"kind": "tcp", "port": sshd.port}
    hung = [{"id": f"hung-{n}", "host": f"hangs-{n}.example", "checks": [tcp]} for n in range(HUNG)]
    return json.dumps(
        {
            "listen": "127.0.0.1:0",
            "data_dir": str(sshd.folder / "data"),
            "defaults": {"interval": "500ms", "timeout": "400ms"},
            "credentials": {"key": {"user": sshd.credential.user, "key_file": str(sshd.credential.key_file)}},
            "workstations": [
                {"id": "by-address", "host": "127.0.0.1", **ssh},
                {"id": "by-name", "host": "fine.example", "checks": [{**tcp, **patient}]},
                *hung,
            ],
        }
    )


async def test_forty_names_that_hang__leave_healthy_workstations_up_and_their_breakers_closed(tmp_path: Path) -> None:
    recorder = Recorder()
    async with a_server(tmp_path) as sshd:
        config = await asyncio.to_thread(load_text, document(sshd), name="names")
        with hanging_names() as system:
            service = Service(config)
            try:
                await service.start()
                service.fanout.add(recorder)
                await asyncio.get_running_loop().getaddrinfo("fine.example", None)  # before the others take its place

                def heard(workstation: str, since: int) -> int:
                    return sum(r.target.workstation.id == workstation for r in recorder.results[since:])

                async with asyncio.timeout(40):
                    while len({r.target.id for r in recorder.results if r.failure or r.local}) < HUNG:
                        recorder.heard.clear()
                        await recorder.heard.wait()
                    assert len(system.hanging) == THREADS // 2
                    since = len(recorder.results)
                    while heard("by-address", since) < 3 or heard("by-name", since) < 3:
                        recorder.heard.clear()
                        await recorder.heard.wait()
                results = list(recorder.results)
                states = {state.workstation.id: state.status for state in service.fleet.snapshot()}
                endpoint = service.breakers.get(Key(Category.NETWORK, "by-address", f"ssh:{sshd.port}")).snapshot()
            finally:
                system.let_go()
                await service.stop()
    well = [r for r in results if r.target.workstation.id in {"by-address", "by-name"}]
    assert {r.outcome for r in well} == {Outcome.SUCCESS}
    assert (states["by-address"], states["by-name"], endpoint.state) == (Status.UP, Status.UP, State.CLOSED)
    waited = [r for r in results if r.outcome is Outcome.ERROR]
    assert len({r.target.id for r in waited}) == HUNG - THREADS // 2
    assert all("names that hang take the threads" in (r.local or "") for r in waited), "that blames nobody"
