"""One worker's life, with a child that says what the test wants."""

import asyncio

import pytest

from streamer.channel import Message
from streamer.clock import FakeClock, settle
from streamer.inference import generation
from streamer.inference.batcher import Batcher, Limits
from streamer.inference.generation import Generation, Surroundings
from streamer.inference.settings import InferenceSettings
from streamer.metrics import Metrics
from streamer.types import Detections, Frame, SlotRef
from tests.models.tiny import picture

LABELS = ("bright", "never")


class FakeChannel:
    def __init__(self):
        self.sent = []
        self.room = True
        self.fault = ""

    def send(self, header, body=b"", fds=()):
        if self.room:
            self.sent.append(header)
        return self.room


class FakeChild:
    """Stands for the process; the test speaks for it."""

    def __init__(self):
        self.channel = FakeChannel()
        self.killed = False

    def listen(self, on_message, on_exit):
        self.say = lambda header, body=b"": on_message(Message(header, body))
        self.exit = on_exit

    def kill(self):
        if not self.killed:
            self.killed = True
            asyncio.get_running_loop().call_soon(self.exit)


class Stage:
    def __init__(self, **settings):
        self.clock = FakeClock()
        self.metrics = Metrics()
        self.ready, self.refused = [], []
        self.pools = {}
        self.batcher = Batcher(self._send, Limits(deadline_s=2.0), self.clock, self.metrics)
        self.batcher.set_models({"d": Detections.unknown(LABELS)})
        self.life = Generation(
            Surroundings(
                batcher=self.batcher,
                settings=InferenceSettings(**settings),
                pools=self.pools,
                clock=self.clock,
                setup=lambda: {"models": []},
                on_ready=self.ready.append,
                on_refused=self.refused.append,
            )
        )
        self.child = self.life.child
        self.serving = asyncio.create_task(self.life.serve())

    def _send(self, batch):
        return self.life.send(batch)

    def be_ready(self, streams=1, seconds=0.01):
        plan = {"batch": 4, "reason": "test"}
        self.child.say({"op": "ready", "streams": streams, "plans": {"d": plan}, "seconds": {"d": seconds}})

    async def ask(self, index=0, pool=99):
        frame = Frame("gate", 1, index, 0.0, 0.0, picture(), slot=SlotRef(pool, 0, 2))
        task = asyncio.create_task(self.batcher.ask("d", frame))
        await settle()
        return task

    async def reason(self):
        async with asyncio.timeout(5):
            return await self.serving


@pytest.fixture
async def stage(monkeypatch):
    monkeypatch.setattr(generation.Child, "start", lambda module, name: FakeChild())
    made = []

    async def make(**settings):
        made.append(Stage(**settings))
        await settle()
        return made[-1]

    yield make
    for one in made:
        one.serving.cancel()
        await asyncio.gather(one.serving, return_exceptions=True)
        one.batcher.close()


async def test_settings_come_first_and_ready_opens_the_batcher(stage):
    s = await stage()
    assert s.child.channel.sent == [{"op": "setup", "models": []}]
    assert not (await (await s.ask())).known
    s.be_ready()
    assert s.ready == [{"d": {"batch": 4, "reason": "test"}}]
    task = await s.ask(1)
    assert [header["op"] for header in s.child.channel.sent] == ["setup", "run"]
    number = s.child.channel.sent[-1]["batch"]
    s.child.say({"op": "done", "batch": number, "counts": [0], "seconds": 0.02})
    assert (await task).known


async def test_results_in_parts(stage):
    s = await stage()
    s.be_ready()
    task = await s.ask()
    number = next(iter(s.batcher.out))
    s.child.say({"op": "done", "batch": number, "counts": [], "seconds": None})
    await settle()
    assert not task.done()
    s.child.say({"op": "done", "batch": number, "counts": [0], "seconds": 0.02})
    assert (await task).known
    s.child.say({"op": "done", "batch": number, "counts": [0], "seconds": 0.02})  # again: nobody's
    assert not s.child.killed


@pytest.mark.parametrize(
    "nonsense",
    [
        {"op": "dance"},
        {"operation": "done"},
        {"op": "done", "batch": 1},
        {"op": "done", "batch": 1, "counts": [5], "seconds": 0.1},
        {"op": "done", "batch": 1, "counts": [0, 0], "seconds": 0.1},
        {"op": "done", "batch": 1, "counts": [0, 0], "seconds": None},
        {"op": "done", "batch": 1, "counts": "x", "seconds": 0.1},
        {"op": "done", "batch": [], "counts": [], "seconds": 0.1},
        {"op": "done", "batch": 1, "counts": [0], "seconds": "soon"},
        {"op": "ready", "streams": "many", "plans": {}, "seconds": {}},
        {"op": "ready", "streams": 1, "plans": 5, "seconds": {}},
    ],
    ids=str,
)
async def test_a_worker_that_talks_nonsense_is_killed(stage, nonsense):
    s = await stage()
    s.be_ready()
    task = await s.ask()
    s.child.say(nonsense)
    assert s.child.killed
    assert not (await task).known
    assert await s.reason() == "protocol"


async def test_a_broken_channel_is_a_broken_protocol(stage):
    s = await stage()
    s.child.channel.fault = "3 bytes that are not a message"
    s.child.exit()
    assert await s.reason() == "protocol"


async def test_a_crash(stage):
    s = await stage()
    s.be_ready()
    task = await s.ask()
    s.child.exit()
    assert not (await task).known
    assert await s.reason() == "crashed"
    assert s.metrics.value("streamer_inference_requests_total", model="d", outcome="lost") == 1


async def test_the_deadline_of_a_batch(stage):
    s = await stage(deadline_seconds=2)
    s.be_ready()
    await s.ask()
    await s.clock.advance(1.9)
    assert not s.child.killed
    await s.clock.advance(0.4)
    assert s.child.killed
    assert await s.reason() == "deadline"


async def test_loading_has_a_time_of_its_own(stage):
    s = await stage(load_seconds=30)
    await s.clock.advance(29)
    assert not s.child.killed
    await s.clock.advance(2)
    assert s.child.killed
    assert await s.reason() == "load_timeout"


async def test_heartbeats_when_idle_only(stage):
    s = await stage()
    s.be_ready()
    await s.clock.advance(2.5)
    assert [header["op"] for header in s.child.channel.sent].count("ping") == 1  # one at a time
    s.child.say({"op": "pong"})
    at = s.clock.monotonic()
    assert s.life.progress_at == at
    await s.clock.advance(1.3)
    assert [header["op"] for header in s.child.channel.sent].count("ping") == 2
    s.child.say({"op": "pong"})
    await s.ask()
    await s.clock.advance(1.5)
    assert [header["op"] for header in s.child.channel.sent].count("ping") == 2
    assert not s.child.killed


async def test_an_unanswered_heartbeat_kills(stage):
    s = await stage(deadline_seconds=2)
    s.be_ready()
    await s.clock.advance(4)
    assert s.child.killed
    assert await s.reason() == "deadline"


async def test_a_slow_model_gets_a_longer_deadline_and_says_so(stage, caplog):
    s = await stage(deadline_seconds=2)
    s.be_ready(seconds=3.0)
    assert "deadline is raised to 12.0 s" in caplog.text
    task = await s.ask()
    await s.clock.advance(11)
    assert not s.child.killed
    assert not task.done()
    s.child.say({"op": "done", "batch": next(iter(s.batcher.out)), "counts": [0], "seconds": 3.0})
    assert (await task).known


async def test_errors_of_single_batches_are_survived_but_not_in_a_row(stage):
    s = await stage()
    s.be_ready()
    for i in range(2):
        task = await s.ask(i)
        s.child.say({"op": "error", "batch": next(iter(s.batcher.out)), "error": "RuntimeError: no"})
        assert not (await task).known
    task = await s.ask(5)
    s.child.say({"op": "done", "batch": next(iter(s.batcher.out)), "counts": [0], "seconds": 0.1})
    assert (await task).known
    assert not s.child.killed
    for i in range(3):
        await s.ask(10 + i)
        s.child.say({"op": "error", "batch": next(iter(s.batcher.out)), "error": "RuntimeError: no"})
        await settle()
    assert s.child.killed
    assert await s.reason() == "errors"


async def test_a_model_refused_at_the_start_and_later(stage):
    s = await stage()
    s.child.say({"op": "failed", "error": "model x: damaged"})
    assert await s.reason() == "model"
    assert s.life.error == "model x: damaged"
    assert s.refused == []
    s = await stage()
    s.be_ready()
    s.child.say({"op": "failed", "error": "model y: damaged"})
    assert s.refused == ["model y: damaged"]
    assert not s.child.killed


async def test_a_worker_that_does_not_read_its_channel(stage):
    s = await stage()
    s.be_ready()
    s.child.channel.room = False
    assert not (await (await s.ask())).known
    assert s.metrics.value("streamer_inference_requests_total", model="d", outcome="unsent") == 1


async def test_a_setup_that_cannot_be_sent(monkeypatch):
    def start(module, name):
        child = FakeChild()
        child.channel.room = False
        return child

    monkeypatch.setattr(generation.Child, "start", start)
    s = Stage()
    assert await s.reason() == "crashed"
    s.batcher.close()
