"""Exchanges recorded on real Windows, replayed byte for byte against our transport: it reads what Windows writes."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from monitor.errors import ProbeError
from monitor.model import Reason
from tests.winrm import a_certificate, eventually, ignore, opened, server_context

SAMPLES = Path(__file__).parents[1] / "data" / "samples"
EXCHANGES = sorted(SAMPLES.glob("winrm-*.jsonl"))
FAULTS = {
    "winrm-fault-invalid-selectors": Reason.SHELL_LOST,
    "winrm-fault-quota-shells": Reason.QUOTA,
    "winrm-fault-timed-out": Reason.TIMEOUT,
    "winrm-fault-wql-class-missing": Reason.PROTOCOL,
}
MESSAGE_ID = re.compile(rb"<wsa:MessageID>(uuid:[^<]+)</wsa:MessageID>")
RELATES_TO = re.compile(r"<a:RelatesTo>[^<]*</a:RelatesTo>")


class Recording:
    """Answers by the last part of the action, in the order recorded; only whom an answer relates to is filled in."""

    def __init__(self, answers: list[tuple[str, int, str]]) -> None:
        self._answers = answers
        self.asked: list[str] = []

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        action = re.findall(rb'mustUnderstand="true">[^<]*/(\w+)</wsa:Action>', body)[0].decode()
        self.asked.append(action)
        found = next((each for each in self._answers if each[0] == action), None)
        if found is None:
            return web.Response(status=500)
        self._answers.remove(found)
        message_id = MESSAGE_ID.findall(body)[0].decode()
        text = RELATES_TO.sub(f"<a:RelatesTo>{message_id}</a:RelatesTo>", found[2])
        kind = {"Content-Type": "application/soap+xml;charset=UTF-8"}
        return web.Response(status=found[1], body=text.encode(), headers=kind)


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "windows.pem"
    a_certificate(path)
    return path


@asynccontextmanager
async def replayed(recording: Recording, pem: Path) -> AsyncIterator[int]:
    app = web.Application()
    app.router.add_post("/wsman", recording.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=await asyncio.to_thread(server_context, pem))
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def meta(sample: Path) -> Any:
    return json.loads(sample.with_name(f"{sample.name}.meta").read_text(encoding="utf-8").split("expected-json:\n")[1])


def printed(step: dict[str, Any], stream: str) -> bytes:
    encoded = step.get(f"{stream}_base64")
    return base64.b64decode(encoded) if encoded is not None else step.get(stream, "").encode()


@pytest.mark.parametrize("sample", EXCHANGES, ids=lambda path: path.stem)
async def test_recorded_exchange__gives_what_the_command_printed(sample: Path, pem: Path) -> None:
    lines = [json.loads(line) for line in (await asyncio.to_thread(sample.read_text, "utf-8")).splitlines()]
    recording = Recording([(line["action"], line["http_status"], line["response"]) for line in lines])
    steps = [step for step in meta(sample)["exchange"] if step["kind"] == "receive"]
    async with replayed(recording, pem) as port, opened(port, auth="basic", https=True, ca_file=pem) as transport:
        done = await transport.run(["whatever"], mark=ignore)
    assert done.stdout == b"".join(printed(step, "stdout") for step in steps)
    assert done.stderr == b"".join(printed(step, "stderr") for step in steps)
    assert done.exit_code == steps[-1]["exit_code"]
    assert recording.asked.count("Receive") == sum(line["action"] == "Receive" for line in lines)
    await eventually(lambda: "Delete" in recording.asked)


def test_recorded_exchanges__are_all_replayed() -> None:
    assert len(EXCHANGES) == 4
    assert {path.stem for path in SAMPLES.glob("winrm-*.xml")} == set(FAULTS)


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("action", ["Create", "Command"])
async def test_recorded_fault__as_an_answer__is_told_for_what_it_is(name: str, action: str, pem: Path) -> None:
    standard = (await asyncio.to_thread((SAMPLES / "winrm-cmd-standard.jsonl").read_text, "utf-8")).splitlines()
    lines = [json.loads(line) for line in standard]
    fault = await asyncio.to_thread((SAMPLES / f"{name}.xml").read_text, "utf-8")
    answers = [(line["action"], line["http_status"], line["response"]) for line in lines if line["action"] != action]
    recording = Recording([*answers, (action, 500, fault)])
    async with replayed(recording, pem) as port, opened(port, auth="basic", https=True, ca_file=pem) as transport:
        with pytest.raises(ProbeError) as caught:
            await transport.run(["whatever"], mark=ignore)
    assert caught.value.reason is FAULTS[name]
