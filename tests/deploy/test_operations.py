"""The runbook: every cause and every alert has its heading, and nothing that is gone still has one."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from streamer.errors import CAUSES
from streamer.metrics import Metrics

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text()
ALERTS = [
    rule["alert"]
    for group in yaml.safe_load((ROOT / "deploy/prometheus/rules.yml").read_text())["groups"]
    for rule in group["rules"]
]


def headings(section: str) -> list[str]:
    (body,) = re.findall(rf"^## {section}\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S)
    return re.findall(r"^### (.+)$", body, re.M)


def test_every_cause_says_what_to_do_in_the_order_of_the_list() -> None:
    assert headings("What a camera can have") == list(CAUSES)


def test_every_alert_has_its_runbook_in_the_order_of_the_rules() -> None:
    assert headings("Alerts of Prometheus") == ALERTS


def test_no_heading_is_empty() -> None:
    for heading, body in re.findall(r"^### ([^\n]+)\n(.*?)(?=^#|\Z)", PAGE, re.M | re.S):
        assert len(body.split()) >= 10, f"{heading}: says nothing"


def test_links_lead_somewhere() -> None:
    anchors = {re.sub(r"[^a-z0-9 _-]", "", h.lower()).replace(" ", "-") for h in re.findall(r"^#+ (.+)$", PAGE, re.M)}
    for target in re.findall(r"\]\(([^)]+)\)", PAGE):
        if target.startswith("#"):
            assert target[1:] in anchors, target
        else:
            assert (ROOT / "docs" / target).exists(), target


def test_metrics_that_are_named_exist() -> None:
    exported = {name for metric in Metrics().describe() for name in (metric.name, *metric.samples)}
    named = set(re.findall(r"streamer_[a-z_]+", PAGE))
    assert named
    assert named <= exported
