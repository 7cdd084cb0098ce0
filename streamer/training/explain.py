"""Where in the picture a behaviour model saw what it decided: a heat map over the frame; `streamer explain`.

A safetensors model is differentiated: Grad-CAM over the deepest features that still have a place in the picture, for
every frame of the window that ends with the decision, so that evidence that has passed is shown, too. An ONNX step has
no gradients: parts of all frames of the window are covered one after the other, and where the score falls most is what
it rested on (occlusion). Both explain the net; neither proves what happened.

Sources: Selvaraju et al., Grad-CAM, ICCV 2017 (by Captum); Zeiler and Fergus, ECCV 2014 (occlusion).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from streamer.errors import InputError
from streamer.models.card import Card
from streamer.models.transforms import fit, normalise
from streamer.training.samples import Sample
from streamer.training.sliding import sliding, streaming
from streamer.training.stream import ANALYSIS_BOX, Timed, behaviour_card, frames_of, stream_samples

WINDOW_S = 3.0
"""Of the past that a decision may rest on, where the model needs no more to be warm; a fight rule smooths over one."""
_GRID = 6  # cells a side that are covered in turn
_COVER = 2  # cells a side that are covered at once: what lies on a border is covered whole at some time

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Explained:
    """One decision, and where it is from."""

    label: str
    score: float
    """Probability at the last frame."""
    threshold: float | None
    """Of the model's card."""
    times: NDArray[np.float64]
    """(T,) capture times of the window, seconds; the last one is the decision's."""
    pictures: Pixels
    """(T, H, W, 3) RGB, as analyzed."""
    heat: Floats
    """(T, H, W) 0..1; 1 is the strongest of the whole window."""
    method: Literal["grad-cam", "occlusion"]
    warm: bool
    """Whether the model had seen enough for its score to count."""


def explain(file: Path, video: Path, at_s: float | None = None, label: str | None = None) -> Explained:
    """Explain what a model says of a video at a time.

    Args:
        file: a behaviour model.
        video: a recording, such as the clip of an alert.
        at_s: seconds from its start; None: where the score is highest.
        label: what is explained; None: the label with a threshold in the card, else the last.

    Raises:
        InputError: the video cannot be read, has no frame by then, or the model has no such label.
        ModelError: the model cannot be loaded.
    """
    card = behaviour_card(file)
    if label is not None and label not in card.labels:
        raise InputError(f"explain: the model has no label {label!r}; it knows {', '.join(card.labels)}")
    chosen = label or next(iter(card.thresholds), card.labels[-1])
    assert card.fps is not None
    size = max(card.input.width, ANALYSIS_BOX), max(card.input.height, ANALYSIS_BOX)
    length = max(card.warm_frames, round(WINDOW_S * card.fps))
    if at_s is None:
        at_s = _strongest(file, card, video, chosen, size)
    window = _window(frames_of(Sample(video, chosen, ""), card.fps, size), at_s, length)
    times = np.array([time for time, _ in window])
    pictures = np.stack([pixels for _, pixels in window])
    fitted = np.stack([fit(pixels, card.input) for _, pixels in window])
    index = card.labels.index(chosen)
    gradients = file.suffix == ".safetensors"
    score, maps = (_grad_cam if gradients else _occlusion)(file, card, fitted, index)
    heat = np.stack([_placed(it, card, (pictures.shape[2], pictures.shape[1])) for it in maps])
    return Explained(
        chosen,
        score,
        card.thresholds.get(chosen),
        times,
        pictures,
        heat / heat.max() if heat.max() > 0 else heat,
        "grad-cam" if gradients else "occlusion",
        len(window) >= card.warm_frames,
    )


def _strongest(file: Path, card: Card, video: Path, label: str, size: tuple[int, int]) -> float:
    """When the score is highest among those that count, as streamed; of all where none counts."""
    sample, at = Sample(video, label, ""), card.labels.index(label)
    if file.suffix != ".safetensors":
        (scored,) = stream_samples(file, [sample]).scored
        times, column, warm = scored.times, scored.scores[:, at], scored.warm
    else:
        step = streaming(file, card, threads=2)
        frames = frames_of(sample, card.fps or 1.0, size)
        rows = [(time, float(step(fit(pixels, card.input)[None])[0, at])) for time, pixels in frames]
        times, column = np.array([t for t, _ in rows]), np.array([said for _, said in rows], np.float32)
        warm = np.arange(len(rows)) >= card.warm_frames - 1
    counting = np.where(warm, column, -1.0) if warm.any() else column
    return float(times[int(counting.argmax())])


def _window(frames: Iterator[Timed], at_s: float, length: int) -> list[Timed]:
    """The last frames up to a time."""
    kept: list[Timed] = []
    for time, pixels in frames:
        if time > at_s + 1e-6:
            break
        kept = [*kept[-(length - 1) :], (time, pixels)] if length > 1 else [(time, pixels)]
    if not kept:
        raise InputError(f"explain: the video has no frame up to {at_s:g} s")
    return kept


def _grad_cam(file: Path, card: Card, fitted: Pixels, index: int) -> tuple[float, Floats]:
    """The score, and (T, h, w) maps as large as the features are."""
    import torch

    from streamer.models.nets.saved import load

    try:
        from captum.attr import LayerGradCam
    except ImportError as error:
        raise InputError('explain: needs Captum, which is not installed; pip install "streamer[train]"') from error
    net, _ = load(file)
    net.eval()
    clip = torch.from_numpy(normalise(fitted, card.input))[None]
    layer = deepest_map(net, clip)

    def decision(clips: Any) -> Any:
        return net(clips)[0][:, -1]

    found = LayerGradCam(decision, layer).attribute(clip, target=index, relu_attributions=True)
    with torch.no_grad():
        score = float(net.activate(decision(clip))[0, index])
    maps: Floats = found.detach().float().flatten(0, -3).numpy()
    return score, maps


def deepest_map(net: Any, clip: Any) -> Any:
    """The last layer whose output still has places in the picture, one map a frame.

    Args:
        net: in evaluation mode.
        clip: float (1, T, 3, H, W).

    Raises:
        InputError: there is none.
    """
    import torch

    seen: list[Any] = []
    frames = clip.shape[1]

    def note(module: Any, given: Any, output: Any) -> None:
        flat = isinstance(output, torch.Tensor) and output.ndim == 4
        if flat and len(output) == frames and min(output.shape[2:]) > 1 and not list(module.children()):
            seen.append(module)

    hooks = [module.register_forward_hook(note) for module in net.modules()]
    try:
        with torch.no_grad():
            net(clip)
    finally:
        for hook in hooks:
            hook.remove()
    # a module that is used twice (an activation that is shared) would give gradients of both its uses
    once = [module for module in seen if seen.count(module) == 1]
    if not once:
        raise InputError("explain: the net has no layer with one map a frame; an ONNX file of it can be explained")
    return once[-1]


def _occlusion(file: Path, card: Card, fitted: Pixels, index: int) -> tuple[float, Floats]:
    """The score, and how much it falls when a part of all frames is gray; the same map for all frames."""
    answer = sliding(file, card)
    score = float(answer(fitted)[index])
    height, width = fitted.shape[1:3]
    ys, xs = (np.linspace(0, side, _GRID + 1).round().astype(int) for side in (height, width))
    fall = np.zeros((_GRID, _GRID), np.float32)
    times = np.zeros((_GRID, _GRID), np.float32)
    gray = fitted.mean(axis=(0, 1, 2)).astype(np.uint8)
    for row in range(_GRID - _COVER + 1):
        for column in range(_GRID - _COVER + 1):
            covered = fitted.copy()
            covered[:, ys[row] : ys[row + _COVER], xs[column] : xs[column + _COVER]] = gray
            part = slice(row, row + _COVER), slice(column, column + _COVER)
            fall[part] += max(0.0, score - float(answer(covered)[index]))
            times[part] += 1
    return score, np.repeat((fall / times)[None], len(fitted), axis=0)


def _placed(heat: Floats, card: Card, size: tuple[int, int]) -> Floats:
    """A map over the net's input as one over the picture: without the letterbox's border, (H, W)."""
    from streamer.models.boxes import Letterbox
    from streamer.models.opencv import opencv

    cv2 = opencv()
    shape = card.input
    whole = cv2.resize(heat, (shape.width, shape.height), interpolation=cv2.INTER_LINEAR)
    if shape.fit == "letterbox":
        box = Letterbox.fit(size, (shape.width, shape.height))
        whole = whole[: box.height, : box.width]
    placed: Floats = np.maximum(cv2.resize(whole, size, interpolation=cv2.INTER_LINEAR), 0)
    return placed
