"""What a frame costs, as the process of its own says it."""

import json
import subprocess
import sys

import pytest

from streamer.inference.measure import main, measure
from streamer.inference.runtimes import Plan


def test_costs_by_batch_size(tiny_file):
    costs = measure(tiny_file, Plan("onnxruntime"), [1, 2])
    assert set(costs) == {1, 2}
    assert all(0 < seconds < 0.1 for seconds in costs.values())


def test_main_prints_json(tiny_file, monkeypatch, capsys):
    plan = json.dumps(Plan("onnxruntime").to_json())
    monkeypatch.setattr(sys, "argv", ["measure", str(tiny_file), plan, "[1]"])
    assert main() == 0
    assert list(json.loads(capsys.readouterr().out)) == ["1"]


def test_main_says_what_is_wrong(tmp_path, monkeypatch, capsys):
    plan = json.dumps(Plan("onnxruntime").to_json())
    monkeypatch.setattr(sys, "argv", ["measure", str(tmp_path / "absent.onnx"), plan, "[1]"])
    assert main() == 1
    assert "no such file" in capsys.readouterr().err


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_it_runs_as_a_process(tiny_file, root, runtime):
    command = [sys.executable, "-m", "streamer.inference.measure", str(tiny_file)]
    done = subprocess.run(
        [*command, json.dumps(Plan(runtime).to_json()), "[1]"], cwd=root, capture_output=True, timeout=60, check=True
    )
    assert json.loads(done.stdout)["1"] > 0
