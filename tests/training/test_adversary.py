"""Attacks: never more than allowed, and the loss does rise."""

from __future__ import annotations

import pytest
import torch

from streamer.training.adversary import attack
from streamer.training.settings import AdversarySettings


@pytest.fixture
def pixels() -> torch.Tensor:
    return torch.randint(0, 256, (2, 3, 3, 8, 8), generator=torch.Generator().manual_seed(1)).float()


@pytest.fixture
def loss_of(pixels: torch.Tensor) -> object:
    weights = torch.randn(pixels[0].shape, generator=torch.Generator().manual_seed(2))
    return lambda it: ((it / 255 * weights).sum((1, 2, 3, 4)) ** 2).mean()


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


@pytest.mark.parametrize("kind", ["fgsm", "pgd"])
@pytest.mark.parametrize("epsilon", [1.0, 8.0])
def test_an_attack_keeps_within_epsilon_and_raises_the_loss(pixels, loss_of, kind, epsilon) -> None:  # type: ignore[no-untyped-def]
    found = attack(pixels, loss_of, AdversarySettings(kind=kind, epsilon=epsilon), generator())
    assert float((found - pixels).abs().max()) <= epsilon + 1e-4
    assert 0 <= float(found.min()) <= float(found.max()) <= 255
    assert float(loss_of(found)) > 1.01 * float(loss_of(pixels))
    assert not found.requires_grad


def test_fgsm_goes_all_the_way_along_the_sign(pixels, loss_of) -> None:  # type: ignore[no-untyped-def]
    middle = pixels.clamp(10, 245)
    found = attack(middle, loss_of, AdversarySettings(kind="fgsm", epsilon=4), generator())
    assert torch.allclose((found - middle).abs(), torch.tensor(4.0))


def test_several_steps_deceive_a_bent_loss_more_than_one() -> None:
    start = torch.full((1, 1, 3, 4, 4), 128.0)
    aim = start + torch.linspace(-3, 3, start.numel()).view(start.shape)

    def loss_of(it: torch.Tensor) -> torch.Tensor:
        return -((it - aim) ** 2).sum()  # highest inside of the ball: one long step overshoots

    once = attack(start, loss_of, AdversarySettings(kind="fgsm", epsilon=8), generator())
    often = attack(start, loss_of, AdversarySettings(kind="pgd", epsilon=8, steps=20), generator())
    assert float(loss_of(often)) > float(loss_of(once))


def test_no_attack_changes_nothing(pixels, loss_of) -> None:  # type: ignore[no-untyped-def]
    assert attack(pixels, loss_of, AdversarySettings(), generator()) is pixels
