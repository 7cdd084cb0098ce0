"""What can be pulled: the registry file of the package, and files of that form of one's own.

The registry holds addresses, sums and licences, never weights. It says of each checksum where it is from.
"""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path, PurePosixPath
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from streamer.errors import InputError, ModelError

REGISTRY = Path(__file__).with_name("registry.toml")
_MIB = 2**20


class Entry(BaseModel):
    """One model of a registry."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
    url: str
    sha256: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")
    """Of the file, or of `member` if there is one."""
    sha256_prefix: str = Field(default="", pattern=r"^([0-9a-f]{8,63})?$")
    """Its first digits, where no more is published."""
    size: int = Field(default=0, ge=0)
    """Bytes of the download; 0: not published."""
    size_exact: bool = True
    """False: published in MiB to three digits."""
    member: str = ""
    """The file's name within a .zip that is downloaded."""
    file: str = Field(default="", pattern=r"^([A-Za-z0-9][\w.-]*)?$")
    """What it is called here; by default as in the address."""
    license: str
    restricted: str = ""
    """Why it is not free for any use: non-commercial, AGPL, research only, ..."""
    task: str
    family: str = ""
    """How it is imported; nothing: it is kept as it is."""
    architecture: str = ""
    into: Literal["models", "files", "torch"] = "models"
    about: str = ""
    checksum: str
    """Where the sum is from."""
    verified: bool = False
    """Whether the sum was computed from a copy of the file when the entry was written."""

    @model_validator(mode="after")
    def _check(self) -> Entry:
        if bool(self.sha256) == bool(self.sha256_prefix):
            raise ValueError("needs either sha256 or sha256_prefix: nothing is used that cannot be checked")
        parts = urlsplit(self.url)
        if parts.scheme not in ("https", "http") or not parts.hostname or parts.username:
            raise ValueError(f"url must be https://HOST/..., without a user, got {self.url!r}")
        if self.member and not self.file:
            raise ValueError("member needs file, the name that it gets")
        if self.into == "models" and not self.family:
            raise ValueError('into = "models" needs a family that it is imported as')
        return self

    @property
    def download(self) -> str:
        """The name of the downloaded file."""
        named = PurePosixPath(urlsplit(self.url).path).name or self.name
        return f"{self.name}.zip" if self.member else self.file or named

    @property
    def slack(self) -> int:
        """By how many bytes the size may differ from what is said."""
        return 0 if self.size_exact else _MIB // 1000

    def matches(self, digest: str) -> bool:
        """Whether a SHA-256 as hex is that of the entry."""
        return digest == self.sha256 if self.sha256 else digest.startswith(self.sha256_prefix)


def load(extra: Path | None = None) -> dict[str, Entry]:
    """All entries by name; those of `extra` hide the package's.

    Raises:
        InputError: a file cannot be read or is not of the form.
    """
    return _read(REGISTRY) | (_read(extra) if extra is not None else {})


def entry_of(name: str, extra: Path | None = None) -> Entry:
    """One entry. Raises ModelError for an unknown name, else as `load`."""
    entries = load(extra)
    if name not in entries:
        near = difflib.get_close_matches(name, entries, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else "; `streamer models list --all` tells all"
        raise ModelError(f"models pull {name}: no such model in the registry{hint}")
    return entries[name]


def _read(path: Path) -> dict[str, Entry]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: no valid TOML: {error}") from error
    return {name: _entry(path, name, value) for name, value in document.items()}


def _entry(path: Path, name: str, value: Any) -> Entry:
    if not isinstance(value, dict):
        raise InputError(f"{path}: {name}: must be a table [{name}] with url, sha256, license, ...")
    try:
        return Entry.model_validate({**value, "name": name})
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(str(part) for part in fault["loc"])
        raise InputError(f"{path}: {name}{'.' + where if where else ''}: {fault['msg']}") from error
