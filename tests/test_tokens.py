from __future__ import annotations

import pytest
from pydantic import BaseModel, SecretStr, ValidationError

from streamer.log import secrets
from streamer.tokens import Token, bearer, same


class Settings(BaseModel):
    token: Token


def test_a_token_is_long_and_never_shown() -> None:
    settings = Settings.model_validate({"token": "0123456789abcdef"})
    assert "0123456789abcdef" not in repr(settings)
    assert "0123456789abcdef" not in secrets.scrub("with 0123456789abcdef")
    with pytest.raises(ValidationError, match="at least 16 characters, this one has 3; make one with `openssl"):
        Settings.model_validate({"token": "abc"})
    Settings.model_validate({"token": "unset"})  # what `check` puts for a variable without a value


def test_comparing() -> None:
    assert same(SecretStr("0123456789abcdef"), "0123456789abcdef")
    assert not same(SecretStr("0123456789abcdef"), "0123456789abcde")
    assert not same(SecretStr("0123456789abcdef"), "")
    assert not same(SecretStr("0123456789abcdef"), "ä")


def test_headers() -> None:
    assert bearer("Bearer abc") == "abc"
    assert bearer("bearer  abc ") == "abc"
    assert bearer("Basic abc") == ""
    assert bearer("") == ""
