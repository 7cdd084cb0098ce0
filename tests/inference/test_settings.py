"""What a site file may say about inference."""

import pytest
from pydantic import ValidationError

from streamer.inference.settings import InferenceSettings


def test_the_defaults():
    settings = InferenceSettings()
    assert (settings.device, settings.precision, settings.streams) == ("auto", "f32", "auto")
    assert settings.max_batch_size == 16
    assert settings.deadline_seconds == 2.0


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "cuda:3", "openvino", "onnxruntime"])
def test_devices(device):
    assert InferenceSettings(device=device).device == device


@pytest.mark.parametrize(
    "wrong",
    [
        {"device": "gpu"},
        {"device": "cuda:"},
        {"device": "cpu\n"},
        {"streams": 0},
        {"streams": "many"},
        {"precision": "int8"},
        {"max_batch_size": 0},
        {"deadline_seconds": 0},
        {"deadline": 1},
    ],
    ids=str,
)
def test_mistakes_are_refused(wrong):
    with pytest.raises(ValidationError):
        InferenceSettings(**wrong)
