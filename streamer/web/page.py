"""The status page as HTML: what needs somebody first, then every camera, the latest alerts, sinks and parts.

Plain strings, no template engine: the only rule is that every value passes through `_e`. No inline style or script, so
that the content security policy can forbid them; the style sheet and the small script that renews the page lie in
`static/`. All links are relative, so that the page works below any prefix of a proxy.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from urllib.parse import quote

from streamer.clock import rfc3339
from streamer.web.status import AlertRow, CameraStatus, PartStatus, SignalStatus, SinkStatus, Status
from streamer.web.units import NONE, age, clock, count, latency, rate

_BAD_DELIVERY = ("failed", "rejected", "expired", "dead", "given_up")
_SLOW_S = 1.0  # a p95 above this is worth a color: the alert comes a second late


def page(status: Status, refresh_seconds: int) -> str:
    """The whole page.

    Args:
        status: what to show; its free text is expected to be scrubbed already.
        refresh_seconds: how often the browser asks again.
    """
    analysed = sum(camera.analysed for camera in status.cameras)
    total = len(status.cameras)
    troubles = list(_troubles(status))
    moods = {mood for mood, _, _ in troubles}
    mood = "bad" if "bad" in moods else "warn" if moods or not total else "ok"
    title = f"{analysed}/{total} cameras" if total else "no cameras"
    return f"""<!doctype html>
<html lang="en" data-refresh="{refresh_seconds}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title} · streamer</title>
<link rel="icon" href="static/icon.svg">
<link rel="stylesheet" href="static/style.css">
<noscript><meta http-equiv="refresh" content="{refresh_seconds}"></noscript>
<script src="static/refresh.js" defer></script>
</head>
<body>
<p id="stale" role="alert" hidden></p>
<main>
<header>
<h1><span class="dot {mood}"></span>{_verdict(analysed, total)}</h1>
<p class="meta">streamer {_e(status.version)} · up {age(status.now - status.started_at)} ·
<time datetime="{rfc3339(status.now)}">{clock(status.now, status.now)} UTC</time></p>
</header>
{_section("Needs attention", "troubles", _list(troubles))}
{_section("Cameras", "cameras", _cameras(status))}
{_section("Latest alerts", "alerts", _alerts(status))}
<div class="pair">
{_section("Sinks", "sinks", _sinks(status.sinks))}
{_section("Parts", "parts", _parts(status.parts))}
</div>
{_section("Traffic signals", "signals", _signals(status.signals))}
<footer><a href="metrics">metrics</a> · <a href="status.json">status.json</a> ·
<a href="healthz">healthz</a> · <a href="readyz">readyz</a> · all times UTC</footer>
</main>
</body>
</html>
"""


def _verdict(analysed: int, total: int) -> str:
    if total == 0:
        return "No cameras are configured"
    if analysed == total:
        return f"{count(total, 'camera')}, all analysed" if total > 1 else "1 camera, analysed"
    return f"{analysed} of {count(total, 'camera')} analysed"


def _troubles(status: Status) -> Iterable[tuple[str, str, str]]:
    """What needs somebody, as (mood, who, what); blind cameras before seeing ones."""
    if status.overloaded:
        yield "warn", "this machine", "offered work exceeds what is served; every camera gets its share"
    for what in status.disarmed:
        yield "warn", "disarmed", f"{what}; events are recorded, and nobody is told of them"
    for camera in sorted(status.cameras, key=lambda c: c.analysed):
        if camera.cause is not None or camera.state == "frozen" or not camera.analysed:
            starting = camera.cause is None and camera.state == "connecting"
            yield "warn" if starting or camera.analysed else "bad", camera.name, _story(camera, status.now)
        if camera.record:
            yield "warn", camera.name, f"record stream: {camera.record}; snapshots show the analyzed stream"
    for part in status.parts:
        if part.state != "ok":
            restarts = f" ({count(part.restarts, 'restart')})" if part.restarts else ""
            yield "bad", part.name, f"{part.state}{': ' + part.detail if part.detail else ''}{restarts}"
    for signal in status.signals:
        if signal.reason not in ("", "changing", "controller"):
            heard = "never heard" if signal.heard_age_s is None else f"last heard {age(signal.heard_age_s)} ago"
            yield "warn", f"signal {signal.name}", f"unknown: {signal.reason}; {heard}"
    for sink in status.sinks:
        if sink.last_error is not None or sink.dead:
            waiting = f"{count(sink.depth, 'alert')} waiting" + (f" up to {age(sink.oldest_s)}" if sink.depth else "")
            dead = f"; {count(sink.dead, 'alert')} given up" if sink.dead else ""
            yield "bad" if sink.depth else "warn", f"sink {sink.name}", f"{sink.last_error or 'works'}; {waiting}{dead}"


def _story(camera: CameraStatus, now: float) -> str:
    """One camera's trouble in a sentence."""
    for_s = "" if camera.since is None else f" for {age(now - camera.since)}"
    why = f": {camera.words}" if camera.words else f" ({camera.cause})" if camera.cause else ""
    blind = ", no frame analysed" if camera.state == "live" and not camera.analysed and not why else ""
    retry = "" if camera.retry_in_s is None else f"; next attempt in {age(camera.retry_in_s)}"
    return f"{camera.state}{for_s}{blind}{why}{retry}"


def _cameras(status: Status) -> str:
    if not status.cameras:
        return '<p class="none">None yet: add one under <code>cameras</code> in the configuration.</p>'
    heads = ("camera", "state", "#last frame", "#p50", "#p95", "#fps / asked", "source", "#session")
    return _table(heads, [_camera(camera, status.now) for camera in status.cameras])


def _camera(camera: CameraStatus, now: float) -> str:
    good = camera.state == "live" and camera.analysed and camera.cause is None
    mood = "ok" if good else "bad" if camera.state == "lost" else "warn"
    since = "" if camera.since is None else f"since {age(now - camera.since)}"
    behind = (camera.analysed_fps or 0.0) < 0.9 * (camera.offered_fps or 0.0)
    slow = (camera.latency_p95_s or 0.0) > _SLOW_S
    state = f'<span class="dot {mood}"></span>{_e(camera.state)}'
    why = f" <small>{_e(camera.cause)}</small>" if camera.cause not in (None, camera.state) else ""
    cells = (
        f'<th scope="row" data-l="camera">{_e(camera.name)}</th>',
        f'<td data-l="state" title="{_e(since)}">{state}{why}</td>',
        _number("last frame", age(camera.last_frame_age_s), not camera.analysed),
        _number("p50", latency(camera.latency_p50_s)),
        _number("p95", latency(camera.latency_p95_s), slow),
        _number("fps / asked", f"{rate(camera.analysed_fps)} / {rate(camera.offered_fps)}", behind),
        f'<td data-l="source">{_e(camera.source) or NONE}</td>',
        _number("session", NONE if camera.session is None else str(camera.session)),
    )
    return f'<tr class="{mood}">{"".join(cells)}</tr>'


def _alerts(status: Status) -> str:
    if not status.alerts:
        return '<p class="none">None since the daemon started.</p>'
    return f'<ul class="feed">{"".join(_alert(alert, status.now) for alert in status.alerts)}</ul>'


def _alert(alert: AlertRow, now: float) -> str:
    link = None if alert.snapshot is None else f"alerts/{quote(alert.snapshot, safe='')}/snapshot.jpg"
    picture = f'<a class="shot" href="{link}"><img src="{link}" alt="" loading="lazy"></a>' if link else ""
    film = None if alert.clip is None else f"alerts/{quote(alert.clip, safe='')}/clip.mp4"
    video = f' · <a href="{film}">clip</a>' if film else ""
    if alert.why is not None:
        video += f' · <a href="alerts/{quote(alert.why, safe="")}/why.png">why</a>'
    outcomes = " · ".join(
        f'<span class="{"bad" if outcome in _BAD_DELIVERY else "to"}">{_e(sink)} {_e(outcome)}</span>'
        for sink, outcome in alert.sinks.items()
    )
    return (
        f'<li class="{_e(alert.severity)}"><time datetime="{rfc3339(alert.time)}">{clock(alert.time, now)}</time>'
        f'<span class="what">{_e(alert.sentence)}'
        f"<small><b>{_e(alert.camera)}</b> · {_e(alert.kind)} · {_e(alert.severity)}"
        f"{' · ' + outcomes if outcomes else ''}{video}</small></span>"
        f"{picture}</li>"
    )


def _sinks(sinks: Iterable[SinkStatus]) -> str:
    rows = [
        f'<tr class="{"ok" if sink.last_error is None else "bad"}"><th scope="row" data-l="sink">{_e(sink.name)}</th>'
        + _number("delivered", str(sink.delivered))
        + _number("waiting", str(sink.depth), sink.last_error is not None and sink.depth > 0)
        + _number("oldest", age(sink.oldest_s) if sink.depth else NONE)
        + _number("given up", str(sink.dead) if sink.dead else NONE, sink.dead > 0)
        + "</tr>"
        for sink in sinks
    ]
    if not rows:
        return '<p class="none">None: nobody is told of anything.</p>'
    return _table(("sink", "#delivered", "#waiting", "#oldest", "#given up"), rows)


def _signals(signals: Iterable[SignalStatus]) -> str:
    rows = [
        f'<tr class="{"ok" if signal.aspect != "unknown" else "warn"}"><th scope="row" data-l="signal">'
        f'{_e(signal.name)}</th><td data-l="shows">{_e(signal.aspect)}'
        f"{f' <small>{_e(signal.reason)}</small>' if signal.reason else ''}</td>"
        + _number("for", age(signal.for_s))
        + _number("heard", age(signal.heard_age_s), signal.reason == "silent")
        + "</tr>"
        for signal in signals
    ]
    return _table(("signal", "shows", "#for", "#heard"), rows) if rows else ""


def _parts(parts: Iterable[PartStatus]) -> str:
    rows = [
        f'<tr><th scope="row" data-l="part">{_e(part.name)}</th><td data-l="state">'
        f'<span class="dot {"ok" if part.state == "ok" else "bad"}"></span>{_e(part.state)}</td>'
        + _number("restarts", str(part.restarts))
        + f'<td data-l="detail">{_e(part.detail) or NONE}</td></tr>'
        for part in parts
    ]
    return _table(("part", "state", "#restarts", "detail"), rows) if rows else '<p class="none">None.</p>'


def _section(title: str, name: str, body: str) -> str:
    return f'<section id="{name}"><h2>{title}</h2>{body}</section>' if body else ""


def _list(troubles: Iterable[tuple[str, str, str]]) -> str:
    items = [f'<li class="{mood}"><b>{_e(who)}</b> <span>{_e(what)}</span></li>' for mood, who, what in troubles]
    return f"<ul>{''.join(items)}</ul>" if items else ""


def _table(heads: Iterable[str], rows: Iterable[str]) -> str:
    """A table; a head that begins with '#' is above numbers."""
    cells = "".join(f'<th scope="col"{" class=n" if h[0] == "#" else ""}>{h.removeprefix("#")}</th>' for h in heads)
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _number(label: str, text: str, odd: bool = False) -> str:
    return f'<td class="n{" odd" if odd else ""}" data-l="{label}">{_e(text)}</td>'


def _e(text: str) -> str:
    return escape(text, quote=True)
