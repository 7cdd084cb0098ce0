"""Downloads from a real server: resumed where they broke off, never more than expected, whole or not there."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamer.errors import InputError
from streamer.models import download
from streamer.models.download import Unreachable, Wanted, fetch
from tests.models.shelf import Shelf, open_shelf

BODY = bytes(range(256)) * 4096  # 1 MiB


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    with open_shelf() as shelf:
        shelf.files["/m.onnx"] = BODY
        yield shelf


@pytest.fixture
def waits() -> list[float]:
    return []


def wanted(shelf: Shelf, path: str = "/m.onnx", size: int = len(BODY), slack: int = 0) -> Wanted:
    return Wanted(f"{shelf.url}{path}", size, slack, allow_http=True)


def test_a_whole_file(shelf: Shelf, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    target = tmp_path / "new" / "m.onnx"
    fetch(wanted(shelf), target, lambda *told: seen.append(told))
    assert target.read_bytes() == BODY
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1] == (len(BODY), len(BODY))
    assert [file.name for file in target.parent.iterdir()] == ["m.onnx"]


def test_a_broken_connection_is_resumed(shelf: Shelf, tmp_path: Path, waits: list[float]) -> None:
    shelf.breaks = [100_000, 200_000]
    fetch(wanted(shelf), tmp_path / "m.onnx", wait=waits.append)
    assert (tmp_path / "m.onnx").read_bytes() == BODY
    assert shelf.asked == [("/m.onnx", ""), ("/m.onnx", "bytes=100000-"), ("/m.onnx", "bytes=300000-")]
    assert waits == [0.5, 0.5]  # each attempt brought something


def test_a_later_call_goes_on_with_what_an_earlier_one_left(shelf: Shelf, tmp_path: Path, waits: list[float]) -> None:
    shelf.breaks = [1000, 0, 0, 0, 0, 0]
    with pytest.raises(Unreachable, match=r"127.0.0.1 cannot be reached: the connection broke off"):
        fetch(wanted(shelf), tmp_path / "m.onnx", wait=waits.append)
    assert not (tmp_path / "m.onnx").exists()
    assert (tmp_path / "m.onnx.part").stat().st_size == 1000
    fetch(wanted(shelf), tmp_path / "m.onnx", wait=waits.append)
    assert shelf.asked[-1] == ("/m.onnx", "bytes=1000-")
    assert (tmp_path / "m.onnx").read_bytes() == BODY


def test_a_server_without_ranges_gives_it_all_again(shelf: Shelf, tmp_path: Path, waits: list[float]) -> None:
    shelf.ranges, shelf.breaks = False, [100_000]
    fetch(wanted(shelf), tmp_path / "m.onnx", wait=waits.append)
    assert (tmp_path / "m.onnx").read_bytes() == BODY


def test_another_part_than_asked_for_is_not_glued_on(shelf: Shelf, tmp_path: Path, waits: list[float]) -> None:
    shelf.shift = 7
    (tmp_path / "m.onnx.part").write_bytes(BODY[:1000])
    fetch(wanted(shelf), tmp_path / "m.onnx", wait=waits.append)
    assert (tmp_path / "m.onnx").read_bytes() == BODY
    assert shelf.asked == [("/m.onnx", "bytes=1000-"), ("/m.onnx", "")]


def test_a_part_that_is_whole_needs_no_network(tmp_path: Path) -> None:
    (tmp_path / "m.onnx.part").write_bytes(BODY)
    fetch(Wanted("https://192.0.2.1/m.onnx", len(BODY)), tmp_path / "m.onnx")
    assert (tmp_path / "m.onnx").read_bytes() == BODY


def test_a_part_longer_than_the_file_begins_anew(shelf: Shelf, tmp_path: Path, waits: list[float]) -> None:
    (tmp_path / "m.onnx.part").write_bytes(BODY + b"more")
    fetch(wanted(shelf), tmp_path / "m.onnx", wait=waits.append)
    assert (tmp_path / "m.onnx").read_bytes() == BODY


def test_a_whole_part_of_unknown_size_is_recognized(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "m.onnx.part").write_bytes(BODY)
    fetch(wanted(shelf, size=0), tmp_path / "m.onnx")
    assert (tmp_path / "m.onnx").read_bytes() == BODY


def test_a_size_that_is_only_about_right(shelf: Shelf, tmp_path: Path) -> None:
    fetch(wanted(shelf, size=len(BODY) + 500, slack=1000), tmp_path / "m.onnx")
    assert (tmp_path / "m.onnx").read_bytes() == BODY


@pytest.mark.parametrize("size", [len(BODY) - 1, len(BODY) + 1, 10])
def test_another_size_is_refused_before_it_is_loaded(shelf: Shelf, tmp_path: Path, size: int) -> None:
    with pytest.raises(Unreachable, match=rf"has a file of {len(BODY)} bytes, {size} are expected"):
        fetch(wanted(shelf, size=size), tmp_path / "m.onnx")
    assert not (tmp_path / "m.onnx").exists()


def test_a_server_that_does_not_stop_sending_is_cut_off(shelf: Shelf, tmp_path: Path) -> None:
    shelf.lengths = False
    with pytest.raises(Unreachable, match="sends more than the 1000 bytes expected"):
        fetch(wanted(shelf, size=1000), tmp_path / "m.onnx")
    assert (tmp_path / "m.onnx.part").stat().st_size == 0


def test_failures_that_pass_are_waited_for(shelf: Shelf, tmp_path: Path, waits: list[float]) -> None:
    shelf.statuses = [503, 429, 500]
    fetch(wanted(shelf), tmp_path / "m.onnx", wait=waits.append)
    assert waits == [1.0, 2.0, 4.0]


def test_failures_that_stay_are_told(shelf: Shelf, tmp_path: Path, waits: list[float]) -> None:
    shelf.statuses = [503] * download.TRIES
    with pytest.raises(Unreachable, match="cannot be reached: status 503"):
        fetch(wanted(shelf), tmp_path / "m.onnx", wait=waits.append)
    assert len(shelf.asked) == download.TRIES
    with pytest.raises(Unreachable, match="does not give the file: status 404"):
        fetch(wanted(shelf, "/gone.onnx"), tmp_path / "gone.onnx", wait=waits.append)
    assert len(shelf.asked) == download.TRIES + 1  # no second try


def test_nobody_there(free_port: int, tmp_path: Path, waits: list[float]) -> None:
    with pytest.raises(Unreachable, match=r"127.0.0.1 cannot be reached: Connection refused"):
        fetch(Wanted(f"http://127.0.0.1:{free_port}/m", allow_http=True), tmp_path / "m", wait=waits.append)
    assert waits == [1.0, 2.0, 4.0, 8.0]


def test_redirects_are_followed_but_not_for_ever(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "m.part").write_bytes(BODY[:10])
    shelf.redirects = {"/a": "/b", "/b": f"{shelf.url}/m.onnx"}
    fetch(wanted(shelf, "/a"), tmp_path / "m")
    assert (tmp_path / "m").read_bytes() == BODY
    assert shelf.asked[-1] == ("/m.onnx", "bytes=10-")  # the range goes along
    shelf.redirects = {f"/{i}": f"/{i + 1}" for i in range(20)}
    with pytest.raises(Unreachable, match="too many redirects"):
        fetch(wanted(shelf, "/0"), tmp_path / "n")
    shelf.redirects = {"/0": "/0"}
    with pytest.raises(Unreachable, match="too many redirects"):
        fetch(wanted(shelf, "/0"), tmp_path / "n")


def test_only_https_unless_allowed(shelf: Shelf, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="only https addresses are used; --allow-http"):
        fetch(Wanted(f"{shelf.url}/m.onnx"), tmp_path / "m.onnx")
    for url in ("file:///etc/passwd", "ftp://127.0.0.1/m"):
        with pytest.raises(InputError, match="only https"):
            fetch(Wanted(url, allow_http=True), tmp_path / "m.onnx")
    assert shelf.asked == []


@pytest.mark.parametrize(
    ("start", "to", "allow_http", "followed"),
    [
        ("https://a.example/", "https://b.example/", False, True),
        ("https://a.example/", "http://b.example/", False, False),
        ("https://a.example/", "http://b.example/", True, False),  # never from safe to unsafe
        ("http://a.example/", "http://b.example/", True, True),
        ("http://a.example/", "https://b.example/", True, True),
    ],
)
def test_where_a_redirect_may_lead(start: str, to: str, allow_http: bool, followed: bool) -> None:
    handler = download._Redirects(allow_http)
    request = urllib.request.Request(start)
    if followed:
        assert handler.redirect_request(request, None, 302, "Found", {}, to).full_url == to
        return
    with pytest.raises(download._Refused, match=r"a.example redirects to b.example without TLS"):
        handler.redirect_request(request, None, 302, "Found", {}, to)


def test_two_at_once_do_not_write_into_each_other(shelf: Shelf, tmp_path: Path) -> None:
    with download._alone(tmp_path / "m.onnx.part"), pytest.raises(InputError, match="another process is downloading"):
        fetch(wanted(shelf), tmp_path / "m.onnx")


def test_a_full_disk_is_told_before_it_is(shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = type("Usage", (), {"free": 2**20})
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: full)
    with pytest.raises(InputError, match="1 MiB are free, 65 are needed"):
        fetch(wanted(shelf), tmp_path / "m.onnx")
