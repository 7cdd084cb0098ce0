from __future__ import annotations

import json
import os
import resource

import pytest

from streamer.errors import SinkError
from streamer.sinks.jsonl import JsonlSettings
from tests.alerting import alert


@pytest.fixture
async def sink(tmp_path):
    made = JsonlSettings(path="logs/alerts.jsonl").build("log", tmp_path)
    await made.open()
    yield made
    await made.close()


def lines(path) -> list[str]:
    return [json.loads(line)["alert"]["id"] for line in path.read_text().splitlines()]


async def test_line_has_the_fields_of_the_events_file_and_the_alert(sink, tmp_path):
    await sink.send(alert("a", text="grüße"))
    row = json.loads((tmp_path / "logs/alerts.jsonl").read_text())
    assert list(row)[:7] == ["id", "camera", "pipeline", "kind", "state", "time", "started"]
    assert row["time"] == "2027-01-15T08:00:00.000Z"
    assert row["alert"] == {
        "id": "a:begin",
        "severity": "warning",
        "text": "grüße",
        "created": "2027-01-15T08:00:00.000Z",
        "snapshot": None,
        "clip": None,
    }


async def test_survives_rotation_by_renaming_and_by_truncation(sink):
    await sink.send(alert("a"))
    sink.path.rename(sink.path.with_suffix(".1"))
    await sink.send(alert("b"))
    assert (lines(sink.path.with_suffix(".1")), lines(sink.path)) == (["a:begin"], ["b:begin"])
    os.truncate(sink.path, 0)
    await sink.send(alert("c"))
    sink.path.unlink()
    await sink.send(alert("d"))
    assert lines(sink.path) == ["d:begin"]


async def test_torn_last_line_spoils_no_other(sink):
    await sink.send(alert("a"))
    with sink.path.open("a") as file:
        file.write('{"id": "torn", "came')
    await sink.send(alert("b"))
    text = sink.path.read_text().splitlines()
    assert len(text) == 3
    assert json.loads(text[2])["id"] == "b"


async def test_file_size_limit_leaves_no_half_line(sink):
    await sink.send(alert("a"))
    size = sink.path.stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 50, hard))  # Python ignores SIGXFSZ: a short write, then EFBIG
    try:
        with pytest.raises(SinkError, match=r"sink 'log': cannot write .*alerts.jsonl: the disk is full"):
            await sink.send(alert("b"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert sink.path.stat().st_size == size
    await sink.send(alert("b"))
    assert lines(sink.path) == ["a:begin", "b:begin"]


async def test_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    sink = JsonlSettings(path="file/x.jsonl").build("log", tmp_path)
    with pytest.raises(SinkError, match="sink 'log': cannot write"):
        await sink.open()
