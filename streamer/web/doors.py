"""The few requests that change something: a signal's state is posted, the site or a camera is armed or disarmed.

    POST /signals/NAME      the body is the controller's message; bearer token of that signal
    POST /arm, /disarm      {"camera": "gate"}, or {} for the site; bearer token of `web.token`
    GET  /arming            what is armed; reading needs no token, as on the status page

A browser cannot be made to do any of it for somebody else: a foreign page's request carries its `Origin` or
`Sec-Fetch-Site` and is refused, JSON must be declared as such (which a form cannot do without asking first, and we
never allow it), and there are no cookies, so nobody is logged in by accident.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from streamer import log
from streamer.errors import InputError, StoreError
from streamer.tokens import bearer, same
from streamer.web.settings import WebSettings

logger = log.get(__name__)

LARGEST_BODY = 8192
"""Bytes of what may be posted; enforced by the application."""
_REFUSED: Mapping[str, int] = {"unreadable": 422}


@dataclass(frozen=True, slots=True)
class Doors:
    """What requests may reach; given by the daemon."""

    switches: Callable[[], Mapping[str, bool]] = dict
    """Site (``*``) and cameras: whether armed."""
    arm: Callable[[str, bool, str], Awaitable[None]] | None = None
    """Arms or disarms; raises InputError for an unknown camera, StoreError if it cannot be written."""
    admits: Callable[[str, str], bool] = lambda name, token: False
    """Whether that token may post the state of that signal."""
    receive: Callable[[str, bytes], str] | None = None
    """Takes a signal's message; what became of it."""


def changes(path: str) -> bool:
    """Whether a path is one of those that take POST."""
    return path in ("/arm", "/disarm") or path.startswith("/signals/")


def add_doors(app: web.Application, settings: WebSettings, doors: Doors) -> None:
    """Add the routes."""

    async def signal(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        _refuse_foreign(request)
        if doors.receive is None or not doors.admits(name, _token(request)):
            # whether there is such a signal is nobody's business without its token
            raise web.HTTPUnauthorized
        outcome = doors.receive(name, await request.read())
        return web.json_response({"signal": name, "outcome": outcome}, status=_REFUSED.get(outcome, 200))

    async def arming(request: web.Request) -> web.Response:
        return web.json_response(_shown(doors.switches()))

    async def arm(request: web.Request) -> web.Response:
        _refuse_foreign(request)
        who = _authorized(request, settings)
        if doors.arm is None:
            raise web.HTTPNotFound
        camera = _camera(request, await request.read())
        try:
            await doors.arm(camera, request.path == "/arm", who)
        except InputError as error:
            return web.Response(status=404, text=f"404 {error}\n")
        except StoreError as error:
            logger.error("arming: %s", error)
            return web.Response(status=503, text="503 it could not be written down; nothing has changed\n")
        return web.json_response(_shown(doors.switches()))

    app.router.add_post("/signals/{name}", signal)
    app.router.add_get("/arming", arming)
    app.router.add_post("/arm", arm)
    app.router.add_post("/disarm", arm)


def _shown(switches: Mapping[str, bool]) -> dict[str, Any]:
    return {"site": switches.get("*", True), "cameras": {name: on for name, on in switches.items() if name != "*"}}


def _refuse_foreign(request: web.Request) -> None:
    """Refuse what a page of another site makes a browser send."""
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc.lower() != request.headers.get("Host", "").lower():
        raise web.HTTPForbidden
    if request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        raise web.HTTPForbidden


def _authorized(request: web.Request, settings: WebSettings) -> str:
    """Who asks, in words; raises unless they may."""
    if settings.token is not None and same(settings.token, _token(request)):
        return "http"
    if settings.allow_local_control and settings.loopback and _local(request):
        return "http, on this machine"
    raise web.HTTPUnauthorized if settings.token is not None else web.HTTPForbidden


def _local(request: web.Request) -> bool:
    """Whether the request comes from this machine itself, and not through a proxy on it."""
    if "Forwarded" in request.headers or any(name.lower().startswith("x-forwarded") for name in request.headers):
        return False
    try:
        return ip_address(request.remote or "").is_loopback
    except ValueError:
        return False


def _token(request: web.Request) -> str:
    return bearer(request.headers.get("Authorization", ""))


def _camera(request: web.Request, body: bytes) -> str:
    """Whom a command is for: a camera, or ``*`` for the site."""
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType
    try:
        given = json.loads(body or b"{}")
    except ValueError:
        raise web.HTTPBadRequest from None
    camera = given.get("camera", "*") if isinstance(given, dict) and set(given) <= {"camera"} else None
    if not isinstance(camera, str):
        raise web.HTTPBadRequest
    return camera
