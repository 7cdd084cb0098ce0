"""What every request passes: mostly only reading, only under our own name, and headers that keep browsers on a leash.

A page on 127.0.0.1 is not private by itself: any web site can point a name of its own at 127.0.0.1 (DNS rebinding) and
read it through the visitor's browser. Such a request carries the foreign name in `Host`, and is refused.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from ipaddress import ip_address

from aiohttp import web
from aiohttp.typedefs import Middleware

from streamer.web.doors import changes
from streamer.web.settings import WebSettings

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Server": "streamer",
}


def guard(settings: WebSettings) -> Middleware:
    """The middleware for these settings."""

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            response = await _judged(request, handler, settings)
        except web.HTTPException as refusal:
            response = web.Response(status=refusal.status, text=f"{refusal.status} {refusal.reason}\n")
            if "Allow" in refusal.headers:
                response.headers["Allow"] = refusal.headers["Allow"]
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    return guarded


async def _judged(request: web.Request, handler: Handler, settings: WebSettings) -> web.StreamResponse:
    if not _our_name(request.headers.get("Host", ""), settings):
        return web.Response(
            status=421, text="421 this name is not ours; ask for 127.0.0.1, or list the name in web.allowed_hosts\n"
        )
    if changes(request.path):
        if request.method != "POST":
            return web.Response(status=405, text="405 only POST\n", headers={"Allow": "POST"})
    elif request.method not in ("GET", "HEAD"):
        return web.Response(status=405, text="405 only GET and HEAD\n", headers={"Allow": "GET, HEAD"})
    return await handler(request)


def _our_name(host: str, settings: WebSettings) -> bool:
    """Whether a `Host` header names this server; a literal address cannot be rebound, so it always may."""
    name = host.rpartition("]")[0].removeprefix("[") if host.startswith("[") else host.partition(":")[0]
    name = name.lower().rstrip(".")
    if name in {"localhost", settings.host.lower(), *(allowed.lower() for allowed in settings.allowed_hosts)}:
        return True
    try:
        address = ip_address(name)
    except ValueError:
        return bool(name) and not settings.loopback and not settings.allowed_hosts
    return address.is_loopback or not settings.loopback
