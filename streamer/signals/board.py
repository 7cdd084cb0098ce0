"""All traffic signals of a site: hears their feeds, looks at their lamps, and puts what is known into each frame.

`see` is called by the engine (and by replay) with every frame before a pipeline gets it; `hear` by whatever brings a
controller's messages. On the engine's loop, a few microseconds a frame; no I/O.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from streamer import log
from streamer.metrics import Metrics
from streamer.signals.debounce import Debounce
from streamer.signals.feed import Feed
from streamer.signals.fusion import Fusion
from streamer.signals.lamp import Head
from streamer.signals.message import read
from streamer.signals.settings import LampSettings, SignalSettings
from streamer.types import Frame, Signal

logger = log.get(__name__)

_ASPECTS = ("red", "amber", "green", "unknown")
_NOBODY = Signal("unknown", 0.0, "silent")


@dataclass(frozen=True, slots=True)
class Watched:
    """Which signals one camera's rules ask for, and where their lamps are in its picture."""

    names: Sequence[str] = ()
    lamps: Mapping[str, LampSettings] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class _View:
    """One signal as one camera sees it."""

    head: Head | None = None
    lamp: Debounce | None = None
    fusion: Fusion = field(default_factory=Fusion)
    told: Signal = _NOBODY


class Board:
    """The signals of one site.

    Args:
        signals: those that have feeds, by name.
        metrics: where their states are shown; None: nowhere (replay).
    """

    def __init__(self, signals: Mapping[str, SignalSettings] | None = None, metrics: Metrics | None = None):
        self.settings = dict(signals or {})
        self._feeds = {name: Feed(settings) for name, settings in self.settings.items()}
        self._metrics = metrics
        self._views: dict[str, dict[str, _View]] = {}
        self._watched: dict[str, Watched] = {}
        self._known: dict[str, Signal] = {}

    def set_cameras(self, cameras: Mapping[str, Watched]) -> None:
        """Who asks for what, at start and after a reload; what did not change keeps what it knows."""
        for camera in [name for name in self._views if name not in cameras]:
            self._forget(camera)
        for camera, watched in cameras.items():
            if self._watched.get(camera) != watched:
                self._forget(camera)
                names = dict.fromkeys([*watched.names, *watched.lamps])
                self._views[camera] = {name: _view(watched.lamps.get(name)) for name in names}
        self._watched = dict(cameras)

    def hear(self, name: str, body: bytes, received_at: float) -> str:
        """A controller's message has come.

        Args:
            name: of the signal.
            body: as it came.
            received_at: UTC epoch, or the video's time, in seconds.

        Returns:
            What became of it, see `Feed.hear`; ``unreadable`` if it makes no sense.

        Raises:
            KeyError: there is no such feed.
        """
        feed = self._feeds[name]
        message = read(body, self.settings[name])
        outcome = feed.hear(message, received_at)
        if outcome == "ok" and message.reason == "unreadable":
            outcome = "unreadable"
        if self._metrics is not None:
            self._metrics.signal_messages.labels(name, outcome).inc()
            if feed.heard_at is not None:
                self._metrics.signal_heard_timestamp_seconds.labels(name).set(feed.heard_at)
        self.review(received_at, name)
        return outcome

    def see(self, frame: Frame) -> Frame:
        """The frame with the state of the signals that its camera asks for, as of its capture time."""
        views = self._views.get(frame.camera)
        if not views:
            return frame
        signals = {name: self._look(name, view, frame) for name, view in views.items()}
        return replace(frame, signals=signals)

    def review(self, now: float, *names: str) -> None:
        """See which feeds fell silent; called every second, and after each message."""
        for name in names or self._feeds:
            signal = self._feeds[name].at(now)
            before = self._known.get(name)
            self._known[name] = signal
            if before is None or (before.aspect, before.reason) != (signal.aspect, signal.reason):
                self._tell("", name, signal)
                if signal.aspect == "unknown" and signal.reason != "changing":
                    logger.warning("signal '%s': unknown: %s", name, signal.reason)
                elif before is not None and before.aspect == "unknown" and before.reason != "changing":
                    logger.info("signal '%s': %s", name, signal.aspect)

    def feeds(self, now: float) -> dict[str, tuple[Signal, float | None]]:
        """What each feed says at a time, and when it was heard last; for the status page."""
        return {name: (feed.at(now), feed.heard_at) for name, feed in self._feeds.items()}

    def _look(self, name: str, view: _View, frame: Frame) -> Signal:
        feed = self._feeds.get(name)
        if view.head is not None and view.lamp is not None:
            view.lamp.note(*view.head.look(frame.pixels), frame.time)
        if feed is None:
            signal = _NOBODY if view.lamp is None else view.lamp.signal()
        elif view.lamp is None:
            signal = feed.at(frame.time)
        else:
            signal = view.fusion.fuse(feed.at(frame.time), view.lamp.signal(), frame.time)
            if view.fusion.lies(frame.time):
                feed.distrust("contradicts_lamp", frame.time)
        if (signal.aspect, signal.reason) != (view.told.aspect, view.told.reason) or view.told is _NOBODY:
            self._tell(frame.camera, name, signal)
            view.told = signal
        return signal

    def _tell(self, camera: str, name: str, signal: Signal) -> None:
        if self._metrics is not None:
            for aspect in _ASPECTS:
                self._metrics.signal_state.labels(name, camera, aspect).set(int(aspect == signal.aspect))

    def _forget(self, camera: str) -> None:
        self._views.pop(camera, None)
        if self._metrics is not None:
            self._metrics.signal_state.remove_by_labels({"camera": camera})


def _view(lamp: LampSettings | None) -> _View:
    return _View() if lamp is None else _View(Head(lamp), Debounce(lamp.debounce_seconds))
