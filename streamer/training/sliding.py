"""A streaming model as if it were a clip model: its whole window is computed anew for every answer.

That is how behaviour models are usually run. The net and its weights are the same, so what differs from streaming is
only how often each frame is computed, and how far back an answer can look. Used by the bench, to compare.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamer.inference.runtimes import Plan
from streamer.models.card import Card
from streamer.models.transforms import normalise

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]
Answer = Callable[[Pixels], Floats]
"""From the window's frames, uint8 (T, h, w, 3) as `transforms.fit` gives them, to probabilities (L,)."""


def sliding(file: Path, card: Card, threads: int = 1) -> Answer:
    """A model that looks at windows and remembers nothing.

    A safetensors model computes its frames together, as in training (`forward`); an ONNX step has no such form and is
    stepped through the window from zeros, which are the same computations one after the other.

    Raises:
        ModelError: the model cannot be loaded.
    """
    return _forward(file, card, threads) if file.suffix == ".safetensors" else _stepped(file, card, threads)


def streaming(file: Path, card: Card, batch: int = 1, threads: int = 1) -> Callable[[Pixels], Floats]:
    """A safetensors model as it would stream, in the library that `sliding` computes its windows with.

    Returns:
        From the frames of some cameras at one time, uint8 (batch, h, w, 3), to probabilities (batch, L); the state is
        carried from call to call.

    Raises:
        ModelError: the model cannot be loaded.
    """
    import torch

    from streamer.models.nets.saved import load

    net, _ = load(file)
    net.eval()
    state = net.initial_state(batch)

    def answer(frames: Pixels) -> Floats:
        nonlocal state
        with _threads(threads), torch.inference_mode():
            logits, state = net.step(torch.from_numpy(normalise(frames, card.input)), state)
            said: Floats = net.activate(logits).numpy()
            return said

    return answer


def windows(count: int, length: int, hop: int) -> list[tuple[int, int]]:
    """Where the windows of a clip lie: each ends `hop` frames after the one before; a short clip is one window.

    Returns:
        (first, after the last) of each.
    """
    if count <= length:
        return [(0, count)]
    return [(end - length, end) for end in range(length, count + 1, hop)]


def _forward(file: Path, card: Card, threads: int) -> Answer:
    import torch

    from streamer.models.nets.saved import load

    net, _ = load(file)
    net.eval()

    def answer(frames: Pixels) -> Floats:
        with _threads(threads), torch.inference_mode():
            logits, _ = net(torch.from_numpy(normalise(frames, card.input))[None])
            said: Floats = net.activate(logits[:, -1])[0].numpy()
            return said

    return answer


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """So many threads of torch for a while."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _stepped(file: Path, card: Card, threads: int) -> Answer:
    from streamer.inference.runtimes.stepper import open_stepper

    stepper = open_stepper(file, card, Plan("onnxruntime", threads=threads, batch=1, reason="bench"))

    def answer(frames: Pixels) -> Floats:
        stepper.forget(0)
        said = np.zeros(0, np.float32)
        for frame in frames:
            said = stepper.step([frame], [0])[0]
        return said

    return answer
