"""The filter without matrices computes what the library's does with them."""

from __future__ import annotations

import numpy as np
import pytest

from streamer.kalman import corner_filter


def _pair():
    from trackers.core.bytetrack.tracklet import ByteTrackTracklet
    from trackers.utils.state_representations import XYXYStateEstimator

    box = np.array([100.0, 200.0, 140.0, 320.0])
    return ByteTrackTracklet(box, corner_filter()), ByteTrackTracklet(box, XYXYStateEstimator)


@pytest.mark.parametrize("seed", range(5))
def test_it_follows_the_library_through_steps_gaps_and_misses(seed: int) -> None:
    from trackers.utils.predict_timing import PredictTiming

    rng = np.random.default_rng(seed)
    ours, theirs = _pair()
    box = np.array([100.0, 200.0, 140.0, 320.0])
    for _ in range(200):
        step = float(rng.choice([1.0, 1.01, 0.93, 1.2, 3.0, 0.4]))
        timing = PredictTiming(frame_step=step, elapsed_seconds=step / 5, frame_rate=5.0)
        assert np.allclose(ours.predict(timing), theirs.predict(timing), rtol=1e-9, atol=1e-9)
        if rng.random() < 0.8:
            box = box + rng.normal(0, 4, 4) + 2.0
            ours.update(box)
            theirs.update(box)
        assert np.allclose(ours.get_state_bbox(), theirs.get_state_bbox(), rtol=1e-9, atol=1e-9)


def test_tracks_do_not_share_their_state() -> None:
    first, _ = _pair()
    second, _ = _pair()
    first.predict()
    first.update(np.array([500.0, 500.0, 600.0, 600.0]))
    assert second.get_state_bbox().tolist() == [100.0, 200.0, 140.0, 320.0]


def test_no_box_changes_nothing() -> None:
    track, _ = _pair()
    track.predict()
    before = track.get_state_bbox().copy()
    track.state_estimator.update(None)
    assert np.array_equal(track.get_state_bbox(), before)
