import pytest

from streamer.ingest.probe import ProbeReport, probe
from tests.sources.camera import ScriptedCamera, playing
from tests.sources.media import encode, interleaved, packets
from tests.sources.test_recording import write


def test_a_recording(tmp_path):
    report = probe(str(write(tmp_path / "a.mp4", n=20, fps=20)), 0.6)
    assert report.works
    assert (report.codec, report.width, report.height, report.transport) == ("h264", 160, 96, "file")
    assert report.fps == pytest.approx(20, rel=0.05)
    assert report.problems == ()
    text = report.to_text()
    assert "h264 160x96, 20.0 fps (20 announced)" in text
    assert "problem:        none" in text


def test_a_camera_that_refuses(free_ports):
    report = probe(f"rtsp://admin:geheim@127.0.0.1:{free_ports(1)[0]}/a", 0.5)
    assert not report.works
    assert [cause for cause, _ in report.problems] == ["refused"]
    assert "refused: the host refuses the connection" in report.to_text()
    assert "geheim" not in report.to_text()


def test_an_address_without_a_host():
    assert probe("rtsp://", 0.1).problems[0][0] == "unsupported"


@pytest.mark.parametrize(("drop", "cause"), [(None, None), (7, "packet_loss")])
def test_a_camera_over_rtsp(drop, cause):
    sent = packets(encode(12), limit=200)
    data = b"".join(interleaved(packet) for i, packet in enumerate(sent) if i != drop)
    camera = ScriptedCamera(playing(data))
    report = probe(f"rtsp://127.0.0.1:{camera.port}/live", 0.5)
    camera.close()
    assert report.works
    assert (report.codec, report.announced_fps) == ("h264", 10)
    assert report.latency_ms is None
    assert "does not tell the time" in report.to_text()
    assert ([c for c, _ in report.problems] == [cause]) if cause else (report.problems == ())


def test_silence_is_named():
    camera = ScriptedCamera(playing())
    report = probe(f"rtsp://127.0.0.1:{camera.port}/live", 0.2)
    camera.close()
    assert report.problems == (("stalled", "nothing came"),)


def test_text_of_a_wrong_clock():
    report = ProbeReport("rtsp://h/a", "h264", first_picture_seconds=0.1, clock_error_seconds=-3600.0)
    assert "the camera's clock is -3600 s off" in report.to_text()
