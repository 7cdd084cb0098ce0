"""The recipe of a detector: which footage, which teacher, how it is trained; read from one YAML file.

`load_detection` reads and checks it. Paths in it are relative to the folder of data that the command is given, so that
one recipe serves wherever the data lie. Nothing here knows torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from streamer import yamlfile
from streamer.errors import ConfigError, InputError
from streamer.faults import explain


class Part(BaseModel):
    """Part of a recipe: unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Footage(Part):
    """Files that are labelled alike."""

    files: str = Field(min_length=1, description="A path or a pattern (*, ?) within the folder of data.")
    fps: float = Field(3.0, gt=0, le=60, description="Pictures a second that the teacher looks at.")
    every: int = Field(3, ge=1, description="Of these, every so manyth becomes an example.")
    box: tuple[int, int] = Field((640, 480), description="Width and height that pictures are scaled into.")
    sides: tuple[int, ...] = Field((640, 576, 448), min_length=1, description="Longer sides of the teacher's views.")
    turned: int = Field(0, ge=0, description="Longer side of two views that lie on their sides; 0: none.")
    moving: str | None = Field(None, description="Label of all that moves here, if the teacher is blind for it.")
    moving_least: tuple[float, float] = Field(
        (0.08, 0.12), description="Of that, at least so wide and high; fractions."
    )
    weight: float = Field(1.0, gt=0, description="How often these are shown, relative to others.")


class Simulated(Part):
    """Pictures of the simulator, whose truth is exact."""

    scenes: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (11, 12)
    pictures: int = Field(7, ge=1, description="Of each scene and seed.")
    weight: float = Field(0.5, gt=0, description="How often these are shown, relative to others.")


class Recipe(Part):
    """All of a detector's training."""

    task: Literal["detection"]
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$", description="Of the model.")
    labels: tuple[str, ...] = Field(min_length=1, description="Classes of the result, by the teacher's names.")
    start: Path = Field(description="ONNX export of a YOLOX: the teacher, and where training starts.")
    start_labels: tuple[str, ...] | Literal["coco"] = Field("coco", description="The classes of that file.")
    side: int = Field(416, ge=64, le=1280, multiple_of=32, description="Longer side of the input in pixels.")
    footage: tuple[Footage, ...] = Field(min_length=1, description="What is labelled and learned from.")
    simulated: Simulated = Simulated()
    never: tuple[str, ...] = Field(
        (), description="Patterns of test files; a footage pattern that meets one is an error."
    )
    steps: int = Field(4000, ge=1, description="Batches.")
    seconds: float | None = Field(None, gt=0, description="If given, so long instead; the rate then follows the clock.")
    batch_size: int = Field(48, ge=2)
    learning_rate: float = Field(3e-4, gt=0, le=0.1, description="Of AdamW; falls along a cosine to a fiftieth.")
    warm_up: int = Field(200, ge=1, description="Steps until the rate is reached.")
    stay: float = Field(1.0, ge=0, description="Weight of the loss that keeps scores where labels say nothing.")
    anchor: float = Field(1.0, ge=0, description="Pull of all weights to the start, a step, in learning rates.")
    turned: float = Field(0.12, ge=0, le=1, description="Share of pictures turned by a quarter.")
    ema: float = Field(0.999, gt=0, lt=1, description="Decay a step of the averaged weights, which are kept.")
    share: float = Field(1.0, gt=0, le=1, description="Of the way from the start to what was learned: what is kept.")
    backbone: bool = Field(True, description="Whether the backbone learns, too; without it, a step costs half.")
    seed: int = Field(0, ge=0, lt=2**31)
    license: str = ""
    source: str = ""

    @model_validator(mode="after")
    def _check(self) -> Recipe:
        known = self.known_labels
        unknown = [label for label in self.labels if label not in known]
        unknown += [part.moving for part in self.footage if part.moving and part.moving not in self.labels]
        if unknown:
            raise ValueError(f"labels: {', '.join(unknown)} not among those of the start file")
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("labels must differ")
        return self

    @property
    def known_labels(self) -> tuple[str, ...]:
        """The classes of the start file."""
        from streamer.models.labels import COCO80

        return COCO80 if self.start_labels == "coco" else self.start_labels


def is_detection(path: Path) -> bool:
    """Whether a recipe file says `task: detection`; faults are left to who reads it in full."""
    try:
        document = yamlfile.read(path)
    except InputError:
        return False
    return isinstance(document.data, dict) and document.data.get("task") == "detection"


def load_detection(path: Path, changes: Sequence[str] = ()) -> Recipe:
    """Read a recipe.

    Args:
        path: the YAML file.
        changes: `key=value` of the recipe itself, each set before anything is checked; the value is YAML.

    Raises:
        ConfigError: with all faults, one line each.
        InputError: a change that cannot be understood.
    """
    if not path.is_file():
        raise ConfigError([f"{path}: no such recipe; those of the shipped models are in configs/recipes/"])
    document = yamlfile.read(path)
    if not isinstance(document.data, dict):
        raise ConfigError([document.fault((), "expected keys such as `task:` and `footage:`")])
    if document.faults:
        raise ConfigError([line for _, line in document.faults])
    values = dict(document.data)
    for change in changes:
        name, equals, text = change.partition("=")
        if not equals or not name.strip():
            raise InputError(f"train: --set needs KEY=VALUE, e.g. --set steps=2000, got {change!r}")
        values[name.strip()] = yamlfile.parse(f"value: {text}", f"--set {name}").data["value"]
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        raise ConfigError([document.fault(at, text) for at, text in explain(error, Recipe, document, ())]) from error


def files_of(recipe: Recipe, data: Path) -> list[tuple[Footage, list[Path]]]:
    """The files of each footage, sorted.

    Raises:
        InputError: a pattern that meets no file, or one that is a test's.
    """
    never = {file for pattern in recipe.never for file in data.glob(pattern)}
    found = []
    for part in recipe.footage:
        files = sorted(file for file in data.glob(part.files) if file.is_file())
        if not files:
            raise InputError(f"train: footage {part.files!r}: no such file in {data}")
        if tested := [file for file in files if any(file == other or other in file.parents for other in never)]:
            raise InputError(f"train: footage {part.files!r} meets {tested[0].relative_to(data)}, which is for tests")
        found.append((part, files))
    return found
