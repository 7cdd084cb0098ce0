"""Weights and activations in eight bits, by NNCF, calibrated on the user's own clips as they are streamed.

Only convolutions and matrix products are quantized: they are nearly all of the work. The arithmetic of ages,
differences and pools stays in float32, for what a state loses it loses at every step; so does the first convolution,
whose colors and small differences would share one scale. Calibration feeds states as they really arise.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from streamer.errors import InputError, ModelError
from streamer.models.card import Card
from streamer.models.step import FRAME
from streamer.models.transforms import normalise
from streamer.training.frames import decode
from streamer.training.samples import read_samples
from streamer.training.steppers import Floats, OnnxStepper, initial_state

FRAMES = 300
"""Frames that ranges are measured on: NNCF's own default."""
_A_CLIP = 20
"""Frames taken of one clip, so that many scenes are seen."""
_KEPT_FLOAT = ("Add", "Sub", "Mul", "Div", "Pow", "Concat", "ReduceMean", "ReduceSum", "ReduceMax", "AveragePool")


def quantize(file: Path, card: Card, clips: Path, out: Path) -> int:
    """Write an 8-bit form of an exported step; no card in it yet.

    Args:
        file: the float32 .onnx file.
        card: its card.
        clips: folder of clips (see `samples.read_samples`).
        out: an .onnx file.

    Returns:
        Frames that it was calibrated on.

    Raises:
        ModelError: NNCF is not installed, or refuses.
        InputError: no clip can be read.
    """
    nncf = _nncf()
    import onnx

    feeds = list(_feeds(file, card, clips))
    logging.getLogger("nncf").setLevel(logging.ERROR)
    model = onnx.load(str(file))
    first = next(node.name for node in model.graph.node if node.op_type == "Conv")
    try:
        with contextlib.redirect_stdout(sys.stderr):  # its progress bars; what is printed is the report
            made = nncf.quantize(
                model,
                nncf.Dataset(feeds),
                subset_size=len(feeds),
                preset=nncf.QuantizationPreset.MIXED,
                ignored_scope=nncf.IgnoredScope(names=[first], types=list(_KEPT_FLOAT), validate=False),
                # processors without 8-bit dot products add pairs in 16 bits, which overflow: leave them half the range.
                # Correlation with float32 on frames of real cameras: 0.99 so, 0.85 without (ShuffleNetV2 x0.5, AVX2)
                advanced_parameters=nncf.AdvancedQuantizationParameters(overflow_fix=nncf.OverflowFix.ENABLE),
            )
    except Exception as error:  # the library's errors share no base class
        raise ModelError(f"export: {file}: NNCF cannot quantize it: {str(error)[:300]}") from error
    onnx.save(made, str(out))
    return len(feeds)


def _feeds(file: Path, card: Card, clips: Path) -> Iterator[dict[str, Floats]]:
    """Inputs of the step as they arise when clips are streamed, a few frames of each."""
    stepper = OnnxStepper(file, card)
    fps = card.fps or 5.0
    samples = read_samples(clips)
    # spread over the list, which is sorted by class
    order = np.random.default_rng(0).permutation(len(samples))
    count, broken = 0, 0
    for place in order:
        try:
            frames = decode(samples[int(place)], card.input, fps)
        except InputError:
            broken += 1
            continue
        state = initial_state(card, 1)
        for i in range(min(len(frames), _A_CLIP)):
            frame = normalise(frames[i : i + 1], card.input)
            yield {FRAME: frame} | dict(zip((s.name for s in card.state), state, strict=True))
            _, state = stepper.step(frame, state)
            count += 1
            if count == FRAMES:
                return
    if count == 0:
        raise InputError(f"export: --calibrate {clips}: none of its {broken} clips can be read")


def _nncf() -> Any:
    try:
        return importlib.import_module("nncf")
    except ImportError as error:
        raise ModelError(
            "export: --int8 needs nncf, which is not installed; run: pip install 'streamer[train]'"
        ) from error
