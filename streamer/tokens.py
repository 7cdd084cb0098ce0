"""Bearer tokens: the type of a setting that holds one, and how one that is shown is compared.

Read by the settings of `web` and `signals`; pure but for making the token known to `log.secrets`.
"""

from __future__ import annotations

import hmac
from typing import Annotated

from pydantic import AfterValidator, SecretStr

from streamer import log

SHORTEST = 16
"""Characters; 64 bits even if they are hexadecimal digits."""
_UNSET = "unset"
"""What stands for a variable without a value where none is needed (`check`)."""


def _long_enough(token: SecretStr) -> SecretStr:
    text = token.get_secret_value()
    if text == _UNSET:
        return token
    if len(text) < SHORTEST:
        raise ValueError(
            f"a token has at least {SHORTEST} characters, this one has {len(text)}; "
            "make one with `openssl rand -hex 24`"
        )
    log.secrets.add(text)
    return token


Token = Annotated[SecretStr, AfterValidator(_long_enough)]
"""A token of at least 16 characters."""


def same(token: SecretStr, given: str) -> bool:
    """Whether somebody has shown this very token; takes as long for any wrong one."""
    return hmac.compare_digest(token.get_secret_value().encode(), given.encode())


def bearer(header: str) -> str:
    """The token in an `Authorization` header; empty if there is none."""
    kind, _, token = header.partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""
