"""The doors that change something: who gets through, who does not, and no browser by accident."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from pydantic import ValidationError

from streamer.errors import InputError, StoreError
from streamer.metrics import Metrics
from streamer.web.app import Web
from streamer.web.doors import Doors
from streamer.web.settings import WebSettings
from streamer.web.status import Status

TOKEN, SIGNAL = "token of the house 1", "token of the signal"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


class House:
    """A page with doors, and what went through them."""

    def __init__(self, **settings: Any):
        self.switches = {"*": True, "gate": True}
        self.said: list[tuple[str, bytes]] = []
        self.by: list[str] = []
        self.full = False
        doors = Doors(lambda: self.switches, self._arm, lambda n, t: (n, t) == ("north", SIGNAL), self._receive)
        self.web = Web(WebSettings(listen="127.0.0.1:0", **settings), _status, Metrics(), doors=doors)

    async def _arm(self, camera: str, armed: bool, by: str) -> None:
        if self.full:
            raise StoreError("the disk is full")
        if camera not in self.switches:
            raise InputError(f"there is no camera {camera!r}; there are: gate")
        self.switches[camera] = armed
        self.by.append(by)

    def _receive(self, name: str, body: bytes) -> str:
        self.said.append((name, body))
        return "ok" if body != b"?" else "unreadable"


def _status() -> Status:
    return Status(0.0, 0.0)


@pytest.fixture
async def house() -> AsyncIterator[House]:
    house = House(token=TOKEN)
    await house.web.start()
    yield house
    await house.web.stop()


@pytest.fixture
async def client(house: House) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(house.web.url) as session:
        yield session


async def post(client: aiohttp.ClientSession, path: str, **more: Any) -> tuple[int, str]:
    async with client.post(path, **more) as answer:
        return answer.status, await answer.text()


async def test_site_and_camera_are_armed_and_disarmed(house: House, client: aiohttp.ClientSession) -> None:
    status, text = await post(client, "/disarm", json={}, headers=BEARER)
    assert (status, json.loads(text)) == (200, {"site": False, "cameras": {"gate": True}})
    status, text = await post(client, "/disarm", json={"camera": "gate"}, headers=BEARER)
    assert json.loads(text) == {"site": False, "cameras": {"gate": False}}
    await post(client, "/arm", data=b"", headers=BEARER | {"Content-Type": "application/json"})
    async with client.get("/arming") as answer:
        assert await answer.json() == {"site": True, "cameras": {"gate": False}}
    assert house.by == ["http", "http", "http"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": f"Basic {TOKEN}"}, 401),
        ({"Authorization": f"Bearer {SIGNAL}"}, 401),
        (BEARER | {"Origin": "https://evil.example"}, 403),
        (BEARER | {"Origin": "null"}, 403),
        (BEARER | {"Sec-Fetch-Site": "cross-site"}, 403),
        (BEARER | {"Sec-Fetch-Site": "same-site"}, 403),
        (BEARER | {"Host": "evil.example"}, 421),
        (BEARER | {"Content-Type": "text/plain"}, 415),
        (BEARER | {"Content-Type": "application/x-www-form-urlencoded"}, 415),
    ],
)
async def test_nobody_else_gets_through(
    house: House, client: aiohttp.ClientSession, headers: dict[str, str], status: int
) -> None:
    found, _ = await post(client, "/disarm", data=b"{}", headers={"Content-Type": "application/json"} | headers)
    assert found == status
    assert house.switches == {"*": True, "gate": True}


@pytest.mark.parametrize(
    ("body", "status"), [(b"[1]", 400), (b"{", 400), (b'{"camera": 7}', 400), (b'{"zone": "x"}', 400), (b"null", 400)]
)
async def test_bad_commands(house: House, client: aiohttp.ClientSession, body: bytes, status: int) -> None:
    headers = BEARER | {"Content-Type": "application/json"}
    assert (await post(client, "/disarm", data=body, headers=headers))[0] == status
    assert house.by == []


async def test_an_unknown_camera_and_a_full_disk_are_told(house: House, client: aiohttp.ClientSession) -> None:
    assert await post(client, "/arm", json={"camera": "attic"}, headers=BEARER) == (
        404,
        "404 there is no camera 'attic'; there are: gate\n",
    )
    house.full = True
    status, text = await post(client, "/disarm", json={}, headers=BEARER)
    assert status == 503
    assert "nothing has changed" in text


async def test_other_methods_are_refused_and_answers_are_on_a_leash(client: aiohttp.ClientSession) -> None:
    for path in ("/arm", "/disarm", "/signals/north"):
        for method in ("GET", "PUT", "DELETE", "OPTIONS"):
            async with client.request(method, path) as answer:
                assert answer.status == 405
                assert answer.headers["Allow"] == "POST"
                assert "Access-Control-Allow-Origin" not in answer.headers
    assert (await post(client, "/arming", headers=BEARER))[0] == 405
    assert (await post(client, "/arm", data=b"x" * 9000, headers=BEARER | {"Content-Type": "application/json"}))[
        0
    ] == 413


async def test_without_a_token_nobody_may_unless_that_was_asked_for() -> None:
    for settings, status in (({}, 403), ({"allow_local_control": True}, 200)):
        house = House(**settings)
        await house.web.start()
        async with aiohttp.ClientSession(house.web.url) as client:
            assert (await post(client, "/disarm", json={}))[0] == status
            through_a_proxy = {"X-Forwarded-For": "198.51.100.7"}
            assert (await post(client, "/disarm", json={}, headers=through_a_proxy))[0] == 403
            assert (await post(client, "/disarm", json={}, headers={"Origin": "http://127.0.0.1:9"}))[0] == 403
        await house.web.stop()
        assert house.by == (["http, on this machine"] if status == 200 else [])


async def test_a_signal_is_posted_with_its_own_token(house: House, client: aiohttp.ClientSession) -> None:
    own = {"Authorization": f"Bearer {SIGNAL}"}
    assert await post(client, "/signals/north", data=b"red", headers=own) == (
        200,
        '{"signal": "north", "outcome": "ok"}',
    )
    assert (await post(client, "/signals/north", data=b"?", headers=own))[0] == 422
    for path, headers in (
        ("/signals/north", {}),
        ("/signals/north", BEARER),
        ("/signals/south", own),
        ("/signals/", own),
    ):
        assert (await post(client, path, data=b"red", headers=headers))[0] in (401, 404)
    assert (await post(client, "/signals/north", data=b"red", headers=own | {"Origin": "http://evil"}))[0] == 403
    assert house.said == [("north", b"red"), ("north", b"?")]


async def test_a_page_without_doors_changes_nothing() -> None:
    web = Web(WebSettings(listen="127.0.0.1:0", token=TOKEN), _status, Metrics())
    await web.start()
    async with aiohttp.ClientSession(web.url) as client:
        assert (await post(client, "/arm", json={}, headers=BEARER))[0] == 404
        assert (await post(client, "/signals/north", data=b"red"))[0] == 401
    await web.stop()


def test_settings() -> None:
    with pytest.raises(ValidationError, match="at least 16 characters"):
        WebSettings(token="short")
    with pytest.raises(ValidationError, match="allow_local_control needs a loopback address"):
        WebSettings(listen="0.0.0.0:80", allow_remote=True, allow_local_control=True)
    assert TOKEN not in repr(WebSettings(token=TOKEN))
