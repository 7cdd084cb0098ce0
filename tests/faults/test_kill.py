"""Kill -9 of a reader, the worker and the daemon at random moments, while alerts flow to a webhook that fails too.

No alert that was written down may be lost, and what comes twice must carry the same idempotency key. What was written
down is read from the storage folder of the killed daemon, what arrived from the receiver: two witnesses that do not
know each other. STREAMER_KILLS sets the number of kills.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import sqlite3
import threading
import time
from collections import Counter

import pytest

from streamer.simulator.process import Simulator
from tests.running import Daemon, wait_for
from tests.servers import Receiver, flaky

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(1500)]

KILLS = int(os.environ.get("STREAMER_KILLS", "6"))
SITE = """
cameras:
{cameras}
pipelines:
  watch: {{use: surveillance, detector: motion, intrusion: {{zones: [square], min_seconds: 0.4, leave_seconds: 0.6}}}}
sinks:
  hook: {{type: webhook, url: "{url}", allow_private: true}}
alerts: {{cooldown_seconds: 0, sinks: [hook]}}
ingest: {{processes: 2, backoff_seconds: [0.2, 0.5]}}
restarts: {{limit: 1000, window_seconds: 1}}
storage: {{dir: data}}
web: {{listen: "127.0.0.1:{port}"}}
stop_seconds: 5
"""
CAMERA = """  {name}:
    source: {source}
    zones: {{square: [[0.1, 0.3], [0.9, 0.3], [0.95, 0.98], [0.05, 0.98]]}}
    pipelines: [watch]"""


@pytest.fixture
def receiver():
    """A webhook that fails two times in five, in a thread with a loop of its own."""
    receiver, loop = Receiver(flaky(seed=11)), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    asyncio.run_coroutine_threadsafe(receiver.start(), loop).result(10)
    yield receiver
    asyncio.run_coroutine_threadsafe(receiver.stop(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


def test_no_alert_is_lost(tmp_path, free_port, receiver):
    dice = random.Random(int(os.environ.get("STREAMER_SEED", "5")))
    specs = [{"name": f"c{i}", "scene": "square", "seed": i, "loop_seconds": 30, "on_play": False} for i in range(3)]
    with Simulator(specs) as simulator:
        cameras = "\n".join(CAMERA.format(name=name, source=url) for name, url in simulator.urls.items())
        site = tmp_path / "site.yaml"
        site.write_text(SITE.format(cameras=cameras, url=receiver.url, port=free_port))
        with Daemon(site, free_port) as daemon:
            killed = Counter(_kill_one(daemon, dice, receiver) for _ in range(KILLS))
            wait_for(lambda: len(receiver.keys()) > 3, 60, daemon.tail)
            assert daemon.stop() == 0
        written = _written(tmp_path)
        # what is still waiting goes out after one more start, without cameras to add to it
        with Daemon(site, free_port) as daemon:
            wait_for(lambda: set(written) <= set(receiver.keys()), 120, lambda: _missing(written, receiver, daemon))
    _judge(written, receiver, killed)


def _kill_one(daemon, dice, receiver):
    """Wait for life, then kill something at a random moment."""
    seen = len(receiver.requests)
    victim = dice.choice(["reader", "worker", "daemon"])
    wait_for(lambda: len(receiver.requests) > seen and daemon.alive, 60, daemon.tail)
    time.sleep(dice.uniform(0.0, 1.5))  # the random moment itself: nothing waits for anything here
    if victim == "daemon":
        daemon.kill()
        daemon.start()
        return victim
    module = {"reader": "streamer.ingest.reader", "worker": "streamer.inference.worker"}[victim]
    pids = wait_for(lambda: daemon.children(module), 30, daemon.tail)
    with contextlib.suppress(ProcessLookupError):
        os.kill(dice.choice(pids), signal.SIGKILL)
    return victim


def _written(folder):
    """Ids and states of all alerts that were committed, from the database itself."""
    with contextlib.closing(sqlite3.connect(folder / "data" / "streamer.sqlite")) as database:
        return dict(database.execute("SELECT alerts.id, text FROM alerts JOIN deliveries ON alert = seq").fetchall())


def _missing(written, receiver, daemon):
    return f"not delivered: {sorted(set(written) - set(receiver.keys()))[:5]}\n{daemon.tail()}"


def _judge(written, receiver, killed):
    keys = Counter(receiver.keys())
    twice = {key: count for key, count in keys.items() if count > 1}
    failures = sum(request.status not in range(200, 300) for request in receiver.requests)
    print(
        f"\nkilled {dict(killed)}; {len(written)} alerts written, {len(keys)} different ones delivered, "
        f"{len(twice)} of them more than once, {failures} refused by the receiver"
    )
    assert set(written) <= set(keys)
    bodies = {}
    for request in receiver.accepted:
        row = request.json()
        key = request.headers["Idempotency-Key"]
        first = bodies.setdefault(key, (row["id"], row["state"], row["time"]))
        assert first == (row["id"], row["state"], row["time"]), "one key for two different facts"
    facts = Counter(bodies.values())
    assert max(facts.values()) == 1, "one fact under two keys"
