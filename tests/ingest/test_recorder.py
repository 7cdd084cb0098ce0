from __future__ import annotations

import pytest

from streamer.errors import SourceError
from streamer.ingest.capture import Surroundings
from streamer.ingest.recorder import Recorder
from streamer.ingest.ring import Ring
from streamer.ingest.spec import CameraSpec, Limits
from streamer.sources.source import Source, StreamInfo
from tests.ingest.kept import encoding, unit

LIMITS = Limits(stall_s=5.0, backoff_s=(1.0, 2.0))


class Packets(Source):
    """Plays units (shown to the tap), seconds to pass, or an error."""

    def __init__(self, world, script, packets=True):
        super().__init__()
        self.world, self.script, self.packets = world, list(script), packets
        self.closed = False

    def open(self, timeout_s):
        self.info = StreamInfo("h264", "scripted", 10.0)
        self.encoding = encoding() if self.packets else None

    def read(self):
        if not self.script:
            raise SourceError("ended", "script is over")
        step = self.script.pop(0)
        if isinstance(step, Exception):
            raise step
        if isinstance(step, float):
            self.world.now += step
            return []
        self.world.now = max(self.world.now, step.arrived_at)
        self.counts.units += 1
        self.counts.keyframes += step.key
        self.tap(step)
        return []

    def close(self):
        self.closed = True


class World:
    def __init__(self):
        self.now, self.told, self.options, self.pauses = 1000.0, [], [], []
        self.ring = Ring(1_000_000, 60.0)
        around = Surroundings(lambda: self.now, self.connect, lambda: 0.5, self.pause)
        spec = CameraSpec("gate", "rtsp://10.0.0.1/sub", record_url="rtsp://10.0.0.1/main", ring_bytes=1, ring_s=1.0)
        self.recorder = Recorder(spec, LIMITS, self.ring, self.told.append, around)

    def connect(self, address, options, open_s, stall_s, hold):
        step = self.scripts.pop(0)
        if isinstance(step, Exception):
            raise step
        self.options.append((address.target, options.decode))
        hold(step)
        step.open(open_s)
        return step

    def pause(self, stop, seconds):
        self.pauses.append(seconds)
        self.now += seconds
        if not self.scripts:
            self.recorder.stop()

    def run(self, *scripts):
        self.scripts = list(scripts)
        self.recorder.run()
        return [(h.state, h.cause) for h in self.told]


@pytest.fixture
def world():
    return World()


def test_it_keeps_what_comes_and_decodes_nothing(world):
    source = Packets(world, [unit(0, key=True), unit(1), unit(2)])
    story = world.run(source)
    assert world.options == [("/main", False)]
    assert story == [("connecting", None), ("live", None), ("lost", "ended")]
    assert len(world.ring.runs()[0].units) == 3
    assert source.closed


def test_it_is_live_with_the_first_picture_that_can_be_kept(world):
    story = world.run(Packets(world, [unit(0), 1.0, unit(20, key=True)]))
    assert story == [("connecting", None), ("live", None), ("lost", "ended")]
    assert world.told[1].at == pytest.approx(1002.0)


@pytest.mark.parametrize(
    ("script", "cause"),
    [
        ([unit(0, key=True), 3.0, 3.0], "stalled"),
        ([3.0, 3.0], "stalled"),
        ([unit(n * 10) for n in range(8)], "no_keyframe"),
        ([SourceError("refused", "10.0.0.1:554")], "refused"),
    ],
)
def test_why_it_failed(world, script, cause):
    assert world.run(Packets(world, script))[-1] == ("lost", cause)


def test_it_comes_back_by_itself_with_a_backoff(world):
    first = SourceError("refused", "nobody listens")
    story = world.run(first, first, Packets(world, [unit(0, key=True)]))
    assert story[-3:] == [("connecting", "refused"), ("live", None), ("lost", "ended")]
    assert world.pauses[:2] == [1.0, 2.0]


def test_a_session_that_was_healthy_starts_the_backoff_anew(world):
    refused = SourceError("refused", "nobody listens")
    minute = [unit(n, key=n % 10 == 0) for n in range(0, 600, 10)]
    world.run(refused, refused, Packets(world, minute), refused, Packets(world, [unit(0, key=True)]))
    assert world.pauses == [1.0, 2.0, 1.0, 2.0, 2.0]


def test_a_source_without_packets(world):
    assert world.run(Packets(world, [], packets=False))[-1] == ("lost", "unsupported")


def test_each_connection_begins_anew_in_the_ring(world):
    world.run(Packets(world, [unit(0, key=True)]), Packets(world, [unit(15), unit(16, key=True)]))
    assert [[one.ticks // 9000 for one in run.units] for run in world.ring.runs()] == [[0], [16]]
