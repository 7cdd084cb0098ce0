"""`streamer explain`: a picture of where a behaviour model saw what it decided, for a recording or an alert's clip."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from streamer.errors import InputError

_MOST = 1_000_000  # letters that are looked through: all that the outbox may hold


def explain(given: argparse.Namespace) -> None:
    """Write the picture, and print what was decided.

    Raises:
        InputError: what was given cannot be used.
        ModelError: the model cannot.
    """
    if bool(given.video) == bool(given.alert):
        raise InputError("explain: needs --video FILE, or --alert ID with --config SITE")
    if given.at is not None and given.at < 0:
        raise InputError(f"explain: --at must be 0 or more seconds, got {given.at:g}")
    model, video, label, out = given.model, given.video, given.label, given.out
    if given.alert:
        model, video, label, beside = _of_alert(given)
        out = out or beside
    if model is None:
        raise InputError("explain: needs --model NAME|FILE")
    out = out or Path(f"{Path(video).stem}-why.png")
    from streamer.preview import heat
    from streamer.preview.canvas import FORMATS
    from streamer.training.explain import explain as look
    from streamer.training.stream import behaviour_file

    if out.suffix.lower() not in FORMATS:  # before minutes of work
        raise InputError(f"explain: --out {out}: a picture ends in one of {', '.join(FORMATS)}")
    file = behaviour_file(str(model))
    found = look(file, Path(video), given.at, label)
    heat.picture(found, file.stem).save(out)
    told: dict[str, Any] = {
        "out": str(out),
        "model": str(file),
        "label": found.label,
        "score": round(found.score, 4),
        "threshold": found.threshold,
        "time": round(float(found.times[-1]), 3),
        "frames": len(found.times),
        "method": found.method,
        "warm": found.warm,
    }
    if given.json:
        print(json.dumps(told))
    else:
        print(f"{out}: {found.label} {found.score:.3f} at {found.times[-1]:.1f} s, by {found.method}")


def _of_alert(given: argparse.Namespace) -> tuple[Path, Path, str | None, Path]:
    """Model, clip and label of an alert, and where its picture belongs. Raises InputError."""
    from streamer.config import load_site
    from streamer.ledger import DEAD, list_letters
    from streamer.store import why_path

    if given.config is None:
        raise InputError("explain: --alert needs --config SITE, whose storage has the alert")
    site = load_site(given.config, "replay")
    letters = list_letters(site.storage.dir, ("pending", *DEAD, "delivered"), _MOST)
    alert = next((letter.alert for letter in letters if letter.alert.id == given.alert), None)
    if alert is None:
        raise InputError(
            f"explain: {site.storage.dir} has no alert {given.alert!r}; `streamer outbox list --all` names them"
        )
    if alert.clip is None or not alert.clip_ready or not alert.clip.is_file():
        raise InputError(
            f"explain: alert {given.alert!r} has no clip; `alerts: {{clip: {{}}}}` keeps one of each alert"
        )
    detail = alert.event.detail
    name = given.model or detail.get("model")
    if name is None:
        raise InputError(f"explain: alert {given.alert!r} ({alert.event.kind}) was raised by no behaviour model")
    spec = site.models.get(str(name))
    file = Path(str(name)) if spec is None else Path(spec.file)
    return file, alert.clip, given.label or detail.get("label"), why_path(alert.clip)
