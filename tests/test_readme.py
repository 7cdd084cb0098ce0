"""The README and the docs name files that exist, commands that parse, and a site that loads."""

from __future__ import annotations

import re
import shlex

import pytest

from streamer.cli import _parser
from streamer.config import parse_site

PAGES = (
    "README.md",
    *(f"docs/{name}.md" for name in ("architecture", "benchmarks", "configuration", "dependencies", "evaluation")),
    "docs/traffic.md",
    "docs/training.md",
    "docs/tutorial.md",
    "docs/streaming.md",
    "docs/behaviours.md",
)


@pytest.fixture(params=PAGES)
def page(request, root):
    path = root / request.param
    return path, path.read_text()


def test_every_link_leads_somewhere(page):
    path, text = page
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text)
    missing = [link for link in links if "://" not in link and not (path.parent / link).exists()]
    assert missing == []


def test_every_command_in_the_readme_parses(root):
    blocks = re.findall(r"```sh\n(.*?)```", (root / "README.md").read_text(), re.DOTALL)
    lines = [line.split("  #")[0].strip() for block in blocks for line in block.splitlines()]
    commands = [shlex.split(line)[1:] for line in lines if line.startswith("streamer ")]
    assert len(commands) >= 8
    for arguments in commands:
        _parser(lazy=arguments).parse_args(arguments)


def test_the_site_in_the_readme_loads(root, tmp_path):
    block = re.search(r"```yaml\n(.*?)```", (root / "README.md").read_text(), re.DOTALL)
    assert block is not None
    text = block[1]
    site = parse_site(text, tmp_path, variables={"GATE_PASSWORD": "p@ss/word", "HOOK_SECRET": "s"})
    assert list(site.cameras) == ["gate"]
    assert [rule.kind for rule in site.pipelines["surveillance"].enabled_rules()] == ["intrusion", "loitering"]
    assert len(text.strip().splitlines()) <= 16
