"""The filter without matrices computes what the library's does with them."""

from __future__ import annotations

import numpy as np
import pytest
from trackers.core.bytetrack.tracklet import ByteTrackTracklet
from trackers.utils.predict_timing import PredictTiming
from trackers.utils.state_representations import XYXYStateEstimator

from streamer.kalman import Motion, Step

BOX = [100.0, 200.0, 140.0, 320.0]


@pytest.mark.parametrize("seed", range(5))
def test_it_follows_the_library_through_steps_gaps_and_misses(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ours, theirs = Motion(list(BOX)), ByteTrackTracklet(np.array(BOX), XYXYStateEstimator)
    box = np.array(BOX)
    for _ in range(200):
        elapsed_s = float(rng.choice([1.0, 1.01, 0.93, 1.2, 3.0, 0.4])) / 5
        timing = PredictTiming(frame_step=elapsed_s * 5.0, elapsed_seconds=elapsed_s, frame_rate=5.0)
        ours.predict(Step.of(elapsed_s, 5.0))
        assert np.allclose(ours.box, theirs.predict(timing), rtol=1e-9, atol=1e-9)
        if rng.random() < 0.8:
            box = box + rng.normal(0, 4, 4) + 2.0
            ours.see(box.tolist())
            theirs.update(box)
        assert np.allclose(ours.box, theirs.get_state_bbox(), rtol=1e-9, atol=1e-9)


def test_tracks_do_not_share_their_state() -> None:
    first, second = Motion(list(BOX)), Motion(list(BOX))
    first.predict(Step.of(0.2, 5.0))
    first.see([500.0, 500.0, 600.0, 600.0])
    assert second.box == BOX


def test_what_is_never_seen_again_goes_on_as_it_went() -> None:
    motion = Motion(list(BOX))
    for i in range(1, 30):
        motion.predict(Step.of(0.2, 5.0))
        motion.see([v + 10.0 * i for v in BOX])
    motion.predict(Step.of(1.0, 5.0))
    assert motion.box == pytest.approx([v + 10.0 * 34 for v in BOX], abs=1.0)
