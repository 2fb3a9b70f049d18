from __future__ import annotations

from monitor.heartbeat import BEAT, Heartbeat
from tests.fakes import FakeClock


class Watched:
    """A heartbeat over clocks that are moved by hand."""

    def __init__(self) -> None:
        self.clock, self.wall = FakeClock(100.0), FakeClock(1e9)
        self.lags: list[float] = []
        self.jumps: list[float] = []
        self.heart = Heartbeat(lagged=self.lags.append, jumped=self.jumps.append, clock=self.clock, wall=self.wall)
        self.heart.start()

    def beat_after(self, seconds: float, *, wall: float | None = None) -> None:
        self.clock.pass_(seconds)
        self.wall.pass_(seconds if wall is None else wall)
        self.heart.beat()


async def test_beat__on_time__is_neither_lag_nor_jump() -> None:
    watched = Watched()
    watched.beat_after(BEAT)
    watched.heart.stop()
    assert (watched.lags, watched.jumps, watched.heart.stalled(100.0)) == ([0.0], [], False)


async def test_beat__late__tells_the_lag_and_remembers_the_stall() -> None:
    watched = Watched()
    watched.beat_after(BEAT + 3.0)
    watched.beat_after(BEAT)
    watched.heart.stop()
    assert watched.lags == [3.0, 0.0]
    assert watched.heart.stalled(100.0)
    assert not watched.heart.stalled(watched.clock.now - 0.1)


async def test_stalled__before_the_overdue_beat_came__is_noticed_too() -> None:
    watched = Watched()
    watched.clock.pass_(BEAT + 3.0)
    assert watched.heart.stalled(100.0)
    watched.heart.stop()


async def test_beat__wall_clock_set_back_an_hour__is_told_once() -> None:
    watched = Watched()
    watched.beat_after(BEAT, wall=BEAT - 3600.0)
    watched.beat_after(BEAT)
    watched.heart.stop()
    assert (watched.jumps, watched.lags) == ([-3600.0], [0.0, 0.0])
