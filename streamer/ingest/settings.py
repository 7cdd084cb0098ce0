"""What can be set about reading cameras, and what the engine tells a reader about each.

`IngestSettings` is the section `ingest` of a site file; `CameraSpec` is what remains of a camera's entry for its
reader. A reader process gets plain values (see `spec`) in messages and never imports pydantic.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from streamer.ingest.spec import CameraSpec, Limits

__all__ = ["CameraSpec", "IngestSettings"]


class IngestSettings(BaseModel):
    """How cameras are read."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    processes: int | Literal["auto"] = Field(
        "auto", description="Reader processes; auto: one for 16 cameras, but at least 2 where there are 2 cores."
    )
    open_seconds: float = Field(10.0, gt=0, le=120, description="Time limit to connect and be told what comes.")
    stall_seconds: float = Field(15.0, ge=1, le=600, description="No decoded picture for this long ends a session.")
    frozen_seconds: float = Field(60.0, ge=1, description="The same picture for this long is a frozen camera.")
    black_seconds: float = Field(30.0, ge=1, description="A black picture for this long is reported.")
    tampered_seconds: float = Field(
        15.0, ge=0, description="A covered, defocused or moved view for this long is camera_tampered; 0: never told."
    )
    runaway_seconds: float = Field(3.0, ge=1, description="Over twice the announced rate for this long is a runaway.")
    healthy_seconds: float = Field(30.0, ge=0, description="A session this long starts the backoff anew.")
    backoff_seconds: tuple[float, ...] = Field(
        (1.0, 2.0, 5.0, 10.0, 30.0, 60.0),
        min_length=1,
        description="Pauses before the first, second, ... attempt to reconnect; the last one repeats. 20 % jitter.",
    )
    shed_seconds: float = Field(1.0, ge=0.2, description="Decoding that is late by more leaves pictures out.")
    ring_megabytes: float = Field(
        16.0,
        gt=0,
        le=1024,
        description="Most that a camera's ring of encoded video takes; only cameras with clips or a "
        "record stream have one.",
    )
    slots: int = Field(6, ge=3, le=64, description="Analysed pictures a camera that may wait or be worked on at once.")

    def limits(self) -> Limits:
        """The plain values for a reader process."""
        return Limits(
            open_s=self.open_seconds,
            stall_s=self.stall_seconds,
            frozen_s=self.frozen_seconds,
            black_s=self.black_seconds,
            tampered_s=self.tampered_seconds,
            runaway_s=self.runaway_seconds,
            healthy_s=self.healthy_seconds,
            backoff_s=self.backoff_seconds,
            shed_s=self.shed_seconds,
        )
