"""One step of learning: clips are streamed, gradients stop at the parts' borders, the state is carried on."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from streamer.errors import StreamerError
from streamer.models.card import Input
from streamer.models.transforms import normalise
from streamer.training.dataset import Batch, Examples, collate
from streamer.training.distributed import Crew
from streamer.training.learner import Learner, to_input
from streamer.training.loss import Loss
from streamer.training.optimizer import make_optimizer, set_mode
from streamer.training.recipe import Recipe
from streamer.training.settings import AugmentSettings
from tests.training.clips import TinyNet, array_clips, recipe

STILL = AugmentSettings.none().model_dump()


def learner(made: Recipe) -> Learner:
    torch.manual_seed(1)
    net: Any = TinyNet(made.net)
    set_mode(net, made.freeze, "none", 0)
    criterion = Loss(net.heads, made.loss, {"calm": 1, "jumpy": 1})
    return Learner(net, made, made.input, criterion, make_optimizer(net, made.optimizer), Crew(torch.device("cpu")))


@pytest.fixture
def batch(tmp_path: Path) -> Batch:
    examples = Examples(array_clips(tmp_path, [10, 10, 10, 7]), recipe(augment=STILL))
    return collate([examples[0, i, i] for i in range(4)])


def plain(**changes: Any) -> Recipe:
    """Nothing random."""
    return recipe(**{"augment": STILL, "dropout": 0.0, "ema": None, "freeze": {"norms": True}, **changes})


def gradients(made: Recipe, batch: Batch) -> dict[str, torch.Tensor]:
    it = learner(made)
    it.learn(batch, 0, 0)
    return {name: weight.grad for name, weight in it.net.named_parameters() if weight.grad is not None}


def test_pixels_become_what_serving_makes_of_them() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 8, 9, 3)).astype(np.uint8)
    for shape in (
        Input(width=9, height=8, scale=1 / 255, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4)),
        Input(width=9, height=8, color="BGR"),
    ):
        found = to_input(torch.from_numpy(pixels).permute(0, 3, 1, 2).float(), shape).numpy()
        assert found == pytest.approx(normalise(pixels, shape), rel=1e-5, abs=1e-5)


def test_the_loss_falls_over_steps(batch: Batch) -> None:
    it = learner(plain(optimizer={"learning_rate": 0.01, "backbone_factor": 1.0}))
    losses = [it.learn(batch, 0, step)["loss"] for step in range(30)]
    assert losses[-1] < 0.6 * losses[0]


def test_one_part_as_long_as_the_clip_is_the_whole_clip(batch: Batch) -> None:
    whole, one = (gradients(plain(clip={"seconds": 2, "backprop_seconds": s}), batch) for s in (None, 2))
    assert all(torch.allclose(whole[name], one[name], atol=1e-6) for name in whole)


def test_parts_carry_the_state_but_no_gradient(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    it = learner(plain(clip={"seconds": 2, "backprop_seconds": 0.8}))
    given: list[Any] = []
    forward = it.net.forward

    def seen(clips: torch.Tensor, state: Any = None) -> Any:
        found = forward(clips, state)
        given.append((clips.shape[1], state, found[1][0].detach()))
        return found

    monkeypatch.setattr(it.net, "forward", seen)
    it.learn(batch, 0, 0)
    assert [frames for frames, *_ in given] == [4, 4, 2]
    assert given[0][1] is None
    for (_, _, before), (_, state, _) in pairwise(given):
        assert torch.equal(state[0], before)
        assert not state[0].requires_grad


def test_parts_give_the_loss_of_the_whole(batch: Batch) -> None:
    whole, parts = (
        learner(plain(clip={"seconds": 2, "backprop_seconds": s})).learn(batch, 0, 0)["loss"] for s in (None, 0.6)
    )
    assert parts == pytest.approx(whole, rel=1e-5)


def test_forgotten_states_are_zero_for_some_clips(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    it = learner(plain(clip={"seconds": 2, "backprop_seconds": 1, "forget": 0.5}))
    kept: list[Any] = []
    forward = it.net.forward
    monkeypatch.setattr(it.net, "forward", lambda clips, state=None: (kept.append(state), forward(clips, state))[1])
    for step in range(8):
        it.learn(batch, 0, step)
    rows = torch.cat([state[0].abs().sum(1) == 0 for state in kept if state is not None])
    assert 0.2 < float(rows.float().mean()) < 0.8


def test_large_gradients_are_clipped(batch: Batch) -> None:
    it = learner(plain(optimizer={"clip_norm": 1e-3}))
    assert it.learn(batch, 0, 0)["norm"] > 1e-3
    total = torch.cat([w.grad.flatten() for w in it.net.parameters() if w.grad is not None]).norm()
    assert float(total) == pytest.approx(1e-3, rel=1e-3)


def test_a_loss_that_is_no_number_ends_the_training_with_advice(batch: Batch) -> None:
    it = learner(plain())
    with torch.no_grad():
        it.net.head[1].weight.fill_(float("nan"))
    with pytest.raises(
        StreamerError, match=r"the loss is nan in epoch 3, step 18: .* lower optimizer\.learning_rate \(0\.0005\)"
    ):
        it.learn(batch, 2, 17)


def test_an_attack_leaves_modes_and_statistics_as_they_were(batch: Batch) -> None:
    it = learner(plain(freeze={"norms": False}, adversary={"kind": "pgd", "steps": 2, "share": 1.0}))
    counted: list[Any] = []
    it.net.backbone.norm.register_forward_hook(lambda module, *_: counted.append(module.training))
    it.learn(batch, 0, 0)
    assert counted == [False, False, True]
    assert int(it.net.backbone.norm.num_batches_tracked) == 1
    assert it.net.training


def test_training_against_attacks_makes_the_net_harder_to_deceive(tmp_path: Path) -> None:
    examples = Examples(array_clips(tmp_path, [10] * 8), recipe(augment=STILL))
    batch = collate([examples[0, i, i] for i in range(8)])
    rises = []
    for kind in ("none", "fgsm"):
        attacked = {"kind": kind, "epsilon": 16.0, "share": 1.0}
        it = learner(plain(adversary=attacked, optimizer={"learning_rate": 0.01, "backbone_factor": 1.0}))
        for step in range(45):
            it.learn(batch, 0, step)
        judge = learner(
            plain(adversary={"kind": "fgsm", "epsilon": 16.0, "share": 1.0}, optimizer={"learning_rate": 1e-9})
        )
        judge.net.load_state_dict(it.net.state_dict())
        rises.append(judge.learn(batch, 0, 0)["loss"])
    assert rises[1] < 0.8 * rises[0]


def test_bfloat16_learns_the_same_within_its_precision(batch: Batch) -> None:
    made = {"threads": 1, "device": "cpu"}
    full, half = (learner(plain(machine={**made, "amp": amp})).learn(batch, 0, 0)["loss"] for amp in ("none", "bf16"))
    assert half == pytest.approx(full, rel=0.05)
    assert half != full
