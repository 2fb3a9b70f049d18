"""``/api/v1/targets/http_sd``: the workstations as Prometheus's HTTP service discovery lists targets.

For what runs on the workstations themselves and is scraped directly: windows_exporter (port 9182), node_exporter
(9100); ``port`` names another one, ``site`` and ``platform`` choose. The labels ``workstation``, ``site`` and
``platform`` are the ones emuwatch's own metrics carry, so both can be joined; labels of the config are
``__meta_emuwatch_label_NAME``, for relabelling. Every workstation is listed, whatever its status: Prometheus is to see
for itself that one is down.
"""

from __future__ import annotations

from typing import Final

from aiohttp import web

from monitor.metrics.label import clean
from monitor.model import Platform, Workstation
from monitor.web import query
from monitor.web.answers import json_response
from monitor.web.sources import SOURCES

PORTS: Final = {Platform.WINDOWS: 9182, Platform.LINUX: 9100}
"""Where the usual exporter of a platform listens."""
_HIGHEST: Final = 65535
_META: Final = "__meta_emuwatch_label_"


async def http_sd(request: web.Request) -> web.Response:
    """List a group for each workstation asked for."""
    asked = request.query
    port = query.number(asked, "port", default=0, least=1)
    if port > _HIGHEST:
        raise query.BadQueryError(f"port: {port} is higher than {_HIGHEST}")
    site, platform = asked.get("site"), asked.get("platform")
    if platform is not None and platform not in set(Platform):
        raise query.BadQueryError(f"platform: {platform[:40]!r} is not one of {', '.join(Platform)}")
    known = (state.workstation for state in request.app[SOURCES].fleet.snapshot())
    return json_response(
        [_group(each, port) for each in known if site in {None, each.site} and platform in {None, each.platform}]
    )


def _group(workstation: Workstation, port: int) -> dict[str, object]:
    host = f"[{workstation.host}]" if ":" in workstation.host else workstation.host
    labels = {_META + name: clean(value) for name, value in workstation.labels.items()}
    return {
        "targets": [f"{host}:{port or PORTS[workstation.platform]}"],
        "labels": {
            "workstation": clean(workstation.id),
            "site": clean(workstation.site),
            "platform": workstation.platform.value,
            **labels,
        },
    }
