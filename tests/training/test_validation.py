"""Judging: the scores are those of whole clips alone, whatever they were computed beside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from streamer.training import validation
from streamer.training.distributed import Crew
from streamer.training.figures import clip_score
from streamer.training.frames import Clip
from streamer.training.learner import to_input
from streamer.training.validation import figures, judge
from tests.training.clips import TinyNet, array_clips, recipe

CREW = Crew(torch.device("cpu"))
MADE = recipe()


@pytest.fixture
def net() -> Any:
    torch.manual_seed(2)
    return TinyNet(MADE.net).eval()


@pytest.fixture
def clips(tmp_path: Path) -> list[Clip]:
    return array_clips(tmp_path, [10, 3, 25, 1, 12])


def test_scores_are_those_of_each_clip_alone(net: Any, clips: list[Clip], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation, "_CLIPS", 3)
    monkeypatch.setattr(validation, "_FRAMES", 4)
    judged = judge(net, clips, MADE, MADE.input, CREW)
    for clip, row in zip(clips, judged.scores, strict=True):
        pixels = torch.from_numpy(np.load(clip.frames)).permute(0, 3, 1, 2).float()
        with torch.no_grad():
            said = net.activate(net(to_input(pixels, MADE.input)[None])[0])[0].double().numpy()
        warm = np.arange(clip.length) >= 2
        assert row == pytest.approx([clip_score(said[:, i], warm) for i in range(2)], abs=1e-6)
    assert judged.labels == [clip.sample.label for clip in clips]
    assert judged.sources == [clip.sample.source for clip in clips]


def test_a_net_that_knows_nothing_has_the_loss_of_a_coin(net: Any, clips: list[Clip]) -> None:
    with torch.no_grad():
        net.head[1].weight.zero_()
        net.head[1].bias.zero_()
    judged = judge(net, clips, MADE, MADE.input, CREW)
    assert judged.loss == pytest.approx(np.log(2), rel=1e-5)
    assert judged.figures["auroc"] == 0.5


def test_figures_are_of_the_label_that_the_recipe_is_about() -> None:
    scores = np.array([[0.9, 0.1], [0.4, 0.6], [0.3, 0.7], [0.8, 0.2]])
    labels = ["calm", "jumpy", "calm", "jumpy"]
    found = figures(labels, ["a", "b", "c", "d"], scores, MADE)
    assert (found["accuracy"], found["f1"], found["auroc"]) == (0.5, 0.5, 0.5)
    assert figures(labels[:2], ["a", "b"], scores[:2], recipe(positive="calm"))["auroc"] == 1.0
    assert "auroc" not in figures(["calm"], ["a"], scores[:1], MADE)
