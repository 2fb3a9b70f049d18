"""The config: YAML in, a frozen `Config` out, or every problem at once with file, line, key and what would be right.

`source` reads YAML and keeps the places; `shapes` says which keys there are; `words` turns pydantic's findings into
ours; `credentials`, `checks`, `fleet`, `gateways` and `policies` read the sections named so; `loading` puts them
together. Nothing here starts, connects or logs; run-time state never comes in here.
"""

from __future__ import annotations

from monitor.config.changes import needs_restart
from monitor.config.loading import load, load_text
from monitor.config.schema import schema
from monitor.config.settings import Config

__all__ = ["Config", "load", "load_text", "needs_restart", "schema"]
