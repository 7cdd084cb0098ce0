"""The shipped fight model: its card, its answers, what it says of real fights and of everyday footage."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from streamer.models.card import Card, load_card
from streamer.models.registry import resolve
from streamer.models.transforms import normalise
from tests.fights import QUIET, told

FILE = Path(resolve("fight", Path()))
RECORDED = (0.0979, 0.057, 0.0545, 0.0759, 0.0815, 0.0777)
"""Of `synthetic`, every third step from the warm one; a model trained anew has others."""


@pytest.fixture(scope="module")
def card() -> Card:
    return load_card(FILE, "behaviour")


@pytest.fixture(scope="module")
def session() -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(FILE), options, providers=["CPUExecutionProvider"])


def synthetic(card: Card, steps: int = 24) -> np.ndarray:
    """Noise over gray, and a bright bar that jerks about; uint8 (steps, height, width, 3)."""
    rng = np.random.default_rng(3)
    frames = rng.normal(110, 4, (steps, card.input.height, card.input.width, 3))
    for i in range(steps):
        x = 60 + int(40 * rng.random())
        frames[i, 50:150, x : x + 30] = (220, 180, 140)
    return frames.clip(0, 255).astype(np.uint8)


def run(session: onnxruntime.InferenceSession, card: Card, frames: np.ndarray) -> np.ndarray:
    """Scores of a fight, one a frame."""
    state = {it.name: np.zeros((1, *it.shape), np.float32) for it in card.state}
    names = [it.name for it in session.get_outputs()]
    out = []
    for frame in frames:
        said = dict(zip(names, session.run(names, {"frame": normalise(frame[None], card.input), **state}), strict=True))
        state = {name: said[f"{name}_next"] for name in state}
        out.append(said["scores"][0, card.labels.index("fight")])
    return np.array(out)


def test_the_card_says_what_serving_needs(card: Card) -> None:
    assert FILE.stat().st_size < 4e6
    assert (card.task, card.family, card.labels) == ("behaviour", "streaming", ("normal", "fight"))
    assert (card.fps, card.input.width, card.input.height, card.input.fit) == (10, 256, 192, "stretch")
    assert 0 < card.thresholds["fight"] < 1
    assert "MIT" in card.source
    assert "Apache-2.0" in card.license
    assert card.training["recipe"]["net"]["backbone"] == "yolox_nano"


def test_it_says_what_it_said(session: onnxruntime.InferenceSession, card: Card) -> None:
    got = run(session, card, synthetic(card))[card.warm_frames - 1 :: 3]
    np.testing.assert_allclose(got, RECORDED, atol=2e-3)


def test_a_still_picture_is_no_fight(session: onnxruntime.InferenceSession, card: Card) -> None:
    still = np.repeat(synthetic(card, 1), 30, 0)
    assert run(session, card, still)[card.warm_frames - 1 :].max() < 0.2
    noisy = np.random.default_rng(0).normal(still, 3).clip(0, 255).astype(np.uint8)
    assert run(session, card, noisy)[card.warm_frames - 1 :].max() < 0.4


def test_a_step_is_cheap(session: onnxruntime.InferenceSession, card: Card) -> None:
    """16 ms serve 12 cameras a core at 5 fps; the least of many, as another may use the core meanwhile."""
    frames = synthetic(card, 20)
    state = {it.name: np.zeros((1, *it.shape), np.float32) for it in card.state}
    taken = []
    for frame in frames:
        fed = {"frame": normalise(frame[None], card.input), **state}
        begin = time.perf_counter()
        session.run(None, fed)
        taken.append(time.perf_counter() - begin)
    assert min(taken) < 0.016


def named(data: Path, folder: str, names: Sequence[str]) -> list[Path]:
    return [data / folder / name for name in names]


def test_everyday_footage_is_quiet(shared_data: Path) -> None:
    found = asyncio.run(told(named(shared_data, "cctv", [name for name in QUIET if name != "one_by_one.mp4"])))
    assert {name: [event.time for event in events] for name, (events, _) in found.items() if events} == {}


def test_some_fights_are_told_within_their_two_seconds(shared_data: Path) -> None:
    clips = sorted((shared_data / "fights" / "fight").glob("*.mp4"))[::6]
    found = asyncio.run(told(clips))
    assert sum(bool(events) for events, _ in found.values()) >= 3
