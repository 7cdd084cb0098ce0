"""TLS of connections to MQTT brokers: its settings, and the context they make."""

from __future__ import annotations

import ssl
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from streamer.errors import ConfigError


class TlsSettings(BaseModel):
    """How the broker proves who it is, and we who we are."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    ca: Path | None = Field(None, description="PEM file of the authority; the system's own if left out.")
    certificate: Path | None = Field(None, description="PEM file of the client's certificate, if the broker wants one.")
    key: Path | None = Field(None, description="PEM file of its key, if not in the same file.")


def tls_context(name: str, tls: TlsSettings | bool, base_dir: Path) -> ssl.SSLContext | None:
    """The context of a connection; None without TLS.

    Args:
        name: of the sink or signal, for messages.
        tls: as configured.
        base_dir: what relative paths are relative to.

    Raises:
        ConfigError: a file is missing or no good.
    """
    if tls is False:
        return None
    options = TlsSettings() if tls is True else tls
    try:
        context = ssl.create_default_context(cafile=None if options.ca is None else base_dir / options.ca)
        if options.certificate is not None:
            key = None if options.key is None else base_dir / options.key
            context.load_cert_chain(base_dir / options.certificate, key)
        return context
    except (OSError, ssl.SSLError) as error:
        raise ConfigError([f"{name}: tls: {error.strerror or error} ({options})"]) from error
