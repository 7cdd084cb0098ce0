"""What an ONNX file says about itself, read from its bytes: shapes, metadata, checksum.

The engine needs a model's card and nothing else of it; importing onnx (protobuf, 60 MB of memory) for that would make
every start pay. ONNX is protobuf: a list of tagged fields, most of which can be skipped by their length, which is also
how a truncated file shows. Field numbers are those of onnx.proto3 (ModelProto, GraphProto, ValueInfoProto).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from streamer.errors import ModelError

_GRAPH, _METADATA = 7, 14
_MODEL_FIELDS = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 14, 20, 25, 26})
_GRAPH_INITIALIZER, _GRAPH_INPUT, _GRAPH_OUTPUT = 5, 11, 12
_TENSOR_NAME = 8

Shape = tuple[int | str, ...]
"""Sizes of a tensor; a name where it is free."""


@dataclass(frozen=True, slots=True)
class OnnxFile:
    """The outside of an ONNX model."""

    inputs: tuple[Shape, ...]
    outputs: tuple[Shape, ...]
    metadata: dict[str, str]
    content_sha256: str
    """Of all top-level fields but the card."""
    input_names: tuple[str, ...] = ()
    output_names: tuple[str, ...] = ()


def read(path: Path, key: str = "streamer") -> OnnxFile:
    """Read the outside of a model.

    Raises:
        ModelError: the file is not ONNX, or ends too early.
    """
    data = memoryview(path.read_bytes())
    digest = hashlib.sha256()
    metadata: dict[str, str] = {}
    graph: memoryview | None = None
    try:
        for number, start, value, end in _fields(data):
            if number not in _MODEL_FIELDS:
                raise ValueError(f"unknown field {number}")
            name = ""
            if number == _METADATA:
                name, text = _entry(value)
                metadata[name] = text
            elif number == _GRAPH:
                graph = value
            if name != key:
                digest.update(data[start:end])
        if graph is None:
            raise ValueError("no graph")
        inputs, outputs = _graph(graph)
    except (ValueError, IndexError) as error:
        raise ModelError(f"model {path}: not an ONNX file, or truncated at {len(data)} bytes ({error})") from error
    return OnnxFile(
        tuple(inputs.values()), tuple(outputs.values()), metadata, digest.hexdigest(), tuple(inputs), tuple(outputs)
    )


def write_metadata(path: Path, key: str, text: str) -> None:
    """Set one metadata entry, leaving every other byte as it is; atomic."""
    data = memoryview(path.read_bytes())
    kept = [
        data[start:end] for number, start, value, end in _fields(data) if number != _METADATA or _entry(value)[0] != key
    ]
    entry = _pack(1, key.encode()) + _pack(2, text.encode())
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("wb") as file:
        for part in kept:
            file.write(part)
        file.write(_pack(_METADATA, entry))
    temporary.replace(path)


def _fields(data: memoryview) -> Iterator[tuple[int, int, memoryview, int]]:
    """(field number, where it starts, its value, where it ends) of each field of a protobuf message."""
    at, size = 0, len(data)
    while at < size:
        start = at
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value_at = at
            _, at = _varint(data, at)
        elif wire == 2:
            length, value_at = _varint(data, at)
            at = value_at + length
        elif wire in (1, 5):
            value_at, at = at, at + (8 if wire == 1 else 4)
        else:
            raise ValueError(f"wire type {wire}")
        if number == 0 or at > size:
            raise ValueError(f"field {number} ends at byte {at} of {size}")
        yield number, start, data[value_at:at], at


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("a number of more than ten bytes")


def _pack(number: int, value: bytes) -> bytes:
    return _pack_varint(number << 3 | 2) + _pack_varint(len(value)) + value


def _pack_varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _entry(value: memoryview) -> tuple[str, str]:
    """Key and value of a StringStringEntryProto."""
    parts = {number: bytes(part).decode() for number, _, part, _ in _fields(value)}
    return parts.get(1, ""), parts.get(2, "")


def _graph(graph: memoryview) -> tuple[dict[str, Shape], dict[str, Shape]]:
    """Names and shapes of what goes in (without weights, which old exporters list as inputs) and comes out."""
    weights: set[str] = set()
    inputs: list[tuple[str, Shape]] = []
    outputs: list[tuple[str, Shape]] = []
    for number, _, value, _ in _fields(graph):
        if number == _GRAPH_INITIALIZER:
            weights |= {bytes(part).decode() for n, _, part, _ in _fields(value) if n == _TENSOR_NAME}
        elif number == _GRAPH_INPUT:
            inputs.append(_value_info(value))
        elif number == _GRAPH_OUTPUT:
            outputs.append(_value_info(value))
    return {name: shape for name, shape in inputs if name not in weights}, dict(outputs)


def _value_info(info: memoryview) -> tuple[str, Shape]:
    """Name and shape of a ValueInfoProto: name 1, type 2 > tensor_type 1 > shape 2 > dim 1 > value 1 or name 2."""
    name, shape = "", []
    for number, _, value, _ in _fields(info):
        if number == 1:
            name = bytes(value).decode()
        elif number == 2:
            for dim in _inside(value, (1, 2, 1)):
                sizes = {n: v for n, _, v, _ in _fields(dim)}
                shape.append(_varint(sizes[1], 0)[0] if 1 in sizes else bytes(sizes.get(2, b"")).decode() or "?")
    return name, tuple(shape)


def _inside(message: memoryview, path: tuple[int, ...]) -> Iterator[memoryview]:
    """All values under a path of field numbers."""
    for number, _, value, _ in _fields(message):
        if number == path[0]:
            if len(path) == 1:
                yield value
            else:
                yield from _inside(value, path[1:])
