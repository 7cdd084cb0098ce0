"""A net as one file, weights and card, and back: what training writes, and export reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from streamer.errors import ModelError
from streamer.models.card import STREAMING, Card, Input, load_card, write_card
from streamer.models.nets.cost import gmacs, parameters
from streamer.models.nets.settings import IMAGENET_MEAN, IMAGENET_STD, NetSettings
from streamer.models.nets.streaming import StreamingNet


def card_for(net: StreamingNet, fit: str = "stretch", **more: Any) -> Card:
    """The card of a net: all that it knows of itself, and what you add (license, source, metrics, thresholds, ...)."""
    settings = net.settings
    size = {"width": settings.width, "height": settings.height, "fit": fit}
    shape = Input.model_validate({**size, "scale": 1 / 255, "mean": IMAGENET_MEAN, "std": IMAGENET_STD})
    fields = {
        "task": "behaviour",
        "family": STREAMING,
        "labels": net.labels,
        "heads": net.heads,
        "input": shape,
        "state": net.state_spec,
        "warm_frames": net.warm_frames,
        "fps": settings.fps,
        "architecture": settings.model_dump_json(),
        "dynamic_batch": True,
        "gmacs": gmacs(net),
        "parameters": parameters(net),
    }
    return Card.model_validate({**fields, **more})


def save(net: StreamingNet, card: Card, path: Path) -> Card:
    """Write weights and card to a .safetensors file, atomically.

    What only the net knows (state, warm frames, architecture, multiply-adds, parameters) is put into the card.

    Returns:
        The card as written, with the file's checksum.

    Raises:
        ModelError: the card has other labels or another size than the net, or the suffix is another.
    """
    from safetensors.torch import save_file

    if path.suffix != ".safetensors":
        raise ModelError(f"model {path}: weights are kept as .safetensors, got {path.suffix!r}")
    if (card.labels, card.heads) != (net.labels, net.heads):
        raise ModelError(f"model {path}: the card's labels are {', '.join(card.labels)}, the net's {net.labels}")
    size, own = (card.input.width, card.input.height), (net.settings.width, net.settings.height)
    if size != own:
        raise ModelError(f"model {path}: the card's input is {size[0]}x{size[1]}, the net's {own[0]}x{own[1]}")
    of_net = card_for(net)
    known = ("state", "warm_frames", "architecture", "gmacs", "parameters", "fps")
    card = Card.model_validate({**card.model_dump(), **{name: getattr(of_net, name) for name in known}})
    draft = path.with_name(f".{path.stem}.draft.safetensors")
    try:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in net.state_dict().items()}, str(draft))
        card = write_card(draft, card)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return card


def load(path: Path) -> tuple[StreamingNet, Card]:
    """A net in evaluation mode, and its card.

    Raises:
        ModelError: not a streaming net's weights, damaged, or of another architecture than the card says.
    """
    from safetensors.torch import load_file

    if path.suffix != ".safetensors":
        raise ModelError(f"model {path}: a net is made from a .safetensors file, got {path.suffix!r}")
    card = load_card(path, "behaviour")
    try:
        settings = NetSettings.model_validate_json(card.architecture)
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(str(part) for part in fault["loc"])
        raise ModelError(f"model {path}: its card's architecture: {where or 'JSON'}: {fault['msg']}") from error
    net = StreamingNet(settings)
    try:
        net.load_state_dict(load_file(str(path)))
    except RuntimeError as error:
        first = next((line.strip() for line in str(error).split("\n")[1:] if line.strip()), str(error))
        raise ModelError(f"model {path}: its weights are not those of its architecture: {first[:200]}") from error
    if net.labels != card.labels or net.state_spec != card.state:
        raise ModelError(f"model {path}: its card's labels or state are not those of its architecture")
    return net.eval(), card
