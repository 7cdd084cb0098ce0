"""Every option of a recipe with its default, for `docs/training.md`; from the settings themselves.

`python -m streamer.training.reference` in a checkout writes the tables between the page's marks; a test says when that
was forgotten.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from streamer.training.recipe import Recipe

BEGIN, END = "<!-- options -->", "<!-- end of options -->"
PAGE = Path("docs/training.md")


def tables() -> str:
    """All options as Markdown: the recipe's own keys, then a table a section."""
    plain = [(name, field) for name, field in Recipe.model_fields.items() if not _is_section(field)]
    parts = [_table("the recipe itself", plain)]
    for name, field in Recipe.model_fields.items():
        if _is_section(field):
            parts.append(_table(f"`{name}`: {_words(field)}", list(_model(field).model_fields.items())))
    return "\n\n".join(parts)


def page(text: str) -> str:
    """The page with its tables renewed."""
    head, _, rest = text.partition(BEGIN)
    tail = rest.partition(END)[2]
    return f"{head}{BEGIN}\n\n{tables()}\n\n{END}{tail}"


def _table(title: str, fields: list[tuple[str, FieldInfo]]) -> str:
    rows = "\n".join(f"| `{name}` | {_default(field)} | {_words(field)} |" for name, field in fields)
    return f"**{title[0].upper()}{title[1:]}**\n\n| key | default | |\n|---|---|---|\n{rows}"


def _words(field: FieldInfo) -> str:
    return " ".join((field.description or "").split()).rstrip(".")


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return "needed"
    return "" if value in ("", [], None) else f"`{json.dumps(value).strip(chr(34))}`"


def _is_section(field: FieldInfo) -> bool:
    return isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel) and not field.is_required()


def _model(field: FieldInfo) -> Any:
    return field.annotation


def main() -> None:
    """Renew the page of the checkout in which this is called."""
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
