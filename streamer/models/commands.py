"""What `streamer models list|info|import` says, as text; the command line prints it and knows nothing of models."""

from __future__ import annotations

from pathlib import Path

from streamer.errors import ModelError
from streamer.models import registry
from streamer.models.card import FAMILIES, STREAMING, Card


def list_text() -> str:
    """A table of all models that have a name."""
    rows = [("NAME", "ORIGIN", "TASK", "FAMILY", "INPUT", "LABELS", "LICENSE")]
    faults = []
    for known in registry.models():
        if known.card is None:
            faults.append(known.fault)
            rows.append((known.name, known.origin, "unusable", "", "", "", ""))
            continue
        card = known.card
        rows.append(
            (known.name, known.origin, card.task, card.family, _size(card), str(len(card.labels)), card.license)
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines += [f"unusable: {fault}" for fault in faults]
    lines.append(f"imported models are kept in {registry.storage()}")
    return "\n".join(lines)


def catalog_text(extra: Path | None = None) -> str:
    """A table of what can be pulled; `extra` is a registry of one's own. Raises InputError."""
    from streamer.models import catalog
    from streamer.models.pull import destination

    rows = [("TO PULL", "HERE", "TASK", "MB", "LICENSE", "CHECKSUM", "WHAT")]
    for entry in catalog.load(extra).values():
        known = f"{'verified' if entry.verified else 'quoted'}{'' if entry.sha256 else ' in part'}"
        terms = f"{entry.license} ({entry.restricted})" if entry.restricted else entry.license
        size = f"{entry.size / 1e6:.1f}" if entry.size else "?"
        here = "yes" if destination(entry).is_file() else ""
        rows.append((entry.name, here, entry.task, size, terms, known, entry.about))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def info_text(name: str, base_dir: Path) -> str:
    """All that one model's card says."""
    file = registry.resolve(name, base_dir)
    card = registry.card_of(file)
    lines = [
        ("file", "built in" if file == registry.MOTION else f"{file} ({Path(file).stat().st_size / 1e6:.1f} MB)"),
        ("task", card.task),
        ("family", f"{card.family}: {FAMILIES.get(card.family, '')}".rstrip(": ")),
        ("architecture", card.architecture),
        ("input", f"{_size(card)} {card.input.color}, {card.input.fit}{', padding cut off' * bool(card.input.stride)}"),
        ("confidence", f"from {card.confidence:g}, overlap up to {card.iou:g}" if card.task == "detection" else ""),
        ("batch", "any" if card.dynamic_batch else "1"),
        *_streaming(card),
        ("cost", _cost(card)),
        ("trained at", f"{card.fps:g} frames a second" if card.fps else ""),
        ("license", card.license or "not stated"),
        ("source", card.source),
        ("metrics", ", ".join(f"{name} {value:g}" for name, value in card.metrics.items())),
        ("made from", card.made_from_sha256),
        ("sha256", card.content_sha256),
        ("labels", f"{len(card.labels)}: {', '.join(card.labels)}"),
    ]
    return "\n".join(f"{key:<13}{value}" for key, value in lines if value)


def import_text(file: Path, family: str, out: Path | None = None, extra: dict[str, str] | None = None) -> str:
    """Import a third-party file and say what became of it.

    Args:
        file: the third-party file.
        family: yolox or torchvision.
        out: where the model file goes; None: among the imported models, under the file's own name.
        extra: any of `labels` (a file with one a line, or a comma-separated list), `license`, `source`,
            `architecture`.

    Raises:
        ModelError: nothing was written; the message says why.
    """
    from streamer.models.importer import Origin, import_file

    extra = dict(extra or {})
    labels = _labels(extra.pop("labels", ""))
    unknown = set(extra) - {"license", "source", "architecture"}
    if unknown:
        raise ModelError(f"models import: unknown option {', '.join(sorted(unknown))}")
    if out is None:
        registry.storage().mkdir(parents=True, exist_ok=True)
        out = registry.storage() / f"{file.stem}{'.onnx' if family == 'yolox' else '.safetensors'}"
    card = import_file(file, out, Origin(family=family, labels=labels, **extra))
    batch = "a batch of 4 equals 4 of 1" if card.dynamic_batch else "runs at batch 1 only"
    return f"{out}: {card.task}, family {card.family}, {len(card.labels)} labels, input {_size(card)}, {batch}"


def _streaming(card: Card) -> list[tuple[str, str]]:
    """What only streaming models have."""
    if card.family != STREAMING:
        return []
    spoken = [f"{state.name} {'x'.join(map(str, state.shape))}" for state in card.state]
    warm = f"after {card.warm_frames} frames" + (f", {card.warm_frames / card.fps:.1f} s" if card.fps else "")
    return [
        ("inputs", ", ".join(["frame", *spoken])),
        ("state", f"{card.state_bytes} bytes a camera"),
        ("answers", warm),
        ("heads", "; ".join(f"{head.name}: {', '.join(head.labels)} ({head.activation})" for head in card.heads)),
        ("thresholds", ", ".join(f"{label} {value:g}" for label, value in card.thresholds.items())),
    ]


def _cost(card: Card) -> str:
    parts = [f"{card.gmacs:.3f} GMACs a frame"] if card.gmacs else []
    parts += [f"{card.parameters / 1e6:.2f} M parameters"] if card.parameters else []
    return ", ".join(parts)


def _size(card: Card) -> str:
    return f"{card.input.width}x{card.input.height}" if card.family != "motion" else "any"


def _labels(text: str) -> tuple[str, ...] | None:
    if not text:
        return None
    path = Path(text)
    words = path.read_text().splitlines() if path.is_file() else text.split(",")
    return tuple(word.strip() for word in words if word.strip())
