"""`streamer models pull NAME`: download, verify, import. A file that was brought by hand is taken as well.

A download lies in the folder `downloads` beside the imported models until it is verified; one with a wrong sum is
deleted. Offline, the error says which file to bring, where to put it, and what to run then.
"""

from __future__ import annotations

import os
import shutil
import zipfile
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path

from streamer import log
from streamer.errors import InputError, ModelError
from streamer.models import registry
from streamer.models.card import load_card
from streamer.models.catalog import Entry
from streamer.models.download import Progress, Unreachable, Wanted, fetch

logger = log.get(__name__)
_MEMBER_LIMIT = 4 * 2**30  # bytes of a file within an archive


@dataclass(frozen=True, slots=True)
class Pulled:
    """Where it is now."""

    file: Path
    digest: str
    """SHA-256 of the file as it was published, hex."""
    note: str
    """What became of it, for people."""


def pull(
    entry: Entry, accept_license: bool = False, allow_http: bool = False, progress: Progress | None = None
) -> Pulled:
    """Bring a model here.

    Args:
        entry: of the registry.
        accept_license: needed for entries that are `restricted`.
        allow_http: also from an address without TLS.
        progress: told of the download.

    Raises:
        ModelError: the licence was not accepted, the server gives no file (with what to do by hand), the sum is wrong,
            or the import failed.
        InputError: the folder cannot be written, the disk is full, or the address is not allowed.
    """
    if entry.restricted and not accept_license:
        raise ModelError(
            f"models pull {entry.name}: its license is {entry.license} ({entry.restricted}); read it, and pull with "
            "--accept-license if your use is within it"
        )
    target, download = destination(entry), downloads() / entry.download
    try:
        if target.is_file() and (digest := _already(entry, target)):
            return Pulled(target, digest, "was there already")
        if not (download.is_file() and _verified(entry, download)):
            _fetch(entry, download, allow_http, progress)
        return _place(entry, download, target)
    except OSError as error:
        raise InputError(f"models pull {entry.name}: {error.filename or downloads()}: {error.strerror}") from error


def downloads() -> Path:
    """The folder of downloads, and of files that somebody brings by hand."""
    return registry.storage() / "downloads"


def destination(entry: Entry) -> Path:
    """Where the model will be."""
    if entry.into == "torch":
        return torch_cache() / entry.download
    if entry.into == "files":
        return registry.storage() / "files" / (entry.file or entry.download)
    suffix = ".onnx" if entry.family == "yolox" else ".safetensors"
    return registry.storage() / f"{entry.name}{suffix}"


def torch_cache() -> Path:
    """Where torch looks for weights before it downloads them."""
    home = os.environ.get("TORCH_HOME")
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return (Path(home).expanduser() if home else Path(cache) / "torch") / "hub" / "checkpoints"


def _fetch(entry: Entry, download: Path, allow_http: bool, progress: Progress | None) -> None:
    """Download and verify; a resumed one that is wrong is loaded once more from its beginning: its parts may differ."""
    wanted = Wanted(entry.url, entry.size, entry.slack, allow_http)
    part = download.with_name(f"{download.name}.part")
    resumed = part.is_file() and part.stat().st_size > 0
    try:
        fetch(wanted, download, progress)
        if not _verified(entry, download) and resumed:
            logger.warning("models pull %s: the resumed file has a wrong sum; loading it anew", entry.name)
            fetch(wanted, download, progress)
    except Unreachable as error:
        raise ModelError(f"models pull {entry.name}: {error}; {_by_hand(entry, download)}") from error
    if not download.is_file():
        raise ModelError(
            f"models pull {entry.name}: the file of {entry.url} has a wrong SHA-256 and was deleted; expected is "
            f"{entry.sha256 or entry.sha256_prefix + '...'} ({entry.checksum})"
        )


def _by_hand(entry: Entry, download: Path) -> str:
    return (
        f"without a network here: download {entry.url} elsewhere, put it at {download} and run "
        f"`streamer models pull {entry.name}{' --accept-license' if entry.restricted else ''}` again"
    )


def _verified(entry: Entry, download: Path) -> bool:
    """Whether size and sum are right; deletes the file if not, so that nobody takes it for good."""
    size = download.stat().st_size
    if entry.size and abs(size - entry.size) > entry.slack:
        logger.warning("models pull %s: %s has %d bytes, %d are expected", entry.name, download, size, entry.size)
    elif entry.member or entry.matches(_digest(download)):  # of an archive, the member's sum is checked
        return True
    download.unlink()
    return False


def _place(entry: Entry, download: Path, target: Path) -> Pulled:
    file = _member(entry, download) if entry.member else download
    digest = _digest(file)
    if entry.member and not entry.matches(digest):
        file.unlink()
        download.unlink()
        raise ModelError(
            f"models pull {entry.name}: {entry.member} in {entry.url} has the SHA-256 {digest}, {entry.sha256} is "
            f"expected ({entry.checksum}); both were deleted"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    note = "kept as it is"
    if entry.into == "models":
        from streamer.models.importer import Origin, import_file

        origin = Origin(entry.family, license=entry.license, source=entry.url, architecture=entry.architecture)
        card = import_file(file, target, origin)
        note = f"imported: {card.task}, family {card.family}, {len(card.labels)} labels"
        file.unlink()
    else:
        _move(file, target)
        if entry.into == "torch":
            note = "in torch's cache, where `weights: default` finds it"
    download.unlink(missing_ok=True)
    return Pulled(target, digest, note)


def _member(entry: Entry, archive: Path) -> Path:
    """Take one file out of an archive; by its last name, so that no path of the archive matters."""
    try:
        with zipfile.ZipFile(archive) as opened:
            found = [info for info in opened.infolist() if Path(info.filename).name == entry.member]
            if len(found) != 1 or found[0].file_size > _MEMBER_LIMIT:
                raise ModelError(
                    f"models pull {entry.name}: {archive} has {len(found)} files {entry.member}, one is needed"
                )
            out = archive.with_name(f".{entry.file}.part")
            with opened.open(found[0]) as source, out.open("wb") as target:
                shutil.copyfileobj(source, target)
            return out
    except zipfile.BadZipFile as error:
        archive.unlink()
        raise ModelError(f"models pull {entry.name}: what {entry.url} gave is no .zip; it was deleted") from error


def _move(file: Path, target: Path) -> None:
    """Atomic also between file systems."""
    part = target.with_name(f".{target.name}.part")
    try:
        shutil.move(str(file), str(part))
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _already(entry: Entry, target: Path) -> str:
    """The sum of what is at the target, or was imported to it, if it is that of the entry; else nothing."""
    if entry.into == "models":
        try:
            digest = load_card(target).made_from_sha256
        except ModelError:
            return ""  # damaged: it is made anew
    else:
        digest = _digest(target)
    return digest if entry.matches(digest) else ""


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return file_digest(opened, "sha256").hexdigest()
