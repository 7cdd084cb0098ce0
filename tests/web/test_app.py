"""The endpoints as a client meets them: what they answer, whom they refuse, and how they fail to start."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from streamer import log
from streamer.errors import StreamerError
from streamer.metrics import Metrics
from streamer.web.app import Web
from streamer.web.settings import WebSettings
from streamer.web.status import CameraStatus, PartStatus, Status

JPEG = b"\xff\xd8\xff\xe0 a picture"


class Site:
    """A running `Web` and what it shows, which tests may change."""

    def __init__(self, status: Status, folder: Path) -> None:
        self.status, self.folder, self.metrics = status, folder, Metrics()
        self.asked: list[str] = []
        self.web = Web(
            WebSettings(listen="127.0.0.1:0"), lambda: self.status, self.metrics, self._find, self._find_clip
        )

    def _find(self, id: str) -> Path | None:
        self.asked.append(id)
        return {"known": self.folder / "known.jpg", "other": self.folder / "other"}.get(id)

    def _find_clip(self, id: str) -> Path | None:
        return {"known": self.folder / "known.mp4", "other": self.folder / "other"}.get(id)


@pytest.fixture
async def site(quiet: Status, tmp_path: Path) -> AsyncIterator[Site]:
    site = Site(quiet, tmp_path)
    await site.web.start()
    yield site
    await site.web.stop()


@pytest.fixture
async def client(site: Site) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(site.web.url) as session:
        yield session


async def test_the_page_is_served_with_its_style_and_script(client: aiohttp.ClientSession) -> None:
    for path, kind, part in (
        ("/", "text/html", "3 cameras, all analysed"),
        ("/static/style.css", "text/css", "prefers-color-scheme"),
        ("/static/refresh.js", "text/javascript", "What you see is old"),
        ("/static/icon.svg", "image/svg+xml", "<svg"),
    ):
        async with client.get(path) as answer:
            assert answer.status == 200
            assert answer.content_type == kind
            assert answer.charset == "utf-8"
            assert part in await answer.text()


@pytest.mark.parametrize(
    "path", ["/", "/metrics", "/healthz", "/static/style.css", "/nothing", "/alerts/x/snapshot.jpg"]
)
async def test_every_answer_keeps_the_browser_on_a_leash(client: aiohttp.ClientSession, path: str) -> None:
    async with client.get(path) as answer:
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert answer.headers["Server"] == "streamer"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", ["/", "/metrics", "/nothing"])
async def test_nothing_can_be_changed(client: aiohttp.ClientSession, method: str, path: str) -> None:
    async with client.request(method, path) as answer:
        assert answer.status == 405
        assert answer.headers["Allow"] == "GET, HEAD"


async def test_head_answers_without_a_body(client: aiohttp.ClientSession) -> None:
    async with client.head("/") as answer:
        assert answer.status == 200
        assert int(answer.headers["Content-Length"]) > 1000
        assert await answer.read() == b""


@pytest.mark.parametrize(
    "path", ["/nothing", "/static/", "/static/app.py", "/static/..%2Fapp.py", "/static/%2Fetc%2Fpasswd"]
)
async def test_other_paths_are_not_found(client: aiohttp.ClientSession, path: str) -> None:
    async with client.get(path) as answer:
        assert answer.status == 404
        assert await answer.text() == "404 Not Found\n"


async def test_metrics_are_prometheus_text(site: Site, client: aiohttp.ClientSession) -> None:
    site.metrics.camera_up.labels("gate").set(1)
    async with client.get("/metrics") as answer:
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        families = {family.name: family for family in text_string_to_metric_families(await answer.text())}
    assert families["streamer_camera_up"].samples[0].value == 1


async def test_many_scrapes_at_once_all_get_an_answer(client: aiohttp.ClientSession) -> None:
    async def scrape() -> int:
        async with client.get("/metrics") as answer:
            return answer.status

    assert await asyncio.gather(*(scrape() for _ in range(10))) == [200] * 10


# --- healthy, ready ---


@pytest.mark.parametrize(
    ("states", "code", "word"),
    [(["ok", "ok"], 200, "ok"), (["ok", "degraded"], 200, "degraded"), (["degraded", "stuck"], 503, "stuck")],
)
async def test_health(site: Site, client: aiohttp.ClientSession, states: list[str], code: int, word: str) -> None:
    parts = tuple(PartStatus(f"part-{i}", state, "why", i) for i, state in enumerate(states))  # type: ignore[arg-type]
    site.status = replace(site.status, parts=parts)
    async with client.get("/healthz") as answer:
        assert answer.status == code
        body = await answer.json()
    assert body["status"] == word
    assert body["parts"][1] == {"name": "part-1", "state": states[1], "detail": "why", "restarts": 1}


async def test_a_dead_camera_does_not_make_the_daemon_unhealthy(
    site: Site, client: aiohttp.ClientSession, troubled: Status
) -> None:
    site.status = troubled
    async with client.get("/healthz") as answer:
        assert answer.status == 200


async def test_ready(site: Site, client: aiohttp.ClientSession) -> None:
    async with client.get("/readyz") as answer:
        assert answer.status == 200
        assert await answer.json() == {
            "ready": True,
            "reasons": [],
            "cameras": {"configured": 3, "analysed": 3},
            "not_analysed": [],
        }


async def test_not_ready_says_which_cameras_and_why(
    site: Site, client: aiohttp.ClientSession, troubled: Status
) -> None:
    site.status = troubled
    async with client.get("/readyz") as answer:
        assert answer.status == 503
        body = await answer.json()
    assert body["reasons"] == ["camera 'stairs': connecting, no frame analysed yet"]
    assert body["cameras"] == {"configured": 16, "analysed": 12}
    assert [(c["name"], c["cause"]) for c in body["not_analysed"]] == [
        ("dock", "unauthorized"),
        ("ramp", "stalled"),
        ("stairs", None),
        ("tunnel", "refused"),
    ]


async def test_a_status_that_cannot_be_had_is_not_healthy(
    site: Site, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> Status:
        raise RuntimeError("rtsp://admin:hunter2@10.0.0.5")

    monkeypatch.setattr(site.web, "_status", broken)
    async with client.get("/healthz") as answer:
        assert answer.status == 500
        assert "hunter2" not in await answer.text()


async def test_status_json_has_everything(site: Site, client: aiohttp.ClientSession, troubled: Status) -> None:
    site.status = troubled
    async with client.get("/status.json") as answer:
        body = await answer.json()
    assert len(body["cameras"]) == 16
    assert body["cameras"][3]["cause"] == "unauthorized"
    assert body["alerts"][0]["sinks"] == {"log": "delivered", "ops": "waiting"}
    assert body["readiness"]["ready"] is False
    assert body["overloaded"] is True


async def test_credentials_never_reach_the_web(
    site: Site, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "secrets", log.Secrets())
    log.secrets.add_url("rtsp://admin:hun<ter>2%26@10.0.0.5/x")
    words = "cannot open rtsp://admin:hun<ter>2%26@10.0.0.5/x (hun<ter>2&)"
    part = PartStatus("worker", "degraded", words)
    site.status = replace(site.status, cameras=(CameraStatus("a", "lost", "unknown", words),), parts=(part,))
    for path in ("/", "/status.json", "/readyz", "/healthz"):
        async with client.get(path) as answer:
            text = await answer.text()
        assert "cannot open rtsp://admin:***@10.0.0.5/x (***)" in text
        assert "hun" not in text


# --- whose page is it ---


@pytest.mark.parametrize(
    ("host", "code"),
    [
        ("127.0.0.1:8080", 200),
        ("127.0.0.1", 200),
        ("localhost:9000", 200),
        ("LOCALHOST", 200),
        ("[::1]:8080", 200),
        ("evil.example.org", 421),
        ("evil.example.org:8080", 421),
        ("127.0.0.1.evil.example.org", 421),
        ("localhost.evil.example.org", 421),
        ("10.0.0.5", 421),
        ("", 421),
        ("[", 421),
    ],
)
async def test_a_foreign_name_is_refused(client: aiohttp.ClientSession, host: str, code: int) -> None:
    async with client.get("/", headers={"Host": host}) as answer:
        assert answer.status == code
        if code != 200:
            assert "camera" not in await answer.text()


@pytest.mark.parametrize(
    ("allowed", "host", "code"),
    [
        ((), "streamer:8080", 200),
        (("cams.example.org",), "cams.example.org", 200),
        (("cams.example.org",), "Cams.Example.org.:443", 200),
        (("cams.example.org",), "evil.example.org", 421),
        (("cams.example.org",), "192.168.1.5:8080", 200),
    ],
)
async def test_names_of_a_page_that_others_reach(
    quiet: Status, allowed: tuple[str, ...], host: str, code: int, caplog: pytest.LogCaptureFixture
) -> None:
    settings = WebSettings(listen="0.0.0.0:0", allow_remote=True, allowed_hosts=allowed)
    web = Web(settings, lambda: quiet, Metrics())
    await web.start()
    try:
        assert "web: 0.0.0.0:0 is reachable from other machines and has no login" in caplog.text
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{web.port}/", headers={"Host": host}) as answer,
        ):
            assert answer.status == code
    finally:
        await web.stop()


async def test_a_request_without_a_name_is_refused(site: Site) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", site.web.port)
    writer.write(b"GET / HTTP/1.0\r\n\r\n")
    assert b" 421 " in await asyncio.wait_for(reader.readline(), 10)
    writer.close()
    await writer.wait_closed()


# --- snapshots ---


async def test_a_snapshot_is_served_and_kept_by_the_browser(site: Site, client: aiohttp.ClientSession) -> None:
    (site.folder / "known.jpg").write_bytes(JPEG)
    async with client.get("/alerts/known/snapshot.jpg") as answer:
        assert answer.status == 200
        assert answer.content_type == "image/jpeg"
        assert await answer.read() == JPEG
        assert "immutable" in answer.headers["Cache-Control"]


@pytest.mark.parametrize(
    "path",
    [
        "/alerts/unknown/snapshot.jpg",
        "/alerts/..%2F..%2Fetc%2Fpasswd/snapshot.jpg",
        "/alerts/%2Fetc%2Fpasswd/snapshot.jpg",
        "/alerts/../snapshot.jpg",
        "/alerts//snapshot.jpg",
        "/alerts/known%00/snapshot.jpg",
        "/alerts/known/other.jpg",
    ],
)
async def test_no_path_leads_out_of_the_store(site: Site, client: aiohttp.ClientSession, path: str) -> None:
    (site.folder / "known.jpg").write_bytes(JPEG)
    async with client.get(aiohttp.client.URL(site.web.url.rstrip("/") + path, encoded=True)) as answer:
        assert answer.status == 404
        assert JPEG not in await answer.read()


async def test_an_id_arrives_as_it_was_given_and_only_the_store_judges_it(
    site: Site, client: aiohttp.ClientSession
) -> None:
    async with client.get(aiohttp.client.URL(site.web.url + "alerts/a%3Ab%2F..%20c/snapshot.jpg", encoded=True)):
        pass
    assert site.asked == ["a:b/.. c"]


def _link(path: Path) -> None:
    (path.parent / "secret.jpg").write_bytes(JPEG)
    path.symlink_to("secret.jpg")


@pytest.mark.parametrize(
    "make",
    [
        _link,
        Path.mkdir,
        os.mkfifo,
        lambda path: path.write_bytes(b"SQLite format 3"),
        lambda path: path.write_bytes(b""),
        lambda path: os.truncate(os.open(path, os.O_CREAT | os.O_RDWR), 2**30),
    ],
    ids=["link", "folder", "pipe", "database", "empty", "huge"],
)
async def test_only_plain_jpeg_files_are_shown(
    site: Site, client: aiohttp.ClientSession, make: Callable[[Path], object]
) -> None:
    make(site.folder / "other")
    async with client.get("/alerts/other/snapshot.jpg") as answer:
        assert answer.status == 404


async def test_a_clip_is_served_whole_and_in_parts(site: Site, client: aiohttp.ClientSession) -> None:
    film = b"\x00\x00\x00\x20ftypisom" + bytes(range(256)) * 100
    (site.folder / "known.mp4").write_bytes(film)
    async with client.get("/alerts/known/clip.mp4") as answer:
        assert (answer.status, answer.content_type) == (200, "video/mp4")
        assert await answer.read() == film
        assert "immutable" in answer.headers["Cache-Control"]
    # players jump about in it
    async with client.get("/alerts/known/clip.mp4", headers={"Range": "bytes=100-199"}) as answer:
        assert answer.status == 206
        assert await answer.read() == film[100:200]


async def test_the_picture_that_explains_an_alert(site: Site, client: aiohttp.ClientSession) -> None:
    site.web.why = lambda id: {"known": site.folder / "known-why.png", "other": site.folder / "other"}.get(id)
    picture = b"\x89PNG\r\n\x1a\n" + bytes(100)
    (site.folder / "known-why.png").write_bytes(picture)
    (site.folder / "other").write_bytes(b"SQLite format 3")
    async with client.get("/alerts/known/why.png") as answer:
        assert (answer.status, answer.content_type) == (200, "image/png")
        assert await answer.read() == picture
    for name in ("other", "unknown", "..%2F..%2Fetc%2Fpasswd"):
        async with client.get(f"/alerts/{name}/why.png") as answer:
            assert answer.status == 404


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.symlink_to("/etc/passwd"),
        Path.mkdir,
        os.mkfifo,
        lambda path: path.write_bytes(b"SQLite format 3"),
        lambda path: path.write_bytes(b""),
        lambda path: None,
    ],
    ids=["link", "folder", "pipe", "database", "empty", "gone"],
)
async def test_only_plain_video_files_are_shown(
    site: Site, client: aiohttp.ClientSession, make: Callable[[Path], object]
) -> None:
    make(site.folder / "other")
    for name in ("other", "unknown", "..%2F..%2Fetc%2Fpasswd"):
        async with client.get(f"/alerts/{name}/clip.mp4") as answer:
            assert answer.status == 404


async def test_without_a_store_there_are_no_snapshots(quiet: Status) -> None:
    web = Web(WebSettings(listen="127.0.0.1:0"), lambda: quiet, Metrics())
    await web.start()
    try:
        async with aiohttp.ClientSession(web.url) as session, session.get("/alerts/x/snapshot.jpg") as answer:
            assert answer.status == 404
    finally:
        await web.stop()


# --- start and stop ---


async def test_any_free_port(site: Site) -> None:
    assert site.web.port
    assert site.web.url == f"http://127.0.0.1:{site.web.port}/"


async def test_localhost_is_one_address(quiet: Status) -> None:
    web = Web(WebSettings(listen="localhost:0"), lambda: quiet, Metrics())
    await web.start()
    assert web.url == f"http://localhost:{web.port}/"
    await web.stop()


async def test_stopping_is_quick_frees_the_port_and_may_be_repeated(quiet: Status, free_port: int) -> None:
    for _ in range(2):
        web = Web(WebSettings(listen=f"127.0.0.1:{free_port}"), lambda: quiet, Metrics())
        await web.start()
        # a browser that keeps its connection open does not hold the daemon up
        reader, writer = await asyncio.open_connection("127.0.0.1", free_port)
        await asyncio.wait_for(web.stop(), 10)
        await web.stop()
        assert web.port is None
        assert web.url == ""
        assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()
        await writer.wait_closed()


async def test_a_page_that_is_switched_off_listens_nowhere(quiet: Status) -> None:
    web = Web(WebSettings(enabled=False), lambda: quiet, Metrics())
    await web.start()
    assert web.port is None
    await web.stop()


async def test_a_port_in_use_is_said_in_one_clear_line(quiet: Status) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        web = Web(WebSettings(listen=f"127.0.0.1:{port}"), lambda: quiet, Metrics())
        with pytest.raises(StreamerError) as caught:
            await web.start()
    assert str(caught.value) == (
        f"web: cannot listen on 127.0.0.1:{port}: another program listens there; stop it, or set web.listen to a "
        "free port (port 0 takes any)"
    )
    assert web.port is None
    await web.stop()


@pytest.mark.parametrize("host", ["203.0.113.7", "no-such-name.invalid"])
async def test_an_address_of_another_machine_is_refused_in_words(quiet: Status, host: str) -> None:
    web = Web(WebSettings(listen=f"{host}:8080", allow_remote=True), lambda: quiet, Metrics())
    with pytest.raises(StreamerError, match="this machine has no such address; set web"):
        await web.start()


async def test_the_page_of_five_hundred_cameras_is_whole(site: Site, client: aiohttp.ClientSession) -> None:
    site.status = replace(site.status, cameras=tuple(CameraStatus(f"c{i}", "lost", "dns", "x") for i in range(500)))
    async with client.get("/status.json") as answer:
        assert len(json.loads(await answer.text())["cameras"]) == 500
    async with client.get("/") as answer:
        assert (await answer.text()).count('<tr class="bad">') == 500
