"""A recipe: one YAML file that says all of a training, so that it can be made again.

`load_recipe` reads and checks it; every fault is named with file, line and key, as for a site file. `--set a.b=value`
changes single keys. Called by the command line and by tests; nothing here knows torch.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from streamer import yamlfile
from streamer.errors import ConfigError, InputError
from streamer.faults import explain
from streamer.models.card import Input
from streamer.models.nets.settings import IMAGENET_MEAN, IMAGENET_STD, NetSettings
from streamer.training.settings import (
    AdapterSettings,
    AdversarySettings,
    AugmentSettings,
    CacheSettings,
    ClipSettings,
    FreezeSettings,
    JournalSettings,
    LossSettings,
    MachineSettings,
    OptimizerSettings,
    ScheduleSettings,
    Section,
    SplitSettings,
    StopSettings,
)
from streamer.training.space import TuneSettings
from streamer.yamlfile import Document


class Recipe(Section):
    """All of a training."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$", description="Of the model.")
    data: Path | None = Field(None, description="Folder or CSV file of clips, relative to the recipe; or --data.")
    net: NetSettings = Field(description="The network; its heads name the labels.")
    fit: Literal["letterbox", "stretch"] = Field(
        "stretch", description="How a picture comes into the net's input: stretched, or with its aspect and a border."
    )
    background: list[str] = Field(
        default_factory=list, description="Labels of clips that show nothing of what the heads name (sigmoid heads)."
    )
    positive: str | None = Field(None, description="The label that figures are of; default: the last of two.")
    weights: str = Field(
        "default", min_length=1, description="Of the backbone: default (torchvision), none, or a file by path."
    )
    start: Path | None = Field(None, description="A model (.safetensors) of ours that is trained further.")
    license: str = Field("", description="Of the trained weights; goes into the card.")
    source: str = Field("", description="Where the clips are from, with credit; goes into the card.")
    seed: int = Field(0, ge=0, lt=2**31, description="Of everything random.")
    batch_size: int = Field(16, ge=1, le=4096, description="Clips a step, over all GPUs.")
    ema: float | None = Field(0.99, gt=0, lt=1, description="Decay a step of the averaged weights; null: none.")
    dropout: float | None = Field(None, ge=0, lt=1, description="Instead of the net's own.")
    clip: ClipSettings = Field(ClipSettings(), description="What one example is.")
    split: SplitSettings = Field(SplitSettings(), description="Which clips validate.")
    augment: AugmentSettings = Field(AugmentSettings(), description="What cameras do to pictures.")
    optimizer: OptimizerSettings = Field(OptimizerSettings(), description="How weights are changed.")
    schedule: ScheduleSettings = Field(ScheduleSettings(), description="How long, and how fast when.")
    freeze: FreezeSettings = Field(FreezeSettings(), description="What does not learn, and how long.")
    loss: LossSettings = Field(LossSettings(), description="What is made small.")
    adversary: AdversarySettings = Field(AdversarySettings(), description="Training against deception.")
    adapter: AdapterSettings = Field(AdapterSettings(), description="Parameter-efficient fine-tuning.")
    stop: StopSettings = Field(StopSettings(), description="When to stop, and what is kept.")
    journal: JournalSettings = Field(JournalSettings(), description="Who is told how it goes.")
    machine: MachineSettings = Field(MachineSettings(), description="How the machine is used.")
    cache: CacheSettings = Field(CacheSettings(), description="Decoded frames on disk.")
    tune: TuneSettings | None = Field(None, description="What `streamer tune` may try; a training does not look at it.")

    @property
    def labels(self) -> tuple[str, ...]:
        """All labels of all heads, in the order of the output."""
        return tuple(label for head in self.net.heads for label in head.labels)

    @property
    def input(self) -> Input:
        """What the net is fed; the card says it, and serving feeds the same."""
        net = self.net
        size = {"width": net.width, "height": net.height, "fit": self.fit}
        return Input.model_validate({**size, "scale": 1 / 255, "mean": IMAGENET_MEAN, "std": IMAGENET_STD})

    @property
    def target(self) -> str:
        """The label that figures are of."""
        return self.positive or self.labels[-1]

    @field_validator("weights")
    @classmethod
    def _plain(cls, value: str) -> str:
        return value.lower() if value.lower() in ("default", "none") else value

    @model_validator(mode="after")
    def _check(self) -> Recipe:
        if self.positive is not None and self.positive not in self.labels:
            raise ValueError(f"positive: {self.positive!r} is not one of the labels {', '.join(self.labels)}")
        both = sorted(set(self.background) & set(self.labels))
        if both:
            raise ValueError(f"background: {', '.join(both)} is a label of a head, too")
        if self.dropout is not None:
            object.__setattr__(self, "net", self.net.model_copy(update={"dropout": self.dropout}))
        return self

    def to_json(self) -> dict[str, Any]:
        """As plain values; `Recipe.model_validate` takes them back."""
        plain: dict[str, Any] = json.loads(self.model_dump_json())
        return plain


def load_recipe(path: Path, changes: Sequence[str] = ()) -> Recipe:
    """Read a recipe.

    Args:
        path: the YAML file; paths in it are relative to its folder.
        changes: `a.b=value`, each set before anything is checked; the value is YAML.

    Raises:
        ConfigError: with all faults, one line each.
        InputError: a change that cannot be understood.
    """
    if not path.is_file():
        raise ConfigError([f"{path}: no such recipe; those of the shipped models are in configs/recipes/"])
    document = yamlfile.read(path)
    if not isinstance(document.data, dict):
        raise ConfigError([document.fault((), "expected keys such as `name:` and `net:`")])
    for change in changes:
        _change(document, change)
    if document.faults:
        raise ConfigError([line for _, line in document.faults])
    try:
        recipe = Recipe.model_validate(document.data)
    except ValidationError as error:
        faults = sorted(
            (document.mark(at), document.fault(at, text)) for at, text in explain(error, Recipe, document, ())
        )
        raise ConfigError([line for _, line in faults]) from error
    return _placed(recipe, path.absolute().parent)


def _placed(recipe: Recipe, folder: Path) -> Recipe:
    """The recipe with its paths made absolute."""

    def there(path: Path) -> Path:
        return (folder / path.expanduser()).absolute()

    moved: dict[str, Any] = {name: there(path) for name in ("data", "start") if (path := getattr(recipe, name))}
    if recipe.weights not in ("default", "none"):
        moved["weights"] = str(there(Path(recipe.weights)))
    if recipe.cache.dir is not None:
        moved["cache"] = recipe.cache.model_copy(update={"dir": there(recipe.cache.dir)})
    return recipe.model_copy(update=moved)


def _change(document: Document, change: str) -> None:
    """Set one key of the document; errors about it then name the option, not a line of the file."""
    name, equals, text = change.partition("=")
    keys = tuple(name.strip().split("."))
    if not equals or not all(keys):
        raise InputError(f"train: --set needs KEY=VALUE, e.g. --set schedule.epochs=20, got {change!r}")
    value = yamlfile.parse(f"value: {text}", f"--set {name}").data["value"]
    section: Any = document.data
    for i, key in enumerate(keys[:-1]):
        inner = section.setdefault(key, {}) if isinstance(section, dict) else None
        if not isinstance(inner, dict):
            raise InputError(f"train: --set {change}: {'.'.join(keys[: i + 1])} is no section")
        section = inner
    section[keys[-1]] = value
