"""Person detectors beside one another: AP50 on labelled footage, size and time; `python -m tests.detectors` prints it.

`campus.mp4` (400 labelled frames of a fixed camera) and `coco100` (photos) are never trained on. Dark is the same
frames as a camera without light would give them: gamma 1.5, a quarter of the light, noise. All networks run in ONNX
Runtime on one thread; time is the median of a frame at 16:9, from pixels to boxes.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

from streamer.inference.loaded import load
from streamer.inference.picture import Picture
from streamer.inference.runtimes import Plan
from streamer.inference.settings import ModelSpec
from streamer.models.boxes import suppress
from streamer.models.card import load_card
from streamer.models.detector import Overrides
from streamer.models.importer import Origin, import_file
from streamer.models.labels import COCO80
from streamer.models.registry import resolve
from streamer.types import Detections, Frame
from tests.inference.accuracy import average_precision, campus

_LOW = 0.02
"""Confidence from which boxes count for the area under the curve."""


def photos(data: Path) -> tuple[list[Frame], list[np.ndarray]]:
    """coco100 at analysis size, and its people; photos without a label file show none."""
    frames, boxes = [], []
    for number, path in enumerate(sorted((data / "coco100" / "images").glob("*.jpg"))):
        image = cv2.imread(str(path))[..., ::-1]
        scale = min(416 / image.shape[1], 416 / image.shape[0])
        size = round(image.shape[1] * scale), round(image.shape[0] * scale)
        pixels = np.ascontiguousarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
        frames.append(Frame("photos", 1, number, float(number), float(number), pixels))
        labels = data / "coco100" / "labels" / f"{path.stem}.txt"
        rows = [line.split()[1:5] for line in labels.read_text().splitlines()] if labels.is_file() else []
        middle = np.array(rows, np.float64).reshape(-1, 4)
        boxes.append(np.c_[middle[:, :2] - middle[:, 2:] / 2, middle[:, :2] + middle[:, 2:] / 2])
    return frames, boxes


def darkened(frames: list[Frame]) -> list[Frame]:
    """The same frames by night."""
    random = np.random.default_rng(0)
    dark = []
    for frame in frames:
        light = 255 * (frame.pixels / 255.0) ** 1.5 * 0.25 + random.normal(0, 5, frame.pixels.shape)
        dark.append(replace(frame, pixels=np.clip(light, 0, 255).astype(np.uint8)))
    return dark


def served(file: Path) -> Callable[[Frame], Detections]:
    """A model file as the daemon runs it."""
    card = load_card(file, "detection")
    spec = ModelSpec(file.stem, file, Overrides(confidence=_LOW))
    loaded = load(spec, card, Plan("onnxruntime", threads=1, batch=1))
    return lambda frame: loaded.run([Picture(frame.camera, frame.session, frame.time, frame.pixels)])[0]


def fastestdet(file: Path) -> Callable[[Frame], Detections]:
    """FastestDet, which the package has no family for: 352x352 stretched, one grid, tanh and sigmoid."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(file), options)
    name = session.get_inputs()[0].name

    def detect(frame: Frame) -> Detections:
        sized = cv2.resize(frame.pixels[..., ::-1], (352, 352)).astype(np.float32) / 255
        out = session.run(None, {name: np.ascontiguousarray(sized.transpose(2, 0, 1))[None]})[0][0]
        rows, columns = out.shape[1:]
        classes = out[5:].argmax(axis=0)
        scores = out[0] ** 0.6 * out[5:].max(axis=0) ** 0.4
        y, x = np.nonzero(scores > _LOW)
        center = np.c_[x + np.tanh(out[1, y, x]), y + np.tanh(out[2, y, x])] / [columns, rows]
        half = 0.5 / (1 + np.exp(-out[3:5, y, x].T))
        corners = np.clip(np.c_[center - half, center + half], 0, 1).astype(np.float32)
        keep = suppress(corners, scores[y, x], classes[y, x], 0.65)
        return Detections(corners[keep], scores[y, x][keep], classes[y, x][keep], COCO80)

    return detect


def measure(
    detect: Callable[[Frame], Detections], sets: dict[str, tuple[list[Frame], list[np.ndarray]]]
) -> list[float]:
    """AP50 of people, a set each; then milliseconds a frame at 16:9."""
    figures = [average_precision([detect(frame) for frame in frames], boxes)[0] for frames, boxes in sets.values()]
    wide = Frame("wide", 1, 0, 0.0, 0.0, np.random.default_rng(0).integers(0, 256, (234, 416, 3)).astype(np.uint8))
    times = []
    for _ in range(40):
        begun = time.perf_counter()
        detect(wide)
        times.append(time.perf_counter() - begun)
    return [*figures, 1000 * float(np.median(times))]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--every", type=int, default=1, help="of campus, every so manyth frame")
    parser.add_argument("models", nargs="*", type=Path, help="more model files")
    given = parser.parse_args()
    data = Path(os.environ.get("STREAMER_TEST_DATA") or Path(__file__).parents[2] / "shared" / "data")
    clear, pictures = campus(data, given.every), photos(data)
    sets = {
        "campus": clear,
        "campus, dark": (darkened(clear[0]), clear[1]),
        "coco100": pictures,
        "coco100, dark": (darkened(pictures[0]), pictures[1]),
    }
    print(" | ".join([f"{'model':24}", *sets, "MB", "ms a frame"]))
    with tempfile.TemporaryDirectory() as folder:
        nano = Path(folder) / "yolox_nano.onnx"
        import_file(data / "weights" / "yolox_nano.onnx", nano, Origin("yolox"))
        shipped = Path(resolve("person-vehicle", Path()))
        rows = [("person-vehicle", shipped, served(shipped)), ("yolox_nano", nano, served(nano))]
        fast = data / "weights" / "fastestdet.onnx"
        rows.append(("fastestdet", fast, fastestdet(fast)))
        rows += [(str(file), file, served(file)) for file in given.models]
        for name, file, detect in rows:
            *figures, ms = measure(detect, sets)
            cells = [f"{figure:{len(title)}.3f}" for figure, title in zip(figures, sets, strict=True)]
            print(" | ".join([f"{name[-24:]:24}", *cells, f"{file.stat().st_size / 1e6:.2f}", f"{ms:.1f}"]), flush=True)


if __name__ == "__main__":
    main()
