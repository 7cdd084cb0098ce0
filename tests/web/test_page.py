"""The page: well-formed, honest, and nothing that a camera says can become markup."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.web.page import page
from streamer.web.status import AlertRow, CameraStatus, PartStatus, SignalStatus, SinkStatus, Status

VOID = {"meta", "link", "img"}


class Reader(HTMLParser):
    """Checks that tags nest, and collects them, their attributes and the text."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def rows(text: str, section: str) -> list[str]:
    """The rows of a section's table or list, as text."""
    found = re.search(rf'<section id="{section}">(.*?)</section>', text, re.S)
    if found is None:
        return []
    parts = re.findall(r"<(?:tr|li)[ >].*?</(?:tr|li)>", found[1].partition("</thead>")[2] or found[1], re.S)
    return [unescape(re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", part))).strip() for part in parts]


def test_a_quiet_site(quiet: Status) -> None:
    text = page(quiet, 3)
    Reader(text)
    assert "3 cameras, all analysed" in text
    assert "<title>3/3 cameras · streamer</title>" in text
    assert 'class="dot ok"></span>3 cameras' in text
    assert rows(text, "troubles") == []
    assert rows(text, "cameras")[0] == "cam-00 live 0.2 s 47 ms 84 ms 5.0 / 5.0 1280x720 h264 15 fps 1"
    assert "None since the daemon started." in text
    assert "up 3 d 3 h" in text


def test_a_troubled_site_names_every_trouble_blind_cameras_first(troubled: Status) -> None:
    text = page(troubled, 3)
    Reader(text)
    assert "12 of 16 cameras analysed" in text
    assert 'class="dot bad"></span>12 of 16' in text
    assert rows(text, "troubles") == [
        "this machine offered work exceeds what is served; every camera gets its share",
        "dock lost for 12 min: the camera rejects the user name or password: 401 on DESCRIBE after Digest; "
        "next attempt in 24 s",
        "ramp lost for 61 s: no decoded video frame for too long: no frame for 15.0 s (stall_seconds=15); "
        "next attempt in 3.6 s",
        "stairs connecting for 2.0 s",
        "tunnel connecting for 1 h 7 min: the host refuses the connection (wrong port, or the camera's RTSP service "
        "is off): 10.0.0.17 port 554; next attempt in 55 s",
        "roof frozen for 64 s: the same picture repeats for 64 s",
        "parking-north overloaded for 30 s: this machine cannot keep up",
        "pipeline surveillance degraded: over 5 restarts in 60 s; retrying every 60 s (7 restarts)",
        "sink ops https://hooks.example.org answered 503 Service Unavailable; 14 alerts waiting up to 16 min; "
        "2 alerts given up",
    ]


def test_cameras_stay_in_the_order_of_the_configuration(troubled: Status) -> None:
    assert [row.split()[0] for row in rows(page(troubled, 3), "cameras")] == [c.name for c in troubled.cameras]


def test_what_is_late_or_behind_stands_out(troubled: Status) -> None:
    text = page(troubled, 3)
    assert '<td class="n odd" data-l="p95">1.3 s</td>' in text
    assert '<td class="n odd" data-l="fps / asked">2.6 / 5.0</td>' in text
    assert '<td class="n" data-l="fps / asked">5.0 / 5.0</td>' in text


def test_alerts_say_who_was_told_and_link_their_picture(troubled: Status) -> None:
    text = page(troubled, 3)
    alerts = rows(text, "alerts")
    assert alerts[0] == (
        "20:14:48 intrusion at yard: person in zone yard for 1.2 s (confidence 0.82) "
        "yard · intrusion · critical · log delivered · ops waiting"
    )
    assert '<span class="bad">ops expired</span>' in text
    assert alerts[3].startswith("11-22 19:15:00 line crossing at gate")
    assert text.count('<a class="shot" href="alerts/x/snapshot.jpg">') == 1


def test_an_alert_id_of_any_kind_stays_one_path_segment(quiet: Status) -> None:
    alert = AlertRow("1", quiet.now, "gate", "fight", "two people", snapshot='../../etc/"passwd?#:1')
    text = page(replace(quiet, alerts=(alert,)), 3)
    assert 'href="alerts/..%2F..%2Fetc%2F%22passwd%3F%23%3A1/snapshot.jpg"' in text


def test_no_cameras_no_sinks_nothing_yet() -> None:
    text = page(Status(10.0, 8.0), 3)
    Reader(text)
    assert "No cameras are configured" in text
    assert 'class="dot warn"></span>No cameras' in text
    assert "None: nobody is told of anything." in text


@pytest.mark.parametrize(("cameras", "verdict"), [(1, "1 camera, analysed"), (500, "500 cameras, all analysed")])
def test_few_and_many(quiet: Status, cameras: int, verdict: str) -> None:
    many = tuple(replace(quiet.cameras[0], name=f"c{i}") for i in range(cameras))
    text = page(replace(quiet, cameras=many), 3)
    assert verdict in text
    assert len(rows(text, "cameras")) == cameras


def test_a_camera_that_is_connected_but_not_analysed_is_said_to_be(quiet: Status) -> None:
    silent = CameraStatus("pit", "live", last_frame_age_s=42.0, since=quiet.now - 50)
    assert rows(page(replace(quiet, cameras=(silent,)), 3), "troubles") == ["pit live for 50 s, no frame analysed"]


def test_a_frozen_picture_is_a_trouble_even_without_a_cause(quiet: Status) -> None:
    frozen = CameraStatus("roof", "frozen", last_frame_age_s=0.1)
    assert rows(page(replace(quiet, cameras=(frozen,)), 3), "troubles") == ["roof frozen"]


def test_a_camera_called_bad_is_not_bad(quiet: Status) -> None:
    shaky = CameraStatus("bad", "frozen", "frozen", "the same picture repeats", last_frame_age_s=0.1)
    assert '<span class="dot warn"></span>1 camera' in page(replace(quiet, cameras=(shaky,)), 3)


def test_nothing_inline_that_the_policy_forbids(troubled: Status) -> None:
    for tag, attributes in Reader(page(troubled, 3)).tags:
        assert tag != "style"
        assert "style" not in attributes
        assert not any(name.startswith("on") for name in attributes)
        for name in ("href", "src"):
            assert not (attributes.get(name) or "").startswith(("/", "http", "javascript", "data"))
        if tag == "script":
            assert attributes == {"src": "static/refresh.js", "defer": None}


def test_without_scripts_the_page_renews_itself(quiet: Status) -> None:
    text = page(quiet, 4)
    assert '<noscript><meta http-equiv="refresh" content="4"></noscript>' in text
    assert '<html lang="en" data-refresh="4">' in text


NASTY = st.text(st.sampled_from("<>&\"'/= abc\n\x00") | st.characters(exclude_categories=["Cs"]), max_size=30) | (
    st.sampled_from(["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "</title><b>", "{0}", "%s", "']["])
)


@given(st.tuples(*[NASTY] * 9))
def test_no_text_becomes_markup(words: tuple[str, ...]) -> None:
    a, b, c, d, e, f, g, h, i = words
    plain = _with(*["x"] * 9)
    nasty = page(_with(a, b, c, d, e, f, g, h, i), 3)
    assert [tag for tag, _ in Reader(nasty).tags] == [tag for tag, _ in Reader(page(plain, 3)).tags]
    assert [sorted(attributes) for _, attributes in Reader(nasty).tags] == [
        sorted(attributes) for _, attributes in Reader(page(plain, 3)).tags
    ]


def _with(a: str, b: str, c: str, d: str, e: str, f: str, g: str, h: str, i: str) -> Status:
    return Status(
        100.0,
        50.0,
        a,
        (CameraStatus(b, "lost", "x" + c, "x" + d, 10.0, source=e),),
        (PartStatus(f, "degraded", "x" + g),),
        (SinkStatus(h, 3, 1.0, "x" + i),),
        (AlertRow(a, 90.0, b, c, d, "info", {e: f}, g),),
    )


def test_signals_are_shown_and_those_that_are_not_believed_need_attention(quiet: Status) -> None:
    signals = (
        SignalStatus("north", "red", "", 12.0, 0.4),
        SignalStatus("<b>south", "unknown", "silent", 99.0, 104.0),
        SignalStatus("west", "unknown", "silent"),
        SignalStatus("east", "unknown", "changing", 0.1, 0.1),
    )
    text = Reader(page(replace(quiet, signals=signals), 3)).text
    assert "Traffic signals" in text
    assert "signal <b>south unknown: silent; last heard 104 s ago" in text
    assert "signal west unknown: silent; never heard" in text
    assert "signal east" not in text
    assert "Traffic signals" not in Reader(page(quiet, 3)).text


def test_what_is_disarmed_needs_attention(quiet: Status) -> None:
    text = Reader(page(replace(quiet, disarmed=("camera gate since 20:15 by http",)), 3)).text
    assert "camera gate since 20:15 by http; events are recorded, and nobody is told of them" in text
