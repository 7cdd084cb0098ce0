"""`${VAR}` in a site file: only where addresses and secrets stand, and never mangled by what it holds.

A password from the environment may hold any character: where a variable stands in the user part of a URL its value is
percent-encoded, everywhere else it is taken as it is. `$$` is a plain `$`. Called by `config`; pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from streamer.log import secrets
from streamer.yamlfile import Keys

_VARIABLE = re.compile(r"\$(?:(\$)|\{([^}]*)\})")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_USER_PART = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://([^/?#]*)@")
_PUBLIC = ("host", "port", "topic", "prefix", "client_id", "user", "path")
"""Settings of sinks and signals whose values may be shown."""

Problem = tuple[Keys, str]


def expand(
    data: Any, variables: Mapping[str, str], lenient: Collection[str] = ()
) -> tuple[Any, list[Problem], frozenset[Keys]]:
    """The document's values with all variables replaced.

    Args:
        data: plain values of a site file.
        variables: their values by name, `os.environ` as a rule.
        lenient: sections in which an unset variable is no problem.

    Returns:
        The values, what is wrong (unset variables, variables where none may stand), and where unset ones stood.
    """
    expansion = _Expansion(variables, lenient)
    return expansion.walk(data, ()), expansion.problems, frozenset(expansion.vague)


@dataclass(slots=True)
class _Expansion:
    variables: Mapping[str, str]
    lenient: Collection[str]
    problems: list[Problem] = field(default_factory=list)
    vague: set[Keys] = field(default_factory=set)

    def walk(self, value: Any, keys: Keys) -> Any:
        if isinstance(value, dict):
            return {key: self.walk(item, (*keys, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self.walk(item, (*keys, i)) for i, item in enumerate(value)]
        if not isinstance(value, str) or "$" not in value:
            return value
        if _allowed(keys):
            return self._text(value, keys)
        if any(match.group(2) is not None for match in _VARIABLE.finditer(value)):
            self.problems.append(
                (keys, "${...} may stand only in the sources of cameras, in sinks, in signals and in web.token")
            )
        return value

    def _text(self, text: str, keys: Keys) -> str:
        user_part = _USER_PART.match(text)
        start, end = user_part.span(1) if user_part else (0, 0)

        def value_of(match: re.Match[str]) -> str:
            if match.group(1):
                return "$"
            value = self._lookup(match.group(2), keys, text)
            if keys[0] in ("sinks", "signals", "web") and keys[-1] not in _PUBLIC:
                secrets.add(value)
            if start <= match.start() < end:
                secrets.add(value)
                return _quoted(value, alone=match.span() == (start, end))
            return value

        return _VARIABLE.sub(value_of, text)

    def _lookup(self, name: str, keys: Keys, text: str) -> str:
        value = self.variables.get(name)
        if value is not None and _NAME.match(name):
            return value
        if not _NAME.match(name):
            self.problems.append((keys, f"${{{name}}} is no name of an environment variable; a plain $ is written $$"))
        elif keys[0] in self.lenient:
            self.vague.add(keys)
        else:
            self.problems.append((keys, f"the environment variable {name} is not set"))
            self.vague.add(keys)
        return f"https://{name.lower()}.invalid" if text == f"${{{name}}}" and _is_url(keys) else "unset"


def _allowed(keys: Keys) -> bool:
    if keys[:1] == ("cameras",):
        return len(keys) > 2 and keys[2] == "source"
    if keys == ("web", "token"):
        return True
    return keys[:1] in (("sinks",), ("signals",)) and len(keys) > 2 and keys[2] != "type"


def _quoted(value: str, alone: bool) -> str:
    """Percent-encoded; a variable that is the whole user part keeps the colon between user and password."""
    quote_all: Callable[[str], str] = lambda text: quote(text, safe="")  # noqa: E731
    user, colon, password = value.partition(":")
    return quote_all(user) + colon + quote_all(password) if alone else quote_all(value)


def _is_url(keys: Keys) -> bool:
    return any(isinstance(key, str) and key.startswith("url") for key in keys[2:])
