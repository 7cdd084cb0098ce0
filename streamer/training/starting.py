"""What a training begins with: the weights of the backbone, or a whole model that is trained further.

Called by `trainer`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from streamer.errors import InputError
from streamer.models.nets.saved import load
from streamer.training.recipe import Recipe


def first_weights(recipe: Recipe) -> Literal["none", "default"] | Path:
    """The backbone's weights as `build` wants them."""
    if recipe.weights in ("none", "default"):
        return "none" if recipe.weights == "none" else "default"
    return Path(recipe.weights)


def continue_from(net: Any, recipe: Recipe) -> None:
    """Give a net all weights of an earlier model.

    Raises:
        InputError: the model has other labels or another architecture.
    """
    assert recipe.start is not None
    earlier, card = load(recipe.start)
    if tuple(card.labels) != recipe.labels:
        raise InputError(
            f"train: start {recipe.start}: its labels are {', '.join(card.labels)}, those of the recipe "
            f"{', '.join(recipe.labels)}; name them alike and in this order, or start from a backbone's weights"
        )
    if card.fps is not None and card.fps != recipe.net.fps:
        raise InputError(
            f"train: start {recipe.start}: it was trained at {card.fps:g} frames a second, the recipe says net.fps: "
            f"{recipe.net.fps:g}"
        )
    try:
        net.load_state_dict(earlier.state_dict())
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"train: start {recipe.start}: its net is not the recipe's: {reason}") from error
