"""What `streamer tune` may try, as a recipe says it: the section `tune`.

    tune:
      trials: 30
      false_rate: 0.05
      max_ms: 16
      space:
        optimizer.learning_rate: {low: 1.0e-4, high: 3.0e-3, log: true}
        net.backbone: [mobilenet_v3_small, shufflenet_v2_x1_0]
        net.width: {low: 96, high: 160, step: 32}

Keys are those of the recipe, as `--set` takes them. Plain values; nothing here knows torch or Optuna.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator, model_validator

from streamer.training.settings import Section


class Range(Section):
    """Numbers between two bounds; whole ones if both bounds and the step are."""

    low: int | float = Field(description="The least.")
    high: int | float = Field(description="The most.")
    step: int | float | None = Field(None, gt=0, description="Only every so much from the least; null: any.")
    log: bool = Field(False, description="Evenly by factor, not by difference; for rates.")

    @model_validator(mode="after")
    def _check(self) -> Range:
        if self.high <= self.low:
            raise ValueError(f"high must be above low, got {self.low:g} and {self.high:g}")
        if self.log and (self.low <= 0 or self.step is not None):
            raise ValueError("log needs a low above 0 and no step")
        return self

    @property
    def whole(self) -> bool:
        """Whether only whole numbers are meant."""
        return all(isinstance(it, int) for it in (self.low, self.high, 1 if self.step is None else self.step))


Choice = list[bool | int | float | str]
"""One of these."""


class TuneSettings(Section):
    """What is tried, how often, and what is wanted."""

    trials: int = Field(30, ge=1, le=10_000, description="Trainings that are tried, those that were given up included.")
    false_rate: float = Field(
        0.05, ge=0, lt=1, description="Share of the clips without the label that may be said to have it."
    )
    max_ms: float | None = Field(
        16.0, gt=0, description="CPU milliseconds a step on one thread; slower nets are not trained. null: any."
    )
    folds: int = Field(1, ge=1, le=50, description="Folds that are trained a trial; their held-back clips are pooled.")
    startup_trials: int = Field(5, ge=1, description="Trials that are never given up, to know what is usual (median).")
    warmup_epochs: int = Field(2, ge=0, description="No trial is given up before so many epochs.")
    space: dict[str, Choice | Range] = Field(min_length=1, description="What may be tried of which key.")

    @field_validator("space")
    @classmethod
    def _some(cls, value: dict[str, Choice | Range]) -> dict[str, Choice | Range]:
        for key, values in value.items():
            if isinstance(values, list) and len(values) < 2:
                raise ValueError(f"{key}: a choice needs at least two values, got {values}")
            if key.split(".")[0] in ("tune", "data", "name"):
                raise ValueError(f"{key}: cannot be searched")
        return value

    def first(self) -> dict[str, Any]:
        """One setting of every key, to see that the keys exist before anything is trained."""
        return {key: them[0] if isinstance(them, list) else them.low for key, them in self.space.items()}
