"""Alertmanager, so that its grouping, inhibition and silences can be used: one alert per thing that is wrong.

POST /api/v2/alerts. An alert ends by itself three refreshes after it was last sent, so what is still wrong is sent
again and again; its end is sent at once.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import aiohttp
from pydantic import AfterValidator, Field, SecretStr

from monitor.channels import ChannelKind, ChannelParams
from monitor.durations import Duration, between
from monitor.model import Severity, SubjectKind
from monitor.notices import Item, Message, Notice, Telling
from monitor.posting import check_address, post
from monitor.wording import label, one_line, summary

KEEPS: Final = 3
"""Refreshes an alert outlives."""
_NAMES: Final = {
    SubjectKind.WORKSTATION: "EmuwatchWorkstation",
    SubjectKind.CHECK: "EmuwatchCheck",
    SubjectKind.EMULATOR: "EmuwatchEmulator",
    SubjectKind.MONITOR: "EmuwatchMonitor",
}
_SEVERITIES: Final = {
    Severity.CRITICAL: "critical",
    Severity.HIGH: "warning",
    Severity.MEDIUM: "warning",
    Severity.LOW: "info",
}
"""In the words of the rules this project ships."""

Alert = Mapping[str, Any]
Labels = Mapping[str, str]


class Params(ChannelParams):
    """Parameters of an Alertmanager."""

    url: Annotated[SecretStr, AfterValidator(check_address)] = Field(
        description="where its page is, such as http://127.0.0.1:9093; of a cluster, one channel for each"
    )
    token: SecretStr | None = Field(None, description='sent as a bearer token; write "${NAME}" or use token_file')
    refresh: Annotated[Duration, between(1, 3600)] = 60.0
    timeout: Annotated[Duration, between(0.1, 120)] = 10.0


class Alertmanager:
    """An open Alertmanager. Remembers nothing: a message says what it takes back, whoever sent that."""

    def __init__(self, params: Params, *, wall: Callable[[], float] = time.time) -> None:
        self._params = params
        self._wall = wall
        self._session: aiohttp.ClientSession | None = None
        self._url = SecretStr(params.url.get_secret_value().rstrip("/") + "/api/v2/alerts")

    async def send(self, message: Message) -> None:
        """See `monitor.channels.Sender`."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=self._params.timeout))
        headers = {"Content-Type": "application/json", "User-Agent": "emuwatch", "X-Emuwatch-Key": message.key}
        if self._params.token is not None:
            headers["Authorization"] = f"Bearer {self._params.token.get_secret_value()}"
        alerts = list(self._alerts(message.notice, message))
        body = json.dumps(alerts, ensure_ascii=False).encode("utf-8", "replace")
        await post(self._session, self._url, body, headers)

    async def aclose(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _alerts(self, notice: Notice, message: Message) -> Iterator[Alert]:
        """Make alerts of what is wrong, and end those that were sent before and are not among them, by their labels."""
        now = self._wall()
        ends = now + KEEPS * self._params.refresh
        if notice.telling is Telling.TEST:
            test = {"alertname": "EmuwatchTest", "severity": "info"}
            yield self._alert(test, notice, now, ends, message.url)
            return
        wrong = [(_labels(item), item) for item in (*notice.problems, *notice.causes)]
        for before in map(_labels, notice.before):
            if all(before != labels for labels, _ in wrong):
                yield self._alert(before, notice, notice.opened, now, message.url)
        for labels, item in wrong:
            yield self._alert(labels, notice, item.since, ends, message.url, description=one_line(item.message))

    def _alert(
        self, labels: Labels, notice: Notice, starts: float, ends: float, url: str, *, description: str = ""
    ) -> Alert:
        said = {"summary": f"{label(notice)}: {summary(notice)}", "description": description}
        return {
            "labels": labels,
            "annotations": {name: text for name, text in said.items() if text},
            "startsAt": _stamp(min(starts, ends)),
            "endsAt": _stamp(ends),
            "generatorURL": url,
        }


def _labels(item: Item) -> Labels:
    """What identifies an alert; empty ones are left out, as Alertmanager itself does."""
    found = {
        **item.labels,
        "alertname": _NAMES[item.kind],
        "workstation": item.workstation,
        "site": item.site,
        "category": item.category.value,
        "severity": _SEVERITIES[item.severity],
        "status": item.status.value,
    }
    if item.kind is not SubjectKind.WORKSTATION:
        found[item.kind.value] = item.name
    return {name: one_line(text) for name, text in found.items() if text}


def _stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


CHANNEL = ChannelKind(
    name="alertmanager",
    params=Params,
    open=Alertmanager,
    secrets=frozenset({"token"}),
    refresh=lambda params: params.refresh,
)
