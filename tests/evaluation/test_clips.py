"""Figures of a model on clips: what is asked, what is refused, and what is made of scores."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from streamer.errors import InputError
from streamer.evaluation.clips import NONE, Question, evaluate_clips, question
from streamer.models.card import Card, Head, Input
from streamer.training.samples import Sample
from streamer.training.stream import Scored, Streamed

STATE = ({"name": "memory", "shape": (1,)},)


def card(labels: tuple[str, ...] = ("normal", "fight"), activation: str = "softmax", **more: object) -> Card:
    head = Head.model_validate({"name": "h", "labels": labels, "activation": activation})
    plain = {"task": "behaviour", "family": "streaming", "labels": labels, "heads": (head,), "fps": 5, "state": STATE}
    return Card.model_validate({**plain, "input": Input(width=8, height=8), **more})


def samples(*labels: str) -> list[Sample]:
    return [Sample(Path(f"{i}.mp4"), label, f"s{i // 2}") for i, label in enumerate(labels)]


def scored(*rows: list[float], warm_from: int = 0, luma: float = 120.0) -> Scored:
    count = len(rows)
    times = np.arange(count) / 5
    return Scored(times, np.array(rows, np.float32), np.arange(count) >= warm_from, np.full(count, luma, np.float32))


def test_of_an_exclusive_pair_the_last_is_looked_for() -> None:
    asked = question(card(thresholds={"fight": 0.6}), samples("fight", "normal"), None, [])
    assert (asked.labels, asked.thresholds) == (("fight",), {"fight": 0.6})


def test_a_recipe_in_the_card_says_what_is_looked_for_and_what_is_background() -> None:
    made = card(("calm", "fight", "fall"), training={"recipe": {"positive": "fight", "background": ["none"]}})
    asked = question(made, samples("fight", "none", "fall"), None, [])
    assert (asked.labels, asked.background) == (("fight",), ("none",))


def test_each_label_of_a_sigmoid_head_is_a_question_if_there_are_clips_of_it() -> None:
    asked = question(card(("fight", "fall", "crowd"), "sigmoid"), samples("fight", "crowd", "none"), None, ["none"])
    assert asked.labels == ("fight", "crowd")
    assert asked.thresholds == {"fight": 0.5, "crowd": 0.5}


@pytest.mark.parametrize(
    ("labels", "label", "expected"),
    [
        (("figth", "normal"), None, "1 clips have the label 'figth'; did you mean 'fight'?"),
        (("figth", "normal"), None, "(if they show nothing that the model knows: --background figth)"),
        (("fight", "dance"), None, "'dance'; the model knows normal, fight"),
        (("normal", "normal"), None, "no clip has the label fight; there are normal"),
        (("fight", "normal"), "fall", "the model has no label 'fall'"),
    ],
)
def test_names_that_differ_are_refused(labels: tuple[str, ...], label: str | None, expected: str) -> None:
    with pytest.raises(InputError) as caught:
        question(card(), samples(*labels), label, [])
    assert expected in str(caught.value)


def test_figures_confusion_and_light() -> None:
    streamed = Streamed(
        samples("fight", "fight", "normal", "normal"),
        [
            scored([0.9, 0.1], [0.2, 0.8], [0.2, 0.8], warm_from=1),  # cold steps do not count
            scored([0.6, 0.4], luma=30),
            scored([0.9, 0.1], luma=30),
            scored([0.3, 0.7], [0.9, 0.1], warm_from=5),  # too short to warm up: its last step
        ],
        ["x.mp4: broken"],
    )
    found = evaluate_clips(card(), Question(("fight",), (), {"fight": 0.5}), streamed)
    fight = found.figures["fight"]
    assert fight.confusion == {"tp": 1, "fp": 0, "fn": 1, "tn": 2}
    assert (fight.accuracy, found.accuracy) == (0.75, 0.75)
    assert found.confusion == {"fight": {"fight": 1, NONE: 1}, "normal": {NONE: 2}}
    assert found.cold == 1
    night, day = found.light["fight"]["night"], found.light["fight"]["day"]
    assert (night.clips, night.recall, day.clips, day.recall) == (2, 0.0, 2, 1.0)
    row = json.loads(json.dumps(found.to_json()))
    assert (row["clips"], row["skipped"], row["accuracy"], row["recall"]) == (4, 1, 0.75, 0.5)
    assert row["labels"]["fight"]["light"]["night"]["recall"] == 0.0
    for name in ("accuracy", "precision", "recall", "f1", "auroc", "clips", "skipped"):
        assert name in row
    text = found.to_text()
    assert "skipped: x.mp4: broken" in text
    assert "by night" in text


def test_of_several_labels_the_means_are_told_and_the_strongest_is_said() -> None:
    made = card(("fight", "fall"), "sigmoid")
    streamed = Streamed(
        samples("fight", "fall", "none"), [scored([0.9, 0.6]), scored([0.55, 0.8]), scored([0.1, 0.2])], []
    )
    found = evaluate_clips(made, Question(("fight", "fall"), ("none",), {"fight": 0.5, "fall": 0.5}), streamed)
    assert found.confusion == {"fall": {"fall": 1}, "fight": {"fight": 1}, "none": {NONE: 1}}
    assert found.accuracy == 1.0
    # alone, each label is also said of the other's clip
    assert found.figures["fight"].precision == 0.5
    assert found.to_json()["precision"] == 0.5


def test_one_threshold_for_all() -> None:
    asked = Question(("a", "b"), (), {"a": 0.3, "b": 0.9})
    assert asked.at(0.5).thresholds == {"a": 0.5, "b": 0.5}
    assert asked.at(None) is asked


def test_seconds_of_a_clip_are_those_that_its_frames_stand_for() -> None:
    assert scored(*[[0.5, 0.5]] * 10).seconds == pytest.approx(2.0)
    assert scored([0.5, 0.5]).seconds == 0.0
