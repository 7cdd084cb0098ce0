"""The settings of traffic signals: where the state comes from, what it is called there, and when it is not believed.

A signal is named once in the section `signals` (its feed) or on a camera under `lamps` (its lamps in the picture), or
both: then each checks the other. Read by `schema`; pure.
"""

from __future__ import annotations

from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from streamer import log
from streamer.places import Point, check_polygon
from streamer.sinks.tls import TlsSettings
from streamer.tokens import Token

_STRICT = ConfigDict(extra="forbid", frozen=True)
_LONGEST_POLL_S = 1.5
"""Amber lasts 3 s or more (MUTCD 4D.26: 3 to 6 s): asked at least twice in that time, it is never missed."""


class HttpFeed(BaseModel):
    """The controller posts to `/signals/NAME` of the status page's address."""

    model_config = _STRICT
    token: Token = Field(description="Bearer token that the controller must show; at least 16 characters.")


class PollFeed(BaseModel):
    """The daemon asks a URL again and again."""

    model_config = _STRICT
    url: SecretStr = Field(description="http or https address that answers with the state.")
    token: SecretStr | None = Field(None, description="Bearer token to show there; none if left out.")
    every_seconds: float = Field(0.5, ge=0.1, le=60, description="Pause between two questions, seconds.")
    timeout_seconds: float = Field(2.0, gt=0, le=60, description="An answer that takes longer is none, seconds.")

    @field_validator("token")
    @classmethod
    def _known(cls, token: SecretStr | None) -> SecretStr | None:
        if token is not None:
            log.secrets.add(token.get_secret_value())
        return token

    @field_validator("url")
    @classmethod
    def _usable(cls, url: SecretStr) -> SecretStr:
        text = url.get_secret_value()
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError:
            raise ValueError("the URL cannot be read; write for example http://10.0.0.7/state") from None
        if (parts.scheme not in ("http", "https") or not parts.hostname or port == 0) and text != "unset":
            raise ValueError("the URL needs http:// or https:// and a host; write for example http://10.0.0.7/state")
        log.secrets.add_url(text)
        return url


class MqttFeed(BaseModel):
    """The controller publishes to a topic of an MQTT broker."""

    model_config = _STRICT
    host: str = Field(description="Name or address of the broker.")
    port: int | None = Field(None, ge=1, le=65535, description="Default: 1883, or 8883 with TLS.")
    user: str | None = Field(None, description="User name at the broker, if it wants one.")
    password: SecretStr | None = Field(None, description="Its password.")
    tls: TlsSettings | bool = Field(False, description="true, or a section with ca, certificate and key.")
    topic: str = Field(
        min_length=1, max_length=500, pattern=r"^[^+#\x00]+$", description="Where the state is published; no wildcards."
    )

    @field_validator("password")
    @classmethod
    def _known(cls, password: SecretStr | None) -> SecretStr | None:
        if password is not None:
            log.secrets.add(password.get_secret_value())
        return password


class Words(BaseModel):
    """What the controller calls the states; case does not matter, and numbers are compared as text."""

    model_config = _STRICT
    red: list[str] = Field(["red", "stop"], min_length=1, description="Words for red.")
    amber: list[str] = Field(["amber", "yellow", "red_amber"], description="Words for amber, and red with amber.")
    green: list[str] = Field(["green", "go"], min_length=1, description="Words for green.")
    unknown: list[str] = Field(
        ["unknown", "dark", "off", "flashing"], description="Words for states of which nothing follows."
    )

    @model_validator(mode="after")
    def _distinct(self) -> Words:
        words = [word.lower() for name in ("red", "amber", "green", "unknown") for word in getattr(self, name)]
        twice = sorted({word for word in words if words.count(word) > 1})
        if twice:
            raise ValueError(f"the word {twice[0]!r} stands for two states")
        return self


class SignalSettings(BaseModel):
    """One traffic signal with a feed."""

    model_config = _STRICT
    http: HttpFeed | None = Field(None, description="The controller posts to us.")
    poll: PollFeed | None = Field(None, description="We ask the controller.")
    mqtt: MqttFeed | None = Field(None, description="The controller publishes to a broker.")
    state_field: str = Field(
        "state", min_length=1, description="Where the state stands in a JSON message, with dots: groups.0.state."
    )
    time_field: str = Field(
        "time", description="Where the message's time stands (UTC epoch or RFC 3339); without one, arrival counts."
    )
    words: Words = Field(Words(), description="What the controller calls the states.")
    has_amber: bool = Field(True, description="False: it goes from green to red at once, as ramp meters do.")
    max_age_seconds: float = Field(5.0, gt=0, le=3600, description="Silent for longer is unknown, seconds.")
    max_delay_seconds: float = Field(
        1.0, ge=0, le=60, description="A message that was under way for longer is not believed, seconds."
    )
    clock_tolerance_seconds: float = Field(
        0.5, ge=0, le=60, description="So far the controller's clock may be ahead of ours, seconds."
    )
    debounce_seconds: float = Field(0.3, ge=0.3, le=5, description="A new state counts after so long, seconds.")
    min_phase_seconds: float = Field(1.0, ge=0, le=30, description="A shorter phase is impossible, seconds.")
    stuck_seconds: float | None = Field(
        600.0, gt=0, description="The same state for longer is not believed; null where a signal rests in red."
    )
    trust_after_seconds: float = Field(
        30.0, ge=0, le=3600, description="After a lie the signal is unknown for so long, seconds."
    )

    @model_validator(mode="after")
    def _possible(self) -> SignalSettings:
        if self.http is None and self.poll is None and self.mqtt is None:
            raise ValueError("needs http, poll or mqtt; a signal that only its lamp tells of stands under a camera")
        if self.poll is not None:
            every_s = self.poll.every_seconds
            if every_s > self.max_age_seconds / 2:
                raise ValueError(f"poll.every_seconds {every_s:g} must be at most half of max_age_seconds, "
                                 f"{self.max_age_seconds / 2:g}")  # fmt: skip
            if self.has_amber and every_s > _LONGEST_POLL_S:
                raise ValueError(f"poll.every_seconds {every_s:g} would miss amber; at most {_LONGEST_POLL_S:g}")
        if self.stuck_seconds is not None and self.stuck_seconds <= self.max_age_seconds:
            raise ValueError(f"stuck_seconds {self.stuck_seconds:g} must be above max_age_seconds "
                             f"{self.max_age_seconds:g}")  # fmt: skip
        return self


class LampSettings(BaseModel):
    """A signal head in a camera's picture: a tight outline round its lamps."""

    model_config = _STRICT
    head: list[Point] = Field(description="Outline of the head: 3 or more points, fractions of the frame.")
    lamps: list[Literal["red", "amber", "green"]] = Field(
        ["red", "amber", "green"], min_length=2, max_length=3, description="From the top, or from the left."
    )
    along: Literal["down", "right"] = Field("down", description="How the lamps are arranged: down or right.")
    debounce_seconds: float = Field(0.3, ge=0.3, le=5, description="A new state counts after so long, seconds.")

    _head = field_validator("head")(lambda value: check_polygon(value))

    @field_validator("lamps")
    @classmethod
    def _useful(cls, lamps: list[Any]) -> list[Any]:
        if len(set(lamps)) != len(lamps) or "red" not in lamps or "green" not in lamps:
            raise ValueError(f"needs red and green, each once, got {lamps}")
        return lamps

    @field_validator("head")
    @classmethod
    def _large_enough(cls, head: list[Point]) -> list[Point]:
        wide, tall = (max(axis) - min(axis) for axis in zip(*head, strict=True))
        if wide < 0.002 or tall < 0.002:
            raise ValueError(f"{wide:.4f} x {tall:.4f} of the frame is too small to see a color in")
        return head
