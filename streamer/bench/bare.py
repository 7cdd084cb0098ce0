"""One process of the floor: `python -m streamer.bench.bare`, an order on stdin, figures on stdout; see `floor`.

Straight-line code on purpose: nothing here may be slower than what the live side does for the same frame. Only
processor time counts, so other processes disturb little.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from streamer.bench import paced
from streamer.bench.load import ZONE
from streamer.errors import StreamerError
from streamer.inference import plans
from streamer.inference.loaded import LoadedNetwork, load
from streamer.inference.picture import Loaded, Picture
from streamer.inference.runtimes import Plan, open_runtime
from streamer.inference.settings import InferenceSettings, ModelSpec
from streamer.models.card import Card
from streamer.models.detector import Overrides, Pixels, family_of
from streamer.models.registry import MOTION, card_of
from streamer.places import foot_points, make_zone
from streamer.sources.sampler import Sampler
from streamer.sources.scaler import Scaler
from streamer.tracker import Tracker
from streamer.types import Detections

_MODEL_SECONDS = 2.5
_WARM_RUNS = 3
_LIVE_SECONDS = 12.0
_BATCHES = (1, 2, 4, 8)


@dataclass(frozen=True, slots=True)
class Packets:
    """Coded pictures in memory, and what decodes them."""

    codec: str
    packets: Sequence[Any]


def read(stream: str) -> Packets:
    """All packets of a file; of a live camera, those of a few seconds. Raises StreamerError."""
    import av

    live = "://" in stream
    options = {"rtsp_transport": "tcp"} if stream.startswith("rtsp") else {}
    packets = []
    try:
        with av.open(stream, options=options, timeout=20) as container:
            video = container.streams.video[0]
            until = time.monotonic() + _LIVE_SECONDS
            for packet in container.demux(video):
                if packet.size:
                    packets.append(packet)
                if live and time.monotonic() > until:
                    break
            codec, extradata = video.codec_context.name, video.codec_context.extradata
    except (av.FFmpegError, IndexError) as error:
        raise StreamerError(f"the stream cannot be read: {type(error).__name__}") from error
    if not packets:
        raise StreamerError("the stream cannot be read: it holds no picture")
    if extradata:
        head = av.Packet(extradata + bytes(packets[0]))
        head.pts, head.dts, head.time_base = packets[0].pts, packets[0].dts, packets[0].time_base
        packets[0] = head
    return Packets(codec, packets)


def decode(stream: Packets) -> Any:
    """The pictures, one by one: libavcodec in one thread."""
    context = open_decoder(stream)
    for packet in stream.packets:
        yield from context.decode(packet)


def open_decoder(stream: Packets) -> Any:
    """A decoder for the stream: libavcodec in one thread."""
    import av

    context = av.CodecContext.create(stream.codec, "r")
    context.thread_count = 1
    return context


def decode_ms(stream: Packets, fps: float) -> float:
    """CPU milliseconds of decoding a camera-second."""
    begun, frames = time.process_time(), 0
    for _ in decode(stream):
        frames += 1
    return (time.process_time() - begun) / max(frames, 1) * fps * 1000


def sampled(stream: Packets, box: tuple[int, int], rates: tuple[float, float], most: int) -> list[Pixels]:
    """Some analysed pictures of the stream, spread over it; `rates` is (frames, analysed frames) a second."""
    sampler, scaler = Sampler(rates[1]), Scaler(*box)
    found = [
        np.ascontiguousarray(scaler.rgb(frame))
        for number, frame in enumerate(decode(stream))
        if sampler.take(number / rates[0])
    ]
    return found[:: max(1, len(found) // most)]


def model_ms(spec: ModelSpec, card: Card, plan: Plan, pictures: list[Pixels], most: int) -> dict[int, float]:
    """CPU milliseconds a frame in the bare model, by batch size; rounds of all sizes alternate."""
    sizes = [size for size in _BATCHES if size <= most] if card.dynamic_batch else [1]
    steps = {size: _bare_run(spec, card, replace(plan, batch=size), pictures, size) for size in sizes}
    for step in steps.values():
        for _ in range(_WARM_RUNS):
            step()
    spent, frames = dict.fromkeys(sizes, 0.0), dict.fromkeys(sizes, 0)
    until = time.monotonic() + _MODEL_SECONDS
    while time.monotonic() < until:
        for size, step in steps.items():
            begun = time.process_time()
            for _ in range(max(1, 8 // size)):
                step()
                frames[size] += size
            spent[size] += time.process_time() - begun
    return {size: spent[size] / frames[size] * 1000 for size in sizes}


def _bare_run(spec: ModelSpec, card: Card, plan: Plan, pictures: list[Pixels], size: int) -> Any:
    """A function that runs one batch, with nothing before and nothing after the network."""
    chosen = [pictures[i % len(pictures)] for i in range(size)]
    if spec.file == MOTION or plan.runtime not in ("onnxruntime", "openvino"):
        loaded = load(spec, card, plan)  # these families have no network apart from their two steps
        whole = [Picture("floor", 1, 0.0, pixels) for pixels in chosen]
        return lambda: loaded.run(whole)
    family = family_of(card, spec.overrides)
    boxes = [family.canvas((pixels.shape[1], pixels.shape[0])) for pixels in chosen]
    batch = family.prepare(chosen, boxes, None)
    runtime = open_runtime(Path(spec.file), plan)
    return lambda: runtime.run(batch)


def plain_ms(stream: Packets, loaded: Loaded, box: tuple[int, int], rates: tuple[float, float]) -> tuple[float, float]:
    """CPU milliseconds of the whole work of a camera-second, and boxes a frame; `rates` as in `sampled`."""
    fps, analyze_fps = rates
    sampler, scaler, tracker, zone = Sampler(analyze_fps), Scaler(*box), Tracker(), make_zone("zone", list(ZONE))
    size = loaded.plan.batch
    waiting: list[Picture] = []
    boxes = frames = analysed = 0
    begun = time.process_time()
    for frames, frame in enumerate(decode(stream), 1):
        at = (frames - 1) / fps
        if not sampler.take(at):
            continue
        waiting.append(Picture("floor", 1, at, scaler.rgb(frame)))
        if len(waiting) < size:
            continue
        for picture, detections in zip(waiting, loaded.run(waiting), strict=True):
            assert isinstance(detections, Detections)
            tracks = tracker.update(detections, picture.time)
            zone.contains(foot_points(tracks.boxes))
            boxes += len(detections)
            analysed += 1
        waiting.clear()
    spent = time.process_time() - begun
    return spent / max(frames, 1) * fps * 1000, boxes / max(analysed, 1)


def work(order: dict[str, Any]) -> dict[str, Any]:
    """All figures for an order of `floor.measure`. Raises StreamerError."""
    settings = InferenceSettings.model_validate(order["inference"])
    spec = ModelSpec("floor", MOTION if order["model"] == MOTION else Path(order["model"]), Overrides())
    card = card_of(spec.file)
    plan = replace(plans.choose(spec, card, settings), streams=1)
    if order.get("plan_only"):
        return {}
    stream, rates = read(order["stream"]), (order["fps"], order["analyze_fps"])
    box = (card.input.width, card.input.height)
    pictures = sampled(stream, box, rates, 30)
    if not pictures:
        raise StreamerError("no picture of the stream can be decoded")
    decode_cost = decode_ms(stream, rates[0])
    by_batch = model_ms(spec, card, plan, pictures, settings.max_batch_size)
    best = min(by_batch, key=lambda size: by_batch[size])
    loaded = load(spec, card, replace(plan, batch=plan.batch if plan.runtime != "builtin" else 1))
    loaded.warm_up()
    plain_cost, boxes = plain_ms(stream, loaded, box, rates)
    pace = paced.Pace(order["cameras"], *rates, box)
    network = _bare_run(spec, card, replace(plan, batch=best), pictures, 1)
    paced_bare, paced_plain = (
        paced.paced_ms(stream.packets, lambda: open_decoder(stream), pace, steps)
        for steps in (paced.bare_steps(pace, network), paced.plain_steps(pace, loaded))
    )
    return {
        "paced_bare_ms": paced_bare,
        "paced_plain_ms": paced_plain,
        "decode_ms": decode_cost,
        "model_ms": by_batch[best],
        "batch": best,
        "bare_ms": decode_cost + rates[1] * by_batch[best],
        "plain_ms": plain_cost,
        "runtime": f"{plan.runtime} {plan.precision}",
        "input": _input(loaded, card, pictures[0]),
        "detections": boxes,
        "by_batch": by_batch,
    }


def _input(loaded: Loaded, card: Card, picture: Pixels) -> str:
    if not isinstance(loaded, LoadedNetwork):
        return f"{picture.shape[1]}x{picture.shape[0]}"
    height, width = family_of(card, Overrides()).canvas((picture.shape[1], picture.shape[0])).canvas
    return f"{width}x{height}"


def main() -> int:
    """Entry point of the process."""
    try:
        print(json.dumps(work(json.loads(sys.stdin.readline()))))
    except StreamerError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
