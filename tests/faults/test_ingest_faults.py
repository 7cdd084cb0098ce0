"""Every misbehavior that the simulated cameras know: named with its true cause, survived, and recovered from."""

import asyncio
import contextlib
import itertools
import time

import pytest

from streamer.ingest.settings import CameraSpec
from streamer.simulator import Simulator
from tests.ingest.conftest import Watcher

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

PASSWORD = "p@ss/w:d"
NAMED = {
    "refuse": {"refused"},
    "401": {"unauthorized"},
    "404": {"not_found"},
    "half_open": {"stalled", "no_answer"},
    "slow_start": {"no_answer"},
    "audio_only": {"no_video"},
    "stall": {"stalled"},
    "frozen": {"frozen"},
    "black": {"black"},
    "pts_jump": {"clock_jump"},
    "pts_reset": {"clock_jump"},
    "resolution": {"resolution_changed"},
    "corrupt": {"corrupt"},
    "loss": {"packet_loss"},
    "flood": {"runaway"},
}
HARMLESS = {"keyframe_pause"}
INCIDENTAL = {None, "ended", "reader_died"}
"""What may be said on the way: some faults begin or end by cutting the connection."""
STILL_LIVE = {"black", "pts_jump", "pts_reset", "resolution", "loss", "keyframe_pause"}


@pytest.fixture(scope="module")
def simulator():
    kinds = [*NAMED, *HARMLESS, "healthy"]
    camera = {"scene": "yard", "size": "320x180", "gop": 15, "user": "admin", "password": PASSWORD, "auth": "digest"}
    with Simulator([{"name": kind, "port": 0, **camera} for kind in kinds]) as running:
        yield running


@pytest.fixture(scope="module")
def story(simulator):
    """What was told of all cameras while each of them misbehaved in its own way, at the same time."""
    return asyncio.run(_live_through(simulator))


async def _live_through(simulator):
    watcher = Watcher(stall_seconds=3, frozen_seconds=3, black_seconds=2, processes=1)
    kinds = [*NAMED, *HARMLESS]
    watcher.readers.set_cameras([CameraSpec(name, simulator.url(name)) for name in [*kinds, "healthy"]])
    running = asyncio.create_task(watcher.readers.run())
    try:
        await watcher.until(lambda: all(len(watcher.frames[name]) > 5 for name in kinds))
        watcher.began_at = time.monotonic()
        for kind in kinds:
            await asyncio.to_thread(simulator.fault, kind, kind)
        with contextlib.suppress(TimeoutError):
            await watcher.until(lambda: all(NAMED[kind] & _causes(watcher, kind) for kind in NAMED), seconds=20)
        await asyncio.sleep(2)
        watcher.ended_at = time.monotonic()
        for kind in kinds:
            await asyncio.to_thread(simulator.fault, kind, None)
        with contextlib.suppress(TimeoutError):
            await watcher.until(lambda: all(_recovered(watcher, kind) for kind in kinds), seconds=25)
        return watcher
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def _causes(watcher, kind):
    return {health.cause for health in watcher.told[kind] if health.at >= watcher.began_at}


def _recovered(watcher, kind):
    after = [frame for frame in watcher.frames[kind] if frame[3] > watcher.ended_at + 1]
    last = watcher.told[kind][-1]
    return len(after) > 5 and (last.state, last.picture) == ("live", "ok")


@pytest.mark.parametrize("kind", NAMED)
def test_it_is_named(story, kind):
    assert NAMED[kind] & _causes(story, kind), story.states(kind)


@pytest.mark.parametrize("kind", [*NAMED, *HARMLESS])
def test_nothing_else_is_blamed(story, kind):
    during = {h.cause for h in story.told[kind] if story.began_at + 0.5 <= h.at < story.ended_at}
    # a picture that broken data change in size, and the loss of packets as errors in pictures, are the same misery
    kin = {"corrupt": {"resolution_changed", "stalled", "clock_jump"}, "loss": {"corrupt"}, "half_open": {"refused"}}
    assert during <= NAMED.get(kind, set()) | INCIDENTAL | kin.get(kind, set()), story.states(kind)


@pytest.mark.parametrize("kind", [*NAMED, *HARMLESS])
def test_it_recovers(story, kind):
    assert _recovered(story, kind), story.states(kind)


@pytest.mark.parametrize("kind", STILL_LIVE)
def test_what_can_still_be_seen_is_analysed(story, kind):
    during = [f for f in story.frames[kind] if story.began_at + 1 < f[3] < story.ended_at]
    assert len(during) > 0.3 * 5 * (story.ended_at - story.began_at - 1)
    assert all(health.state == "live" for health in story.told[kind] if story.began_at <= health.at < story.ended_at)


@pytest.mark.parametrize("kind", ["pts_jump", "pts_reset", "resolution"])
def test_what_does_not_connect_gets_a_new_session_number(story, kind):
    assert len({frame[0] for frame in story.frames[kind]}) >= 2


def test_a_flood_does_not_flood_the_analysis(story):
    captured = [frame[3] for frame in story.frames["flood"]]
    assert max(sum(start <= at < start + 1 for at in captured) for start in captured) <= 10


def test_the_healthy_one_beside_them_never_noticed(story):
    assert [h.state for h in story.told["healthy"]] == ["connecting", "live"]
    captured = [frame[3] for frame in story.frames["healthy"]]
    assert max(b - a for a, b in itertools.pairwise(captured)) < 1.0


def test_no_password_was_told(story):
    told = str(dict(story.told))
    assert "w:d" not in told
    assert "p%40ss" not in told
