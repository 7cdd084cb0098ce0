"""Batches: who goes, when, with whom, and what becomes of those who cannot."""

import asyncio
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.clock import FakeClock, settle
from streamer.inference.batcher import Batcher, Limits
from streamer.metrics import Metrics
from streamer.types import Detections, Frame, Scores

LABELS = ("person", "car")
PIXELS = np.zeros((2, 2, 3), np.uint8)


def frame(camera, index=0, session=1):
    return Frame(camera, session, index, float(index), float(index), PIXELS)


def found(n=1):
    return Detections(np.zeros((n, 4), np.float32), np.ones(n, np.float32), np.zeros(n, np.int64), LABELS)


class Bench:
    """A batcher, its clock, and the device's side of it."""

    def __init__(self, streams=1, batch=1, models=("d",), accept=True, **limits):
        self.clock = FakeClock()
        self.metrics = Metrics()
        self.sent = []
        self.accept = accept
        self.batcher = Batcher(self._send, Limits(**limits), self.clock, self.metrics)
        self.batcher.set_models(dict.fromkeys(models, Detections.unknown(LABELS)))
        self.batches = dict.fromkeys(models, batch)
        if streams:
            self.batcher.open(streams, self.batches)
        self.tasks = []

    def _send(self, batch):
        if self.accept:
            self.sent.append(batch)
        return self.accept

    async def ask(self, camera, index=0, model="d", session=1):
        """Ask without waiting for the answer."""
        task = asyncio.get_running_loop().create_task(self.batcher.ask(model, frame(camera, index, session)))
        self.tasks.append(task)
        await settle(3)
        return task

    async def answer(self, n=0, exec_s=0.01, result=None):
        """Answer the n-th batch that is out."""
        batch = list(self.batcher.out.values())[n]
        self.batcher.answer(batch.id, [found() if result is None else result for _ in batch.requests], exec_s)
        await settle(3)
        return batch

    def cameras(self, n=-1):
        return [request.frame.camera for request in self.sent[n].requests]

    def count(self, outcome, model="d"):
        return self.metrics.value("streamer_inference_requests_total", model=model, outcome=outcome)


@pytest.fixture
async def bench():
    made = []

    def make(**options):
        made.append(Bench(**options))
        return made[-1]

    yield make
    for one in made:
        one.batcher.close()
        for task in one.tasks:
            task.cancel()
        await asyncio.gather(*one.tasks, return_exceptions=True)


async def test_an_idle_stream_is_never_kept_waiting(bench):
    b = bench(batch=1)
    task = await b.ask("gate")
    assert b.cameras() == ["gate"]
    await b.answer(result=found(3))
    assert len(await task) == 3
    assert b.count("ok") == 1
    assert b.metrics.value("streamer_queue_wait_seconds_sum", model="d") == 0


async def test_a_lone_camera_does_not_wait_for_a_batch(bench):
    b = bench(batch=8)
    await b.ask("gate")
    assert len(b.sent) == 1


async def test_no_more_batches_are_out_than_streams(bench):
    b = bench(streams=2)
    for camera in "abcde":
        await b.ask(camera)
    assert [b.cameras(i) for i in range(2)] == [["a"], ["b"]]
    assert b.batcher.waiting == 3
    await b.answer()
    assert len(b.sent) == 3
    assert len(b.batcher.out) == 2


async def test_what_waited_travels_together(bench):
    b = bench(batch=3)
    for camera in "abcde":
        await b.ask(camera)
    assert b.cameras() == ["a"]
    await b.answer()
    assert b.cameras() == ["b", "c", "d"]
    await b.answer()
    assert len(b.sent) == 2  # the others are expected again
    await b.clock.advance(0.1)
    assert b.cameras() == ["e"]
    assert b.metrics.value("streamer_batch_size_sum", model="d") == 5
    assert b.metrics.value("streamer_batch_size_count", model="d") == 3


async def test_max_batch_size_bounds_what_the_plan_wants(bench):
    b = bench(batch=8, max_batch_size=2)
    for camera in "abcd":
        await b.ask(camera)
    await b.answer()
    assert len(b.cameras()) == 2


async def pace(b, cameras, period_s=0.2, rounds=20, exec_s=0.01):
    """Let cameras ask at a steady pace, evenly spread, so that their periods are known."""
    step = period_s / len(cameras)
    for i in range(rounds):
        for camera in cameras:
            await b.ask(camera, i)
            while b.batcher.out:
                await b.answer(exec_s=exec_s)
            await b.clock.advance(step)
    while b.batcher.waiting or b.batcher.out:
        await b.clock.advance(0.05)
        while b.batcher.out:
            await b.answer(exec_s=exec_s)
    b.sent.clear()


async def test_the_window_waits_for_those_who_are_expected(bench):
    b = bench(batch=4)
    await pace(b, ["a", "b"])
    await b.ask("a", 100)
    assert b.sent == []  # b is expected
    await b.ask("b", 100)
    assert sorted(b.cameras()) == ["a", "b"]  # and nobody else is: no more waiting


@pytest.mark.parametrize(
    ("period_s", "exec_s", "window_s"),
    [(0.2, 0.01, 0.1), (0.2, 0.15, 0.05), (0.2, 0.5, 0.002), (0.08, 0.02, 0.06)],
    ids=["at most 100 ms", "period less execution", "at least 2 ms", "a fast camera"],
)
async def test_the_window_is_rate_matched(bench, period_s, exec_s, window_s):
    b = bench(batch=4)
    await pace(b, ["a", "b"], period_s=period_s, exec_s=exec_s)
    await b.ask("a", 100)
    await b.clock.advance(window_s * 0.9)
    assert b.sent == []
    await b.clock.advance(window_s * 0.1 + 0.001)
    assert b.cameras() == ["a"]


async def test_a_camera_that_fell_silent_is_not_waited_for(bench):
    b = bench(batch=4)
    await pace(b, ["a", "b"])
    await b.clock.advance(2.5)
    await b.ask("a", 100)
    assert b.cameras() == ["a"]


async def test_a_camera_whose_frame_is_out_is_not_waited_for(bench):
    b = bench(batch=4, streams=2)
    await pace(b, ["a", "b"])
    await b.ask("a", 100)
    await b.clock.advance(0.11)
    assert b.cameras() == ["a"]
    await b.ask("b", 100)
    assert b.cameras() == ["b"]


async def test_the_camera_served_longest_ago_comes_first(bench):
    b = bench(batch=1)
    for camera in "abc":
        await b.ask(camera, 0)
        await b.answer()
    await b.ask("x", 0)  # occupies the stream
    for camera in "cba":
        await b.ask(camera, 1)
    order = []
    for _ in range(3):
        await b.answer()
        order += b.cameras()
    assert order == ["a", "b", "c"]


@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), streams=st.integers(1, 3), batch=st.integers(1, 4))
def test_no_camera_starves_and_shares_are_equal_under_overload(seed, streams, batch):
    """Cameras that ask again at once, some with two frames at a time: each is served as often as any other."""

    async def scenario():
        rng = random.Random(seed)
        b = Bench(streams=streams, batch=batch)
        cameras = [f"c{i}" for i in range(rng.randint(0, 6) + 2 * batch * streams + 2)]
        served = dict.fromkeys(cameras, 0)

        async def pipeline(camera, offset):
            index = offset
            while True:
                await b.batcher.ask("d", frame(camera, index))
                served[camera] += 1
                index += 1000

        tasks = [
            asyncio.create_task(pipeline(c, i))
            for i in range(2)
            for c in cameras[: len(cameras) - i * len(cameras) // 2]
        ]
        for _ in range(100):
            await settle(4)
            if not b.batcher.out:
                await b.clock.advance(0.1)
            for number in rng.sample(list(b.batcher.out), len(b.batcher.out)):
                await b.answer(list(b.batcher.out).index(number))
        b.batcher.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert max(served.values()) - min(served.values()) <= streams + 2
        assert all(len(set(x.frame.camera for x in sent.requests)) == len(sent.requests) for sent in b.sent)

    asyncio.run(scenario())


async def test_between_models_who_waits_longest_goes_first(bench):
    b = bench(models=("d", "m"))
    await b.ask("x")
    await b.clock.advance(0.01)
    await b.ask("a", model="m")
    await b.clock.advance(0.01)
    await b.ask("b", model="d")
    await b.answer()
    assert b.sent[-1].model == "m"
    await b.answer()
    assert b.sent[-1].model == "d"


async def test_the_same_frame_asked_twice_is_computed_once(bench):
    b = bench()
    first = await b.ask("gate", 7)
    second = await b.ask("gate", 7)
    answer = found(2)
    await b.answer(result=answer)
    third = await b.ask("gate", 7)  # after the answer, too: another pipeline is slower
    assert await first is answer
    assert await second is answer
    assert await third is answer
    assert len(b.sent) == 1
    assert b.count("shared") == 2
    assert b.count("ok") == 1
    await b.ask("gate", 7, session=2)  # the same number in another session is another frame
    await b.answer()
    await b.ask("gate", 8)
    assert len(b.sent) == 3


async def test_an_unknown_answer_is_not_shared_later(bench):
    b = bench()
    task = await b.ask("gate", 7)
    b.batcher.fail(next(iter(b.batcher.out)))
    assert not (await task).known
    assert b.count("failed") == 1
    await b.ask("gate", 7)
    assert len(b.sent) == 2


async def test_deadline_of_who_waits_and_of_who_is_out(bench):
    b = bench(deadline_s=2.0)
    out = await b.ask("a")
    await b.clock.advance(0.5)
    waits = await b.ask("b")
    await b.clock.advance(1.4)
    assert not out.done()
    await b.clock.advance(0.2)
    assert not out.result().known
    assert out.result().labels == LABELS
    assert not waits.done()
    await b.clock.advance(0.5)
    assert not waits.result().known
    assert b.count("expired") == 2
    assert b.batcher.waiting == 0
    await b.answer()  # too late: nobody is asked, nothing breaks
    assert len(b.sent) == 1
    assert b.count("ok") == 0


async def test_a_worker_that_cannot_be_faster_gets_a_longer_deadline(bench):
    b = bench(streams=0, deadline_s=1.0)
    b.batcher.open(1, {"d": 1}, deadline_s=5.0)
    task = await b.ask("a")
    await b.clock.advance(4.9)
    assert not task.done()
    await b.clock.advance(0.2)
    assert not task.result().known


async def test_the_queue_is_bounded(bench):
    b = bench(max_waiting=3)
    tasks = [await b.ask(f"c{i}") for i in range(6)]
    assert [task.done() for task in tasks] == [False] * 4 + [True] * 2
    assert not tasks[-1].result().known
    assert b.count("rejected") == 2


async def test_without_a_worker_nobody_waits(bench):
    b = bench(streams=0)
    task = await b.ask("a")
    assert not task.result().known
    assert b.count("no_worker") == 1


async def test_a_worker_that_dies_leaves_nobody_waiting(bench):
    b = bench(streams=1)
    tasks = [await b.ask(camera) for camera in "abc"]
    lost = next(iter(b.batcher.out))
    b.batcher.shut("lost")
    await settle()
    assert not any(task.result().known for task in tasks)
    assert b.count("lost") == 3
    assert b.batcher.out == {}
    assert not (await b.batcher.ask("d", frame("a", 1))).known
    b.batcher.open(1, {"d": 1})
    task = await b.ask("a", 2)
    b.batcher.answer(lost, [found(9)], 0.01)  # of the dead: belongs to nobody
    await settle()
    assert not task.done()
    await b.answer()
    assert len(task.result()) == 1


async def test_a_stale_slot_is_unknown_and_counted(bench):
    b = bench(batch=2)
    await b.ask("x")
    tasks = [await b.ask(camera) for camera in "ab"]
    await b.answer()
    b.batcher.answer(next(iter(b.batcher.out)), [None, found(1)], 0.01)
    await settle()
    assert [task.result().known for task in tasks] == [False, True]
    assert b.count("stale") == 1


async def test_a_batch_that_cannot_be_sent_is_unknown(bench):
    b = bench(accept=False)
    task = await b.ask("a")
    assert not task.result().known
    assert b.count("unsent") == 1
    assert b.batcher.out == {}


async def test_who_stops_listening_frees_his_place(bench):
    b = bench()
    await b.ask("x")
    one, two = await b.ask("a"), await b.ask("a")
    one.cancel()
    await settle()
    assert b.batcher.waiting == 1  # the other still listens
    two.cancel()
    await settle()
    assert b.batcher.waiting == 0
    assert b.count("cancelled") == 1
    await b.answer()
    assert len(b.sent) == 1


async def test_cancelling_what_is_out_does_not_disturb_the_batch(bench):
    b = bench()
    task = await b.ask("a")
    task.cancel()
    await settle()
    await b.answer()
    again = await b.ask("a")  # the answer is there
    assert again.result().known


async def test_models_come_and_go(bench):
    b = bench(models=("d", "m"))
    await b.ask("x", model="d")
    waits = await b.ask("a", model="m")
    b.batcher.set_models({"d": Detections.unknown(LABELS), "n": Detections.unknown(("motion",))})
    await settle()
    assert not waits.result().known
    assert b.count("removed", "m") == 1
    with pytest.raises(KeyError):
        await b.batcher.ask("m", frame("a"))
    task = await b.ask("a", model="n")
    await b.answer()
    assert b.sent[-1].model == "n"
    await b.answer(result=Detections.empty(("motion",)))
    assert task.result().labels == ("motion",)


async def test_an_answer_for_a_removed_model_is_ignored(bench):
    b = bench()
    task = await b.ask("a")
    b.batcher.set_models({})
    await b.answer()
    assert not task.result().known


async def test_new_labels_forget_old_answers(bench):
    b = bench()
    await b.ask("a", 1)
    await b.answer()
    b.batcher.set_models({"d": Detections.unknown(("cat",))})
    await b.ask("a", 1)
    assert len(b.sent) == 2


async def test_memory_is_bounded_over_many_cameras(bench, monkeypatch):
    from streamer.inference import lane

    monkeypatch.setattr(lane, "MAX_CAMERAS", 10)
    b = bench()
    for i in range(40):
        await b.ask(f"c{i}")
        await b.answer()
        await b.clock.advance(5)
    assert len(b.batcher._lanes["d"].paces) <= 10
    assert len(b.batcher._lanes["d"].answered) <= 10


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6))
def test_every_request_is_answered_exactly_once_whatever_happens(seed):
    """Random asks, answers, failures, deaths, cancellations and time: no future is left, every outcome is counted."""

    async def scenario():
        rng = random.Random(seed)
        b = Bench(streams=rng.randint(0, 3), batch=rng.randint(1, 4), deadline_s=1.0, max_waiting=6, models=("d", "m"))
        index = 0
        for _ in range(120):
            act = rng.random()
            out = list(b.batcher.out)
            if act < 0.5:
                index += rng.random() < 0.8
                await b.ask(rng.choice("abcdef"), index, model=rng.choice(["d", "m"]))
            elif act < 0.75 and out:
                await b.answer(rng.randrange(len(out)))
            elif act < 0.8 and out:
                b.batcher.fail(rng.choice(out))
            elif act < 0.84:
                b.batcher.shut("lost")
            elif act < 0.9:
                b.batcher.open(rng.randint(1, 3), b.batches)
            elif act < 0.93 and b.tasks:
                rng.choice(b.tasks).cancel()
            else:
                await b.clock.advance(rng.random() * 0.5)
            lanes = b.batcher._lanes.values()
            assert len(b.batcher.out) <= 3
            assert b.batcher.waiting <= 6
            assert all(set(lane.waiting) <= set(lane.pending) for lane in lanes)
        await b.clock.advance(1.5)
        await settle()
        assert all(task.done() for task in b.tasks)
        assert all(not lane.pending and not lane.waiting for lane in b.batcher._lanes.values())
        b.batcher.close()
        outcomes = sum(
            sample.value
            for metric in b.metrics.inference_requests.collect()
            for sample in metric.samples
            if sample.name.endswith("_total")
        )
        assert outcomes == len(b.tasks)

    asyncio.run(scenario())


async def test_a_memory_that_began_anew_is_counted_by_reason(bench):
    b = bench()
    b.batcher.set_models({"d": Scores.unknown(("fight",))})
    b.batcher.open(1, {"d": 1})
    for index, detail in enumerate([{"reset": "start"}, {}, {"reset": "gap"}]):
        task = await b.ask("gate", index)
        await b.answer(result=Scores(np.zeros(1, np.float32), ("fight",), detail=detail))
        assert (await task).detail == detail
    assert b.metrics.value("streamer_behaviour_resets_total", model="d", reason="start") == 1
    assert b.metrics.value("streamer_behaviour_resets_total", model="d", reason="gap") == 1


async def test_nobody_answers_for_a_behaviour_with_scores_that_say_nothing(bench):
    b = bench(streams=0)
    b.batcher.set_models({"d": Scores.unknown(("fight",), {"fight": 0.4})})
    answer = await (await b.ask("gate"))
    assert isinstance(answer, Scores)
    assert not answer.telling
    assert (answer.labels, answer.thresholds) == (("fight",), {"fight": 0.4})
    assert b.batcher.unknown("d") is answer
    assert isinstance(b.batcher.unknown("gone"), Detections)


async def test_a_name_that_means_another_task_now_keeps_no_old_answer(bench):
    b = bench()
    task = await b.ask("gate")
    await b.answer()
    await task
    b.batcher.set_models({"d": Scores.unknown(LABELS)})
    assert len(b.sent) == 1
    again = await b.ask("gate")
    assert len(b.sent) == 2
    await b.answer(result=Scores(np.zeros(2, np.float32), LABELS))
    assert isinstance(await again, Scores)
