"""What a safetensors file says about itself, read from its bytes: shapes, metadata, checksum.

The format is eight bytes of length, that much JSON, then the tensors. Like `onnxfile`, this needs no third party, so
that the engine reads a card without importing torch.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streamer.errors import ModelError

_LONGEST_HEADER = 100_000_000  # the limit of the format's own reader


@dataclass(frozen=True, slots=True)
class TensorFile:
    """The outside of a safetensors file."""

    tensors: dict[str, tuple[int, ...]]
    """Shapes by name."""
    metadata: dict[str, str]
    content_sha256: str
    """Of the tensors' bytes and their description."""
    inputs: tuple[Any, ...] = field(default=())
    outputs: tuple[Any, ...] = field(default=())


def read(path: Path) -> TensorFile:
    """Read the outside of a weights file.

    Raises:
        ModelError: the file is not safetensors, or ends too early.
    """
    header, data = _split(path)
    metadata = header.pop("__metadata__", {})
    try:
        tensors = {name: tuple(entry["shape"]) for name, entry in header.items()}
        ends = max((entry["data_offsets"][1] for entry in header.values()), default=0)
    except (TypeError, KeyError, IndexError) as error:
        raise ModelError(f"model {path}: not a safetensors file ({error!r} in its header)") from error
    if ends != len(data):
        raise ModelError(f"model {path}: truncated: its tensors need {ends} bytes, {len(data)} are there")
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    digest.update(data)
    return TensorFile(tensors, metadata, digest.hexdigest())


def write_metadata(path: Path, key: str, text: str) -> None:
    """Set one metadata entry, leaving every tensor as it is; atomic."""
    header, data = _split(path)
    header["__metadata__"] = {**header.get("__metadata__", {}), key: text}
    packed = json.dumps(header, separators=(",", ":")).encode()
    packed += b" " * (-len(packed) % 8)  # the tensors stay aligned
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("wb") as file:
        file.write(len(packed).to_bytes(8, "little") + packed)
        file.write(data)
    temporary.replace(path)


def _split(path: Path) -> tuple[dict[str, Any], memoryview]:
    """The header as JSON, and the tensors' bytes."""
    whole = memoryview(path.read_bytes())
    length = int.from_bytes(whole[:8], "little")
    if len(whole) < 8 or length > min(len(whole) - 8, _LONGEST_HEADER):
        raise ModelError(f"model {path}: not a safetensors file, or truncated at {len(whole)} bytes")
    try:
        header = json.loads(bytes(whole[8 : 8 + length]))
    except ValueError as error:
        raise ModelError(f"model {path}: not a safetensors file (its header is not JSON: {error})") from error
    if not isinstance(header, dict):
        raise ModelError(f"model {path}: not a safetensors file (its header is not an object)")
    return header, whole[8 + length :]
