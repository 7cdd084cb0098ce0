"""What a streaming model takes and gives each time step, as its card says and as its file must have it.

Inputs: ``frame`` float32 (batch, 3, height, width) and one tensor a state, (batch, ...shape). Outputs: ``scores``
float32 (batch, labels), probabilities, and ``NAME_next`` for each state. All zeros is the initial state, always; so a
batch may mix any cameras, and a camera is reset by zeros. No runtime, no numpy.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

FRAME, SCORES, NEXT = "frame", "scores", "_next"
"""Names of the image, of the answer, and the ending of a state's name among the outputs."""


class State(BaseModel):
    """One tensor that is kept for each camera between two frames."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    shape: tuple[int, ...]
    """Sizes for one camera, without the batch."""
    dtype: Literal["float32", "float16"] = "float32"

    @property
    def size_bytes(self) -> int:
        """Memory a camera."""
        return prod(self.shape) * (4 if self.dtype == "float32" else 2)


class Head(BaseModel):
    """One question that is asked of the same encoder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    labels: tuple[str, ...] = Field(min_length=1)
    activation: Literal["softmax", "sigmoid"] = "softmax"
    """`softmax`: exactly one of the labels is true; `sigmoid`: each by itself."""


def fault_of_states(states: Sequence[State]) -> str | None:
    """What is wrong with the names of states, or None."""
    names = [state.name for state in states]
    taken = {FRAME, SCORES, *(f"{name}{NEXT}" for name in names)}
    if len(set(names)) != len(names) or taken & set(names):
        return f"state names must differ, also from {FRAME} and {SCORES}, got {', '.join(names)}"
    return None


def fault_of_heads(heads: Sequence[Head], labels: Sequence[str]) -> str | None:
    """What is wrong between heads and all labels in order, or None."""
    of_heads = [label for head in heads for label in head.labels]
    if of_heads != list(labels):
        return f"labels must be those of all heads in order, {', '.join(of_heads)}; got {', '.join(labels)}"
    if len({head.name for head in heads}) != len(heads):
        return f"heads must have different names, got {', '.join(head.name for head in heads)}"
    return None


def fault_of_file(opened: Any, size: tuple[int, int], states: Sequence[State], labels: int) -> str | None:
    """What an ONNX file has other than its card promises, or None.

    Args:
        opened: an `onnxfile.OnnxFile`.
        size: (height, width) of the card's input.
        states: the card's.
        labels: number of the card's labels.
    """
    inputs = dict(zip(opened.input_names, opened.inputs, strict=True))
    outputs = dict(zip(opened.output_names, opened.outputs, strict=True))
    want_in = {FRAME: (3, *size)} | {state.name: state.shape for state in states}
    want_out: dict[str, tuple[int, ...]] = {SCORES: (labels,)}
    want_out |= {f"{state.name}{NEXT}": state.shape for state in states}
    return _fault("input", inputs, want_in) or _fault("output", outputs, want_out)


def _fault(kind: str, has: dict[str, Any], wants: dict[str, tuple[int, ...]]) -> str | None:
    missing, beyond = wants.keys() - has.keys(), has.keys() - wants.keys()
    if missing or beyond:
        parts = [f"lacks {kind} {', '.join(sorted(missing))}" if missing else ""]
        parts.append(f"has {kind} {', '.join(sorted(beyond))} that the card does not know" if beyond else "")
        return " and ".join(part for part in parts if part)
    for name, shape in wants.items():
        real = has[name]
        same = len(real) == 1 + len(shape) and all(
            a == b or isinstance(a, str) for a, b in zip(real[1:], shape, strict=True)
        )
        if not same:
            return f"has {kind} {name} of shape {tuple(real)}, the card says ('batch', {', '.join(map(str, shape))})"
        if not isinstance(real[0], str):
            return f"has {kind} {name} with a fixed batch of {real[0]}; export it with a free one"
    return None
