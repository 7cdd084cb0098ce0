"""The import contract is complete, and the lists of dependencies agree with each other."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
CONTRACTS = {contract["id"]: contract for contract in PROJECT["tool"]["importlinter"]["contracts"]}
TRAINING_ONLY = {"torch", "torchvision"}
"""What the edge installation does without."""


def test_every_module_has_a_floor() -> None:
    named = {name.strip("() ") for layer in CONTRACTS["floors"]["layers"] for name in re.split(r"[|:]", layer)}
    here = {path.stem for path in (ROOT / "streamer").glob("*.py")} - {"__init__"}
    here |= {path.parent.name for path in (ROOT / "streamer").glob("*/__init__.py")}
    assert here <= named
    assert CONTRACTS["floors"]["exhaustive"] is True


def test_no_floor_of_the_contract_is_empty() -> None:
    named = {name.strip("() ") for layer in CONTRACTS["floors"]["layers"] for name in re.split(r"[|:]", layer)}
    for name in named:
        assert (ROOT / "streamer" / f"{name}.py").exists() or (ROOT / "streamer" / name).is_dir(), name


def test_doors_exist() -> None:
    for contract in CONTRACTS.values():
        for door in contract.get("allowed_importers", []):
            if "*" not in door:
                path = ROOT / door.replace(".", "/")
                assert path.is_dir() or path.with_suffix(".py").is_file(), (contract["id"], door)


@pytest.mark.parametrize("folder", ["streamer", "pipelines"])
def test_no_file_is_too_long(folder: str) -> None:
    for path in (ROOT / folder).rglob("*.py"):
        lines = len(path.read_text().splitlines())
        most = 340 if path.name == "engine.py" else 300  # the main path is read as one
        assert lines <= most, f"{path.relative_to(ROOT)} has {lines} lines: split it by meaning"


def test_edge_requirements_are_those_of_the_project_without_torch() -> None:
    project = {_name(text): text for text in PROJECT["project"]["dependencies"]}
    lines = (ROOT / "deploy" / "edge-requirements.txt").read_text().splitlines()
    edge = {_name(text): text for text in lines if text and not text.startswith("#")}
    assert set(project) - set(edge) == TRAINING_ONLY
    assert {name: project[name] for name in edge} == edge


def test_every_dependency_is_explained() -> None:
    page = (ROOT / "docs" / "dependencies.md").read_text()
    extras = PROJECT["project"]["optional-dependencies"]
    for text in [*PROJECT["project"]["dependencies"], *extras["apprise"], *extras["dev"]]:
        assert re.search(rf"(?:^|\W){re.escape(_name(text))}\W", page), f"{_name(text)} is not in docs/dependencies.md"


def _name(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9_.-]+", requirement)
    assert found is not None
    return found.group(0)
