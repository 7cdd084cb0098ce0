"""The step of a net as an ONNX file: one frame and the state in, probabilities and the next state out.

By the exporter that is part of torch itself (the tracing one: a step is straight-line code, its sizes are plain
numbers, and only the batch is free); the newer one would need another package for the same graph.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from streamer.errors import ModelError
from streamer.models.card import Card, load_card, write_card
from streamer.models.step import FRAME, NEXT, SCORES

_OPSET = 17


class Step(nn.Module):  # type: ignore[misc]  # torch is followed by no type checker here
    """A net's step with its activation inside, as the daemon's runtimes call it."""

    def __init__(self, net: Any):
        super().__init__()
        self.net = net

    def forward(self, frame: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """Probabilities (batch, labels), and the next state."""
        logits, following = self.net.step(frame, state)
        return self.net.activate(logits), *following


def write_onnx(net: Any, card: Card, out: Path) -> Card:
    """Write the step with its card, atomically, on whatever device the net is.

    Args:
        net: a StreamingNet in evaluation mode.
        card: its card.
        out: an .onnx file.

    Raises:
        ModelError: wrong suffix, or the graph is not what the card says.
    """
    if out.suffix != ".onnx":
        raise ModelError(f"export: --out must end in .onnx for --to onnx, got {out}")
    if net.training:
        raise ModelError("export: the net is in training mode; call net.eval() first")
    draft = out.with_name(f".{out.stem}.draft.onnx")
    names = [state.name for state in net.state_spec]
    outputs = [SCORES, *(f"{name}{NEXT}" for name in names)]
    at = next(net.parameters())
    frame = torch.zeros(2, 3, net.settings.height, net.settings.width, device=at.device)
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it announces the newer exporter at each use
            torch.onnx.export(
                Step(net).eval(),
                (frame, *net.initial_state(2)),
                str(draft),
                input_names=[FRAME, *names],
                output_names=outputs,
                dynamic_axes={name: {0: "batch"} for name in (FRAME, *names, *outputs)},
                opset_version=_OPSET,
                dynamo=False,
            )
        _name_outputs(draft, card)
        write_card(draft, card)
        written = load_card(draft, "behaviour")
        draft.replace(out)
    finally:
        draft.unlink(missing_ok=True)
    return written


def _name_outputs(file: Path, card: Card) -> None:
    """Put the sizes of outputs back that tracing made anonymous; the card knows them."""
    import onnx

    model = onnx.load(str(file))
    sizes = {SCORES: (len(card.labels),)} | {f"{state.name}{NEXT}": state.shape for state in card.state}
    for value in model.graph.output:
        dims = value.type.tensor_type.shape.dim
        if len(dims) != 1 + len(sizes[value.name]):
            raise ModelError(f"export: output {value.name} has {len(dims)} dimensions, not 1 + {sizes[value.name]}")
        for dim, size in zip(list(dims)[1:], sizes[value.name], strict=True):
            dim.dim_value = size
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, str(file))
