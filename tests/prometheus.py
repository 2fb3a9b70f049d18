"""A real Prometheus for one test: its own config, folder and port, ended by its pid."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp

from tests.servers import free_port, require_program


class Prometheus:
    """The HTTP API of a running Prometheus."""

    def __init__(self, session: aiohttp.ClientSession, port: int) -> None:
        self._session = session
        self._url = f"http://127.0.0.1:{port}"

    async def ask(self, what: str, **parameters: object) -> Any:
        async with self._session.get(f"{self._url}/api/v1/{what}", params=_texts(parameters)) as response:
            answer = await response.json()
        assert answer["status"] == "success", (parameters, answer)
        return answer["data"]

    async def query(self, expression: str) -> list[float]:
        found = await self.ask("query", query=expression)
        return [float(series["value"][1]) for series in found["result"]]

    async def until(self, expression: str, expected: list[float]) -> None:
        async with asyncio.timeout(20):
            while await self.query(expression) != expected:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.1)

    async def ready(self) -> bool:
        try:
            async with self._session.get(f"{self._url}/-/ready") as response:
                return response.status == 200
        except aiohttp.ClientConnectionError:
            return False


@contextlib.asynccontextmanager
async def a_prometheus(folder: Path, config: Mapping[str, object] | Path) -> AsyncIterator[Prometheus]:
    """Run one until the block ends; `config` as a mapping (JSON is YAML) or a file."""
    program = await asyncio.to_thread(require_program, "prometheus", "prometheus")
    path = config if isinstance(config, Path) else folder / "prometheus.yml"
    if not isinstance(config, Path):
        await asyncio.to_thread(path.write_text, json.dumps(config))
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        program,
        f"--config.file={path}",
        f"--storage.tsdb.path={folder / 'prometheus-data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with aiohttp.ClientSession() as session:
            prometheus = Prometheus(session, port)
            async with asyncio.timeout(60):
                while not await prometheus.ready():
                    assert process.returncode is None, "prometheus did not start"
                    await asyncio.sleep(0.1)
            yield prometheus
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def scraping(target: str, **more: object) -> dict[str, object]:
    """Write a config that scrapes one address five times a second."""
    jobs = [{"job_name": "emuwatch", "static_configs": [{"targets": [target]}]}]
    return {"global": {"scrape_interval": "200ms", "evaluation_interval": "200ms"}, "scrape_configs": jobs, **more}


def _texts(parameters: Mapping[str, object]) -> dict[str, str]:
    return {name.replace("match", "match[]"): str(value) for name, value in parameters.items()}
