"""`streamer run URL|FILE...`: the site file that somebody would write who only wants to see something happen.

Makes text, so that what is run is what is printed. Passwords of the addresses become variables in it.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from streamer.errors import InputError, SourceError
from streamer.sources.address import Address, parse

_CONFIGS = (".yaml", ".yml")

_TAIL = """\
pipelines:
  surveillance:
    use: surveillance
    detector: person-vehicle
    intrusion: {zones: [everywhere], min_seconds: 1.0, severity: info}
sinks:
  log: {type: jsonl, path: alerts.jsonl}
alerts: {cooldown_seconds: 10, sinks: [log]}
storage: {dir: streamer-data}
web: {listen: "127.0.0.1:PORT"}
"""


def is_config(text: str) -> bool:
    """Whether an argument of `run` means a configuration file."""
    return Path(text).suffix.lower() in _CONFIGS and "://" not in text


def free_port(wanted: int = 8080) -> int:
    """The port itself, or any that is free (0) when another program listens there: no reason to see nothing."""
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what just ended there is not in the way
        try:
            trial.bind(("127.0.0.1", wanted))
        except OSError:
            return 0
    return wanted


def site_text(sources: Sequence[str], port: int = 8080) -> tuple[str, dict[str, str]]:
    """A site file that watches the whole picture of each source with the shipped detector of people and vehicles.

    Returns:
        The text, and values of the variables in it.

    Raises:
        InputError: an address that cannot be one.
    """
    lines, variables = ["cameras:"], dict[str, str]()
    names: set[str] = set()
    for source in sources:
        try:
            where = parse(source)
        except SourceError as error:
            raise InputError(f"run: {error.detail or error}") from error
        name = _name(where, names)
        names.add(name)
        lines += [
            f"  {name}:",
            f"    source: {json.dumps(_address(where, name, variables), ensure_ascii=False)}",
            "    zones: {everywhere: [[0, 0], [1, 0], [1, 1], [0, 1]]}",
            "    pipelines: [surveillance]",
        ]
    return "\n".join(lines) + "\n" + _TAIL.replace("PORT", str(port)), variables


def _address(where: Address, name: str, variables: dict[str, str]) -> str:
    if where.scheme == "device":
        return f"usb:{where.target}"
    bare = where.bare.replace("$", "$$")
    if where.scheme == "file" or not (where.user or where.password):
        return bare
    variable = f"CAMERA_{name.upper().replace('-', '_')}_PASSWORD"
    variables[variable] = where.password
    return bare.replace("://", f"://{quote(where.user, safe='')}:${{{variable}}}@", 1)


def _name(where: Address, taken: set[str]) -> str:
    """A camera's name from its address: the file's stem, the host, or the device."""
    text = Path(where.target).stem if where.scheme == "file" else where.host or f"usb{where.target}"
    base = re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-")[:40] or "camera"
    name, number = base, 2
    while name in taken:
        name, number = f"{base}-{number}", number + 1
    return name
