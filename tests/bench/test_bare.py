"""The floor's straight-line code, on a short stream of a drawn scene with the built-in detector."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamer.bench import bare
from streamer.bench.content import prepare
from streamer.bench.floor import Floor, between, mean, measure
from streamer.bench.load import Load
from streamer.errors import StreamerError

LOAD = Load(size=(320, 180), fps=3.0, analyze_fps=1.0)


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """180 pictures, a minute."""
    return prepare(LOAD, tmp_path_factory.mktemp("stream"))


def test_every_picture_of_the_stream_is_decoded(stream: Path) -> None:
    packets = bare.read(str(stream))
    assert len(packets.packets) == len(list(bare.decode(packets))) == 180
    assert packets.codec == "h264"


def test_analysed_pictures_are_spread_over_the_stream(stream: Path) -> None:
    pictures = bare.sampled(bare.read(str(stream)), (160, 160), (3.0, 1.0), 20)
    assert len(pictures) == 20
    assert pictures[0].shape == (90, 160, 3)


def test_all_figures_are_there(stream: Path) -> None:
    order = {"stream": str(stream), "model": "motion", "fps": 3.0, "analyze_fps": 1.0, "inference": {}, "cameras": 2}
    found = bare.work(order)
    assert found["decode_ms"] > 0.1
    assert found["bare_ms"] == pytest.approx(found["decode_ms"] + found["model_ms"])
    assert found["plain_ms"] > found["decode_ms"]
    assert found["paced_bare_ms"] > 0.1
    assert found["paced_plain_ms"] > 0.1
    assert found["batch"] == 1
    assert found["runtime"] == "builtin f32"


def test_what_is_no_stream_is_refused_without_its_address(tmp_path: Path) -> None:
    nothing = tmp_path / "empty.h264"
    nothing.write_bytes(b"")
    with pytest.raises(StreamerError, match="cannot be read"):
        bare.read(str(nothing))
    with pytest.raises(StreamerError) as caught:
        bare.read("rtsp://user:secret@127.0.0.1:9/none")
    assert "secret" not in str(caught.value)


def test_a_failing_process_is_quoted(tmp_path: Path) -> None:
    with pytest.raises(StreamerError, match=r"floor could not be measured: model .*no such file"):
        measure(LOAD, tmp_path / "none.h264", tmp_path / "none.onnx")


def test_processes_and_moments_are_averaged() -> None:
    one = {
        **{
            "decode_ms": 20.0,
            "model_ms": 6.0,
            "plain_ms": 60.0,
            "bare_ms": 50.0,
            "paced_bare_ms": 55.0,
            "paced_plain_ms": 65.0,
            "detections": 3.0,
        },
        **{"paced_bare_ms": 55.0, "paced_plain_ms": 65.0},
        **{"batch": 2, "runtime": "onnxruntime f32", "input": "416x256"},
    }
    other = {**one, "decode_ms": 30.0, "plain_ms": 80.0}
    floor = mean([one, other])
    assert (floor.decode_ms, floor.plain_ms, floor.processes, floor.batch) == (25.0, 70.0, 2, 2)
    later = Floor(35.0, 8.0, 2, 90.0, 70.0, 75.0, 95.0, "onnxruntime f32", "416x256", 3.0, 2)
    both = between(floor, later)
    assert (both.decode_ms, both.model_ms, both.plain_ms, both.bare_ms) == (30.0, 7.0, 80.0, 60.0)
    assert both.processes == 2
