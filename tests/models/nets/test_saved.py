"""A net as a file, and back."""

import json

import pytest
import torch

from streamer.errors import ModelError
from streamer.models import tensorfile
from streamer.models.card import KEY, Input, load_card
from streamer.models.nets.saved import card_for, load, save
from tests.models.nets.making import FALL, FIGHT, clips, made


@pytest.fixture(scope="module")
def net():
    return made(double=False, heads=(FIGHT, FALL), motion="difference", temporal="gru")


@pytest.fixture
def file(net, tmp_path):
    path = tmp_path / "net.safetensors"
    save(net, card_for(net, license="MIT", thresholds={"fight": 0.6}, training={"seed": 3}), path)
    return path


def test_it_comes_back_as_it_was(net, file):
    again, card = load(file)
    assert card == load_card(file, "behaviour")
    assert not again.training
    frames = clips(1, 3).float()
    with torch.no_grad():
        assert torch.equal(again(frames)[0], net(frames)[0])
    assert card.labels == ("calm", "fight", "falling", "lying")
    assert card.state == net.state_spec
    assert card.warm_frames == net.warm_frames == 4 + 4  # a second of frames but one, and the pool
    assert (card.thresholds, card.training, card.license) == ({"fight": 0.6}, {"seed": 3}, "MIT")
    assert card.parameters == sum(weight.numel() for weight in net.parameters())
    assert card.state_bytes == 4 * (48 * 64 + 1 + 16 + 3 * 16)
    assert 0 < card.gmacs < 0.1


def test_the_card_must_be_of_the_net(net, tmp_path):
    card = card_for(net)
    for changes, words in (
        ({"labels": ("a", "b"), "heads": ({"name": "x", "labels": ("a", "b")},)}, "the card's labels are a, b"),
        ({"input": Input(width=32, height=32)}, "the card's input is 32x32, the net's 64x48"),
    ):
        other = type(card).model_validate({**card.model_dump(), **changes})
        with pytest.raises(ModelError, match=words):
            save(net, other, tmp_path / "net.safetensors")
    with pytest.raises(ModelError, match=r"kept as \.safetensors"):
        save(net, card, tmp_path / "net.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"architecture": "resnet18"}, "architecture: JSON: Invalid JSON"),
        ({"architecture": json.dumps({"heads": [FIGHT.model_dump()], "hidden": 0})}, "hidden: Input should be greater"),
        ({"hidden": 32}, "weights are not those of its architecture"),
        ({"motion": "none"}, "weights are not those of its architecture|labels or state"),
        ({"task": "detection"}, "task detection cannot be of family"),
    ],
    ids=["text", "value", "size", "state", "task"],
)
def test_a_card_that_does_not_fit_the_weights(file, changes, words):
    card = json.loads(tensorfile.read(file).metadata[KEY])
    architecture = json.loads(card["architecture"])
    inner = {name: value for name, value in changes.items() if name in architecture}
    card |= {"architecture": json.dumps({**architecture, **inner})} if inner else changes
    tensorfile.write_metadata(file, KEY, json.dumps(card))
    with pytest.raises(ModelError, match=words):
        load(file)


def test_a_damaged_file(file):
    data = bytearray(file.read_bytes())
    data[-3] ^= 1
    file.write_bytes(bytes(data))
    with pytest.raises(ModelError, match="changed or damaged"):
        load(file)
    file.write_bytes(bytes(data[:-100]))
    with pytest.raises(ModelError, match="truncated"):
        load(file)
