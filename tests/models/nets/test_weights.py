"""Where weights come from, and what is said when they do not fit."""

import urllib.error

import pytest
import torch
from safetensors.torch import save_file

from streamer.errors import ModelError
from streamer.models.nets.build import build
from streamer.models.nets.saved import card_for, save
from streamer.models.nets.weights import backbone_of
from tests.models.nets.making import FALL, FIGHT, made, settings


def test_torchvision_names_fill_the_encoder(tmp_path):
    for backbone in ("resnet18", "mobilenet_v2", "mobilenet_v3_small", "shufflenet_v2_x0_5"):
        torch.manual_seed(1)
        source = backbone_of(backbone).state_dict()
        file = tmp_path / f"{backbone}.safetensors"
        save_file(source, file)
        net = build(settings(backbone=backbone), file)
        assert net.loaded is not None
        assert net.loaded.missing == ()
        assert all(name.startswith(("fc.", "classifier.")) for name in net.loaded.unexpected)
        own = net.state_dict()
        for theirs, ours in net.backbone.origins.items():
            assert torch.equal(source[theirs], own[f"backbone.{ours}"]), theirs


def test_a_pth_file_is_read_without_running_it(tmp_path):
    file = tmp_path / "net.pth"
    torch.save(backbone_of("shufflenet_v2_x0_5").state_dict(), file)
    assert build(settings(), file).loaded.missing == ()
    torch.save({"model": build}, file)
    with pytest.raises(ModelError, match="not a state dict that loads without code"):
        build(settings(), file)


def test_the_fourth_channel_gets_the_mean_of_the_colors(tmp_path):
    source = backbone_of("shufflenet_v2_x0_5").state_dict()
    save_file(source, tmp_path / "net.safetensors")
    net = build(settings(motion="difference"), tmp_path / "net.safetensors")
    kernel = net.state_dict()["backbone.blocks.0.inner.0.0.weight"]
    assert kernel.shape[1] == 4
    assert torch.equal(kernel[:, :3], source["conv1.0.weight"])
    torch.testing.assert_close(kernel[:, 3], source["conv1.0.weight"].mean(1))
    assert net.loaded.missing == ()


def test_a_whole_net_fills_all_but_another_head(tmp_path):
    file = tmp_path / "earlier.safetensors"
    earlier = made(double=False)
    save(earlier, card_for(earlier), file)
    same = build(settings(), file)
    assert all(torch.equal(value, earlier.state_dict()[name]) for name, value in same.state_dict().items())
    other = build(settings(heads=(FALL, FIGHT)), file)
    assert other.loaded.missing == ()
    assert torch.equal(other.neck[0].weight, earlier.neck[0].weight)


def test_weights_of_another_network_are_refused(tmp_path):
    file = tmp_path / "net.safetensors"
    save_file(backbone_of("resnet18").state_dict(), file)
    with pytest.raises(ModelError, match=r"only 0 of the \d+ tensors of backbone shufflenet_v2_x0_5 are in it"):
        build(settings(), file)


def test_files_that_are_none(tmp_path):
    with pytest.raises(ModelError, match="no such file"):
        build(settings(), tmp_path / "absent.safetensors")
    (tmp_path / "cut.safetensors").write_bytes(b"\x10\0\0\0")
    with pytest.raises(ModelError, match="truncated"):
        build(settings(), tmp_path / "cut.safetensors")


def test_default_weights_without_a_network_say_where_to_put_them(monkeypatch, tmp_path):
    def cut(*args, **kwargs):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", cut)
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    with pytest.raises(ModelError, match=r"cannot be fetched .*no route to host") as caught:
        build(settings(), "default")
    assert str(tmp_path / "checkpoints" / "shufflenetv2_x0.5") in str(caught.value)
    assert "https://download.pytorch.org/models/shufflenetv2_x0.5" in str(caught.value)
