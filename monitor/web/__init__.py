"""The status page, its JSON twin and the metrics endpoint, served by aiohttp.

It pulls what it shows from `Beliefs` and `BreakerTable` per request, keeps nothing, and changes nothing but through
``POST /-/reload`` and the routes of `operators`.
"""

from __future__ import annotations

from monitor.web.routes import make_app
from monitor.web.sources import Action, Beliefs, BreakerTable, Operation, Operator, ServiceStatus

__all__ = ["Action", "Beliefs", "BreakerTable", "Operation", "Operator", "ServiceStatus", "make_app"]
