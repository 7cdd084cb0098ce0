"""Children: started, heard, killed, reaped."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from streamer.child import Child

HERE = Path(__file__).resolve().parent


@pytest.fixture
def start(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    children = []

    def start(name="echo"):
        child = Child.start("echo_child", name)
        children.append(child)
        return child

    yield start
    for child in children:
        if child.alive:
            child.kill()
            child._process.wait()
        child._close()


class Ear:
    """Collects what a child says and when it is gone."""

    def __init__(self, child):
        self.messages = []
        self.exits = 0
        self.gone = asyncio.Event()
        self.heard = asyncio.Event()
        child.listen(self._message, self._exit)

    def _message(self, message):
        self.messages.append(message)
        self.heard.set()

    def _exit(self):
        self.exits += 1
        self.gone.set()


async def wait(event):
    async with asyncio.timeout(20):
        await event.wait()


async def test_children_share_few_arenas_of_memory(monkeypatch) -> None:
    from streamer import child

    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)
    assert child._environment()["MALLOC_ARENA_MAX"] == "2"
    monkeypatch.setenv("MALLOC_ARENA_MAX", "7")
    assert child._environment()["MALLOC_ARENA_MAX"] == "7"


async def test_a_child_answers_and_stops_by_itself(start):
    child = start()
    ear = Ear(child)
    assert child.alive
    assert child.exit_status is None
    child.channel.send({"op": "echo"}, b"body")
    await wait(ear.heard)
    (message,) = ear.messages
    assert message.body == b"body"
    assert len(message.header["argv"]) == 2
    assert message.header["argv"][1].isdigit()
    assert message.header["env"]["OMP_NUM_THREADS"] == "1"
    await child.stop(20)
    assert child.exit_status == 0
    assert not child.alive
    assert ear.exits == 0  # who stops a child knows it
    await child.stop(1)  # twice is fine


async def test_exit_is_told_once_and_after_the_last_message(start):
    child = start()
    ear = Ear(child)
    child.channel.send({"op": "die"})
    await wait(ear.gone)
    assert [message.header for message in ear.messages] == [{"op": "last"}]
    assert ear.exits == 1
    assert child.exit_status == 3
    assert child.channel.closed


async def test_a_hanging_child_is_killed_at_once(start):
    child = start()
    ear = Ear(child)
    child.channel.send({"op": "hang"})
    child.kill()
    await wait(ear.gone)
    assert child.exit_status == -signal.SIGKILL
    child.kill()  # twice is fine


async def test_a_stopped_process_is_killed_too(start):
    child = start()
    ear = Ear(child)
    child.channel.send({"op": "echo"})
    await wait(ear.heard)
    os.kill(child.pid, signal.SIGSTOP)
    child.kill()
    await wait(ear.gone)
    assert not child.alive


async def test_stop_kills_who_does_not_leave(start):
    child = start()
    ear = Ear(child)
    child.channel.send({"op": "echo"})
    child.channel.send({"op": "hang"})
    await wait(ear.heard)
    await child.stop(0.01)
    assert child.exit_status == -signal.SIGKILL


async def test_stop_without_listening(start):
    child = start()
    await child.stop(20)
    assert not child.alive


def test_kill_without_a_loop_reaps(start):
    child = start()
    child.kill()
    assert not child.alive
    assert child.exit_status == -signal.SIGKILL


@pytest.mark.parametrize("op", ["garbage", "deaf"])
async def test_a_child_that_breaks_its_channel_is_killed(start, op):
    child = start()
    ear = Ear(child)
    child.channel.send({"op": op})
    await wait(ear.gone)
    assert child.exit_status == -signal.SIGKILL
    assert bool(child.channel.fault) == (op == "garbage")


async def test_generations_count_per_name(start):
    first, second, other = start("a-name"), start("a-name"), start("another-name")
    assert (first.generation, second.generation, other.generation) == (1, 2, 1)
    assert first.channel.fileno() != second.channel.fileno()
    assert len({first.pid, second.pid, other.pid}) == 3
    for child in (first, second, other):
        child.kill()


async def test_signals_of_the_terminal_do_not_reach_a_child(start):
    child = start()
    ear = Ear(child)
    child.channel.send({"op": "echo"})
    await wait(ear.heard)
    os.kill(child.pid, signal.SIGINT)
    os.kill(child.pid, signal.SIGTERM)
    ear.heard.clear()
    child.channel.send({"op": "echo"})
    await wait(ear.heard)
    assert child.alive
    await child.stop(20)


def test_a_child_dies_with_its_engine(monkeypatch):
    """An engine that is killed leaves no orphan behind: the orphan's copy of stderr is the witness."""
    script = """
        import os, signal, sys
        from streamer.child import Child
        child = Child.start("echo_child", "orphan")
        child.channel.send({"op": "echo"})
        assert child.channel.receive(20) is not None
        child.channel.send({"op": "hang"})
        os.kill(os.getpid(), signal.SIGKILL)
    """
    monkeypatch.setenv("PYTHONPATH", f"{HERE}{os.pathsep}{HERE.parent}")
    engine = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], stderr=subprocess.PIPE, timeout=30, check=False
    )  # returns only when every holder of the stderr pipe is gone
    assert engine.returncode == -signal.SIGKILL


def test_a_late_child_whose_engine_is_gone_leaves(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(HERE.parent))
    from streamer import channel

    ours, theirs = channel.pair()
    ours.close()
    done = subprocess.run(
        [sys.executable, str(HERE / "echo_child.py"), str(theirs.fileno())],
        pass_fds=[theirs.fileno()],
        timeout=30,
        check=False,
    )
    theirs.close()
    assert done.returncode == 0
