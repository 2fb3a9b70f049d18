"""The composition root: config in, running service out. Only this module knows everybody.

`Service` builds the parts once, takes a config as often as one is loaded, and owns start and stop.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry

from monitor import log
from monitor.breaker.registry import Breakers
from monitor.channels import discover as discover_channels
from monitor.checks import discover as discover_checks
from monitor.config import Config, load, needs_restart
from monitor.dispatch import Dispatcher, places
from monitor.errors import ConfigError, EmuwatchError, Problem
from monitor.events import Kind
from monitor.feed import Feed
from monitor.fleet import Fleet
from monitor.gateway import Gateways
from monitor.hand import Hand
from monitor.heartbeat import Heartbeat
from monitor.metrics import SINKS, Metrics
from monitor.model import Result, Workstation
from monitor.names import Names
from monitor.notices import monitor_group
from monitor.notify import Attempt, Notifier, Outbox, StoredJournal
from monitor.phase import shard_of
from monitor.reach import Transports
from monitor.recovery import Recovery
from monitor.reloading import Cause, Outcome, Reload, Reloading
from monitor.roster import Roster
from monitor.runner import Runner
from monitor.scheduler import Scheduler
from monitor.silencing import Silencing
from monitor.sinks import Fanout
from monitor.store import Database, Memory, Past
from monitor.store.silences import StoredSilences
from monitor.token import operator_token
from monitor.transports import discover as discover_transports
from monitor.version import __version__
from monitor.web import ServiceStatus, make_app

FILL_SHARE: Final = 20.0
"""How many times as long as a refill takes until the next: at most a twentieth of the loop's time goes into them."""
FILL: Final = 1.0
"""Seconds emulators that appear wait for others, so that a first look at a fleet refills the roster once, not often."""

_log = structlog.get_logger("monitor")


class ListenError(EmuwatchError):
    """The page's address can't be listened on."""


class Service:
    """The running monitor: probes, beliefs, metrics, page."""

    def __init__(
        self,
        config: Config,
        *,
        config_path: Path | None = None,
        shard: tuple[int, int] = (1, 1),
        relog: Callable[[Config], None] = lambda _: None,
    ) -> None:
        """Build the parts; nothing runs and nothing listens before `start`.

        Args:
            config: What to watch.
            config_path: The file a reload reads again; None: there is nothing to reload.
            shard: Which share of the workstations is ours: (I, N), 1 <= I <= N.
            relog: Told of a config that was loaded anew, to log as it says.

        """
        self.config = self._started_with = config
        self._path = config_path
        self._relog = relog
        self._shard = shard
        self._started_at = time.time()
        self._ready = False
        self._workstations: Sequence[Workstation] = ()
        self._runner: web.AppRunner | None = None
        self.fleet = Fleet()
        self._roster = Roster()
        self._filling: asyncio.TimerHandle | None = None
        self._fill_took = 0.0
        self._reloading = Reloading(
            load=self._load,
            take=self._take,
            files=lambda: (self.config.files, self.config.globs),
            told=self._reloaded,
            waits=lambda: needs_restart(self._started_with, self.config),
        )
        self._watching: asyncio.Task[None] | None = None
        self.breakers = Breakers(policies=config.policies)
        self.registry = CollectorRegistry(auto_describe=False)
        self.metrics = Metrics(registry=self.registry, fleet=self.fleet, breakers=self.breakers, sinks=SINKS)
        self.names = Names()
        self.transports = Transports(kinds=discover_transports(), credentials=config.credentials)
        self.heartbeat = Heartbeat(lagged=self.metrics.loop_lag, jumped=self._jumped)
        dispatcher = Dispatcher(
            checks=discover_checks(),
            reach=self.transports.reach,
            places=places(config.process_places),
            kept_waiting=lambda target, since: self.names.kept_waiting(target.workstation.host, since),
        )
        self.gateways = Gateways(probe=dispatcher.probe, stalled=self.heartbeat.stalled)
        self.gateways.turned = self._cut_off
        isolation = self.gateways.isolation
        self.metrics.isolated = lambda: isolation.cut_off if isolation.watched else None
        database = Database(config.store.url)
        self.feed = Feed()
        self.memory = Memory(
            database,
            fleet=self.fleet,
            breakers=self.breakers,
            retention=config.store.retention,
            heard=self.feed.publish,
        )
        self.metrics.store = self.memory.status
        self.silencing = Silencing(
            StoredSilences(database), note=self.memory.note, retention=config.store.retention, announces=shard[0] == 1
        )
        self.metrics.silences = self.silencing
        self.notifier = Notifier(
            kinds=discover_channels(),
            fleet=self.fleet,
            breakers=self.breakers,
            outbox=Outbox(StoredJournal(database, who=self._share)),
            muted=lambda item: isolation.mutes(item) or self.silencing.muted(item),
            ourselves=lambda: isolation.items(self._part),
            own_group=monitor_group(self._part),
            told=self._told,
            shard=shard,
        )
        self.metrics.channels = self.notifier.channels
        self.fanout = Fanout(
            observers={"metrics": self.metrics.observe, "log": log.transitions, "memory": self.memory.observe},
            failed=self.metrics.sink_error,
        )
        self.scheduler = Scheduler(
            runner=Runner(
                breakers=self.breakers,
                dispatcher=dispatcher,
                suspect=self.fleet.suspect,
                stalled=self.heartbeat.stalled,
                cut_off=self.gateways.excuse,
            ),
            recovery=Recovery(self.breakers),
            deliver=self.deliver,
            late=lambda _, seconds: self.metrics.lateness(seconds),
        )
        self.breakers.subscribe(log.breaker)
        self.breakers.subscribe(self.memory.breaker)

    @property
    def _share(self) -> str:
        return f"{self._shard[0]}/{self._shard[1]}"

    @property
    def _part(self) -> str:
        """The share, where there is more than one."""
        return self._share if self._shard[1] > 1 else ""

    @property
    def url(self) -> str:
        """Where the page is, once started."""
        if self._runner is None or not self._runner.addresses:
            raise RuntimeError("not started")
        host, port = self._runner.addresses[0][:2]
        return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"

    async def start(self) -> None:
        """Listen, remember, then probe.

        Raises:
            ListenError: The address is taken or not ours.
            ConfigError: The operator token can't be written or read.

        """
        self.names.serve(asyncio.get_running_loop())
        token = await asyncio.to_thread(operator_token, self.config.data_dir)
        await self._listen(token)
        self._apply(self.config)
        self.metrics.reloaded(ok=True, at=time.time())
        await self.memory.start(self._recall)
        self.memory.note(Kind.SERVICE, new="started", message=f"version {__version__}, shard {self._share}")
        if self._path is not None:
            self._watching = asyncio.create_task(self._reloading.watch(), name="watch the config")
        await self.silencing.start()
        await self.notifier.start()
        self.fanout.add(self.notifier)
        self.heartbeat.start()
        self.gateways.start()
        self.scheduler.start()
        self._ready = True
        _log.info("started", url=self.url, workstations=len(self.fleet.snapshot()), shard=self._share)

    async def stop(self) -> None:
        """Stop probing within the drain time, then stop listening."""
        self._ready = False
        if self._filling is not None:
            self._filling.cancel()
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        await self.scheduler.stop(self.config.drain)
        await self.gateways.aclose()
        self.heartbeat.stop()
        await self.fanout.aclose()
        await self.notifier.aclose()
        await self.silencing.aclose()
        self.memory.note(Kind.SERVICE, new="stopped")
        await self.memory.aclose()
        await self.transports.aclose()
        self.feed.close()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        self.names.leave()

    async def reload(self, cause: Cause = Cause.REQUEST, *, who: str = "") -> None:
        """Load the config file again and take it whole, or keep the running one.

        Raises:
            ConfigError: What is wrong with it; the running config goes on.

        """
        await self._reloading.now(cause, who)

    def status(self) -> ServiceStatus:
        """How the service itself is, for page and readiness."""
        reload, store = self._reloading.last, self.memory.status()
        return ServiceStatus(
            started_at=self._started_at,
            ready=self._ready,
            version=__version__,
            shard=self._share,
            store_problem=store.problem,
            store_since=store.since,
            reached=self.gateways.isolation.reached(),
            channels=tuple(channel for channel in self.notifier.channels() if channel.problem),
            last_reload_ok=None if reload is None else reload.outcome is Outcome.OK,
            last_reload_at=None if reload is None else reload.at,
            last_reload_problems=() if reload is None else reload.problems,
            needs_restart=needs_restart(self._started_with, self.config),
        )

    def deliver(self, result: Result) -> None:
        """Learn from a result and tell everybody."""
        self.fanout.deliver(result, self.fleet.apply(result))
        self.scheduler.soon(self.fleet.to_confirm(result))
        seen = result.observation
        if seen is not None and seen.entities is not None:
            driver = self.fleet.driver(result.target)
            changed = self._roster.hear(result.target.workstation.id, seen.entities, driver=driver)
            if changed and self._ready and self._filling is None:
                wait = max(FILL, FILL_SHARE * self._fill_took)
                self._filling = asyncio.get_running_loop().call_later(wait, self._fill)

    async def reload_quietly(self, cause: Cause) -> None:
        """Reload when nobody waits for the outcome: it is in log, page and metrics."""
        await self._reloading.quietly(cause)

    def _reloaded(self, reload: Reload) -> None:
        self.metrics.reloaded(ok=reload.outcome is Outcome.OK, at=reload.at)
        said = {"subject": reload.cause.value, "new": reload.outcome.value, "message": reload.message}
        self.memory.note(Kind.RELOAD, who=reload.who, **said)

    def _told(self, attempt: Attempt) -> None:
        """Take note of an attempt to tell somebody something; one that is made again is no event."""
        self.metrics.notified(attempt.channel, attempt.outcome)
        if not attempt.passing:
            new, words = attempt.outcome.value, attempt.words
            self.memory.note(Kind.NOTIFICATION, subject=attempt.channel, new=new, message=words)

    def _load(self) -> Config:
        if self._path is None:
            raise ConfigError([Problem(file="", line=None, key="reload", message="started without a config file")])
        return load(self._path)

    async def _take(self, config: Config) -> None:
        closing = asyncio.ensure_future(self.transports.retain(config.workstations, config.credentials))
        await asyncio.sleep(0)  # it takes the new credentials before it begins to close what is old
        self._apply(config)
        await closing
        self._relog(config)

    def _apply(self, config: Config) -> None:
        """Make every part watch exactly what a config says; what is unchanged keeps its history."""
        index, shards = self._shard
        workstations = [w for w in config.workstations if shard_of(w.id, shards) == index]
        ours = {workstation.id for workstation in workstations}
        targets = [target for target in config.targets if target.workstation.id in ours]
        self.config = config
        self._workstations = workstations
        self._roster.replace(targets)
        self._fill()
        self.memory.retain(config.store.retention)
        self.silencing.configure(config.silences, retention=config.store.retention)
        self.gateways.replace(config.gateways)
        self.notifier.replace(
            config.notifications,
            workstations=ours,
            url=config.external_url,
            window=max((target.interval for target in targets), default=0.0),
        )

    def _recall(self, past: Past) -> None:
        """Go on from what was remembered; what was learnt since the start is newer."""
        late = self._ready  # then what was learnt of breakers since is newer, but for what an operator wants
        self.breakers.restore([saved for saved in past.breakers if saved.forced is not None or not late])
        for name, entities in past.listed().items():
            state = self.fleet.workstation(name)
            if state is not None and not state.emulators:
                self._roster.hear(name, entities)
        self._fill()
        self.fleet.restore(past.beliefs, past.emulators)

    def _fill(self) -> None:
        """Have every part know exactly the targets of the roster."""
        if self._filling is not None:
            self._filling.cancel()
            self._filling = None
        began = time.monotonic()
        targets = list(self._roster.targets())
        self.breakers.plan(targets, policies=self.config.policies)
        self.breakers.retain({key for target in targets for key in target.path})
        self.fleet.replace(self._workstations, targets)
        self.metrics.retain(targets)
        self.scheduler.replace(targets)
        self._fill_took = time.monotonic() - began

    async def _listen(self, token: str) -> None:
        app = make_app(
            fleet=self.fleet,
            breakers=self.breakers,
            scrapes=self.metrics.scrapes,
            token=token,
            reload=lambda who: self.reload(who=who),
            status=self.status,
            happened=self.memory,
            feed=self.feed,
            silences=self.silencing,
            operator=Hand(breakers=self.breakers, fleet=self.fleet, memory=self.memory),
            external_url=self.config.external_url,
        )
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        self._runner = runner
        host, port = self.config.listen_host, self.config.listen_port
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            await runner.cleanup()
            self._runner = None
            raise ListenError(f"can't listen on {host}:{port}: {error.strerror}") from error

    def _cut_off(self) -> None:
        """Take note that we are cut off, or not any more."""
        isolation = self.gateways.isolation
        new, why = ("cut off", isolation.words()) if isolation.cut_off else ("cut off no more", "")
        if isolation.cut_off:
            self.breakers.forgive(isolation.heard, why=f"it opened when we were cut off already: {why}")
        self.memory.note(Kind.SERVICE, subject="network", new=new, message=why)

    def _jumped(self, seconds: float) -> None:
        _log.warning("wall clock jumped; reckoning all turns anew", seconds=round(seconds, 1))
        self.scheduler.rebase()
