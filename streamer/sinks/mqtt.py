"""Alerts and camera states over MQTT, in the topics that Home Assistant and Frigate users know.

    PREFIX/available              online | offline    retained, also the broker's last will
    PREFIX/CAMERA/status/detect   online | offline    retained
    PREFIX/events                 every alert as JSON
    PREFIX/CAMERA/KIND            the alerts of one kind; .../state ON | OFF and .../snapshot retained
    PREFIX/armed                  armed_away | disarmed   retained; .../set takes ARM_AWAY | DISARM, if `arming`
    PREFIX/CAMERA/status/armed    ON | OFF                retained; .../set takes ON | OFF, if `arming`

`run` holds the connection and brings it back; `send` waits for it, publishes with QoS 1 and returns when the broker has
acknowledged. Retained state is not queued but published anew at every connection: only the latest matters.
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, Literal

import aiomqtt
from pydantic import Field, SecretStr, field_validator

from streamer import log
from streamer.errors import SinkError
from streamer.events import State
from streamer.sinks import discovery
from streamer.sinks.sink import Alert, Sink, SinkSettings, reason
from streamer.sinks.tls import TlsSettings, tls_context
from streamer.sinks.webhook import read_snapshot

logger = log.get(__name__)

_RECONNECT_S = (1.0, 2.0, 5.0, 10.0, 30.0)
_TIMEOUT_S = 8.0
_NO_ANSWER = "the connection was lost before the broker acknowledged"


class MqttSettings(SinkSettings):
    """An MQTT broker."""

    default_states: ClassVar[tuple[State, ...]] = ("begin", "update", "end")
    type: Literal["mqtt"] = "mqtt"
    host: str = Field(description="Name or address of the broker.")
    port: int | None = Field(None, ge=1, le=65535, description="Default: 1883, or 8883 with TLS.")
    user: str | None = Field(None, description="User name at the broker, if it wants one.")
    password: SecretStr | None = Field(None, description="Its password.")
    tls: TlsSettings | bool = Field(False, description="true, or a section with ca, certificate and key.")
    prefix: str = Field("streamer", pattern=r"^[^+#\x00]+$", description="First part of all topics.")
    client_id: str | None = Field(None, description="Must differ between daemons; random if left out.")
    keepalive_seconds: int = Field(30, ge=5, le=3600, description="The broker notices a dead daemon after 1.5 times.")
    home_assistant: str | None = Field(
        "homeassistant", description="Prefix of Home Assistant's discovery; null: announce nothing."
    )
    snapshots: bool = Field(True, description="Publish pictures, retained.")
    arming: bool = Field(
        False, description="Take commands to arm and disarm: whoever may publish at the broker may then do so."
    )

    @field_validator("password")
    @classmethod
    def _known(cls, password: SecretStr | None) -> SecretStr | None:
        if password is not None:
            log.secrets.add(password.get_secret_value())
        return password

    def build(self, name: str, base_dir: Path) -> MqttSink:
        """See SinkSettings."""
        return MqttSink(name, self, tls_context(f"sink {name!r}", self.tls, base_dir))


class MqttSink(Sink):
    """One connection to one broker."""

    def __init__(self, name: str, settings: MqttSettings, tls: ssl.SSLContext | None = None):
        super().__init__(name, settings)
        self._options = settings
        self._tls = tls
        self._client: aiomqtt.Client | None = None
        self._lost: asyncio.Future[None] | None = None
        self._connected = asyncio.Event()
        self._established = False
        self._failure = "not connected yet"
        self._cameras: dict[str, Sequence[str]] = {}
        self._announced: set[str] = set()  # over this connection
        self._entities: set[str] = set()  # ever
        self._online: dict[str, bool] = {}
        self._switches: dict[str, bool] = {}
        self._dirty = asyncio.Event()
        self._open: dict[str, tuple[str, str]] = {}

    async def run(self) -> None:
        """Hold the connection; come back whenever it is lost."""
        failures = 0
        while True:
            try:
                await self._session()
            except (aiomqtt.MqttError, OSError, TimeoutError) as error:
                failures = 0 if self._established else failures + 1
                self._failure = log.secrets.scrub(reason(error))
                logger.log(
                    logging.WARNING if failures <= 1 else logging.DEBUG,
                    *("sink %s: broker %s:%d: %s", self.name, self._options.host, self._port, self._failure),
                )
            finally:
                self._disconnected()
            await self.clock.sleep(_RECONNECT_S[min(failures, len(_RECONNECT_S) - 1)])

    async def send(self, alert: Alert) -> None:
        """See Sink."""
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                await self._connected.wait()
        except TimeoutError as error:
            where = f"{self._options.host}:{self._port}"
            raise SinkError(f"sink {self.name!r}: no connection to the broker {where}: {self._failure}") from error
        event, prefix = alert.event, self._options.prefix
        payload = json.dumps(alert.row(), ensure_ascii=False, default=str)
        still_open = {**self._open, event.id: (event.camera, event.kind)}
        if event.state == "end":
            del still_open[event.id]
        busy = (event.camera, event.kind) in still_open.values()
        if self._options.snapshots and alert.snapshot is not None:
            picture = await asyncio.to_thread(read_snapshot, alert.snapshot)
            if picture is not None:
                await self._publish(discovery.snapshot_topic(prefix, event.camera, event.kind), picture, retain=True)
        await self._publish(discovery.event_topic(prefix, event.camera, event.kind), payload)
        await self._publish(discovery.state_topic(prefix, event.camera, event.kind), "ON" if busy else "OFF", True)
        await self._publish(f"{prefix}/events", payload)  # last: what counts as delivered
        self._open = still_open

    def announce(self, cameras: Mapping[str, Sequence[str]]) -> None:
        """See Sink."""
        self._cameras = dict(cameras)
        self._online = {name: online for name, online in self._online.items() if name in cameras}
        self._dirty.set()

    def state(self, camera: str, online: bool) -> None:
        """See Sink."""
        self._online[camera] = online
        self._dirty.set()

    def arming(self, switches: Mapping[str, bool]) -> None:
        """See Sink."""
        self._switches = dict(switches)
        self._dirty.set()

    def resume(self, alerts: Sequence[Alert]) -> None:
        """See Sink."""
        self._open = {alert.event.id: (alert.event.camera, alert.event.kind) for alert in alerts}

    # --- the connection ---

    @property
    def _port(self) -> int:
        return self._options.port or (8883 if self._tls is not None else 1883)

    async def _session(self) -> None:
        """One connection, from birth to loss."""
        options, available = self._options, discovery.available_topic(self._options.prefix)
        password = None if options.password is None else options.password.get_secret_value()
        client = aiomqtt.Client(
            options.host,
            self._port,
            username=options.user,
            password=password,
            identifier=options.client_id,
            will=aiomqtt.Will(available, "offline", qos=1, retain=True),
            keepalive=options.keepalive_seconds,
            timeout=_TIMEOUT_S,
            tls_context=self._tls,
            logger=quiet_client(),
        )
        async with client:
            self._client, self._lost = client, asyncio.get_running_loop().create_future()
            listener = asyncio.create_task(self._listen(client))
            listener.add_done_callback(self._on_lost)
            try:
                self._announced.clear()
                await self._publish(available, "online", retain=True)
                if options.home_assistant is not None:
                    await client.subscribe(f"{options.home_assistant}/status", qos=1)
                if options.arming:
                    await client.subscribe([(topic, 1) for topic in discovery.command_filters(options.prefix)])
                self._established = True
                self._connected.set()
                self._dirty.set()
                logger.info("sink %s: connected to the broker %s:%d", self.name, options.host, self._port)
                await self._keep_state(listener)
            except asyncio.CancelledError:
                with suppress(SinkError, aiomqtt.MqttError):
                    await self._publish(available, "offline", retain=True)
                raise
            except SinkError as error:
                raise aiomqtt.MqttError(str(error)) from error
            finally:
                listener.cancel()
                await asyncio.wait({listener})

    async def _keep_state(self, listener: asyncio.Task[None]) -> None:
        """Publish retained state whenever it changes, until the connection is lost."""
        while True:
            changed = asyncio.ensure_future(self._dirty.wait())
            await asyncio.wait({changed, listener}, return_when=asyncio.FIRST_COMPLETED)
            changed.cancel()
            if listener.done():
                listener.result()
                raise aiomqtt.MqttError("the broker ended the connection")
            self._dirty.clear()
            await self._publish_state()

    async def _publish_state(self) -> None:
        prefix, home = self._options.prefix, self._options.home_assistant
        wanted: dict[str, dict[str, object]] = {}
        if home is not None:
            for camera, kinds in self._cameras.items():
                wanted.update(discovery.messages(home, prefix, camera, kinds))
            if self._options.arming:
                wanted.update(discovery.switches(home, prefix, [name for name in self._switches if name != "*"]))
        for topic in sorted(self._entities - set(wanted)):
            await self._publish(topic, "", retain=True)  # Home Assistant removes the entity
            self._entities.discard(topic)
        for topic, payload in wanted.items():
            if topic not in self._announced:
                await self._publish(topic, json.dumps(payload, ensure_ascii=False), retain=True)
        self._announced = set(wanted)
        self._entities |= self._announced
        for camera, online in dict(self._online).items():
            topic = discovery.status_topic(prefix, camera)
            await self._publish(topic, "online" if online else "offline", retain=True)
        for name, armed in dict(self._switches).items():
            await self._publish(discovery.armed_topic(prefix, name), discovery.armed_word(name, armed), retain=True)

    async def _listen(self, client: aiomqtt.Client) -> None:
        """Home Assistant says when it was born; it then wants to hear of all entities again. All else are commands."""
        async for message in client.messages:
            if str(message.topic) == f"{self._options.home_assistant}/status":
                if message.payload == b"online":
                    self._announced.clear()
                    self._dirty.set()
            else:
                self._obey(message)

    def _obey(self, message: aiomqtt.Message) -> None:
        payload = message.payload
        command = discovery.command(self._options.prefix, str(message.topic), payload, self._switches)
        if message.retain:  # would be obeyed anew at every connection
            logger.warning("sink %s: a retained command at %s is not obeyed", self.name, message.topic)
        elif command is None:
            logger.warning("sink %s: no command at %s: %.40r", self.name, message.topic, payload)
        else:
            self.command(*command)
        self._dirty.set()  # whoever asked sees what holds now, also when that is not what was asked for

    async def _publish(self, topic: str, payload: str | bytes, retain: bool = False) -> None:
        """Publish with QoS 1; returns when the broker has acknowledged."""
        client, lost = self._client, self._lost
        if client is None or lost is None or lost.done():
            raise SinkError(f"sink {self.name!r}: {self._failure}")
        sending = asyncio.ensure_future(client.publish(topic, payload, qos=1, retain=retain))
        try:
            # aiomqtt would wait for its timeout where the connection is known to be lost
            await asyncio.wait({sending, lost}, return_when=asyncio.FIRST_COMPLETED)
            if not sending.done():
                raise SinkError(f"sink {self.name!r}: {_NO_ANSWER}")
            sending.result()
        except aiomqtt.MqttError as error:
            raise SinkError(f"sink {self.name!r}: {log.secrets.scrub(reason(error))}") from error
        finally:
            sending.cancel()

    def _on_lost(self, listener: asyncio.Task[None]) -> None:
        if not listener.cancelled():
            listener.exception()  # retrieved here; _keep_state raises it
        if self._lost is not None and not self._lost.done():
            self._lost.set_result(None)
        self._connected.clear()
        self._failure = "the connection was lost"

    def _disconnected(self) -> None:
        self._connected.clear()
        self._established = False
        self._client = None


def quiet_client() -> logging.Logger:
    """The logger of MQTT clients. Paho logs every packet at DEBUG; only what is wrong is news."""
    library = logging.getLogger("streamer.mqtt.client")
    library.setLevel(logging.WARNING)
    return library
