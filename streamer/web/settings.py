"""The settings of `web` in the configuration: where the page listens, and for whom.

Reading needs no login, so an address that other machines can reach must be asked for in so many words. What changes
something (arming) needs a token.
"""

from __future__ import annotations

import re
from ipaddress import ip_address

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from streamer.tokens import Token

_ADDRESS = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.%\w]+)\]|(?P<name>[A-Za-z0-9._-]+)):(?P<port>\d{1,5})\Z")


class WebSettings(BaseModel):
    """Where the status page, health and metrics are served."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    enabled: bool = Field(True, description="False: no page, no metrics, nothing listens.")
    listen: str = Field("127.0.0.1:8080", description="host:port, IPv6 as [::1]:8080; port 0 takes any free one.")
    allow_remote: bool = Field(
        False, description="Allow `listen` on an address that other machines reach. There is no login: guard it."
    )
    allowed_hosts: tuple[str, ...] = Field(
        (), description="Names under which browsers may ask for the page, besides this machine's own (no ports)."
    )
    token: Token | None = Field(
        None, description="Bearer token for POST /arm and /disarm, at least 16 characters; without it, nobody may."
    )
    allow_local_control: bool = Field(
        False, description="Programs of this machine may arm and disarm without the token; only while on loopback."
    )
    refresh_seconds: int = Field(3, ge=1, le=60, description="How often the status page renews itself, seconds.")

    @field_validator("listen")
    @classmethod
    def _an_address(cls, listen: str) -> str:
        found = _ADDRESS.match(listen)
        if found is None or int(found["port"]) > 65535:
            raise ValueError(f"must be host:port such as 127.0.0.1:8080 or [::1]:8080, got {listen!r}")
        return listen

    @model_validator(mode="after")
    def _local_only_on_loopback(self) -> WebSettings:
        if self.allow_local_control and not self.loopback:
            raise ValueError(f"allow_local_control needs a loopback address, listen is {self.listen}; use a token")
        return self

    @model_validator(mode="after")
    def _reachable_only_on_purpose(self) -> WebSettings:
        if not self.loopback and not self.allow_remote:
            raise ValueError(
                f"listen {self.listen} is reachable from other machines, and the page has no login; "
                "use 127.0.0.1, or set allow_remote: true behind a firewall or a proxy that asks who comes"
            )
        return self

    @property
    def host(self) -> str:
        """The address to bind, without brackets."""
        found = _ADDRESS.match(self.listen)
        assert found is not None
        return found["six"] or found["name"]

    @property
    def port(self) -> int:
        """The port to bind; 0 means any free one."""
        return int(self.listen.rpartition(":")[2])

    @property
    def loopback(self) -> bool:
        """Whether only programs of this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False
