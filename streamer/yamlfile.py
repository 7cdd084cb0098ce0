"""YAML that remembers where everything stood, so that every fault can name its line; the only door to PyYAML.

Only what JSON has, plus comments: no tags that make objects, no duplicate keys (the last one would silently win), no
anchors that explode. What YAML 1.1 takes for a number in base 60 or a date stays the text that people meant. Called by
`config`; pure but for reading the file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from streamer.errors import ConfigError

Keys = tuple[str | int, ...]
"""Where a value stands: keys and list indices from the top."""

_LARGEST = 4 * 2**20  # bytes
_MOST_NODES = 200_000  # aliases of aliases can make a small file huge


@dataclass(slots=True)
class Document:
    """A YAML file as plain values, with the place of each."""

    name: str
    """How faults name the file."""
    data: Any = None
    faults: list[str] = field(default_factory=list)
    """What was wrong with the YAML itself, though it could be read."""
    marks: dict[Keys, tuple[int, int]] = field(default_factory=dict)
    """Line and column, from 1, of each key or list item."""
    nodes: int = 0

    def fault(self, keys: Keys, message: str) -> str:
        """``file:line:column key.path: message``; what is not there is shown at its nearest parent."""
        at = keys
        while at and at not in self.marks:
            at = at[:-1]
        line, column = self.marks.get(at, (1, 1))
        path = dotted(keys)
        return f"{self.name}:{line}:{column} {path}: {message}" if path else f"{self.name}:{line}:{column} {message}"


def dotted(keys: Keys) -> str:
    """``cameras.gate.zones.yard[2]``."""
    text = ""
    for key in keys:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else key
    return text


def read(path: Path) -> Document:
    """Read a YAML file.

    Raises:
        ConfigError: it cannot be read, or is no YAML.
    """
    try:
        size = path.stat().st_size
        if size > _LARGEST:
            raise ConfigError([f"{path}: {size} bytes are too many for a site file (at most {_LARGEST})"])
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError([f"{path}: {error.strerror or error}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: is not UTF-8 text (byte {error.start})"]) from error
    return parse(text, str(path))


def parse(text: str, name: str) -> Document:
    """Parse YAML text.

    Raises:
        ConfigError: it is no YAML.
    """
    document = Document(name)
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is not None:
            document.data = _value(node, (), document)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = f"{mark.line + 1}:{mark.column + 1}" if mark else "1:1"
        raise ConfigError([f"{name}:{at} not valid YAML: {error.problem or error.context}"]) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError([f"{name}:1:1 not valid YAML: {' '.join(str(error).split())[:200]}"]) from error
    return document


def _value(node: yaml.Node, keys: Keys, document: Document) -> Any:
    document.marks.setdefault(keys, (node.start_mark.line + 1, node.start_mark.column + 1))
    document.nodes += 1
    if document.nodes > _MOST_NODES:
        raise ConfigError([document.fault(keys[:1], f"over {_MOST_NODES} values are too many for a site file")])
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, keys, document)
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, (*keys, i), document) for i, item in enumerate(node.value)]
    try:
        value = yaml.SafeLoader("").construct_object(node, deep=True)
    except (yaml.YAMLError, ValueError) as error:
        document.faults.append(document.fault(keys, " ".join(str(getattr(error, "problem", error)).split())))
        return None
    text: str = node.value
    meant = value is None or isinstance(value, bool | str) or (isinstance(value, int | float) and ":" not in text)
    return value if meant else text


def _mapping(node: yaml.MappingNode, keys: Keys, document: Document) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        mark = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
        if not isinstance(key_node, yaml.ScalarNode):
            document.faults.append(f"{document.name}:{mark[0]}:{mark[1]} a key must be a plain word")
            continue
        key: str = key_node.value
        here = (*keys, key)
        if key in found:
            first = document.marks[here][0]
            document.faults.append(
                f"{document.name}:{mark[0]}:{mark[1]} {dotted(here)}: stands here a second time, first in line {first}"
            )
            continue
        document.marks[here] = mark
        found[key] = _value(value_node, here, document)
    return found
