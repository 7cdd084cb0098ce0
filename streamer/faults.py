"""pydantic's errors in the words of a site file: which key, what is wrong with it, and what was probably meant.

Called by `config`. Values are repeated only where they cannot be secret.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from streamer.yamlfile import Document, Keys

_WORDS = {
    "greater_than": "must be greater than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be at most {le:g}",
    "too_short": "needs at least {min_length}, has {actual_length}",
    "too_long": "takes at most {max_length}, has {actual_length}",
    "string_too_short": "must not be empty",
    "literal_error": "must be one of {expected}",
    "string_type": "must be text; put it in quotes",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "dict_type": "must be a section of names and values",
    "model_type": "must be a section with settings",
    "model_attributes_type": "must be a section with settings",
}
_SECRET = ("source", "analyze", "secret", "password", "token", "key", "url", "urls")


def explain(
    error: ValidationError, kind: type[BaseModel], document: Document, keys: Keys
) -> Iterator[tuple[Keys, str]]:
    """Where each error stands in the document, and what it says.

    Args:
        error: from validating a part of the document.
        kind: what it was validated against.
        document: for what stands where.
        keys: where that part begins.
    """
    meant: dict[Keys, list[str]] = {}
    shapes: dict[Keys, list[str]] = {}
    got: dict[Keys, str] = {}
    for detail in error.errors(include_url=False):
        at = _place(detail, document, keys)
        words = _words(detail, kind, at)
        found = (shapes if detail["type"].endswith("_type") else meant).setdefault(at, [])
        if words not in found:
            found.append(words)
        if detail["type"] in _WORDS:
            got[at] = _got(detail["input"], at)
    # a union reports each of its members: what got past the shape of one of them was meant to be that one
    for at, found in shapes.items():
        if at not in meant and not any(len(other) > len(at) and other[: len(at)] == at for other in meant):
            meant[at] = found
    for at, found in meant.items():
        yield at, _either(found) + got.get(at, "")


def nearest(word: Any, known: Iterable[str]) -> str:
    """``; did you mean 'x'?`` if a known word is near, else nothing."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6) if isinstance(word, str) else []
    return f"; did you mean {near[0]!r}?" if near else ""


def _either(words: Sequence[str]) -> str:
    """Several complaints about one value are the members of a union: any of them would do."""
    first, *others = words
    return " or ".join([first, *(other.removeprefix("must be ") for other in others)])


def _place(detail: ErrorDetails, document: Document, keys: Keys) -> Keys:
    """The keys of the file in an error's location; a missing key is named too."""
    at = keys
    location = detail["loc"]
    for i, part in enumerate(location):
        if (*at, part) in document.marks or (i == len(location) - 1 and detail["type"] == "missing"):
            at = (*at, part)
    return at


def _words(detail: ErrorDetails, kind: type[BaseModel], at: Keys) -> str:
    if detail["type"] == "extra_forbidden":
        known = _names(kind, detail["loc"][:-1])
        return f"unknown key{nearest(at[-1], known) or '; known here: ' + ', '.join(known)}"
    if detail["type"] == "missing":
        return "is missing"
    if detail["type"] in ("value_error", "assertion_error"):
        return str(detail["ctx"]["error"])
    words = _WORDS.get(detail["type"])
    return words.format(**detail.get("ctx", {})) if words else detail["msg"]


def _got(value: Any, at: Keys) -> str:
    """The value itself, if it is short and cannot be secret."""
    secret = any(key in _SECRET for key in at) or (at[:1] == ("sinks",) and isinstance(value, str))
    if secret or not isinstance(value, (str, int, float, type(None))) or len(repr(value)) > 80:
        return ""
    return f", got {'nothing' if value is None else repr(value)}"


def _names(kind: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """The keys that may stand where an error is."""
    models = [kind]
    for part in location:
        inner = [
            found
            for model in models
            for name, field in model.model_fields.items()
            if part in (name, field.alias)
            for found in models_in(field.annotation)
        ]
        models = inner or models
    return [field.alias or name for model in models for name, field in model.model_fields.items()]


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """All settings classes in a type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from models_in(argument)
