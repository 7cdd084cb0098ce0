"""The client with real worker processes: answers, deaths, hangs, reloads."""

import asyncio
import logging
import os
import signal
import time
from pathlib import Path

import pytest

from streamer.clock import SystemClock
from streamer.errors import ModelError
from streamer.inference import generation
from streamer.inference.client import Models
from streamer.inference.settings import InferenceSettings, ModelSpec
from streamer.metrics import Metrics
from streamer.models.card import load_card, write_card
from streamer.models.detector import Overrides
from streamer.models.importer import Origin, import_file
from streamer.supervisor import Restarts
from streamer.types import Frame
from tests.models.stepping import light, stepping
from tests.models.tiny import picture, tiny_yolox

SETTINGS = InferenceSettings(device="onnxruntime", streams=2, deadline_seconds=1.0)
FAST = Restarts(limit=50, window_s=60, slow_s=60, first_s=0.01)


async def eventually(check, seconds=20):
    """Wait until a condition on another process holds."""
    async with asyncio.timeout(seconds):
        while not check():  # noqa: ASYNC110 - what is awaited lies in another process
            await asyncio.sleep(0.02)


def proc(pid, name):
    return (Path("/proc") / str(pid) / name).read_text()


class Site:
    """A running client."""

    def __init__(self, specs, pools, settings=SETTINGS, restarts=FAST):
        self.metrics = Metrics()
        self.models = Models(specs, settings, pools, self.metrics, SystemClock(), restarts)
        self.task = None

    async def __aenter__(self):
        self.task = asyncio.create_task(self.models.run())
        return self

    async def __aexit__(self, *_):
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    async def ready(self):
        async with asyncio.timeout(60):
            await self.models.ready.wait()
        return self.models

    async def until_known(self, camera, model="tiny"):
        """Ask frame after frame until one is answered; seconds that took."""
        started = time.monotonic()
        async with asyncio.timeout(60):
            while True:
                found = await self.models.ask(model, camera.frame(picture((1, 1))))
                if found.known:
                    break
                await asyncio.sleep(0.01)
        return time.monotonic() - started

    def restarts(self, reason):
        return self.metrics.value("streamer_worker_restarts_total", reason=reason)

    def count(self, outcome, model="tiny"):
        return self.metrics.value("streamer_inference_requests_total", model=model, outcome=outcome)


@pytest.fixture
def site(tiny, cameras):
    gate, yard = cameras("gate", "yard")
    pools = {camera.pool.pool_id: camera.pool for camera in (gate, yard)}
    return Site([tiny, ModelSpec("m", "motion")], pools), gate, yard


async def test_answers_come_from_shared_memory(site):
    site, gate, yard = site
    async with site:
        models = await site.ready()
        answers = await asyncio.gather(
            *(models.ask("tiny", camera.frame(picture((i, 2)))) for i in range(3) for camera in (gate, yard))
        )
        assert [round(float(found.boxes[0, 0]) * 8) for found in answers] == [0, 0, 1, 1, 2, 2]
        assert all(found.known and found.labels == ("bright", "never") for found in answers)
        assert (await models.ask("m", gate.frame(picture((1, 1))))).known
        assert site.count("ok") == 6
        assert site.count("ok", "m") == 1
        assert site.metrics.value("streamer_inference_seconds_count", model="tiny") == 6
        assert models.plans["tiny"]["runtime"] == "onnxruntime"
        assert models.plans["m"]["runtime"] == "builtin"
        assert not models.degraded
        pid = models.pid
        os.kill(pid, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert site.restarts("crashed") == 0


async def test_cards_answer_without_a_worker(site, tmp_path):
    site, gate, _ = site
    assert site.models.labels("tiny") == ("bright", "never")
    assert site.models.input_size("tiny") == (64, 64)
    assert site.models.pid is None
    found = await site.models.ask("tiny", gate.frame(picture((1, 1))))
    assert not found.known
    assert site.count("no_worker") == 1
    with pytest.raises(ModelError, match="not configured; there are tiny, m"):
        await site.models.ask("absent", gate.frame(picture((1, 1))))
    with pytest.raises(ValueError, match="lies in no slot"):
        await site.models.ask("tiny", Frame("gate", 1, 0, 0.0, 0.0, picture((1, 1))))


async def test_a_killed_worker_is_unknown_at_once_and_then_replaced(site):
    site, gate, _ = site
    async with site:
        models = await site.ready()
        await site.until_known(gate)
        old = models.pid
        os.kill(old, signal.SIGSTOP)  # so that the request is surely out when the kill comes
        asked = asyncio.create_task(models.ask("tiny", gate.frame(picture((1, 1)))))
        await asyncio.sleep(0)
        os.kill(old, signal.SIGKILL)
        async with asyncio.timeout(5):
            assert not (await asked).known
        assert site.count("lost") == 1
        assert await site.until_known(gate) < 6
        assert models.pid != old
        assert site.restarts("crashed") == 1


async def test_a_stopped_worker_is_killed_at_its_deadline(site):
    site, gate, yard = site
    async with site:
        models = await site.ready()
        await site.until_known(gate)
        old = models.pid
        os.kill(old, signal.SIGSTOP)
        started = time.monotonic()
        answers = await asyncio.gather(*(models.ask("tiny", c.frame(picture((1, 1)))) for c in (gate, yard)))
        assert not any(found.known for found in answers)
        assert 0.9 < time.monotonic() - started < 2.5
        await site.until_known(gate)
        assert time.monotonic() - started < SETTINGS.deadline_seconds + 5
        assert site.restarts("deadline") == 1
        with pytest.raises(ProcessLookupError):
            os.kill(old, 0)


async def test_an_idle_worker_that_hangs_is_noticed_too(site, monkeypatch):
    monkeypatch.setattr(generation, "_PING_S", 0.1)
    site, _, _ = site
    async with site:
        models = await site.ready()
        before = models.progress_at
        await eventually(lambda: models.progress_at > before)  # heartbeats go on without any frame
        os.kill(models.pid, signal.SIGSTOP)
        await eventually(lambda: site.restarts("deadline") == 1)
        await site.ready()


async def test_a_slot_that_moved_on_is_unknown_and_counted(site):
    site, gate, _ = site
    async with site:
        models = await site.ready()
        stale = gate.frame(picture((1, 1)))
        for _ in range(gate.pool.slots):
            gate.frame(picture((2, 2)))
        found = await models.ask("tiny", stale)
        assert not found.known
        assert site.count("stale") == 1
        assert (await models.ask("tiny", gate.frame(picture((3, 3))))).known


async def test_a_pool_that_nobody_knows_is_stale(site, cameras):
    site, gate, _ = site
    (stranger,) = cameras("stranger")
    async with site:
        models = await site.ready()
        assert not (await models.ask("tiny", stranger.frame(picture((1, 1))))).known
        assert site.count("stale") == 1
        assert (await models.ask("tiny", gate.frame(picture((1, 1))))).known


async def test_pools_come_and_go(site, cameras):
    site, gate, _ = site
    async with site:
        models = await site.ready()
        await site.until_known(gate)
        (late,) = cameras("late")
        site.models._pools[late.pool.pool_id] = late.pool
        assert (await models.ask("tiny", late.frame(picture((1, 1))))).known
        worker = models._worker
        assert late.pool.pool_id in worker._sent_pools
        del site.models._pools[late.pool.pool_id]
        await eventually(lambda: late.pool.pool_id not in worker._sent_pools)
        assert (await models.ask("tiny", gate.frame(picture((2, 2))))).known
        assert site.restarts("crashed") == 0


async def test_progress_without_a_worker_is_now(site):
    site, _, _ = site
    assert time.monotonic() - site.models.progress_at < 1
    async with site:
        assert time.monotonic() - site.models.progress_at < 1  # loading
        models = await site.ready()
        at = models.progress_at
        assert time.monotonic() - at < 1
        os.kill(models.pid, signal.SIGSTOP)
        await asyncio.sleep(0.3)
        assert models.progress_at == at  # a worker that hangs does not


async def test_a_full_house_answers_everybody(tiny, cameras):
    all_cameras = cameras(*(f"c{i}" for i in range(12)))
    site = Site([tiny], {camera.pool.pool_id: camera.pool for camera in all_cameras})
    async with site:
        models = await site.ready()

        async def watch(camera, column):
            columns = set()
            for _ in range(25):
                found = await models.ask("tiny", camera.frame(picture((column, 1))))
                assert found.known
                columns.add(round(float(found.boxes[0, 0]) * 8))
            return columns

        seen = await asyncio.gather(*(watch(camera, i % 8) for i, camera in enumerate(all_cameras)))
        assert seen == [{i % 8} for i in range(12)]
        assert site.count("ok") == 300


async def test_a_model_that_cannot_be_loaded_ends_the_start(tmp_path, monkeypatch):
    """The card is fine, the graph is not: found by the worker, told to the user, not retried."""
    source = tiny_yolox(tmp_path / "source.onnx")
    file = tmp_path / "bad.onnx"
    import_file(source, file, Origin("yolox", ("bright", "never")))
    from streamer.models.card import load_card, write_card

    card = load_card(file)
    file.write_bytes(file.read_bytes().replace(b"Sigmoid", b"Sigmoyd"))
    write_card(file, card)
    site = Site([ModelSpec("bad", file)], {})
    with pytest.raises(ModelError, match=r"bad.onnx: ONNX Runtime cannot load it"):
        async with asyncio.timeout(60):
            await site.models.run()
    assert site.models.pid is None


async def test_missing_files_are_found_before_any_process_starts(tmp_path):
    with pytest.raises(ModelError, match="no such file"):
        Site([ModelSpec("x", tmp_path / "x.onnx")], {})


async def test_reload_adds_changes_and_removes_without_interruption(site, tiny):
    site, gate, yard = site
    async with site:
        models = await site.ready()
        await site.until_known(gate)
        pid = models.pid
        unanswered = 0

        async def keep_asking(stop):
            nonlocal unanswered
            while not stop.is_set():
                unanswered += not (await models.ask("tiny", gate.frame(picture((1, 1))))).known

        stop = asyncio.Event()
        asking = asyncio.create_task(keep_asking(stop))
        strict = ModelSpec("strict", tiny.file, Overrides(confidence=0.999))
        await models.set_models([tiny, strict])
        assert len(await models.ask("strict", yard.frame(picture((1, 1))))) == 0
        with pytest.raises(ModelError, match="not configured"):
            await models.ask("m", yard.frame(picture((1, 1))))
        await models.set_models([tiny, ModelSpec("strict", tiny.file)])
        assert len(await models.ask("strict", yard.frame(picture((1, 1))))) == 1
        stop.set()
        await asking
        assert unanswered == 0
        assert models.pid == pid


async def test_a_bad_reload_keeps_the_old_models(site, tmp_path, tiny):
    site, gate, _ = site
    async with site:
        models = await site.ready()
        await site.until_known(gate)
        with pytest.raises(ModelError, match="no such file"):
            await models.set_models([ModelSpec("tiny", tmp_path / "absent.onnx")])
        assert (await models.ask("tiny", gate.frame(picture((1, 1))))).known
        from streamer.models.card import load_card, write_card

        bad = tmp_path / "bad.onnx"
        bad.write_bytes(tiny.file.read_bytes().replace(b"Sigmoid", b"Sigmoyd"))
        write_card(bad, load_card(tiny.file))
        with pytest.raises(ModelError, match="cannot load it"):
            await models.set_models([ModelSpec("tiny", bad)])
        found = await models.ask("tiny", gate.frame(picture((1, 1))))
        assert found.known
        assert len(found) == 1
        assert models.input_size("m")
        assert site.restarts("crashed") == 0


async def test_reload_before_the_worker_is_there(site, tiny):
    site, gate, _ = site
    await site.models.set_models([ModelSpec("other", tiny.file)])
    async with site:
        models = await site.ready()
        assert (await models.ask("other", gate.frame(picture((1, 1))))).known


async def test_degraded_after_too_many_deaths(tiny, cameras, caplog):
    (gate,) = cameras("gate")
    restarts = Restarts(limit=2, window_s=60, slow_s=60, first_s=0.01)
    site = Site([tiny], {gate.pool.pool_id: gate.pool}, restarts=restarts)
    caplog.set_level(logging.INFO)
    async with site:
        for _ in range(3):
            models = await site.ready()
            os.kill(models.pid, signal.SIGKILL)
            await eventually(lambda models=models: not models.ready.is_set())
        assert models.degraded
        assert not (await models.ask("tiny", gate.frame(picture((1, 1))))).known
        assert models.pid is None
        assert site.metrics.value("streamer_degraded", part="inference") == 1
    assert "degraded" in caplog.text


async def test_a_worker_is_lean(tiny, cameras):
    """It holds the runtime of its plan and no other, and neither torch nor the web nor a decoder."""
    (gate,) = cameras("gate")
    async with Site([tiny], {gate.pool.pool_id: gate.pool}) as site:
        models = await site.ready()
        await site.until_known(gate)
        mapped = proc(models.pid, "maps")
        assert "onnxruntime" in mapped
        for absent in ("libtorch", "openvino", "aiohttp", "libavcodec", "cv2"):
            assert absent not in mapped
        assert proc(models.pid, "cmdline").split("\0")[-3] == "streamer.inference.worker"
        assert "OMP_NUM_THREADS=1" in proc(models.pid, "environ")


def test_the_client_imports_no_runtime(root):
    import subprocess
    import sys

    code = (
        "import sys, streamer.inference.client; "
        "print([m for m in ('torch', 'onnx', 'onnxruntime', 'openvino', 'cv2', 'av') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=60, check=True)
    assert out.stdout.strip() == "[]"


async def test_a_model_that_changes_its_labels_under_load(site, tiny):
    """Answers of the old model that come after the reload are unknown, and cost no worker."""
    site, gate, yard = site
    async with site:
        models = await site.ready()
        pid = models.pid
        stop = asyncio.Event()
        seen = set()

        async def keep_asking(camera):
            while not stop.is_set():
                found = await models.ask("tiny", camera.frame(picture((1, 1))))
                if found.known and len(found):
                    seen.add(found.labels)

        asking = [asyncio.create_task(keep_asking(camera)) for camera in (gate, yard)]
        for file in ("motion", tiny.file, "motion", tiny.file):
            await models.set_models([ModelSpec("tiny", file)])
            if file != "motion":
                seen.clear()
                await eventually(lambda: ("bright", "never") in seen)
        stop.set()
        await asyncio.gather(*asking)
        assert models.pid == pid
        assert seen <= {("bright", "never"), ("motion",)}
        assert (await models.ask("tiny", gate.frame(picture((1, 1))))).labels == ("bright", "never")


async def test_many_deaths_leak_nothing_and_leave_nobody_hanging(site):
    site, gate, yard = site
    stop = asyncio.Event()
    answers = {True: 0, False: 0}

    async def keep_asking(camera):
        while not stop.is_set():
            async with asyncio.timeout(10):
                answers[(await site.models.ask("tiny", camera.frame(picture((1, 1))))).known] += 1
            await asyncio.sleep(0.001)

    async with site:
        await site.ready()
        before = len(os.listdir("/proc/self/fd"))
        asking = [asyncio.create_task(keep_asking(camera)) for camera in (gate, yard)]
        for i in range(8):
            models = await site.ready()
            known = answers[True]
            await eventually(lambda known=known: answers[True] > known + 5)
            os.kill(models.pid, signal.SIGKILL)
            await eventually(lambda i=i: site.restarts("crashed") == i + 1)
        await site.ready()
        stop.set()
        await asyncio.gather(*asking)
        assert len(os.listdir("/proc/self/fd")) == before
        assert not site.models.degraded
        assert answers[False] > 0


# --- behaviour models ---


@pytest.fixture
def watched(tiny, cameras, tmp_path):
    """A detector and a streaming model of brightness, on two cameras."""
    gate, yard = cameras("gate", "yard")
    pools = {camera.pool.pool_id: camera.pool for camera in (gate, yard)}
    return Site([tiny, ModelSpec("light", stepping(tmp_path / "light.onnx"))], pools), gate, yard


async def test_scores_come_beside_detections_and_remember(watched):
    site, gate, yard = watched
    async with site:
        models = await site.ready()
        seen = []
        for level in (0.5, 0.5, 0.5, 0.0):
            bright, dark = gate.frame(light(level)), yard.frame(light(0.0))
            found, at_gate, at_yard = await asyncio.gather(
                models.ask("tiny", bright), models.ask("light", bright), models.ask("light", dark)
            )
            assert found.labels == ("bright", "never")
            assert at_yard["bright"] == 0
            seen.append((round(at_gate["bright"], 4), at_gate.warm, at_gate.detail))
        assert seen == [
            (0.25, False, {"reset": "start"}),
            (0.375, False, {}),
            (0.4375, True, {}),
            (0.2188, True, {}),
        ]
        assert at_gate.thresholds == {"bright": 0.3}
        assert site.metrics.value("streamer_behaviour_resets_total", model="light", reason="start") == 2
        assert site.count("ok", "light") == 8
        assert models.plans["light"]["runtime"] == "onnxruntime"
        assert models.input_size("light") == (28, 28), "a picture that is stretched keeps its full height"


async def test_a_new_worker_remembers_nothing_and_that_is_said(watched, caplog):
    site, gate, _ = watched
    async with site:
        models = await site.ready()
        for _ in range(4):
            scores = await models.ask("light", gate.frame(light(0.5)))
        assert scores.warm
        os.kill(models.pid, signal.SIGKILL)
        assert not (await models.ask("light", gate.frame(light(0.5)))).known
        await site.until_known(gate)
        await site.ready()
        scores = await models.ask("light", gate.frame(light(0.5)))
        assert scores.known
        assert not scores.warm
        assert scores.detail == {"reset": "start"}
        assert scores["bright"] == 0.25
        assert site.metrics.value("streamer_behaviour_resets_total", model="light", reason="start") == 2
    assert "it must watch again before its scores count: light for 0.6 s" in caplog.text


async def test_a_reload_of_other_models_lets_the_memory_be(watched):
    site, gate, _ = watched
    async with site:
        models = await site.ready()
        for _ in range(4):
            await models.ask("light", gate.frame(light(0.5)))
        kept = [spec for spec, _ in models._specs.values() if spec.name == "light"]
        await models.set_models(kept)
        scores = await models.ask("light", gate.frame(light(0.5)))
        assert scores.warm
        assert scores.detail == {}


async def test_a_model_of_a_task_that_nobody_asks_for_is_refused(tmp_path):
    file = stepping(tmp_path / "odd.onnx")
    card = load_card(file).model_copy(update={"task": "embedding", "family": "faces"})
    write_card(file, card)
    with pytest.raises(ModelError, match="its task is embedding; pipelines ask models of detection and behaviour"):
        Site([ModelSpec("odd", file)], {})
