"""What a recipe may say of a training: its sections, with units, defaults and where the defaults come from.

Read by `recipe`, which checks a file against it. Plain values; nothing here knows torch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Section(BaseModel):
    """A part of a recipe: an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class ClipSettings(Section):
    """Which part of a clip one training example is, and which of its frames count."""

    seconds: float = Field(4.0, gt=0, le=600, description="Length of an example; longer clips give a random part.")
    counted: float = Field(
        0.6, gt=0, le=1, description="The last share of an example's warm frames whose answers count, as in a figure."
    )
    backprop_seconds: float | None = Field(
        None, gt=0, description="Truncated back-propagation: examples are cut into parts so long, state is carried on."
    )
    forget: float = Field(
        0.0, ge=0, le=1, description="Share of carried states that are zeroed between the parts, as after a gap."
    )


class OptimizerSettings(Section):
    """How weights are changed."""

    kind: Literal["sgd", "adamw"] = Field("adamw", description="SGD with Nesterov momentum, or AdamW.")
    learning_rate: float = Field(5e-4, gt=0, le=10, description="The highest, reached at the end of the warm-up.")
    backbone_factor: float = Field(0.2, ge=0, le=1, description="The backbone learns this much slower than the rest.")
    momentum: float = Field(0.9, ge=0, lt=1, description="Of SGD.")
    weight_decay: float = Field(5e-4, ge=0, le=1, description="L2 (SGD) or decoupled decay (AdamW); not of biases.")
    clip_norm: float | None = Field(10.0, gt=0, description="Gradients are scaled down to this norm; null: never.")


class ScheduleSettings(Section):
    """How long, and how fast when: a linear warm-up, then half a cosine."""

    epochs: int = Field(30, ge=1, le=10_000, description="Passes through all clips.")
    warmup_epochs: float = Field(1.0, ge=0, description="Epochs in which the learning rate rises.")
    final_factor: float = Field(0.01, ge=0, le=1, description="The last learning rate, as a share of the highest.")


class FreezeSettings(Section):
    """What does not learn, and how long."""

    backbone_epochs: int = Field(0, ge=0, description="The whole backbone rests for the first so many epochs.")
    stem_epochs: int = Field(0, ge=0, description="Its first half rests for the first so many epochs.")
    norms: bool = Field(False, description="Batch normalization of the backbone keeps its statistics throughout.")
    measured_batches: int = Field(
        0,
        ge=0,
        le=10_000,
        description="Before judging, statistics are measured anew on so many batches; 0: moving ones.",
    )


class LossSettings(Section):
    """What is made small."""

    label_smoothing: float = Field(0.1, ge=0, lt=1, description="Share of the target that is spread over all labels.")
    balance: Literal["none", "weight", "sample"] = Field(
        "weight", description="Against unequal classes: weigh them by the effective number of clips, or draw evenly."
    )
    mixup: float = Field(0.0, ge=0, le=10, description="Alpha of mixup's Beta distribution; 0: no mixing of clips.")


class AugmentSettings(Section):
    """What cameras do to pictures: shares of clips that it befalls, and how bad it may be; one draw a clip."""

    flip: float = Field(0.5, ge=0, le=1, description="Share of clips that are mirrored.")
    crop: float = Field(0.8, gt=0, le=1, description="The smallest share of a side that a random crop keeps.")
    brightness: float = Field(0.2, ge=0, lt=1, description="Brightness and contrast change by up to this share.")
    low_light: float = Field(0.2, ge=0, le=1, description="Share of clips by night: dark, gray, gamma, sensor noise.")
    noise: float = Field(0.2, ge=0, le=1, description="Share of clips with sensor noise, up to 12 levels (rms).")
    blur: float = Field(0.15, ge=0, le=1, description="Share of clips out of focus, sigma up to 1.5 % of the width.")
    rain: float = Field(0.1, ge=0, le=1, description="Share of clips with rain before the lens.")
    shake: float = Field(0.15, ge=0, le=1, description="Share of clips whose camera shakes, up to 2 % of a side.")
    drops: float = Field(0.2, ge=0, le=1, description="Share of clips in which frames are lost and the last is held.")
    reencode: float = Field(0.1, ge=0, le=1, description="Share of clips that are encoded as H.264 once more (PyAV).")

    @staticmethod
    def none() -> AugmentSettings:
        """Clips as they are."""
        rates = dict.fromkeys(AugmentSettings.model_fields, 0.0)
        return AugmentSettings(**{**rates, "crop": 1.0})


class AdversarySettings(Section):
    """Training against pictures made to deceive."""

    kind: Literal["none", "fgsm", "pgd"] = Field("none", description="One step (FGSM) or several (PGD), l-infinity.")
    epsilon: float = Field(2.0, gt=0, le=64, description="The largest change of a pixel, levels of 255.")
    steps: int = Field(3, ge=1, le=50, description="Of PGD; each goes 2.5 epsilon / steps.")
    share: float = Field(0.5, gt=0, le=1, description="Share of a batch's clips that are attacked.")


class AdapterSettings(Section):
    """Parameter-efficient fine-tuning: what learns instead of all."""

    kind: Literal["none", "lora", "norm", "head"] = Field(
        "none", description="All weights; LoRA in the backbone; its batch normalization only; the head only."
    )
    rank: int = Field(8, ge=1, le=256, description="Of LoRA's two factors.")
    alpha: float = Field(16.0, gt=0, description="LoRA's update is scaled by alpha / rank.")


class StopSettings(Section):
    """When to stop, and which epoch's weights are kept; only where there are clips to validate with."""

    patience: int | None = Field(8, ge=1, description="Epochs without a better figure; null: never stops early.")
    keep: Literal["best", "last"] = Field("best", description="Which epoch's weights become the model.")
    figure: Literal["loss", "accuracy", "f1", "auroc"] = Field("loss", description="The figure of the validation.")


class JournalSettings(Section):
    """Who is told how the training goes; the JSON lines are always written."""

    tensorboard: bool = Field(True, description="Writes events for TensorBoard into the run folder.")
    wandb: Literal["off", "offline", "online"] = Field("off", description='Weights & Biases: "off", offline, online.')
    wandb_project: str = Field("streamer", min_length=1, description="The project there.")
    pictures: bool = Field(True, description="Draws curves, confusion and precision against recall at the end.")
    every_steps: int = Field(10, ge=1, description="A line is written every so many steps.")


class MachineSettings(Section):
    """How the machine is used."""

    device: str = Field("auto", description="cpu, cuda, cuda:1, ...; auto: the first GPU, else the CPU.")
    amp: Literal["none", "bf16"] = Field("none", description="Mixed precision: bfloat16 where it is safe.")
    deterministic: bool = Field(True, description="Only algorithms that repeat bit by bit; slower on some GPUs.")
    workers: int = Field(0, ge=0, le=64, description="Processes that read clips; 0: the training itself reads.")
    threads: int | None = Field(None, ge=1, le=256, description="CPU threads of torch; null: as many as it takes.")
    checkpoint_steps: int = Field(50, ge=1, description="A checkpoint is written every so many steps and each epoch.")


class CacheSettings(Section):
    """Decoded frames on disk."""

    dir: Path | None = Field(None, description="The folder; null: ~/.cache/streamer/frames.")
    limit_gb: float = Field(20.0, gt=0, description="The oldest are deleted beyond this, gigabytes.")


class SplitSettings(Section):
    """Which clips validate, where the data do not say so themselves (column `split`)."""

    folds: int = Field(5, ge=2, le=50, description="Parts, grouped by source and stratified by label.")
    fold: int | None = Field(0, ge=0, description="The part that validates; null: none, all clips train.")

    @model_validator(mode="after")
    def _inside(self) -> SplitSettings:
        if self.fold is not None and self.fold >= self.folds:
            raise ValueError(f"fold must be 0 to {self.folds - 1}, got {self.fold}")
        return self
