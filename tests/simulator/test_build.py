"""From specification to cameras: what is equal is made once, counts are spread over the loop."""

from __future__ import annotations

import hashlib
import itertools
from pathlib import Path

import numpy as np
import pytest

from streamer.errors import InputError
from streamer.simulator import framecode
from streamer.simulator.build import build, make_reel_of
from streamer.simulator.library import make_scene
from streamer.simulator.spec import CameraSpec, parse_spec
from streamer.simulator.variant import decode

SMALL = {"size": "128x72", "fps": 5}


async def test_equal_cameras_share_one_reel() -> None:
    cameras = [
        {"name": "a", "scene": "empty", **SMALL, "count": 3},
        {"name": "b", "scene": "empty", **SMALL, "user": "u", "auth": "basic"},
        {"name": "c", "scene": "empty", **SMALL, "seed": 1},
    ]
    mounts = await build(parse_spec({"cameras": cameras}))
    assert [mount.camera.name for mount in mounts] == ["a0", "a1", "a2", "b", "c"]
    assert len({id(mount.reel) for mount in mounts[:4]}) == 1
    assert mounts[4].reel is not mounts[0].reel


async def test_a_count_is_spread() -> None:
    (*mounts,) = await build(
        parse_spec({"cameras": [{"name": "a", "scene": "empty", **SMALL, "gop": 10, "count": 10}]})
    )
    starts = [mount.camera.start for mount in mounts]
    assert starts[0] == 0
    assert len(set(starts)) == 10
    assert len({start % 10 for start in starts}) >= 7, "keyframes do not coincide"
    phases = sorted(mount.camera.phase for mount in mounts)
    assert min(np.diff(phases)) > 0.03, "nor do frames"


async def test_given_start() -> None:
    (mount,) = await build(parse_spec({"cameras": [{"name": "a", "scene": "empty", **SMALL, "start_seconds": 4}]}))
    assert mount.camera.start == 20


async def test_faults_of_the_input_are_told() -> None:
    for camera, words in (
        ({"scene": "garden"}, "garden"),
        ({"scene": "yard", "loop_seconds": 3}, "at least"),
        ({"scene": "empty", "size": "65x64"}, "65x64"),
        ({"file": "/nowhere.mp4"}, "nowhere"),
    ):
        with pytest.raises(InputError, match=words):
            await build(parse_spec({"cameras": [{"name": "a", **camera}]}))


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_burnt_index_survives_the_encoder(codec: str) -> None:
    spec = CameraSpec(name="a", scene="empty", size=(320, 180), fps=5, codec=codec, burn_index=True)
    reel = make_reel_of(spec)
    seen = [framecode.read(picture[:180]) for picture in decode(reel, 0, len(reel))]
    assert seen == list(range(100))


def test_noise_survives_the_encoder() -> None:
    """A still scene must not look frozen: every decoded picture differs from the one before."""
    reel = make_reel_of(CameraSpec(name="a", scene="empty", size=(640, 360), fps=15))
    pictures = [picture[:360].astype(int) for picture in decode(reel, 0, 60)]
    changes = [np.abs(b - a).mean() for a, b in itertools.pairwise(pictures)]
    assert min(changes) > 0.02
    assert np.median(changes) > 0.5


def test_the_decoded_loop_closes() -> None:
    """A new round shows no more than any other keyframe of an unlit, empty scene does."""
    spec = CameraSpec(name="a", scene="empty", size=(320, 180), fps=5)
    reel = make_reel_of(spec)
    pictures = [picture[:180].astype(float) for picture in decode(reel, 0, len(reel))]
    scene = make_scene("empty")
    calm = [key for key in reel.keys[1:] if scene.gain(key / 5) == scene.gain((key - 1) / 5) == 1.0]
    steps = [np.abs(pictures[key] - pictures[key - 1]).mean() for key in calm]
    seam = np.abs(pictures[0] - pictures[-1]).mean()
    assert len(steps) >= 5
    assert seam <= max(steps) * 1.3


def test_same_specification_same_bytes() -> None:
    def digest() -> str:
        reel = make_reel_of(CameraSpec(name="a", scene="yard", size=(128, 72), fps=5))
        return hashlib.sha256(b"".join(unit.annexb for unit in reel.units)).hexdigest()

    assert digest() == digest()


async def test_send_log(tmp_path: Path) -> None:
    spec = {"cameras": [{"name": "a", "scene": "empty", **SMALL, "count": 2}], "send_log": str(tmp_path / "log")}
    await build(parse_spec(spec))
    assert (tmp_path / "log").stat().st_size == 2 * 8192 * 8
