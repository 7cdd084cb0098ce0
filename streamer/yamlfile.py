"""YAML with the position of every value, so that an error can point at it. The only door to PyYAML's loader.

Stricter and less surprising than YAML 1.1: a repeated key is an error, keys are always text (`on:`, `1:`), only `true`
and `false` are booleans, `22:00` and dates stay text. Called by `config`; knows nothing of what the file means.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from streamer.errors import ConfigError

Keys = tuple[str | int, ...]
"""Where a value stands in the document: ``("cameras", "gate", "zones", "yard", 2, 0)``."""

Mark = tuple[int, int]
"""Line and column, from 1."""

_LARGEST = 4 * 2**20  # bytes
_MOST_VALUES = 500_000  # aliases of aliases would otherwise grow without end

_TAG = "tag:yaml.org,2002:"
_SCALARS = (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+0123456789."),
    ),
    ("merge", "<<", ["<"]),
)


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # the C one is ten times faster
    yaml_implicit_resolvers: dict[str, Any] = {}


for _kind, _pattern, _first in _SCALARS:
    _Loader.add_implicit_resolver(_TAG + _kind, re.compile(rf"(?:{_pattern})\Z"), _first)


@dataclass(slots=True)
class Document:
    """A YAML file as plain values, and where each of them stands."""

    name: str
    """As errors call it."""
    data: Any = None
    faults: list[tuple[Mark, str]] = field(default_factory=list)
    """What is wrong already at this level (repeated keys), each with the whole message."""
    marks: dict[Keys, Mark] = field(default_factory=dict)
    """Where each value stands; of what has a key, the key."""

    def mark(self, keys: Keys) -> Mark:
        """Where a value stands, or the innermost section round it that exists."""
        while keys and keys not in self.marks:
            keys = keys[:-1]
        return self.marks.get(keys, (1, 1))

    def fault(self, keys: Keys, message: str) -> str:
        """A line for ConfigError: where, which key, and what."""
        line, column = self.mark(keys)
        return f"{self.name}:{line}:{column}{' ' + dotted(keys) if keys else ''}: {message}"


def dotted(keys: Keys) -> str:
    """``cameras.gate.zones.yard[2][0]``."""
    text = ""
    for key in keys:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else key
    return text


def read(path: Path) -> Document:
    """Read a file.

    Raises:
        ConfigError: it cannot be opened, or is no YAML.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise ConfigError([f"{path}: over {_LARGEST // 2**20} MiB: is this the configuration file?"])
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: not UTF-8 text (byte {error.start}): is this the configuration file?"]) from error
    except FileNotFoundError as error:
        raise ConfigError([f"{path}: no such file; `streamer init` writes one to start from"]) from error
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror or error}"]) from error
    return parse(text, str(path))


def parse(text: str, name: str) -> Document:
    """Read text; `name` stands for the file in errors.

    Raises:
        ConfigError: no YAML, or nothing in it.
    """
    document = Document(name)
    try:
        root = yaml.compose(text, Loader=_Loader)
        if root is not None:
            document.data = _Builder(document).build(root, ())
    except yaml.YAMLError as error:
        raise ConfigError([_syntax(error, name, text)]) from error
    except RecursionError as error:
        raise ConfigError([f"{name}: nested too deeply"]) from error
    if document.data is None and not document.faults:
        raise ConfigError([f"{name}:1:1: the file is empty; `streamer init` writes one to start from"])
    return document


def _syntax(error: yaml.YAMLError, name: str, text: str) -> str:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = getattr(error, "problem", None) or " ".join(str(error).split())[:200]
    context = getattr(error, "context", None)
    at = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark is not None else name
    line = "" if mark is None else [*text.splitlines(), "", ""][mark.line]
    hint = "; indent with spaces, not tabs" if mark and line[mark.column : mark.column + 1] == "\t" else ""
    return f"{at}: no valid YAML: {problem}{' ' + context if context else ''}{hint}"


class _Builder:
    """Turns nodes into values, noting positions."""

    def __init__(self, document: Document):
        self._document = document
        self._count = 0
        self._open: set[int] = set()
        self._constructor = yaml.constructor.SafeConstructor()

    def build(self, node: yaml.Node, keys: Keys) -> Any:
        self._count += 1
        if self._count > _MOST_VALUES:
            raise ConfigError([f"{self._document.name}: over {_MOST_VALUES} values; aliases that repeat aliases?"])
        self._document.marks.setdefault(keys, _mark(node))
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, keys)
        if id(node) in self._open:
            raise ConfigError([self._document.fault(keys, "an alias that contains itself")])
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.SequenceNode):
                return [self.build(item, (*keys, i)) for i, item in enumerate(node.value)]
            return self._mapping(node, keys)
        finally:
            self._open.discard(id(node))

    def _scalar(self, node: yaml.ScalarNode, keys: Keys) -> Any:
        kind = node.tag.removeprefix(_TAG)
        if kind in ("str", "merge"):
            return node.value
        try:
            if kind == "int":
                return int(node.value, 16 if node.value.startswith("0x") else 10)
            if kind == "float":
                return float(node.value.lower().replace(".inf", "inf").replace(".nan", "nan"))
            if kind in ("null", "bool"):
                return self._constructor.construct_object(node)
        except (ValueError, yaml.YAMLError):
            pass  # an explicit tag such as !!int on something else
        raise ConfigError([self._document.fault(keys, f"the tag {node.tag!r} does not fit here")])

    def _mapping(self, node: yaml.Node, keys: Keys) -> dict[str, Any]:
        values: dict[str, Any] = {}
        merged: list[yaml.Node] = []
        for key_node, value_node in node.value:
            if key_node.tag == _TAG + "merge":
                merged += value_node.value if isinstance(value_node, yaml.SequenceNode) else [value_node]
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                raise ConfigError([self._document.fault(keys, "a key must be plain text")])
            key = str(key_node.value)
            here, mark = (*keys, key), _mark(key_node)
            if key in values:
                message = f"this key stands here twice; first in line {self._document.marks[here][0]}"
                line = f"{self._document.name}:{mark[0]}:{mark[1]} {dotted(here)}: {message}"
                self._document.faults.append((mark, line))
                continue
            self._document.marks.setdefault(here, mark)
            values[key] = self.build(value_node, here)
        for source in merged:  # what is written out wins over what is merged
            extra = self.build(source, keys)
            if not isinstance(extra, dict):
                raise ConfigError([self._document.fault(keys, "`<<` merges sections only")])
            values = {**extra, **values}
        return values


def _mark(node: yaml.Node) -> Mark:
    return node.start_mark.line + 1, node.start_mark.column + 1
