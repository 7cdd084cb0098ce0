"""How a picture in a slot is announced to the engine; both sides of the form in one file.

It comes with every frame, so it is a fixed record in the message's body: the header before it only says whose it is,
is always the same, and is parsed once. Values come from a process that hostile cameras feed: `inbox` checks them.
"""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

_RECORD = struct.Struct("<2Q2I2Q4d")


class Handover(NamedTuple):
    """What the reader says about one analysed picture; times in seconds, see `types.Frame`."""

    slot: int
    generation: int
    width: int
    height: int
    session: int
    frame_index: int
    captured_at: float
    pts: float
    gap_s: float
    late_s: float
    """How long it waited for its turn, from its last byte on this machine until it lay in its slot."""

    def pack(self) -> bytes:
        """The message's body."""
        return _RECORD.pack(*self)

    @staticmethod
    def unpack(body: bytes) -> Handover:
        """The record in a message's body.

        Raises:
            ValueError: it is not as long as a record.
        """
        if len(body) != _RECORD.size:
            raise ValueError(f"a picture is announced in {_RECORD.size} bytes, not {len(body)}")
        return Handover._make(_RECORD.unpack(body))


def header(pool: int) -> dict[str, Any]:
    """The header before the record, of a camera's slot pool."""
    return {"op": "frame", "pool": pool}
