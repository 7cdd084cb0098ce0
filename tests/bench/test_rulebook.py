"""Every rule is found, and can be set up without being listed."""

from __future__ import annotations

from typing import ClassVar

import pytest
from pydantic import Field

from streamer.bench import rulebook
from streamer.errors import StreamerError
from streamer.rules.rule import Rule
from streamer.types import Tracks
from tests.acting import frame


def test_the_rules_of_the_shipped_pipelines_are_among_those_found() -> None:
    found = {kind.kind for kind in rulebook.kinds()}
    assert {"intrusion", "loitering"} <= found
    families = dict(rulebook.families())
    assert "intrusion" in families["surveillance"]
    assert {kind for kinds in families.values() for kind in kinds} <= found


@pytest.mark.parametrize("kind", rulebook.kinds(), ids=lambda kind: kind.kind)
def test_every_rule_can_be_set_up_and_judges(kind: type[Rule]) -> None:
    rule = rulebook.build(kind)
    told = list(rule.begin(rulebook.places()).judge(frame(0.0), Tracks.empty(("person",)), rulebook.scores(rule, 0.0)))
    assert not told or kind.kind not in ("intrusion", "loitering")


class Picky(Rule):
    kind: ClassVar[str] = "picky"
    lines: list[str] = Field(min_length=1)
    stop_line: str
    limit_kmh: float = Field(gt=0, le=400)
    most: int = Field(ge=2, le=4)


class Unguessable(Rule):
    kind: ClassVar[str] = "unguessable"
    password: str


def test_required_settings_are_guessed_from_what_is_allowed() -> None:
    rule = rulebook.build(Picky)
    assert isinstance(rule, Picky)
    assert (rule.lines, rule.stop_line) == (["near", "middle"], "near")
    assert (rule.limit_kmh, rule.most) == (200.0, 3)


def test_what_cannot_be_guessed_is_said() -> None:
    with pytest.raises(StreamerError, match="rule 'unguessable' cannot be set up by guessing"):
        rulebook.build(Unguessable)
