from __future__ import annotations

import importlib
import importlib.util
from dataclasses import replace

import pytest

from streamer.errors import ConfigError, SinkError
from streamer.sinks.apprise import AppriseSettings
from tests.alerting import alert

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr':DeprecationWarning")  # Apprise's own, on Python 3.11

if importlib.util.find_spec("apprise") is None:
    pytest.skip("needs apprise (pip install 'streamer[apprise]')", allow_module_level=True)


@pytest.fixture
async def build(tmp_path):
    made = []

    def make(*urls: str, **options):
        sink = AppriseSettings(urls=list(urls), **options).build("people", tmp_path)
        made.append(sink)
        return sink

    yield make
    for sink in made:
        await sink.close()


async def test_delivers_the_sentence_with_the_picture(build, receiver, tmp_path):
    picture = tmp_path / "shot.jpg"
    picture.write_bytes(b"\xff\xd8jpeg")
    sink = build(f"json://127.0.0.1:{receiver.port}/x")
    await sink.open()
    await sink.send(replace(alert("a", text="someone is in the yard", severity="critical"), snapshot=picture))
    body = receiver.requests[0].json()
    assert (body["title"], body["message"], body["type"]) == ("intrusion at gate", "someone is in the yard", "failure")
    assert body["attachments"][0]["filename"] == "shot.jpg"


async def test_service_that_has_it_is_not_told_again(build, receiver, free_port):
    sink = build(f"json://127.0.0.1:{receiver.port}/x", f"json://127.0.0.1:{free_port}/y")
    await sink.open()
    for _ in range(2):
        with pytest.raises(SinkError, match=r"sink 'people': not delivered by JSON \(url 2\)"):
            await sink.send(alert("a"))
    assert len(receiver.requests) == 1
    with pytest.raises(SinkError):
        await sink.send(alert("b"))
    assert len(receiver.requests) == 2


async def test_failure_of_the_service(build, receiver):
    receiver.answer = 500
    sink = build(f"json://127.0.0.1:{receiver.port}/x")
    await sink.open()
    with pytest.raises(SinkError, match="not delivered"):
        await sink.send(alert("a"))


async def test_url_that_apprise_does_not_know_is_not_shown(build, scrubbed):
    sink = build("json://localhost", "nosuch://sup3rsecrettoken/abc")
    with pytest.raises(SinkError, match="url 2 of 2 is not an Apprise URL") as caught:
        await sink.open()
    scrubbed("sup3rsecrettoken", f"{caught.value} {sink.settings!r}")


def test_missing_library_says_how_to_get_it(build, monkeypatch):
    real = importlib.import_module

    def missing(name, *args):
        if name == "apprise":
            raise ImportError(name)
        return real(name, *args)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(ConfigError, match=r"pip install 'streamer\[apprise\]'"):
        build("json://localhost")
