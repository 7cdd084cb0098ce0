"""Stand-in pictures: really held, really black, really another size, for both codecs."""

from __future__ import annotations

import numpy as np
import pytest

from streamer.simulator.faults import FAULTS, parse_fault
from streamer.simulator.mount import CameraSettings, Mount, Stand
from streamer.simulator.reel import Reel
from streamer.simulator.variant import decode, stand_in
from tests.simulator.conftest import FRAMES, GOP

CODECS = ["h264", "h265"]
DRAWN = ("black", "frozen", "resolution")


async def _stand(reel: Reel, kind: str, number: int = 0, **measures: float) -> Stand:
    mount = Mount(CameraSettings("cam"), reel)
    mount.number = number
    stand = await stand_in(mount, parse_fault({"kind": kind, **measures}))
    assert stand is not None
    assert stand.reel.codec == reel.codec
    assert stand.reel.fps == reel.fps
    return stand


@pytest.mark.parametrize("codec", CODECS)
async def test_frozen_repeats_the_picture_of_the_moment(codec: str, reels: dict[str, Reel]) -> None:
    stand = await _stand(reels[codec], "frozen", number=13)
    seen = list(decode(stand.reel, 0, len(stand.reel)))
    now = list(decode(reels[codec], 10, 14))[-1].astype(int)
    before = list(decode(reels[codec], 5, 6))[-1].astype(int)
    assert len(seen) == GOP
    assert np.abs(seen[0] - now).mean() < 0.5 * np.abs(seen[0] - before).mean()
    for picture in seen[2:]:
        assert np.abs(picture.astype(int) - seen[1]).mean() < 1.5, "only the encoder still refines it"
    assert not stand.aligned


@pytest.mark.parametrize("codec", CODECS)
async def test_black(codec: str, reels: dict[str, Reel]) -> None:
    stand = await _stand(reels[codec], "black")
    for picture in decode(stand.reel, 0, len(stand.reel)):
        assert picture[:96].max() <= 17
        assert np.abs(picture[96:].astype(int) - 128).max() <= 1


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("factor", [0.5, 2.0])
async def test_resolution_shows_the_same_in_another_size(codec: str, factor: float, reels: dict[str, Reel]) -> None:
    stand = await _stand(reels[codec], "resolution", factor=factor)
    assert stand.aligned
    assert (stand.reel.width, stand.reel.height) == (max(64, 160 * factor), max(64, 96 * factor))
    assert len(stand.reel) == FRAMES
    own, other = decode(reels[codec], 0, FRAMES), decode(stand.reel, 0, FRAMES)
    for a, b in zip(own, other, strict=True):
        assert a[:96].mean() == pytest.approx(b[: stand.reel.height].mean(), abs=4)


async def test_other_faults_need_no_pictures(reel: Reel) -> None:
    mount = Mount(CameraSettings("cam"), reel)
    for kind in FAULTS:
        assert (await stand_in(mount, parse_fault(kind)) is not None) == (kind in DRAWN)
