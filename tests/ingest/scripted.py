"""A source, a clock and a host that do what the test says; no thread, no network, no waiting."""

from collections import Counter

import av
import numpy as np

from streamer.errors import SourceError
from streamer.ingest.capture import Capture, Surroundings
from streamer.ingest.picture import PictureCheck
from streamer.ingest.rate import RateCheck
from streamer.ingest.session import Memory
from streamer.ingest.spec import CameraSpec, Limits
from streamer.sources.source import Picture, Source, StreamInfo


def frame(seed=0, size=(64, 48), value=None):
    pixels = np.random.default_rng(seed).integers(40, 200, (size[1], size[0], 3), dtype=np.uint8)
    if value is not None:
        pixels[:] = value
    return av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuv420p")


class ScriptedSource(Source):
    """Plays a script of steps: a Picture, a list of them, a number of seconds to pass, or an error."""

    def __init__(self, world, script, fps=10.0):
        super().__init__()
        self.world = world
        self.script = list(script)
        self.announced = fps
        self.asked = []
        self.closed = self.aborted = False

    def open(self, timeout_s):
        self.info = StreamInfo("h264", "scripted", self.announced)

    def read(self):
        if not self.script:
            raise SourceError("ended", "script is over")
        step = self.script.pop(0)
        if callable(step):
            step = step(self)
        if isinstance(step, Exception):
            raise step
        if isinstance(step, int | float):
            self.world.now += step
            self.waited = True
            return []
        pictures = step if isinstance(step, list) else [step]
        for picture in pictures:
            self.world.now = max(self.world.now, picture.arrived_at)
            self.counts.units += 1
            self.counts.decoded += 1
            self.counts.bytes_received += 1000
        return pictures

    def shed(self, what):
        self.asked.append(what)

    def abort(self):
        self.aborted = True

    def close(self):
        self.closed = True


class World:
    """Clock, connector and host of one camera."""

    def __init__(self, limits=None, spec=None, **memory):
        self.now = 1000.0
        self.pauses = []
        self.told = []
        self.delivered = []
        self.outcome = "ok"
        self.connections = []
        self.opened = []
        limits = limits or Limits()
        self.memory = Memory(
            PictureCheck(limits.frozen_s, limits.black_s), RateCheck(limits.runaway_s), Counter(), **memory
        )
        around = Surroundings(lambda: self.now, self.connect, lambda: 0.5, self.pause)
        self.capture = Capture(
            spec or CameraSpec("gate", "rtsp://u:hunter2@10.0.0.1/a"), limits, self.memory, self, around
        )

    def connect(self, address, options, open_s, stall_s, hold):
        step = self.connections.pop(0)
        if isinstance(step, Exception):
            raise step
        hold(step)
        step.open(open_s)
        self.opened.append(step)
        return step

    def pause(self, stop, seconds):
        self.pauses.append(seconds)
        self.now += seconds
        if not self.connections:
            self.capture.stop()

    def deliver(self, picture):
        self.delivered.append(picture)
        return self.outcome

    def tell(self, health):
        self.told.append(health)

    def source(self, script, **kwargs):
        return ScriptedSource(self, script, **kwargs)

    def run(self, *connections):
        self.connections = list(connections)
        self.capture.run()

    @property
    def story(self):
        return [(h.state, h.cause) for h in self.told]


def pictures(n, fps=10.0, start=1000.0, pts=0.0, size=(64, 48), clean=True, first=0, value=None):
    return [Picture(pts + i / fps, start + i / fps, frame(first + i, size, value), i == 0, clean) for i in range(n)]
