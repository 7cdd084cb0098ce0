"""Spoiled pictures are pictures, each spoiled in its own way, and the same ones for the same seed."""

import torch

from streamer.training.degrade import Degrade

CPU = torch.device("cpu")


def images(n=32):
    random = torch.Generator().manual_seed(0)
    coarse = torch.rand(n, 3, 8, 12, generator=random) * 255
    return torch.nn.functional.interpolate(coarse, size=(64, 96), mode="bilinear").round()


def test_they_are_whole_numbers_from_0_to_255():
    spoiled = Degrade(CPU, 0)(images())
    assert spoiled.shape == (32, 3, 64, 96)
    assert float(spoiled.min()) >= 0
    assert float(spoiled.max()) <= 255
    assert torch.equal(spoiled, spoiled.round())


def test_some_are_dark_some_are_gray_and_all_still_show_what_was_there():
    clean = images(128)
    spoiled = Degrade(CPU, 1)(clean)
    light = spoiled.mean((1, 2, 3)) / clean.mean((1, 2, 3))
    assert 0.1 < float((light < 0.5).float().mean()) < 0.4
    colors = (spoiled.amax(1) - spoiled.amin(1)).mean((1, 2))
    assert int((colors < 0.35 * colors.median()).sum()) >= 4
    flat = torch.stack([clean.mean(1).flatten(1), spoiled.mean(1).flatten(1)])
    flat = flat - flat.mean(2, keepdim=True)
    alike = (flat[0] * flat[1]).sum(1) / (flat[0].norm(dim=1) * flat[1].norm(dim=1))
    assert float(alike.median()) > 0.9
    assert float(alike.min()) > 0.2


def test_block_coding_loses_the_fine_and_keeps_the_mean():
    clean = torch.full((64, 3, 16, 16), 100.0)
    clean[:, :, ::2, ::2] = 112.0
    degrade = Degrade(CPU, 2)
    coded = degrade.code(clean)
    detail = coded.std((1, 2, 3))
    assert int((detail < 0.2 * clean.std()).sum()) >= 3, "some are coded so coarsely that the pattern is gone"
    assert int((detail > 0.9 * clean.std()).sum()) >= 20, "more than half are not coded at all"
    assert float((coded.mean((1, 2, 3)) - clean.mean()).abs().max()) < 4


def test_the_same_seed_spoils_the_same():
    assert torch.equal(Degrade(CPU, 3)(images()), Degrade(CPU, 3)(images()))
    assert not torch.equal(Degrade(CPU, 3)(images()), Degrade(CPU, 4)(images()))
