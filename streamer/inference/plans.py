"""How a model is best run on this machine: measured once, remembered, and said in the log.

`device: auto` compares the runtimes that are installed by the processor time that one frame costs, at one thread and
at batches of 1 and 4, in processes of their own (a worker should not carry the loser's libraries). The winner is kept
in a cache file under the model's and libraries' names, so a noisy minute does not change it at the next start. On a
CPU, streams of one thread each beat threads within a batch; that is a law of the plan, not measured. Called in the
worker process; nothing here is imported by the engine.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

from streamer import log
from streamer.errors import ModelError
from streamer.inference.runtimes import Plan
from streamer.inference.settings import InferenceSettings, ModelSpec
from streamer.models.card import Card
from streamer.models.registry import MOTION

logger = log.get(__name__)
_PACKAGES = ("onnxruntime", "openvino", "torch")
_TIMEOUT_S = 60.0
_GAIN = 0.9  # a larger batch must save a tenth to be worth waiting for
_VERSION = 2  # of the measurement: older figures are not comparable


def choose(spec: ModelSpec, card: Card, settings: InferenceSettings) -> Plan:
    """The plan for one model.

    Raises:
        ModelError: the device that is asked for is not there, or no runtime can run the file.
    """
    streams = cpu_count() if settings.streams == "auto" else settings.streams
    if spec.file == MOTION:
        return Plan("builtin", streams=streams, reason="background subtraction on the CPU")
    device = "cuda:0" if settings.device == "cuda" else settings.device
    if device.startswith("cuda"):
        return _gpu_plan(card, settings, device)
    if card.family == "torchvision" or spec.file.suffix == ".safetensors":
        if device == "auto" and gpu_present():
            return _gpu_plan(card, settings, "cuda:0")
        # one image of torchvision's large networks is worth all threads; weights of a behaviour are for trying it out
        return Plan("torch", threads=cpu_count(), batch=1, reason="torch on the CPU")
    if device in ("onnxruntime", "openvino"):
        precision = "bf16" if settings.precision == "auto" and device == "openvino" and has_bf16() else "f32"
        return Plan(device, precision=precision, streams=streams, reason=f"{device} {precision} as configured")
    if device == "auto" and gpu_present():
        return _gpu_plan(card, settings, "cuda:0")
    return replace(_measured(spec.file, card, settings), streams=streams)


def cpu_count() -> int:
    """Processors that this process may use: its affinity, and its control group's quota."""
    cpus = len(os.sched_getaffinity(0))
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        if quota != "max":
            cpus = min(cpus, max(1, round(int(quota) / int(period))))
    except (OSError, ValueError):
        pass
    return cpus


def has_bf16() -> bool:
    """Whether the processor computes in bfloat16 by itself."""
    return "avx512_bf16" in _cpu()[1] or "amx_bf16" in _cpu()[1]


def gpu_present() -> bool:
    """Whether there is an NVIDIA GPU, without loading a library to ask."""
    return Path("/dev/nvidia0").exists() or any(Path("/dev").glob("nvidia[0-9]*"))


def cache_file() -> Path:
    """Where plans are remembered: $XDG_CACHE_HOME or ~/.cache, streamer/plans.json."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "streamer" / "plans.json"


def _gpu_plan(card: Card, settings: InferenceSettings, device: str) -> Plan:
    """One stream with large batches; copies and kernels of the next batch overlap on the device."""
    precision = "f16" if settings.precision == "auto" else "f32"
    streams = 1 if settings.streams == "auto" else settings.streams
    batch = settings.max_batch_size if _batched(card) else 1
    return Plan("torch", device, precision, streams, 1, batch, f"torch {precision} on {device}")


def _batched(card: Card) -> bool:
    """Whether frames may share a batch; streaming models are exported for any."""
    return card.dynamic_batch or card.task == "behaviour"


def _measured(file: Path, card: Card, settings: InferenceSettings) -> Plan:
    """The fastest CPU runtime, from the cache or by measuring."""
    key = _key(card, settings)
    cache = _read_cache()
    try:
        return Plan(**cache[key])
    except (KeyError, TypeError):
        pass
    figures = {}
    faults = []
    for runtime, precision in _candidates(settings):
        try:
            figures[runtime, precision] = _measure(file, Plan(runtime, precision=precision), card)
        except ModelError as error:
            faults.append(str(error))
    if not figures:
        raise ModelError(f"model {file}: no runtime can run it: {'; '.join(faults) or 'none is installed'}")
    plan = _best(figures)
    _remember(key, plan)
    return plan


def _candidates(settings: InferenceSettings) -> list[tuple[str, str]]:
    precisions = ["f32", "bf16"] if settings.precision == "auto" and has_bf16() else ["f32"]
    found = [("onnxruntime", "f32"), *(("openvino", precision) for precision in precisions)]
    return [(runtime, precision) for runtime, precision in found if _versions().get(runtime)]


def _best(figures: dict[tuple[str, str], dict[int, float]]) -> Plan:
    """The least processor time a frame, at the smallest batch that comes near it."""
    runtime, precision = min(figures, key=lambda option: min(figures[option].values()))
    by_batch = figures[runtime, precision]
    batch = 1
    for size in sorted(by_batch):
        if by_batch[size] < by_batch[batch] * _GAIN:
            batch = size
    said = ", ".join(
        f"{name} {kind} " + "/".join(f"{by_size[size] * 1000:.1f}" for size in sorted(by_size))
        for (name, kind), by_size in figures.items()
    )
    sizes = "/".join(str(size) for size in sorted(by_batch))
    return Plan(
        runtime,
        precision=precision,
        batch=batch,
        reason=f"{runtime} {precision} at batch {batch} is the fastest here (CPU ms a frame at batch {sizes}: {said})",
    )


def _measure(file: Path, plan: Plan, card: Card) -> dict[int, float]:
    """Processor seconds a frame by batch size, in a process of its own."""
    batches = [1, 4] if _batched(card) else [1]
    command = [sys.executable, "-P", "-m", "streamer.inference.measure", str(file), json.dumps(plan.to_json())]
    try:
        done = subprocess.run(
            [*command, json.dumps(batches)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ModelError(f"{plan.runtime} {plan.precision}: not measured within {_TIMEOUT_S:g} s") from error
    if done.returncode != 0:
        last = done.stderr.decode(errors="replace").strip().split("\n")[-1]
        raise ModelError(f"{plan.runtime} {plan.precision}: {last[:300]}")
    measured = json.loads(done.stdout)
    return {int(size): float(seconds) for size, seconds in measured.items()}


def _key(card: Card, settings: InferenceSettings) -> str:
    """What a measurement depends on."""
    versions = ",".join(f"{name} {version}" for name, version in sorted(_versions().items()) if name != "torch")
    return f"{_VERSION}|{card.content_sha256}|{settings.precision}|{versions}|{_cpu()[0]}"


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _cpu() -> tuple[str, frozenset[str]]:
    """Name and flags of the processor."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        fields.setdefault(name.strip(), value.strip())
    return fields.get("model name", "unknown"), frozenset(fields.get("flags", "").split())


def _read_cache() -> dict[str, Any]:
    try:
        cache = json.loads(cache_file().read_text())
    except (OSError, ValueError):
        return {}
    return cache if isinstance(cache, dict) else {}


def _remember(key: str, plan: Plan) -> None:
    """Write atomically; a cache that cannot be written costs a measurement at the next start, no more."""
    path = cache_file()
    cache = {**dict(list(_read_cache().items())[-63:]), key: plan.to_json()}
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(cache, indent=1))
        temporary.replace(path)
    except OSError as error:
        logger.warning("the measured plan cannot be kept in %s: %s", path, error)
