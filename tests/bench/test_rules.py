"""`streamer bench --rules`: what it prints is what it measured."""

from __future__ import annotations

import argparse
import json

import pytest

from streamer.bench import command, rulebook, rules
from streamer.bench.rules import Costs
from streamer.bench.week import Growth
from streamer.errors import InputError


def given(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args(arguments)


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure for a moment only."""
    monkeypatch.setattr(rules, "_SECONDS", 10.0)
    monkeypatch.setattr(rules, "_ROUNDS", 1)
    monkeypatch.setattr(rules, "week", lambda: {"tracker": Growth(2000, 2100)})


def test_json_has_a_figure_for_every_rule(brief: None, capsys: pytest.CaptureFixture[str]) -> None:
    command.bench(given("--rules", "--tracks", "8", "--json"))
    found = json.loads(capsys.readouterr().out)
    assert found["unmeasured"] == {}
    assert set(found["rules_ms"]) == {kind.kind for kind in rulebook.kinds()}
    assert all(ms > 0 for ms in found["rules_ms"].values())
    assert found["tracker_ms"] > 0
    assert found["all_ms"] == pytest.approx(found["tracker_ms"] + sum(found["rules_ms"].values()), abs=0.01)
    assert found["tracker_ms"] < found["pipelines_ms"]["surveillance"] <= found["all_ms"] + 1e-3
    assert 6.0 <= found["tracks"] <= 9.0
    assert found["week_bytes"] == {"tracker": [2000, 2100]}


def test_text_says_what_is_within_the_goal_and_what_is_not() -> None:
    costs = Costs(
        19.8, 0.4, {"intrusion": 0.2, "crowd": 0.7}, {"yard": 0.6, "all": 1.3}, {"tracker": Growth(5, 6)}, {"odd": "no"}
    )
    text = costs.to_text()
    assert "yard, in all                0.600  (within 1)" in text
    assert "all, in all                 1.300  (ABOVE 1)" in text
    assert "every rule there is, in all 1.300" in text
    assert "not measured: odd: no" in text


@pytest.mark.parametrize("arguments", [("--tracks", "0"), ("--tracks", "501"), ("--analyze-fps", "0.1")])
def test_numbers_out_of_reason_are_wrong_input(arguments: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="bench: --tracks must be 1 to 500"):
        command.bench(given("--rules", *arguments))
