"""Rules and dashboard: every expression is about metrics and labels that exist, and promtool agrees with the rules."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from streamer.metrics import Metrics

ROOT = Path(__file__).resolve().parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "dashboards" / "streamer.json").read_text())
RULES = [rule for group in yaml.safe_load((PROMETHEUS / "rules.yml").read_text())["groups"] for rule in group["rules"]]
LABELS = {sample: set(metric.labels) for metric in Metrics().describe() for sample in metric.samples}
FROM_PROMETHEUS = {"instance", "job"}


def panels(of: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for panel in of["panels"]:
        yield panel
        yield from panels(panel) if "panels" in panel else ()


TARGETS = [(p["title"], target) for p in panels(DASHBOARD) for target in p.get("targets", [])]
EXPRESSIONS = [
    *((f"panel {title} {target['refId']}", target["expr"]) for title, target in TARGETS),
    *((f"variable {v['name']}", v["query"]["query"]) for v in DASHBOARD["templating"]["list"]),
    *((f"rule {rule['alert']}", rule["expr"]) for rule in RULES),
]


def samples_of(expression: str) -> list[tuple[str, str]]:
    """The samples that an expression names, each with what stands in its braces."""
    return re.findall(r"\b(streamer_[a-zA-Z0-9_]+)(?:\{([^}]*)\})?", expression)


@pytest.mark.parametrize(("where", "expression"), EXPRESSIONS, ids=[where for where, _ in EXPRESSIONS])
def test_every_expression_names_samples_and_labels_that_exist(where: str, expression: str) -> None:
    named = samples_of(expression)
    assert named or "up{" in expression, f"{where}: nothing of streamer in {expression!r}"
    for sample, selector in named:
        assert sample in LABELS, f"{where}: no metric exports {sample}"
        for label in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector):
            known = LABELS[sample] | FROM_PROMETHEUS
            assert label in known, f"{where}: {sample} has no label {label!r}, only {sorted(known)}"
    known = set().union(*(LABELS[sample] for sample, _ in named), FROM_PROMETHEUS)
    if any(sample.endswith("_bucket") for sample, _ in named):
        known.add("le")
    for group in re.findall(r"\b(?:by|without)\s*\(([^)]*)\)", expression):
        assert {label.strip() for label in group.split(",")} <= known, f"{where}: groups by what is not there"


@pytest.mark.parametrize(("where", "expression"), EXPRESSIONS, ids=[where for where, _ in EXPRESSIONS])
def test_types_are_used_as_they_must_be(where: str, expression: str) -> None:
    for sample, _ in samples_of(expression):
        counted = sample.endswith(("_total", "_bucket", "_sum", "_count"))
        ranged = re.search(rf"(?:rate|increase)\({sample}(?:\{{[^}}]*\}})?\[", expression)
        assert bool(ranged) == counted, f"{where}: {sample} in {expression!r}"


def test_every_value_that_is_asked_for_is_one_that_the_code_writes() -> None:
    code = "".join(path.read_text() for path in (ROOT / "streamer").rglob("*.py"))
    for where, expression in EXPRESSIONS:
        for sample, selector in samples_of(expression):
            for label, value in re.findall(r'(\w+)!?="(\w+)"', selector):
                assert f'"{value}"' in code, f"{where}: nothing sets {label}={value!r} of {sample}"


def test_the_checker_itself_finds_mistakes() -> None:
    assert "streamer_frames" not in LABELS
    assert samples_of('rate(streamer_frames{cam="x"}[5m])') == [("streamer_frames", 'cam="x"')]
    with pytest.raises(AssertionError, match="no metric exports"):
        test_every_expression_names_samples_and_labels_that_exist("x", "rate(streamer_frames[5m])")
    with pytest.raises(AssertionError, match="has no label 'cam'"):
        test_every_expression_names_samples_and_labels_that_exist("x", 'streamer_camera_up{cam="x"}')


@pytest.mark.parametrize(("title", "target"), TARGETS, ids=[f"{title} {t['refId']}" for title, t in TARGETS])
def test_legends_name_labels_that_the_result_has(title: str, target: dict[str, Any]) -> None:
    expression = target["expr"]
    kept = {label.strip() for group in re.findall(r"\bby\s*\(([^)]*)\)", expression) for label in group.split(",")}
    has = kept or set().union(*(LABELS[sample] for sample, _ in samples_of(expression)), FROM_PROMETHEUS)
    assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= has


def test_the_dashboard_is_one_that_grafana_places_without_overlap() -> None:
    ids = [panel["id"] for panel in panels(DASHBOARD)]
    assert len(ids) == len(set(ids))
    taken: set[tuple[int, int]] = set()
    for panel in panels(DASHBOARD):
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, f"{panel['title']} lies on another panel"
        taken |= cells


def test_the_dashboard_uses_the_provisioned_source() -> None:
    sources = yaml.safe_load((ROOT / "deploy/grafana/provisioning/datasources/prometheus.yml").read_text())
    uids = {source["uid"] for source in sources["datasources"]}
    assert {p["datasource"]["uid"] for p in panels(DASHBOARD) if "datasource" in p} == uids


def test_every_metric_that_tells_of_trouble_is_on_the_dashboard() -> None:
    shown = {sample for _, target in TARGETS for sample, _ in samples_of(target["expr"])}
    for metric in ("camera_up", "frames_total", "reconnects_total", "degraded", "overloaded", "dead_letters"):
        assert f"streamer_{metric}" in shown


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_rule_says_what_is_wrong_and_where_its_runbook_is(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("warning", "critical")
    assert set(rule["annotations"]) == {"summary", "description", "runbook"}
    assert rule["annotations"]["runbook"] == f"docs/operations.md#{rule['alert'].lower()}"


def test_every_rule_has_a_unit_test_in_which_it_fires() -> None:
    cases = yaml.safe_load((PROMETHEUS / "rules_test.yml").read_text())["tests"]
    fired = {test["alertname"] for case in cases for test in case["alert_rule_test"] if test["exp_alerts"]}
    assert fired == {rule["alert"] for rule in RULES}


CHECKS = [["check", "rules", "rules.yml"], ["test", "rules", "rules_test.yml"], ["check", "config", "prometheus.yml"]]


@pytest.mark.parametrize("command", CHECKS, ids=" ".join)
def test_promtool_agrees(command: list[str]) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("needs promtool (Debian package prometheus)")
    done = subprocess.run([promtool, *command], cwd=PROMETHEUS, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAILED" not in done.stdout + done.stderr


def test_the_scrape_finds_the_daemon_of_compose() -> None:
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    (job,) = config["scrape_configs"]
    host, _, port = job["static_configs"][0]["targets"][0].partition(":")
    assert job["job_name"] == "streamer"
    assert host in yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())["services"]
    assert port == "8080"
    assert config["rule_files"] == ["rules.yml"]


def test_promtool_reads_every_expression_of_the_dashboard(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("needs promtool (Debian package prometheus)")
    rules = [
        {"record": f"panel:{i}", "expr": target["expr"].replace("$__rate_interval", "5m")}
        for i, (_, target) in enumerate(TARGETS)
    ]
    file = tmp_path / "panels.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    done = subprocess.run([promtool, "check", "rules", file], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
