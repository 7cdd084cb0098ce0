"""Unit file, container and compose: what they promise is in them, and systemd can read the unit."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from streamer.config import Site, load_site
from streamer.web.settings import WebSettings

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
UNIT = (DEPLOY / "streamer.service").read_text()
CONTAINERFILE = (DEPLOY / "Containerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SITE: dict[str, Any] = yaml.safe_load((DEPLOY / "site.yaml").read_text())


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Site:
    """The site of compose, read as the daemon reads it."""
    monkeypatch.setenv("GATE_PASSWORD", "open-sesame-4711")
    return load_site(DEPLOY / "site.yaml")


def setting(name: str) -> str:
    (value,) = re.findall(rf"^{name}=(.*)$", UNIT, re.M)
    return str(value)


# --- systemd ---


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Type", "notify"),
        ("NotifyAccess", "main"),
        ("KillMode", "mixed"),
        ("Restart", "always"),
        ("RestartPreventExitStatus", "2"),
        ("StartLimitIntervalSec", "0"),
        ("OOMPolicy", "continue"),
        ("DynamicUser", "yes"),
        ("StateDirectory", "streamer"),
        ("StateDirectoryMode", "0700"),
        ("NoNewPrivileges", "yes"),
        ("ProtectSystem", "strict"),
        ("CapabilityBoundingSet", ""),
        ("SystemCallFilter", "@system-service"),
        ("LimitCORE", "0"),
        ("ExecReload", "/bin/kill -HUP $MAINPID"),
        ("EnvironmentFile", "-/etc/streamer/secrets.env"),
    ],
)
def test_the_unit_promises(name: str, value: str) -> None:
    assert setting(name) == value


def test_the_unit_gives_the_daemon_more_time_than_it_takes(site: Site) -> None:
    # the watchdog is fed every second and the daemon stays silent after 15 s without progress
    assert int(setting("WatchdogSec")) >= 20
    assert int(setting("TimeoutStopSec")) > site.stop_seconds + 5


def test_no_secret_on_the_command_line() -> None:
    assert setting("ExecStart") == "/opt/streamer/bin/streamer run /etc/streamer/site.yaml"
    assert "Environment=HOME=/var/lib/streamer" in UNIT


def test_nothing_that_machine_code_at_run_time_dies_of() -> None:
    assert not re.search(r"^MemoryDenyWriteExecute=", UNIT, re.M)
    assert not re.search(r"^ProcSubset=", UNIT, re.M), "CPU counts and memory are read from /proc"


def test_systemd_reads_the_unit(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("needs systemd-analyze (Debian package systemd)")
    unit = tmp_path / "streamer.service"
    # the only thing that a machine without an installation lacks is the program itself
    unit.write_text(UNIT.replace("/opt/streamer/bin/streamer", sys.executable))
    done = subprocess.run([analyze, "verify", unit], capture_output=True, text=True, timeout=60, check=False)
    complaints = [line for line in done.stderr.splitlines() if "streamer.service" in line]
    assert complaints == []


# --- the container ---


def instructions() -> list[tuple[str, str]]:
    """Each instruction of the Containerfile with its argument, continuation lines joined."""
    text = re.sub(r"^#.*\n", "", CONTAINERFILE, flags=re.M).replace("\\\n", " ")
    return [(line.split()[0], line.partition(" ")[2].strip()) for line in text.splitlines() if line.strip()]


def final_stage() -> dict[str, str]:
    last = max(i for i, (word, _) in enumerate(instructions()) if word == "FROM")
    return dict(instructions()[last:])


def test_the_image_runs_as_nobody_important() -> None:
    assert final_stage()["USER"] == "10001:10001"
    assert final_stage()["VOLUME"] == "/var/lib/streamer"


def test_signals_reach_the_daemon() -> None:
    assert final_stage()["ENTRYPOINT"] == '["streamer"]', "the exec form: a shell would swallow SIGTERM"
    assert final_stage()["CMD"] == '["run", "/etc/streamer/site.yaml"]'
    assert final_stage()["STOPSIGNAL"] == "SIGTERM"


def test_a_dark_camera_does_not_restart_the_container() -> None:
    assert "/healthz" in final_stage()["HEALTHCHECK"]
    assert "/readyz" not in final_stage()["HEALTHCHECK"]


def test_python_is_one_that_the_package_supports() -> None:
    bases = {argument.split()[0] for word, argument in instructions() if word == "FROM"}
    assert bases == {"docker.io/library/python:3.13-slim"}
    assert 'requires-python = ">=3.11,<3.14"' in (ROOT / "pyproject.toml").read_text()


def test_everything_that_is_copied_exists_and_is_all_that_the_build_needs() -> None:
    copied = [
        source
        for word, argument in instructions()
        if word == "COPY" and not argument.startswith("--from")
        for source in argument.split()[:-1]
    ]
    sent = re.findall(r"^!(.+)$", (DEPLOY / "Containerfile.dockerignore").read_text(), re.M)
    for source in copied:
        assert (ROOT / source).exists(), source
        assert source in sent, f"{source} is not sent to the build"
    assert {"pyproject.toml", "README.md", "streamer", "pipelines"} <= set(copied)


def test_both_variants_are_known_and_others_refused() -> None:
    (install,) = (argument for word, argument in instructions() if word == "RUN" and "case" in argument)
    assert re.search(r"edge\) \S*pip install --no-deps /src ;;", install)
    assert re.search(r"full\) \S*pip install /src ;;", install)
    assert "exit 2" in install
    assert "torch" not in re.sub(r"#.*", "", (DEPLOY / "edge-requirements.txt").read_text())


def test_no_secret_is_baked_in() -> None:
    for word, argument in instructions():
        assert not (word in ("ARG", "ENV") and re.search(r"password|secret|token|key", argument, re.I))
        assert not (word == "COPY" and "secrets" in argument)


# --- compose ---


def test_nothing_of_compose_is_reachable_from_other_machines() -> None:
    for name, service in COMPOSE["services"].items():
        for port in service["ports"]:
            assert port.startswith("127.0.0.1:"), f"{name} publishes {port}"


def test_every_file_that_compose_mounts_exists() -> None:
    for service in COMPOSE["services"].values():
        for mount in service["volumes"]:
            source = mount.split(":")[0]
            assert (DEPLOY / source).exists() if source.startswith(".") else source in COMPOSE["volumes"]
    assert (DEPLOY / COMPOSE["services"]["streamer"]["build"]["context"]).resolve() == ROOT
    assert (ROOT / COMPOSE["services"]["streamer"]["build"]["dockerfile"]).exists()


def test_images_are_pinned() -> None:
    for name in ("prometheus", "grafana"):
        assert re.search(r":v?\d+\.\d+\.\d+$", COMPOSE["services"][name]["image"])


def test_the_daemon_has_time_to_stop() -> None:
    grace_s = int(COMPOSE["services"]["streamer"]["stop_grace_period"].removesuffix("s"))
    assert grace_s == int(setting("TimeoutStopSec"))


def test_the_site_of_compose_answers_its_scraper_and_keeps_its_secrets_elsewhere() -> None:
    web = WebSettings.model_validate(SITE["web"])
    assert "streamer" in web.allowed_hosts
    assert web.port == 8080
    source = SITE["cameras"]["gate"]["source"]
    named = re.findall(r"\$\{(\w+)\}", source)
    assert named
    assert set(named) <= set(re.findall(r"^(\w+)=", (DEPLOY / "secrets.env.example").read_text(), re.M))


def test_the_site_of_compose_passes_the_check(site: Site) -> None:
    assert list(site.cameras) == ["gate"]
    assert str(site.storage.dir) == setting("WorkingDirectory"), "one folder, however it is run"
