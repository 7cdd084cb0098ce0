"""The models in this process."""

import asyncio

import numpy as np
import pytest

from streamer.errors import ModelError
from streamer.inference.local import LocalModels
from streamer.inference.settings import InferenceSettings, ModelSpec
from streamer.types import Frame
from tests.models.tiny import picture


def frame(camera, pixels, index=0):
    return Frame(camera, 1, index, index / 5, index / 5, pixels)


def same(a, b, tolerance=0.0):
    return (
        len(a) == len(b)
        and np.allclose(a.boxes, b.boxes, atol=tolerance, rtol=0)
        and np.allclose(a.confidence, b.confidence, atol=tolerance, rtol=0)
    )


async def test_it_answers(tiny):
    async with LocalModels([tiny, ModelSpec("m", "motion")], InferenceSettings()) as models:
        assert models.labels("tiny") == ("bright", "never")
        assert models.labels("m") == ("motion",)
        assert models.input_size("tiny") == (64, 64)
        found = await models.ask("tiny", frame("a", picture((2, 3))))
        assert found.known
        assert len(found) == 1
        assert len(await models.ask("m", frame("a", picture((2, 3))))) == 0


async def test_what_is_asked_at_once_shares_a_batch(tiny):
    async with LocalModels([tiny], InferenceSettings(max_batch_size=4)) as models:
        sizes = []
        run = models._entries["tiny"].loaded.run

        def spy(pictures):
            sizes.append(len(pictures))
            return run(pictures)

        models._entries["tiny"].loaded.run = spy
        asks = [models.ask("tiny", frame(f"c{i}", picture((i, 0)))) for i in range(6)]
        answers = await asyncio.gather(*asks)
        assert sizes == [4, 2]
        assert [round(float(found.boxes[0, 0]) * 8) for found in answers] == list(range(6))


async def test_two_runs_are_equal_and_other_batches_nearly(tiny):
    rng = np.random.default_rng(0)
    shots = [rng.integers(0, 256, (64, 64, 3)).astype(np.uint8) | picture((i % 8, 2)) for i in range(12)]

    async def run(size):
        async with LocalModels([tiny], InferenceSettings(max_batch_size=size)) as models:
            return await asyncio.gather(*(models.ask("tiny", frame(f"c{i}", shot)) for i, shot in enumerate(shots)))

    first, second, single = await run(5), await run(5), await run(1)
    assert all(same(a, b) for a, b in zip(first, second, strict=True))
    assert all(same(a, b, 1e-4) for a, b in zip(first, single, strict=True))


async def test_mistakes(tiny, tmp_path):
    with pytest.raises(ModelError, match="no such file"):
        LocalModels([ModelSpec("x", tmp_path / "x.onnx")], InferenceSettings())
    models = LocalModels([tiny], InferenceSettings())
    with pytest.raises(ModelError, match="not loaded"):
        await models.ask("tiny", frame("a", picture()))
    async with models:
        with pytest.raises(ModelError, match="not configured; there are tiny"):
            await models.ask("tinny", frame("a", picture()))


async def test_a_failure_reaches_all_who_wait_and_the_next_batch_runs(tiny):
    async with LocalModels([tiny], InferenceSettings(max_batch_size=2)) as models:
        entry = models._entries["tiny"]
        run = entry.loaded.run
        entry.loaded.run = lambda pictures: 1 / 0
        results = await asyncio.gather(
            *(models.ask("tiny", frame(f"c{i}", picture((1, 1)))) for i in range(3)), return_exceptions=True
        )
        assert all(isinstance(result, ZeroDivisionError) for result in results)
        entry.loaded.run = run
        assert len(await models.ask("tiny", frame("a", picture((1, 1))))) == 1


async def test_leaving_early_leaves_nobody_hanging(tiny):
    async with LocalModels([tiny], InferenceSettings()) as models:
        task = asyncio.create_task(models.ask("tiny", frame("a", picture((1, 1)))))
        await asyncio.sleep(0)
    done, _ = await asyncio.wait([task], timeout=5)
    assert done


async def test_real_footage_finds_people(shared_data, tmp_path):
    """Person AP50 on campus (README: 0.89 with reference decoding), through the whole path."""
    from streamer.models.importer import Origin, import_file
    from tests.inference.accuracy import average_precision, campus

    file = tmp_path / "nano.onnx"
    import_file(shared_data / "weights" / "yolox_nano.onnx", file, Origin("yolox"))
    frames, truth = campus(shared_data, every=16)
    async with LocalModels([ModelSpec("d", file)], InferenceSettings()) as models:
        found = [await models.ask("d", one) for one in frames]
    score, people = average_precision(found, truth)
    print(f"campus: person AP50 {score:.3f} over {people} people in {len(frames)} frames")
    assert score >= 0.87
