"""The floor at the cameras' own pace: the same straight-line code, on as many streams, when their pictures are due.

Work that is done in one go finds its data in the caches and the clock of the core high; a live machine decodes one
picture of each of many streams in turn, with pauses. What that alone costs is measured here, so that the rest, which
is ours, can be told from it. Called by `bare` in a process of the floor; one thread, no network, nothing shared.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from streamer.bench.load import ZONE
from streamer.inference.picture import Loaded, Picture
from streamer.places import foot_points, make_zone
from streamer.sources.sampler import Sampler
from streamer.sources.scaler import Scaler
from streamer.tracker import Tracker
from streamer.types import Detections

WARM_SECONDS = 2.0
SECONDS = 8.0


@dataclass(frozen=True, slots=True)
class Pace:
    """What the cameras send."""

    cameras: int
    fps: float
    analyze_fps: float
    box: tuple[int, int]


Step = Callable[[Any, float], None]
"""Deals with one decoded picture at its time in seconds."""


def paced_ms(packets: Sequence[Any], open_decoder: Callable[[], Any], pace: Pace, steps: Sequence[Step]) -> float:
    """CPU milliseconds of a camera-second, while every picture is decoded when it is due.

    Args:
        packets: the stream, coded; each camera begins at another keyframe of it and goes round and round.
        open_decoder: makes a decoder, whose `decode` gives the pictures of a packet.
        pace: how many cameras, and how fast.
        steps: what is done with each decoded picture, by camera.
    """
    keys = [i for i, packet in enumerate(packets) if packet.is_keyframe] or [0]
    decoders = [open_decoder() for _ in range(pace.cameras)]
    starts = [keys[len(keys) * camera // pace.cameras] for camera in range(pace.cameras)]
    begun_at = time.monotonic()
    # each in its own phase, as cameras are
    due = [(begun_at + camera / pace.cameras / pace.fps, camera, 0) for camera in range(pace.cameras)]
    heapq.heapify(due)
    spent, frames = 0.0, 0
    warm_until, until = begun_at + WARM_SECONDS, begun_at + WARM_SECONDS + SECONDS
    while due[0][0] < until:
        at, camera, number = heapq.heappop(due)
        if (wait_s := at - time.monotonic()) > 0:
            time.sleep(wait_s)
        cpu_s = time.process_time()
        for picture in decoders[camera].decode(packets[(starts[camera] + number) % len(packets)]):
            steps[camera](picture, number / pace.fps)
        if at >= warm_until:
            spent += time.process_time() - cpu_s
            frames += 1
        heapq.heappush(due, (at + 1 / pace.fps, camera, number + 1))
    return spent / max(frames, 1) * pace.fps * 1000


def bare_steps(pace: Pace, network: Callable[[], Any]) -> list[Step]:
    """Nothing but the network, on one picture that is always the same, for every picture that is due."""

    def step(sampler: Sampler) -> Step:
        def run(picture: Any, at: float) -> None:
            if sampler.take(at):
                network()

        return run

    return [step(Sampler(pace.analyze_fps)) for _ in range(pace.cameras)]


def plain_steps(pace: Pace, loaded: Loaded) -> list[Step]:
    """The whole work, picture by picture."""
    zone = make_zone("zone", list(ZONE))

    def step(name: str) -> Step:
        sampler, scaler, tracker = Sampler(pace.analyze_fps), Scaler(*pace.box), Tracker()

        def run(picture: Any, at: float) -> None:
            if sampler.take(at):
                (detections,) = loaded.run([Picture(name, 1, at, scaler.rgb(picture))])
                assert isinstance(detections, Detections)
                tracks = tracker.update(detections, at)
                zone.contains(foot_points(tracks.boxes))

        return run

    return [step(f"floor{camera}") for camera in range(pace.cameras)]
