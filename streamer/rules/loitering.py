"""Loitering: somebody stays in a zone for longer than one does who only passes.

The same stays as intrusion, with a longer minimum and more patience for people the detector loses while they stand
still (behind a table, half turned): what ends a stay is being away, not being missed for a second.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from streamer.rules.intrusion import Intrusion


class Loitering(Intrusion):
    """Somebody stays in a zone for long."""

    kind: ClassVar[str] = "loitering"

    min_seconds: float = Field(15.0, ge=0, description="Stay in the zone that counts as loitering, seconds.")
    leave_seconds: float = Field(4.0, gt=0, description="Outside or unseen for this long ends it, seconds.")
