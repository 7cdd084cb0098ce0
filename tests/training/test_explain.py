"""Where a model saw what it decided: for models of which that is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from streamer import cli
from streamer.errors import InputError
from streamer.models.card import Card, Head, Input, State
from streamer.training.explain import Explained, deepest_map, explain
from tests.models.stepping import stepping


def lamp(path: Path, corner: tuple[int, int] = (0, 0), count: int = 20) -> Path:
    """A dark film in which a quarter lights up in the second half; row and column of the quarter, 0 or 1."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 96, 96, "yuv420p"
        for i in range(count):
            pixels = np.full((96, 96, 3), 20, np.uint8)
            if i >= count // 2:
                pixels[48 * corner[0] :, 48 * corner[1] :][:48, :48] = 230
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def quarters(heat: np.ndarray) -> np.ndarray:
    """(2, 2) mean heat of a picture's quarters."""
    height, width = heat.shape
    return heat.reshape(2, height // 2, 2, width // 2).mean(axis=(1, 3))


@pytest.mark.parametrize("corner", [(0, 0), (0, 1), (1, 1)])
def test_occlusion_finds_what_makes_the_picture_bright(tmp_path: Path, corner: tuple[int, int]) -> None:
    model = stepping(tmp_path / "light.onnx")
    found = explain(model, lamp(tmp_path / "lamp.mp4", corner), label="bright")
    assert (found.method, found.label, found.warm) == ("occlusion", "bright", True)
    assert found.times[-1] == pytest.approx(1.8, abs=0.1)  # the score still rises at the end
    shares = quarters(found.heat[-1])
    assert shares[corner] > 0.6
    assert shares[corner] > 4 * np.delete(shares.ravel(), 2 * corner[0] + corner[1]).max()
    assert found.heat.shape == found.pictures.shape[:3]
    assert found.heat.max() == 1.0


def test_a_time_can_be_asked_for(tmp_path: Path) -> None:
    model = stepping(tmp_path / "light.onnx")
    film = lamp(tmp_path / "lamp.mp4")
    found = explain(model, film, at_s=0.25, label="bright")
    assert found.times.tolist() == pytest.approx([0.0, 0.2], abs=1e-3)
    assert not found.warm
    assert found.score == pytest.approx(0.75 * 20 / 255, abs=0.02)


def test_the_label_with_a_threshold_is_explained(tmp_path: Path) -> None:
    found = explain(stepping(tmp_path / "light.onnx", thresholds={"bright": 0.7}), lamp(tmp_path / "lamp.mp4"))
    assert (found.label, found.threshold) == ("bright", 0.7)


def test_wrong_input(tmp_path: Path) -> None:
    model = stepping(tmp_path / "light.onnx")
    with pytest.raises(InputError, match="no label 'red'"):
        explain(model, lamp(tmp_path / "lamp.mp4"), label="red")
    with pytest.raises(InputError, match=r"none\.mp4"):
        explain(model, tmp_path / "none.mp4", at_s=1.0)


def test_the_command_writes_a_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, film, out = stepping(tmp_path / "light.onnx"), lamp(tmp_path / "lamp.mp4"), tmp_path / "why.png"
    given = ["explain", "--model", str(model), "--video", str(film), "--out", str(out), "--json"]
    assert cli.main(given) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["label"], told["method"], told["out"]) == ("bright", "occlusion", str(out))
    assert out.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["--model", "m"], "needs --video FILE, or --alert ID"),
        (["--video", "v.mp4"], "needs --model NAME|FILE"),
        (["--alert", "a"], "--alert needs --config SITE"),
        (["--model", "m", "--video", "v.mp4", "--at", "-1"], "--at must be 0 or more"),
        (["--model", "m", "--video", "v.mp4", "--out", "why.txt"], "a picture ends in one of"),
    ],
)
def test_what_the_command_refuses(argv: list[str], expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["explain", *argv]) == 2
    assert expected in capsys.readouterr().err


# --- by gradients: a net whose only evidence is known ---


def corner_net() -> Any:
    """A convolution of which one channel is brightness, the mean of the upper left quarter, and a running sum."""
    import torch
    from torch import nn

    class Corner(nn.Module):
        warm_frames = 1

        def __init__(self) -> None:
            super().__init__()
            self.features = nn.Conv2d(3, 2, 4, stride=4, bias=False)
            self.pool = nn.AdaptiveAvgPool2d(1)
            with torch.no_grad():
                self.features.weight[0] = 1 / 48
                self.features.weight[1] = 0.0

        def forward(self, clips: Any, state: Any = None) -> Any:
            batch, count = clips.shape[:2]
            maps = self.features(clips.flatten(0, 1))
            height, width = maps.shape[2] // 2, maps.shape[3] // 2
            seen = self.pool(maps[:, :1, :height, :width]).view(batch, count, 1)
            held = torch.cumsum(seen, 1) + (0 if state is None else state[0][:, None])
            return torch.cat([-held, held], -1), (held[:, -1],)

        def initial_state(self, batch: int, device: Any = None, dtype: Any = None) -> Any:
            return (torch.zeros(batch, 1),)

        def step(self, frame: Any, state: Any) -> Any:
            logits, after = self(frame[:, None], state)
            return logits[:, 0], after

        def activate(self, logits: Any) -> Any:
            return logits.softmax(-1)

    return Corner().eval()


CARD = Card(
    task="behaviour",
    family="streaming",
    labels=("dark", "bright"),
    heads=(Head(name="h", labels=("dark", "bright"), activation="softmax"),),
    input=Input(width=32, height=32, fit="stretch", scale=1 / 255),
    state=(State(name="sum", shape=(1,)),),
    fps=5,
)


def test_grad_cam_shows_each_frame_its_own_evidence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("captum")
    pytest.importorskip("streamer.models.nets.saved")
    monkeypatch.setattr("streamer.models.nets.saved.load", lambda path: (corner_net(), CARD))
    monkeypatch.setattr("streamer.training.explain.behaviour_card", lambda file: CARD)
    film = lamp(tmp_path / "lamp.mp4", (0, 0))
    found: Explained = explain(tmp_path / "net.safetensors", film, label="bright")
    assert found.method == "grad-cam"
    assert found.times[-1] == pytest.approx(1.8, abs=0.1)
    lit = found.times >= 1.0
    shares = np.stack([quarters(heat) for heat in found.heat])
    assert shares[lit, 0, 0].min() > 0.8
    # before the lamp is lit there is little of it, and in the other quarters there is nothing but darkness
    assert shares[~lit].max() < 0.2
    assert np.delete(shares[lit].reshape(-1, 4), 0, axis=1).max() < 0.25


def test_the_layer_is_the_last_with_one_map_a_frame() -> None:
    torch = pytest.importorskip("torch")
    net = corner_net()
    assert deepest_map(net, torch.zeros(1, 4, 3, 32, 32)) is net.features
    with pytest.raises(InputError, match="no layer with one map a frame"):
        deepest_map(torch.nn.Identity(), torch.zeros(1, 4, 3, 32, 32))
