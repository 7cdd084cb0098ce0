from __future__ import annotations

import asyncio
import base64
import email.parser
import hashlib
import hmac
import socket
from dataclasses import replace
from email.utils import formatdate

import pytest
from pydantic import ValidationError

from streamer.clock import FakeClock
from streamer.errors import SinkBusy, SinkError, SinkRejected
from streamer.sinks import http
from streamer.sinks.sink import test_sink as try_sink
from streamer.sinks.webhook import WebhookSettings, header_text, signature
from tests.alerting import EPOCH, alert


@pytest.fixture
async def build(receiver, tmp_path):
    made = []

    def make(url: str | None = None, **options):
        options = {"allow_private": True, **options}
        sink = WebhookSettings(url=url or receiver.url, **options).build("ops", tmp_path)
        made.append(sink)
        return sink

    yield make
    for sink in made:
        await sink.close()


async def test_signed_post_with_idempotency_key(build, receiver):
    sink = build(secret="top-secret-key")
    sink.clock = FakeClock(epoch=EPOCH)
    await sink.open()
    await sink.send(alert("a"))
    (request,) = receiver.requests
    assert request.path == "/hook"
    assert request.headers["Idempotency-Key"] == "a:begin"
    assert request.headers["Content-Type"] == "application/json"
    expected = hmac.new(b"top-secret-key", f"{int(EPOCH)}.".encode() + request.body, hashlib.sha256).hexdigest()
    assert request.headers["X-Streamer-Signature"] == f"t={int(EPOCH)},v1={expected}"
    row = request.json()
    assert (row["id"], row["alert"]["id"], row["alert"]["severity"]) == ("a", "a:begin", "warning")
    assert "snapshot" not in row


def test_signature_known_value():
    assert signature("k", 1, b"{}") == "t=1,v1=" + hmac.new(b"k", b"1.{}", hashlib.sha256).hexdigest()


async def test_without_secret_no_signature(build, receiver):
    await build().send(alert("a"))
    assert "X-Streamer-Signature" not in receiver.requests[0].headers


async def test_key_of_odd_names_is_a_legal_header(build, receiver):
    await build().send(alert("Straße\r\nX-Evil: 1"))
    assert receiver.requests[0].headers["Idempotency-Key"] == "Stra%C3%9Fe%0D%0AX-Evil:%201:begin"
    assert "X-Evil" not in receiver.requests[0].headers
    assert header_text("a%b") == "a%25b"


def with_picture(folder, size=100):
    path = folder / "shot.jpg"
    path.write_bytes(b"\xff\xd8" + b"\r\n-" * size)
    return replace(alert("a"), snapshot=path), path.read_bytes()


async def test_snapshot_inline_multipart_none_and_gone(build, receiver, tmp_path):
    made, picture = with_picture(tmp_path)
    await build().send(made)
    assert base64.b64decode(receiver.requests[0].json()["snapshot"]["base64"]) == picture

    await build(snapshot="multipart", secret="top-secret-key").send(made)
    request = receiver.requests[1]
    head = f"Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode()
    message = email.parser.BytesParser().parsebytes(head + request.body)
    parts = {part.get_param("name", header="content-disposition"): part for part in message.get_payload()}
    assert parts["alert"].get_content_type() == "application/json"
    assert parts["snapshot"].get_content_type() == "image/jpeg"
    assert picture in request.body
    at = int(request.headers["X-Streamer-Signature"].partition(",")[0][2:])
    assert request.headers["X-Streamer-Signature"] == signature("top-secret-key", at, request.body)

    await build(snapshot="none").send(made)
    made.snapshot.unlink()
    await build().send(made)
    assert "snapshot" not in receiver.requests[2].json()
    assert "snapshot" not in receiver.requests[3].json()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (200, None),
        (204, None),
        (400, SinkRejected),
        (401, SinkRejected),
        (404, SinkRejected),
        (422, SinkRejected),
        (408, SinkError),
        (429, SinkError),
        (500, SinkError),
        (503, SinkError),
        (302, SinkError),
        (0, SinkError),
    ],
)
async def test_answers(build, receiver, answer, error):
    receiver.answer = answer if answer != 302 else lambda n: (302, {"Location": receiver.url})
    sink = build()
    if error is None:
        await sink.send(alert("a"))
    else:
        with pytest.raises(SinkError) as caught:
            await sink.send(alert("a"))
        assert type(caught.value) is error
        assert f"sink 'ops': http://127.0.0.1:{receiver.port}" in str(caught.value)
    assert len(receiver.requests) == 1, "a redirect was followed"


@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_in_seconds_and_as_date(build, receiver, status):
    sink = build()
    sink.clock = FakeClock(epoch=EPOCH)
    sink = type(sink)("ops", sink.settings)
    receiver.answer = lambda n: (status, {"Retry-After": "120"})
    with pytest.raises(SinkBusy) as caught:
        await sink.send(alert("a"))
    assert caught.value.retry_after_s == 120
    receiver.answer = lambda n: (status, {"Retry-After": formatdate(sink.clock.time() + 60, usegmt=True)})
    with pytest.raises(SinkBusy) as caught:
        await sink.send(alert("a"))
    assert 55 < caught.value.retry_after_s <= 61
    receiver.answer = lambda n: (status, {"Retry-After": "soon"})
    with pytest.raises(SinkError) as plain:
        await sink.send(alert("a"))
    assert not isinstance(plain.value, SinkBusy)
    await sink.close()


async def test_refused_connection(build, free_port):
    with pytest.raises(SinkError, match=rf"sink 'ops': http://127.0.0.1:{free_port}: .*[Cc]onnect"):
        await build(f"http://127.0.0.1:{free_port}/x").send(alert("a"))


async def test_receiver_that_never_answers_costs_bounded_time(build, monkeypatch):
    monkeypatch.setattr(http, "TOTAL_S", 0.3)
    hold = asyncio.Event()

    async def silent(reader, writer):
        await hold.wait()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(SinkError, match=r"did not answer within 0.3 s"):
        await build(f"http://127.0.0.1:{port}/").send(alert("a"))
    hold.set()
    server.close()
    await server.wait_closed()


async def test_endless_answer_is_not_read(build, monkeypatch):
    monkeypatch.setattr(http, "TOTAL_S", 5.0)
    hold = asyncio.Event()

    async def flood(reader, writer):
        writer.write(b"HTTP/1.1 500 no\r\nContent-Length: 999999999\r\n\r\n" + b"x" * 1000)
        await reader.read()  # until the client hangs up
        await hold.wait()
        writer.close()

    server = await asyncio.start_server(flood, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    started = asyncio.get_running_loop().time()
    with pytest.raises(SinkError, match="answered 500"):
        await build(f"http://127.0.0.1:{port}/").send(alert("a"))
    assert asyncio.get_running_loop().time() - started < 3
    hold.set()
    server.close()
    await server.wait_closed()
    await asyncio.sleep(0.05)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "169.254.169.254", "10.1.2.3", "[::ffff:127.0.0.1]"])
def test_private_literal_is_refused_by_the_settings(host):
    with pytest.raises(ValidationError, match="allow_private"):
        WebhookSettings(url=f"http://{host}/x")
    assert WebhookSettings(url=f"http://{host}/x", allow_private=True)


@pytest.mark.parametrize("host", ["localhost", "2130706433", "0x7f.1"])
async def test_name_that_leads_to_loopback_is_refused_at_the_connection(build, receiver, host):
    with pytest.raises(SinkError, match=r"allow_private: true|the URL cannot be used"):
        await build(f"http://{host}:{receiver.port}/x", allow_private=False).send(alert("a"))
    assert receiver.requests == []


async def test_rebinding_name_is_checked_at_every_connection(build, receiver, monkeypatch):
    real, answers = socket.getaddrinfo, ["93.184.216.34", "127.0.0.1"]

    def resolve(host, port, *args, **kwargs):
        if host != "rebind.example":
            return real(host, port, *args, **kwargs)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (answers.pop(0), port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(http, "TOTAL_S", 0.5)
    sink = build(f"http://rebind.example:{receiver.port}/x", allow_private=False)
    for _ in range(2):  # the public address is not reachable here; the loopback one is refused
        with pytest.raises(SinkError):
            await sink.send(alert("a"))
    assert (answers, receiver.requests) == ([], [])


async def test_proxies_of_the_environment_are_not_used(build, receiver, monkeypatch, free_port):
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port}")
    await build().send(alert("a"))
    assert len(receiver.requests) == 1


async def test_user_and_password_of_the_url_go_into_a_header(build, receiver):
    await build(f"http://me:p%40ssw0rd@127.0.0.1:{receiver.port}/hook?site=1#x").send(alert("a"))
    (request,) = receiver.requests
    assert request.headers["Authorization"] == "Basic " + base64.b64encode(b"me:p@ssw0rd").decode()
    assert request.path == "/hook?site=1"


async def test_errors_hold_no_secret(build, receiver, free_port, scrubbed, caplog):
    token, query, password, key = "T0kenInThePath12345678", "querytoken99", "hunter2secret", "signing-key-77"
    receiver.answer, receiver.text = 500, f"you sent {token} {query}"
    for port in (receiver.port, free_port):
        sink = build(f"http://u:{password}@127.0.0.1:{port}/services/{token}?token={query}", secret=key)
        with pytest.raises(SinkError) as caught:
            await sink.send(alert("a"))
        for secret in (token, query, password, key):
            scrubbed(secret, f"{caught.value} {sink.settings!r} {caplog.text}")


@pytest.mark.parametrize("url", ["ftp://example.org/x", "example.org", "http://", "http://[::1", "http://x:99999/"])
def test_unusable_urls(url):
    with pytest.raises(ValidationError) as caught:
        WebhookSettings(url=url)
    assert "https://example.org/hook" in str(caught.value)


async def test_trial(build, receiver, free_port):
    assert "'ops': the test alert was delivered" in await try_sink(build())
    row = receiver.requests[0].json()
    assert (row["kind"], row["detail"]) == ("test", {"test": True})
    assert row["alert"]["text"].startswith("TEST of sink 'ops'")
    with pytest.raises(SinkError, match="sink 'ops'"):
        await try_sink(build(f"http://127.0.0.1:{free_port}/"))
