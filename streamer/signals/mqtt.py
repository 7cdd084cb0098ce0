"""Signal feeds over MQTT: one connection a broker, however many signals are published there.

Retained messages count as any other if they say when they were made; without a time of their own they may be of last
year, and are left out. Supervised by `reception`; on the engine's loop.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import aiomqtt

from streamer import log
from streamer.clock import Clock
from streamer.signals.message import LARGEST, read
from streamer.signals.settings import MqttFeed, SignalSettings
from streamer.sinks.mqtt import quiet_client
from streamer.sinks.sink import reason
from streamer.sinks.tls import tls_context

logger = log.get(__name__)

RECONNECT_S = (1.0, 2.0, 5.0, 10.0)
_TIMEOUT_S = 8.0

Hear = Callable[[str, bytes], None]
"""Takes a signal's name and a message."""


@dataclass(slots=True, eq=False)
class Broker:
    """A broker and the signals that are published there."""

    settings: MqttFeed
    tls: ssl.SSLContext | None
    topics: dict[str, list[str]] = field(default_factory=dict)
    """Names of signals by topic."""

    @property
    def port(self) -> int:
        """The port to connect to."""
        return self.settings.port or (8883 if self.tls is not None else 1883)

    @property
    def where(self) -> str:
        """For messages."""
        return f"{self.settings.host}:{self.port}"


def brokers(signals: Mapping[str, SignalSettings], base_dir: Path) -> list[Broker]:
    """The brokers of all signals that have an MQTT feed.

    Raises:
        ConfigError: a file of TLS is missing or no good.
    """
    found: dict[object, Broker] = {}
    for name, signal in signals.items():
        feed = signal.mqtt
        if feed is None:
            continue
        password = None if feed.password is None else feed.password.get_secret_value()
        key = (feed.host, feed.port, feed.user, password, str(feed.tls))
        if key not in found:
            found[key] = Broker(feed, tls_context(f"signal {name!r}", feed.tls, base_dir))
        found[key].topics.setdefault(feed.topic, []).append(name)
    return list(found.values())


async def listen(broker: Broker, signals: Mapping[str, SignalSettings], hear: Hear, clock: Clock) -> None:
    """Hear a broker until cancelled; come back whenever the connection is lost."""
    failures = 0
    while True:
        try:
            async with _client(broker) as client:
                for topic in broker.topics:
                    await client.subscribe(topic, qos=1)
                logger.info("signals: connected to the broker %s", broker.where)
                failures = 0
                async for message in client.messages:
                    _pass_on(broker, signals, hear, message)
        except (aiomqtt.MqttError, OSError, TimeoutError) as error:
            failures += 1
            level = logging.WARNING if failures == 1 else logging.DEBUG
            logger.log(level, "signals: broker %s: %s", broker.where, log.secrets.scrub(reason(error)))
        await clock.sleep(RECONNECT_S[min(failures, len(RECONNECT_S) - 1)])


def _pass_on(broker: Broker, signals: Mapping[str, SignalSettings], hear: Hear, message: aiomqtt.Message) -> None:
    payload = message.payload
    body = bytes(payload[: LARGEST + 1]) if isinstance(payload, (bytes, bytearray)) else str(payload).encode()
    for name in broker.topics.get(str(message.topic), ()):
        if message.retain and read(body, signals[name]).stamp is None:
            logger.debug("signal %s: a retained message without a time may be old; left out", name)
            continue
        hear(name, body)


def _client(broker: Broker) -> aiomqtt.Client:
    settings = broker.settings
    password = None if settings.password is None else settings.password.get_secret_value()
    return aiomqtt.Client(
        settings.host,
        broker.port,
        username=settings.user,
        password=password,
        keepalive=10,  # a dead broker is noticed within 15 s; the feed counts as silent long before
        timeout=_TIMEOUT_S,
        tls_context=broker.tls,
        logger=quiet_client(),
    )
