"""ShuffleNetV2 in Megvii's names and channel order, as torchvision's network wants it.

Both compute the same thing, but deal channels out differently: Megvii's unit takes the odd channels into its branch and
passes the even ones, torchvision's takes the second half and passes the first after its own shuffle. The order in which
a convolution gives its channels is free, so it is chosen here such that each channel meets the same filter in both.
These weights were trained on BGR pixels in 0..1; the first convolution is turned into one for torchvision's
normalised RGB. Equal up to the border, where padding means black there and the mean color here.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from streamer.errors import ModelError
from streamer.models.nets.settings import IMAGENET_MEAN, IMAGENET_STD

_UNIT = re.compile(r"(stage\d)\.(\d+)\.branch_(main|proj)\.")
_BRANCHES = {"main": "branch2", "proj": "branch1"}


def is_megvii(tensors: Mapping[str, Any]) -> bool:
    """Whether the names are those of Megvii's ShuffleNetV2."""
    return "first_conv.0.weight" in tensors and any(_UNIT.match(name) for name in tensors)


def to_torchvision(tensors: Mapping[str, Any]) -> dict[str, Any]:
    """The same network by torchvision's names; what it has no name for keeps its own.

    Raises:
        ModelError: a stage is incomplete.
    """
    found = {_rename(name): value for name, value in tensors.items()}
    _normalise(found)
    order: list[int] | None = None  # which channel of Megvii's lies at each of torchvision's places, before the shuffle
    for stage in ("stage2", "stage3", "stage4"):
        units = len({m[2] for m in map(_UNIT.match, tensors) if m and m[1] == stage})
        try:
            order = _reorder_stage(found, stage, units, order)
        except KeyError as error:
            raise ModelError(f"weights: a ShuffleNetV2 by Megvii's names lacks {error}") from error
    if order is not None and "conv5.0.weight" in found:
        found["conv5.0.weight"] = found["conv5.0.weight"][:, _shuffle(order)]
    return found


def _rename(name: str) -> str:
    for theirs, ours in (("first_conv.", "conv1."), ("conv_last.", "conv5.")):
        if name.startswith(theirs):
            return ours + name[len(theirs) :]
    return _UNIT.sub(lambda m: f"{m[1]}.{m[2]}.{_BRANCHES[m[3]]}.", name)


def _normalise(found: dict[str, Any]) -> None:
    """BGR in 0..1 to RGB, less mean, by std: the filters are scaled, and the constant part goes into the norm."""
    import torch

    kernel = found["conv1.0.weight"].flip(1)
    mean = torch.tensor(IMAGENET_MEAN, dtype=kernel.dtype).view(1, 3, 1, 1)
    std = torch.tensor(IMAGENET_STD, dtype=kernel.dtype).view(1, 3, 1, 1)
    found["conv1.0.weight"] = kernel * std
    found["conv1.1.running_mean"] = found["conv1.1.running_mean"] - (kernel * mean).sum((1, 2, 3))


def _reorder_stage(found: dict[str, Any], stage: str, units: int, before: list[int] | None) -> list[int]:
    """Permute a stage's filters; `before` is the order of the stage in front, None where it is plain."""
    half = len(found[f"{stage}.0.branch2.6.weight"])
    if before is not None:
        source = _shuffle(before)
        _permute_inputs(found, f"{stage}.0", source)
    made, theirs = _trace(units, half, torchvision=True), _trace(units, half, torchvision=False)
    # places of the two halves of the first unit, and of the branch of each later one
    order = {birth: _match(made[birth], theirs[birth], half) for birth in made}
    for (unit, branch), places in order.items():
        last = 2 if branch == "branch1" else 5
        _permute_outputs(found, f"{stage}.{unit}.{branch}", last, places)
    cat = _joined(order, 0, half)
    megvii = list(range(2 * half))
    for unit in range(1, units):
        # `cat` holds, at torchvision's places, indices into Megvii's joined channels
        dealt = [cat[i] for i in _dealt(half)]
        passing, taken = dealt[:half], dealt[half:]
        if {megvii[i] % 2 for i in passing} != {0}:
            raise ModelError("weights: Megvii's channel order cannot be had with torchvision's")
        key = f"{stage}.{unit}.branch2.0.weight"
        found[key] = found[key][:, [i // 2 for i in taken]]
        cat = [i // 2 for i in passing] + [half + i for i in order[unit, "branch2"]]
    return cat


def _trace(units: int, half: int, torchvision: bool) -> dict[tuple[int, str], list[int]]:
    """For each channel that a unit makes: how many later units pass it on before one takes it."""
    fates: dict[tuple[int, str], list[int]] = {}
    where: list[tuple[tuple[int, str], int]] = []
    for unit in range(units):
        fresh = [(unit, "branch2")] if unit else [(0, "branch1"), (0, "branch2")]
        if unit:
            dealt = [where[i] for i in _dealt(half)] if torchvision else [*where[::2], *where[1::2]]
            for birth, index in dealt[:half]:
                fates[birth][index] += 1
            where = dealt[:half]
        for birth in fresh:
            fates[birth] = [0] * half
            where = [*where, *((birth, i) for i in range(half))]
    return fates


def _match(ours: list[int], theirs: list[int], half: int) -> list[int]:
    """For each of torchvision's places one of Megvii's channels with the same fate."""
    waiting: dict[int, list[int]] = defaultdict(list)
    for index in reversed(range(half)):
        waiting[theirs[index]].append(index)
    try:
        return [waiting[fate].pop() for fate in ours]
    except IndexError:
        raise ModelError(f"weights: Megvii's order of {half} channels cannot be had with torchvision's") from None


def _joined(order: Mapping[tuple[int, str], list[int]], unit: int, half: int) -> list[int]:
    return order[unit, "branch1"] + [half + i for i in order[unit, "branch2"]]


def _dealt(half: int) -> list[int]:
    """Which channel lies at each place after torchvision's shuffle."""
    return [i // 2 + (i % 2) * half for i in range(2 * half)]


def _shuffle(order: list[int]) -> list[int]:
    return [order[i] for i in _dealt(len(order) // 2)]


def _permute_inputs(found: dict[str, Any], unit: str, source: list[int]) -> None:
    """Both branches of a stage's first unit take all channels: one by a 1x1 convolution, one depthwise."""
    found[f"{unit}.branch2.0.weight"] = found[f"{unit}.branch2.0.weight"][:, source]
    _permute_outputs(found, f"{unit}.branch1", 0, source)
    found[f"{unit}.branch1.2.weight"] = found[f"{unit}.branch1.2.weight"][:, source]


def _permute_outputs(found: dict[str, Any], branch: str, layer: int, places: list[int]) -> None:
    """A convolution and the norm behind it."""
    found[f"{branch}.{layer}.weight"] = found[f"{branch}.{layer}.weight"][places]
    for part in ("weight", "bias", "running_mean", "running_var"):
        found[f"{branch}.{layer + 1}.{part}"] = found[f"{branch}.{layer + 1}.{part}"][places]
