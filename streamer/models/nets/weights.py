"""Where a net's first weights come from: torchvision's own, a file, or chance. Says how many fitted, never guesses.

A file may hold a backbone by torchvision's names, a ShuffleNetV2 by Megvii's (see `megvii`), or a whole net that
`saved.save` wrote; what has another shape (a head with other labels) stays as it was, and is counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from streamer import log
from streamer.errors import ModelError
from streamer.models import tensorfile
from streamer.models.nets import megvii

logger = log.get(__name__)
_COCO = 80  # classes of the released YOLOX files
_LEAST = 0.5  # share of an encoder's tensors that a file must hold: below it, it is of another network


@dataclass(frozen=True, slots=True)
class LoadedWeights:
    """What became of a file's tensors."""

    source: str
    matched: int
    missing: tuple[str, ...]
    """Of the encoder, not in the file (or there in another shape): they stay random."""
    unexpected: tuple[str, ...]
    """In the file, and of no use here."""

    def __str__(self) -> str:
        return (
            f"{self.matched} tensors from {self.source}; {len(self.missing)} missing{_some(self.missing)}, "
            f"{len(self.unexpected)} unexpected{_some(self.unexpected)}"
        )


def backbone_of(name: str) -> Any:
    """The network of a name, with random weights: torchvision's for classification, or YOLOX-Nano."""
    if name == "yolox_nano":
        from streamer.models.nets.yolox import Yolox, YoloxSettings

        return Yolox(YoloxSettings(labels=_COCO))
    try:
        from torchvision.models import get_model
    except ImportError as error:
        raise ModelError("streaming nets need torch and torchvision; pip install torchvision") from error
    return get_model(name, weights=None)


def load_weights(net: Any, weights: Literal["none", "default"] | Path) -> LoadedWeights | None:
    """Fill a StreamingNet; returns what fitted, None for `none`.

    Raises:
        ModelError: the weights cannot be had, or are of another network.
    """
    if weights == "none":
        return None
    name = net.settings.backbone
    if weights == "default":
        source, tensors = f"torchvision's {name}", _fetch(name)
    else:
        source, tensors = str(weights), read_tensors(Path(weights))
    if any(key.startswith("backbone.") for key in tensors):
        loaded = _fill_whole(net, tensors, source)
    else:
        if megvii.is_megvii(tensors):
            tensors = megvii.to_torchvision(tensors)
        loaded = _fill_encoder(net, tensors, source)
    count = sum(1 for key in net.state_dict() if key.startswith("backbone.") and not key.endswith(_COUNTER))
    if len(loaded.missing) > (1 - _LEAST) * count:
        raise ModelError(
            f"weights {source}: only {count - len(loaded.missing)} of the {count} tensors of backbone {name} are in it "
            f"(missing{_some(loaded.missing)}): is it of another network?"
        )
    logger.info("weights: %s", loaded)
    return loaded


def read_tensors(file: Path) -> dict[str, Any]:
    """The tensors of a .safetensors, .pth (read without running code from it) or .onnx file (YOLOX-Nano for COCO).

    Raises:
        ModelError: no such file, or not of either kind.
    """
    if not file.is_file():
        raise ModelError(f"weights {file}: no such file")
    if file.suffix == ".onnx":
        from streamer.models.nets.yolox import YoloxSettings
        from streamer.models.nets.yoloxfile import load_onnx

        return dict(load_onnx(file, YoloxSettings(labels=_COCO)).state_dict())
    if file.suffix == ".safetensors":
        from safetensors.torch import load_file

        tensorfile.read(file)  # says what is wrong with a damaged one
        return dict(load_file(str(file)))
    import torch

    try:
        found = torch.load(str(file), map_location="cpu", weights_only=True)
    except Exception as error:  # unpickling raises whatever it likes
        first = str(error).split("\n")[0][:200]
        raise ModelError(f"weights {file}: not a state dict that loads without code: {first}") from error
    if not isinstance(found, Mapping):
        raise ModelError(f"weights {file}: not a state dict but {type(found).__name__}")
    return {key: value for key, value in found.items() if isinstance(value, torch.Tensor)}


_COUNTER = "num_batches_tracked"


def _fetch(name: str) -> dict[str, Any]:
    if name == "yolox_nano":
        raise ModelError("weights default: torchvision has none of yolox_nano; give its ONNX file (docs/models.md)")
    from torchvision.models import get_model_weights

    best = get_model_weights(name).DEFAULT
    try:
        return dict(best.get_state_dict(progress=False, check_hash=True))
    except (OSError, RuntimeError) as error:  # no network, or another hash than the file's name promises
        import torch

        place = Path(torch.hub.get_dir()) / "checkpoints" / best.url.rsplit("/", 1)[1]
        raise ModelError(
            f"weights default: {best.url} cannot be fetched ({error}); put that file at {place}, or give "
            "weights: FILE or weights: none"
        ) from error


def _fill_encoder(net: Any, tensors: Mapping[str, Any], source: str) -> LoadedWeights:
    """By torchvision's names: into a network of torchvision's that shares its parts with the encoder."""
    names = _names(net)
    return _fill(net, {names[key]: value for key, value in tensors.items() if key in names}, source, tensors)


def _fill_whole(net: Any, tensors: Mapping[str, Any], source: str) -> LoadedWeights:
    return _fill(net, dict(tensors), source, tensors)


def _fill(net: Any, found: Mapping[str, Any], source: str, tensors: Mapping[str, Any]) -> LoadedWeights:
    own = net.state_dict()
    fitting = {}
    for key, value in found.items():
        if key in own and _widened(key, value, own[key]) is not None:
            fitting[key] = _widened(key, value, own[key])
    net.load_state_dict(fitting, strict=False)
    wanted = [key for key in own if key.startswith("backbone.") and not key.endswith(_COUNTER)]
    return LoadedWeights(
        source=source,
        matched=len([key for key in fitting if not key.endswith(_COUNTER)]),
        missing=tuple(key for key in wanted if key not in fitting),
        unexpected=tuple(_unused(net, tensors, fitting)),
    )


def _unused(net: Any, tensors: Mapping[str, Any], fitting: Mapping[str, Any]) -> list[str]:
    names = _names(net)
    return [key for key in tensors if names.get(key, key) not in fitting and not key.endswith(_COUNTER)]


def _widened(key: str, value: Any, own: Any) -> Any:
    """The tensor, if it fits; filters over three colors are given the fourth channel of `motion: difference`."""
    import torch

    if value.shape == own.shape:
        return value
    first = key.startswith("backbone.blocks.0.") and value.dim() == 4
    if first and value.shape[1] == 3 and own.shape[1] == 4 and value.shape[2:] == own.shape[2:]:
        return torch.cat([value, value.mean(1, keepdim=True)], 1)
    return None


def _names(net: Any) -> dict[str, str]:
    """Each tensor of the encoder: its name in torchvision, and in the whole net."""
    return {theirs: f"backbone.{ours}" for theirs, ours in net.backbone.origins.items()}


def _some(names: tuple[str, ...]) -> str:
    return f" ({', '.join(names[:2])}{', ...' if len(names) > 2 else ''})" if names else ""
