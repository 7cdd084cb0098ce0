"""The page of all options is up to date, and every option says what it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from streamer.faults import models_in
from streamer.training.recipe import Recipe
from streamer.training.reference import page
from streamer.training.settings import Section


def sections() -> Iterator[type[BaseModel]]:
    yield Recipe
    for field in Recipe.model_fields.values():
        yield from (it for it in models_in(field.annotation) if issubclass(it, Section))


def test_the_page_is_up_to_date(root: Path) -> None:
    text = (root / "docs" / "training.md").read_text()
    assert text == page(text), "run `python -m streamer.training.reference` in the checkout"
    assert "| `warmup_epochs` | `1.0` |" in text


def test_every_option_is_described_and_every_duration_names_its_unit() -> None:
    for kind in sections():
        for name, field in kind.model_fields.items():
            assert field.description, (kind, name)
            assert not re.search(r"_(s|sec|secs|minutes|time|timeout|duration)$", name), (kind, name)
