"""What a reload can't change: keys that are read once, when the service starts. Compares; decides nothing."""

from __future__ import annotations

from monitor.config.settings import Config
from monitor.config.store import default_url


def needs_restart(started: Config, now: Config) -> tuple[str, ...]:
    """Name the keys whose new values wait for a restart, given the config the service was started with."""
    pairs = {
        "listen": ((c.listen_host, c.listen_port) for c in (started, now)),
        "data_dir": (c.data_dir for c in (started, now)),
        "external_url": (c.external_url for c in (started, now)),
        "store.url": (_store(c) for c in (started, now)),
        "lanes.process": (c.process_places for c in (started, now)),
    }
    return tuple(key for key, (before, after) in pairs.items() if before != after)


def _store(config: Config) -> str | None:
    """Where the store is if the config says so; None: in its data folder."""
    return None if config.store.url == default_url(config.data_dir) else config.store.url
