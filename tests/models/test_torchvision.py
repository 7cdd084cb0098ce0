"""torchvision's detectors: imported from a state dict, run, and refused with a reason. Weights are random here."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import get_model

from streamer.errors import ModelError
from streamer.inference.loaded import load
from streamer.inference.picture import Picture
from streamer.inference.runtimes import Plan
from streamer.inference.settings import ModelSpec
from streamer.models.card import load_card
from streamer.models.detector import Overrides
from streamer.models.importer import Origin, import_file
from streamer.models.torchvision import SIZES, build, input_of

NAME = "ssdlite320_mobilenet_v3_large"
LABELS = ("background", "person", "car")
ORIGIN = Origin("torchvision", labels=LABELS, architecture=NAME, license="BSD-3-Clause")


@pytest.fixture(scope="module")
def state():
    torch.manual_seed(0)
    return get_model(NAME, weights=None, weights_backbone=None, num_classes=3).state_dict()


@pytest.fixture(scope="module", params=["pth", "safetensors"])
def imported(request, state, tmp_path_factory):
    folder = tmp_path_factory.mktemp("torchvision")
    source = folder / f"weights.{request.param}"
    if request.param == "pth":
        torch.save(state, source)
    else:
        save_file({name: tensor.contiguous() for name, tensor in state.items()}, source)
    import_file(source, folder / "model.safetensors", ORIGIN)
    return folder / "model.safetensors"


def test_the_card(imported):
    card = load_card(imported, "detection")
    assert (card.family, card.architecture, card.labels) == ("torchvision", NAME, LABELS)
    assert (card.input.width, card.input.height) == (320, 320)
    assert card.license == "BSD-3-Clause"


def test_it_says_what_torchvision_says(imported, state):
    pixels = np.random.default_rng(0).integers(0, 256, (180, 320, 3)).astype(np.uint8)
    network = build(NAME, 3, state)
    with torch.inference_mode():
        (expected,) = network([torch.from_numpy(pixels).permute(2, 0, 1).float() / 255])
    spec = ModelSpec("tv", imported, Overrides(confidence=0.0))
    model = load(spec, load_card(imported), Plan("torch", threads=1))
    model.warm_up()
    (found,) = model.run([Picture("c", 1, 0.0, pixels)])
    assert len(found) == len(expected["scores"]) > 0
    assert np.allclose(found.confidence, expected["scores"].numpy(), atol=1e-5)
    assert (np.diff(found.confidence) <= 0).all()
    size = np.array([320, 180, 320, 180])
    assert np.allclose(np.sort(found.boxes * size, axis=0), np.sort(expected["boxes"].numpy(), axis=0), atol=1e-2)
    assert found.boxes.min() >= 0
    assert found.boxes.max() <= 1
    assert set(found.label_ids.tolist()) <= {1, 2}
    picky = load(ModelSpec("tv", imported, Overrides(confidence=0.99)), load_card(imported), Plan("torch"))
    assert len(picky.run([Picture("c", 1, 0.0, pixels)])[0]) == 0


def test_a_batch_equals_its_pictures_one_by_one(imported):
    rng = np.random.default_rng(1)
    model = load(ModelSpec("tv", imported, Overrides(confidence=0.3)), load_card(imported), Plan("torch", threads=1))
    pictures = [Picture("c", 1, 0.0, rng.integers(0, 256, (180, 320, 3)).astype(np.uint8)) for _ in range(2)]
    for one, together in zip(pictures, model.run(pictures), strict=True):
        (alone,) = model.run([one])
        assert np.allclose(alone.confidence, together.confidence, atol=1e-4)


def test_every_listed_architecture_exists():
    from torchvision.models import detection, list_models

    assert set(SIZES) <= set(list_models(module=detection))
    for name, size in SIZES.items():
        assert (input_of(name).width, input_of(name).height) == size


@pytest.mark.parametrize(
    ("origin", "words"),
    [
        (Origin("torchvision", LABELS, architecture="yolov99"), "architecture 'yolov99' is not one of"),
        (Origin("torchvision", LABELS), "architecture '' is not one of"),
        (Origin("torchvision", ("background", "person"), architecture=NAME), "with 2 classes does not fit"),
        (Origin("torchvision", None, architecture=NAME), "with 91 classes does not fit.*--labels"),
        (Origin("torchvision", LABELS, architecture="ssd300_vgg16"), "does not fit"),
    ],
    ids=["unknown", "none", "labels", "not coco", "another"],
)
def test_weights_that_do_not_fit(state, tmp_path, origin, words):
    source = tmp_path / "weights.pth"
    torch.save(state, source)
    with pytest.raises(ModelError, match=words):
        import_file(source, tmp_path / "out.safetensors", origin)
    assert not (tmp_path / "out.safetensors").exists()


def test_a_pickle_with_code_is_not_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "pwned"), "w"))

    source = tmp_path / "weights.pth"
    torch.save({"weight": Evil()}, source)
    with pytest.raises(ModelError, match="loads without code"):
        import_file(source, tmp_path / "out.safetensors", ORIGIN)
    assert not (tmp_path / "pwned").exists()
