"""The board: frames learn of their signals, metrics and log of changes, reloads forget only what changed."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from streamer.errors import InputError
from streamer.metrics import Metrics
from streamer.signals.board import Board, Watched
from streamer.signals.recording import Recording, read_recording
from streamer.signals.settings import SignalSettings
from streamer.types import Frame
from tests.acting import frame
from tests.signals import heads

SIZE, AT, HEAD = (60, 64), (20, 8), (9, 27)
LAMP = heads.settings(SIZE, AT, HEAD)
FEED = SignalSettings.model_validate({"poll": {"url": "http://10.0.0.7/state"}})


def shot(time: float, *lit: str, camera: str = "gate") -> Frame:
    return replace(frame(time, camera=camera), pixels=heads.draw(SIZE, AT, HEAD, lit))


def tell(board: Board, time: float, state: str) -> str:
    return board.hear("north", json.dumps({"state": state, "time": time}).encode(), time)


def test_a_frame_of_a_camera_without_signals_is_left_alone() -> None:
    board, plain = Board({"north": FEED}), frame(1.0)
    board.set_cameras({"gate": Watched(), "yard": Watched(("north",))})
    assert board.see(plain) is plain
    assert plain.signals == {}


def test_a_frame_learns_what_feed_and_lamp_say() -> None:
    board = Board({"north": FEED})
    board.set_cameras(
        {"gate": Watched(("north", "south"), {"south": LAMP}), "yard": Watched(("north",), {"north": LAMP})}
    )
    for i in range(10):
        tell(board, i / 2, "red")
        gate = board.see(shot(i / 2, "green"))
        yard = board.see(shot(i / 2, "red", camera="yard"))
    assert {name: (s.aspect, s.source) for name, s in gate.signals.items()} == {
        "north": ("red", "feed"),
        "south": ("green", "lamp"),
    }
    assert (yard.signals["north"].aspect, yard.signals["north"].source) == ("red", "both")


def test_a_signal_that_nobody_tells_of_is_silent() -> None:
    board = Board()
    board.set_cameras({"gate": Watched(("north",))})
    assert board.see(frame(1.0)).signals["north"].reason == "silent"


def test_a_feed_that_a_lamp_contradicts_is_distrusted_everywhere() -> None:
    board = Board({"north": FEED})
    board.set_cameras({"gate": Watched(("north",), {"north": LAMP}), "yard": Watched(("north",))})
    for i in range(16):
        tell(board, i / 2, "red")
        board.see(shot(i / 2, "green"))
    assert board.see(frame(8.0, camera="yard")).signals["north"].reason == "contradicts_lamp"


def test_metrics_and_log_tell_of_changes(caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics()
    board = Board({"north": FEED}, metrics)
    board.set_cameras({"gate": Watched(("north",))})
    with caplog.at_level(logging.INFO):
        assert tell(board, 10.0, "red") == "ok"
        board.review(11.0)
        board.see(frame(11.0))
    value = metrics.value
    assert value("streamer_signal_state", signal="north", camera="", state="red") == 1
    assert value("streamer_signal_state", signal="north", camera="gate", state="red") == 1
    assert value("streamer_signal_state", signal="north", camera="gate", state="green") == 0
    assert value("streamer_signal_heard_timestamp_seconds", signal="north") == 10.0
    assert tell(board, 99.0, "red") == "ok"
    assert board.hear("north", b"what?", 99.5) == "unreadable"
    assert board.hear("north", b'{"state": "red", "time": 200}', 100.0) == "future"
    assert value("streamer_signal_messages_total", signal="north", outcome="future") == 1
    with caplog.at_level(logging.INFO):
        board.review(200.0)
    assert "signal 'north': unknown: future" in caplog.text
    assert "signal 'north': unknown: silent" in caplog.text
    assert board.feeds(200.0)["north"][0].reason == "silent"
    board.set_cameras({})
    assert 'camera="gate"' not in metrics.render().decode()
    with pytest.raises(KeyError):
        board.hear("south", b"red", 1.0)


def test_a_reload_forgets_only_what_changed() -> None:
    board = Board()
    board.set_cameras({"gate": Watched(("north",), {"north": LAMP}), "yard": Watched(("north",), {"north": LAMP})})
    for i in range(5):
        for camera in ("gate", "yard"):
            board.see(shot(i / 2, "red", camera=camera))
    board.set_cameras({"gate": Watched(("north",), {"north": LAMP}), "yard": Watched(("south",), {"south": LAMP})})
    assert board.see(shot(2.5, "red")).signals["north"].since == 0.0
    assert board.see(shot(2.5, "red", camera="yard")).signals["south"].aspect == "unknown"


def test_a_look_costs_little() -> None:
    board = Board()
    board.set_cameras({"gate": Watched(("north",), {"north": LAMP})})
    import time

    shots = [shot(i / 5, "red") for i in range(200)]
    begun = time.process_time()
    for one in shots:
        board.see(one)
    assert (time.process_time() - begun) / len(shots) < 0.005  # 0.2 ms on the machine it was written on


# --- recorded feeds ---


def test_a_recording_is_heard_as_the_video_goes_on(tmp_path: Path) -> None:
    lines = [
        {"signal": "north", "time": t / 2, "state": "green" if t < 10 else "amber" if t < 14 else "red"}
        for t in range(40)
    ]
    file = tmp_path / "feed.jsonl"
    file.write_text("\n".join(json.dumps(line) for line in lines[::-1]) + "\n\n")  # in any order
    board = Board({"north": FEED})
    board.set_cameras({"gate": Watched(("north",))})
    recording = Recording(board, read_recording(file, ["north"]))
    found = []
    for t in np.arange(0, 12, 0.5):
        recording.advance(float(t))
        found.append(board.see(frame(float(t))).signals["north"].aspect)
    assert found == ["unknown", *["green"] * 9, "unknown", *["amber"] * 3, "unknown", *["red"] * 9]


def test_a_message_may_come_later_than_it_was_made(tmp_path: Path) -> None:
    file = tmp_path / "feed.jsonl"
    file.write_text('{"signal": "north", "time": 1.0, "received": 5.0, "state": "red"}\n')
    (heard,) = read_recording(file, ["north"])
    assert heard.at == 5.0
    board = Board({"north": FEED})
    assert board.hear(heard.signal, heard.body, heard.at) == "late"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("red", "feed.jsonl:1: expected a line such as"),
        ('{"time": 1, "state": "red"}', "expected a line"),
        ('{"signal": "south", "time": 1}', "signal 'south' has no feed in the configuration; there are: north"),
        ('{"signal": "north", "state": "red"}', "`time` must be seconds from the start of the video, got None"),
        ('{"signal": "north", "time": -1}', "got -1"),
        ('{"signal": "north", "time": "12:00"}', "got '12:00'"),
        ('{"signal": "north", "time": NaN}', "got nan"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, says: str) -> None:
    file = tmp_path / "feed.jsonl"
    file.write_text(line + "\n")
    with pytest.raises(InputError, match=says.replace("(", r"\(")):
        read_recording(file, ["north"])


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_recording(tmp_path / "none.jsonl", [])
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot be read"):
        read_recording(tmp_path / "binary", [])
