"""The site file: what it may say, and what is said when it is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer import log
from streamer.config import Site, load_site, parse_site
from streamer.errors import ConfigError

GOOD = """\
cameras:
  gate:
    source: rtsp://user:${GATE_PASSWORD}@10.0.0.5/stream1
    zones: {yard: [[0.1, 0.4], [0.9, 0.4], [0.9, 1.0], [0.1, 1.0]]}
    lines: {entry: {from: [0.0, 0.6], to: [1.0, 0.6]}}
    lanes: {north: {polygon: [[0, 0], [1, 0], [1, 1], [0, 1]], direction: [0, -1]}}
    pipelines: [surveillance]
pipelines:
  surveillance:
    use: surveillance
    detector: finder
    intrusion: {zones: [yard], min_seconds: 1.5, severity: critical, when: "Mon-Fri 22:00-06:00", sinks: [ops]}
models:
  finder: {file: motion, confidence: 0.3}
sinks:
  log: {type: jsonl, path: alerts.jsonl}
  ops: {type: webhook, url: "https://example.org/hook", secret: "${HOOK_SECRET}"}
alerts: {cooldown_seconds: 30, sinks: [log], min_severity: info}
storage: {dir: data}
"""
MINE = """\
from streamer import Detector, Pipeline


class Mine(Pipeline):
    detector: Detector = Detector("motion")
"""
VARIABLES = {"GATE_PASSWORD": "p@ss/w:rd#%41?", "HOOK_SECRET": "hush-hush"}


def site_of(text: str, base_dir: Path = Path("/srv"), **variables: str) -> Site:
    return parse_site(text, base_dir, VARIABLES | variables)


def faults_of(text: str, base_dir: Path = Path("/srv"), **variables: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        site_of(text, base_dir, **variables)
    return caught.value.faults


def test_a_good_site_is_resolved() -> None:
    site = site_of(GOOD)
    gate = site.cameras["gate"]
    assert (gate.address.host, gate.address.user, gate.address.password) == ("10.0.0.5", "user", "p@ss/w:rd#%41?")
    assert gate.analyze_fps == 5.0
    assert gate.pipelines == ("surveillance",)
    assert set(gate.places.zones) == {"yard"}
    assert set(gate.places.lines) == {"entry"}
    assert set(gate.places.lanes) == {"north"}
    rule = site.pipelines["surveillance"].enabled_rules()[0]
    assert (rule.kind, rule.severity, rule.sinks, str(rule.when)) == (
        "intrusion",
        "critical",
        ["ops"],
        "Mon-Fri 22:00-06:00",
    )
    assert site.models["finder"].file == "motion"
    assert site.models["finder"].overrides.confidence == 0.3
    assert site.storage.dir == Path("/srv/data")
    assert list(site.sinks) == ["log", "ops"]


def test_paths_are_relative_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "film.mp4").touch()
    file = tmp_path / "conf" / "site.yaml"
    file.write_text(GOOD.replace("rtsp://user:${GATE_PASSWORD}@10.0.0.5/stream1", "film.mp4"))
    monkeypatch.setenv("HOOK_SECRET", "x-y-z")
    monkeypatch.chdir(tmp_path)
    site = load_site(Path("conf/site.yaml"))
    assert site.cameras["gate"].url == str(tmp_path / "conf" / "film.mp4")
    assert site.storage.dir == tmp_path / "conf" / "data"
    sink = site.build_sinks()["log"]
    assert sink.path == tmp_path / "conf" / "alerts.jsonl"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("    zones: {yard", "    zone: {yard", "site:4:5 cameras.gate.zone: unknown key; did you mean 'zones'?"),
        ("min_seconds: 1.5", "min_secs: 1.5", "site:12:32 pipelines.surveillance.intrusion.min_secs: unknown key; did"),
        ("[0.9, 1.0], ", "[0.9, 1.4], ", "cameras.gate.zones.yard[2][1]: must be at most 1, got 1.4"),
        ("[0.9, 0.4], [0.9, 1.0], ", "", "cameras.gate.zones.yard: a polygon needs at least 3 points, got 2"),
        (
            "[0.9, 0.4], [0.9, 1.0]",
            "[0.9, 1.0], [0.9, 0.4]",
            "zones.yard: the polygon crosses itself: edge 1 and edge 3",
        ),
        ("to: [1.0, 0.6]", "to: [0.0, 0.6]", "cameras.gate.lines.entry: a line needs two different points"),
        (
            "pipelines: [surveillance]",
            "pipelines: [surveilance]",
            "pipelines[0]: unknown pipeline 'surveilance'; did you",
        ),
        (
            "zones: [yard]",
            "zones: [yrad]",
            "site:12:25 pipelines.surveillance.intrusion.zones[0]: zone 'yrad' is not drawn",
        ),
        ("use: surveillance", "use: surveilance", "no such entry point; known: surveillance"),
        ("use: surveillance", "used: surveillance", "pipelines.surveillance.use: is missing"),
        (
            "detector: finder",
            "detector: fnder",
            "site:11:5 pipelines.surveillance.detector: model 'fnder': no such file",
        ),
        ("file: motion", "file: nano.onnx", "models.finder.file: model 'nano.onnx': no such file (/srv/nano.onnx)"),
        (
            "sinks: [ops]",
            "sinks: [opps]",
            "pipelines.surveillance.intrusion.sinks[0]: unknown sink 'opps'; did you mean",
        ),
        ("sinks: [log]", "sinks: [lgo]", "site:18:40 alerts.sinks[0]: unknown sink 'lgo'; did you mean 'log'?"),
        ("type: jsonl", "type: jsnl", "sinks.log.type: 'jsnl' is no type of sink; did you mean 'jsonl'?"),
        ("path: alerts.jsonl", "pth: alerts.jsonl", "sinks.log.pth: unknown key; did you mean 'path'?"),
        ("min_severity: info", "min_severity: high", "must be one of 'info', 'warning' or 'critical', got 'high'"),
        ("cooldown_seconds: 30", "cooldown_seconds: soon", "alerts.cooldown_seconds: must be a number, got 'soon'"),
        ("storage:", "storge:", "site:19:1 storge: unknown key; did you mean 'storage'?"),
        ("storage: {dir: data}", "storage: {dir: '${HOME}'}", "storage.dir: ${...} may stand only in"),
        ("rtsp://user", "rstp://user", "cameras.gate.source: unknown protocol rstp://; did you mean 'rtsp'?"),
        (
            "rtsp://user:${GATE_PASSWORD}@10.0.0.5/stream1",
            "film.mp4",
            "cameras.gate.source: no such file: /srv/film.mp4",
        ),
        ("${GATE_PASSWORD}", "${NOT_SET}", "site:3:5 cameras.gate.source: the environment variable NOT_SET is not set"),
        ("${HOOK_SECRET}", "${NOT_SET}", "sinks.ops.secret: the environment variable NOT_SET is not set"),
        ("${HOOK_SECRET}", "${HOOK SECRET}", "${HOOK SECRET} is no name of an environment variable"),
        ("  gate:", "  'gate 1':", "cameras.gate 1: a name has 1 to 63 letters, digits, '-' and '_'"),
        ("  surveillance:\n", "  system:\n", "pipelines.system: is the name of the system's own events"),
        (
            "severity: critical",
            "severity: critical, labels: [dog]",
            "intrusion.labels: model 'finder' reports none of dog",
        ),
        ("models:", "models: {}\nmodels:", "site:14:1 models: this key stands here twice; first in line 13"),
    ],
)
def test_every_fault_has_its_place_and_words(old: str, new: str, expected: str) -> None:
    assert old in GOOD
    faults = faults_of(GOOD.replace(old, new, 1))
    assert len([fault for fault in faults if expected in fault]) == 1, faults


def test_all_faults_are_told_at_once_in_the_order_of_the_file() -> None:
    text = GOOD.replace("zones: {yard", "zone: {yard").replace("type: jsonl", "type: x").replace("storage", "storge")
    faults = faults_of(text)
    lines = [int(fault.split(":")[1]) for fault in faults]
    assert lines == sorted(lines)
    assert {4, 16, 19} <= set(lines)


def test_a_fault_in_one_section_hides_none_in_another() -> None:
    text = (
        GOOD.replace("source: rtsp", "sauce: rtsp")
        .replace("file: motion", "file: none.onnx")
        .replace("type: w", "type: v")
    )
    found = "\n".join(faults_of(text))
    for expected in ("cameras.gate.source: is missing", "models.finder.file: model 'none.onnx'", "sinks.ops.type: "):
        assert expected in found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "the file is empty"),
        ("# only words\n", "the file is empty"),
        ("- a\n- b\n", "expected sections such as `cameras:`"),
        ("cameras: [\n", "site:2:1: no valid YAML"),
        ("cameras:\n\tgate: 1\n", "site:2:1: no valid YAML: found character that cannot start any token"),
        ("a: !!python/object:os.system x\n", "does not fit here"),
        ("&a [*a]\n", "an alias that contains itself"),
        ("cameras: {}\npipelines: {}\n", "cameras: is missing: a site needs at least one"),
        ("cameras: 5\npipelines: {p: {use: surveillance}}\n", "cameras: must be names"),
        ("cameras: {gate: }\npipelines: {p: {use: surveillance}}\n", "cameras.gate.source: is missing"),
        ("pipelines: {p: }\n", "pipelines.p.use: is missing"),
    ],
)
def test_files_that_are_no_site(text: str, expected: str) -> None:
    assert any(expected in fault for fault in faults_of(text))


def test_values_that_yaml_1_1_would_mangle_stay_what_was_written() -> None:
    site = site_of(GOOD.replace("gate:", "on:").replace("yard", "no"))
    assert list(site.cameras) == ["on"]
    assert list(site.cameras["on"].places.zones) == ["no"]


def test_what_cameras_share_is_written_once() -> None:
    text = "x-all: &all {analyze_fps: 7, transport: udp}\n" + GOOD.replace("  gate:\n", "  gate:\n    <<: *all\n")
    assert (site_of(text).cameras["gate"].analyze_fps, site_of(text).cameras["gate"].transport) == (7.0, "udp")
    own = text.replace("    <<: *all\n", "    <<: *all\n    analyze_fps: 3\n")
    assert site_of(own).cameras["gate"].analyze_fps == 3.0


def test_aliases_that_explode_are_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    assert any("aliases that repeat aliases" in fault for fault in faults_of("\n".join(lines)))


def test_the_purpose_decides_which_variables_must_be_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "site.yaml"
    path.write_text(GOOD)
    with pytest.raises(ConfigError, match="GATE_PASSWORD is not set"):
        load_site(path, "check")
    with pytest.raises(ConfigError, match="HOOK_SECRET is not set"):
        load_site(path, "sinks")
    assert set(load_site(path, "replay").cameras) == {"gate"}
    monkeypatch.setenv("GATE_PASSWORD", "anything")
    assert set(load_site(path, "check").sinks) == {"log", "ops"}
    with pytest.raises(ConfigError, match="HOOK_SECRET is not set"):
        load_site(path, "run")


@given(
    st.text(st.characters(codec="utf-8", exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=40)
)
def test_passwords_hold_any_character(password: str) -> None:
    gate = site_of(GOOD, GATE_PASSWORD=password).cameras["gate"]
    assert (gate.address.user, gate.address.password, gate.address.host) == ("user", password, "10.0.0.5")


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=6, max_size=40))
def test_no_dump_shows_a_credential(secret: str) -> None:
    site = site_of(GOOD, GATE_PASSWORD="pw" + secret + "pw", HOOK_SECRET="hs" + secret + "hs")
    for text in (site.text(), site.summary(), repr(site), repr(site.cameras["gate"])):
        assert "pw" + secret + "pw" not in text
        assert "hs" + secret + "hs" not in text


def test_secrets_are_known_to_the_log() -> None:
    site_of(GOOD, GATE_PASSWORD="gatepw-17", HOOK_SECRET="hooksecret-17")
    assert log.secrets.scrub("a gatepw-17 b hooksecret-17 c") == "a *** b *** c"


def test_user_and_password_may_come_in_one_variable() -> None:
    gate = site_of(GOOD.replace("user:${GATE_PASSWORD}", "${BOTH}"), BOTH="me:se/cr@et").cameras["gate"]
    assert (gate.address.user, gate.address.password) == ("me", "se/cr@et")


def test_a_doubled_dollar_is_a_plain_one() -> None:
    gate = site_of(GOOD.replace("${GATE_PASSWORD}", "a$$b$c")).cameras["gate"]
    assert gate.address.password == "a$b$c"


def test_a_pipeline_file_beside_the_site_and_a_sub_stream(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    text = "cameras: {a: {source: {analyze: usb:0}, pipelines: [p]}}\npipelines: {p: {use: mine.py}}\n"
    site = site_of(text, tmp_path)
    assert type(site.pipelines["p"]).__name__ == "Mine"
    assert site.models["motion"].file == "motion"
    assert site.cameras["a"].address.scheme == "device"


TWO = GOOD.replace(
    "source: rtsp://user:${GATE_PASSWORD}@10.0.0.5/stream1",
    'source: {analyze: "rtsp://u:${GATE_PASSWORD}@10.0.0.5/sub", record: "rtsp://u:${GATE_PASSWORD}@10.0.0.5/main"}',
)


def test_a_main_stream_for_the_evidence() -> None:
    site = site_of(TWO)
    gate = site.cameras["gate"]
    assert gate.address.target == "/sub"
    assert gate.record_url is not None
    assert gate.record_url.endswith("@10.0.0.5/main")
    assert site.kept("gate") == {"ring_bytes": 16_000_000, "ring_s": 4.0}
    shown = site.text()
    assert VARIABLES["GATE_PASSWORD"] not in shown
    assert "record: rtsp://***@10.0.0.5/main" in shown
    assert "p@ss" not in repr(gate)


def test_a_rule_that_shows_what_was_before_has_it_kept() -> None:
    lights = """
signals: {north: {http: {token: t0ken-of-the-feed}}}
"""
    junction = "  lights: {use: traffic, red_light: {stop_lines: {entry: north}, labels: [motion]}}\n"
    text = GOOD.replace("\npipelines:\n", "\npipelines:\n" + junction, 1) + lights
    assert junction in text
    assert site_of(text).kept("gate") == {"ring_bytes": 0, "ring_s": 0.0}, "no camera has it yet"
    watched = site_of(text.replace("pipelines: [", "pipelines: [lights, ", 1))
    assert watched.kept("gate") == {"ring_bytes": 16_000_000, "ring_s": 14.0}


def test_clips_are_off_unless_asked_for_and_readers_keep_as_much_as_they_need() -> None:
    site = site_of(GOOD)
    assert site.clip("gate") is None
    assert site.kept("gate") == {"ring_bytes": 0, "ring_s": 0.0}
    filmed = site_of(GOOD.replace("alerts: {", "alerts: {clip: {after_seconds: 8}, "))
    clip = filmed.clip("gate")
    assert clip is not None
    assert (clip.before_seconds, clip.after_seconds) == (5.0, 8.0)
    assert filmed.kept("gate") == {"ring_bytes": 16_000_000, "ring_s": 17.0}
    assert not filmed.same_camera(site, "gate"), "its reader must keep more from now on"
    assert filmed.same_camera(filmed, "gate")


def test_what_sends_no_packets_has_no_clips() -> None:
    text = GOOD.replace("alerts: {", "alerts: {clip: {}, ").replace(
        "source: rtsp://user:${GATE_PASSWORD}@10.0.0.5/stream1", "source: usb:0"
    )
    assert site_of(text).clip("gate") is None


def test_a_clip_excludes_a_privacy_mask(tmp_path: Path) -> None:
    camera = """
cameras:
  gate:
    source: rtsp://a/b
    zones: {yard: [[0, 0], [1, 0], [1, 1]]}
    pipelines: [surveillance]
"""
    masks = """
    masks:
      window: {polygon: [[0, 0], [0.2, 0], [0.2, 0.2]], privacy: true}
      tree: {polygon: [[0, 0], [0.2, 0], [0.2, 0.2]], ignore: [motion]}
"""
    rest = """
pipelines: {surveillance: {use: surveillance, intrusion: {zones: [yard]}}}
"""
    clip = """
alerts: {clip: {before_seconds: 3}}
"""
    with pytest.raises(ConfigError) as caught:
        parse_site(camera + masks + rest + clip, tmp_path)
    (fault,) = caught.value.faults
    assert "cameras.gate" in fault
    assert "alerts.clip" in fault
    assert "privacy mask window" in fault
    for text in (camera + masks + rest, camera + rest + clip):
        assert parse_site(text, tmp_path).cameras["gate"].name == "gate"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("{analyze: usb:0, record: usb:1}", "source.record: a record stream comes over the network"),
        ('{analyze: "rtsp://a/b", record: film.mp4}', "source.record"),
        ('{analyze: "rtsp://a/b", record: "rtps://a/c"}', "unknown protocol rtps://"),
        ('{analyze: "rtsp://a/b", record: "rtsp://"}', "source.record: no host name"),
        ('{analyze: "rtsp://a/b", rekord: "rtsp://a/c"}', "rekord"),
    ],
)
def test_a_record_stream_that_cannot_be_one(source: str, words: str) -> None:
    text = GOOD.replace("source: rtsp://user:${GATE_PASSWORD}@10.0.0.5/stream1", f"source: {source}")
    assert any(words in fault for fault in faults_of(text))


def test_changes_name_what_was_added_removed_and_changed() -> None:
    old = site_of(GOOD)
    assert site_of(GOOD).changes(old) == ""
    new = site_of(
        GOOD.replace("  log: {type: jsonl, path: alerts.jsonl}\n", "  log2: {type: jsonl, path: b.jsonl}\n")
        .replace("sinks: [log]", "sinks: [log2]")
        .replace(
            "  gate:\n",
            "  door: {source: usb:0, zones: {yard: [[0,0],[1,0],[1,1]]}, pipelines: [surveillance]}\n  gate:\n",
        )
        .replace("min_seconds: 1.5", "min_seconds: 2")
        .replace("confidence: 0.3", "confidence: 0.4")
    )
    assert new.changes(old) == (
        "cameras +door; pipelines ~surveillance; models ~finder; sinks +log2 -log; alerts changed"
    )
    assert not new.same_camera(old, "gate")
    assert new.restart_needed(old) == []


def test_a_secret_that_changed_is_a_change() -> None:
    assert site_of(GOOD, HOOK_SECRET="another").changes(site_of(GOOD)) == "sinks ~ops"
    assert not site_of(GOOD, GATE_PASSWORD="another").same_camera(site_of(GOOD), "gate")


def test_other_sections_need_a_restart() -> None:
    text = (
        GOOD.replace("dir: data", "dir: elsewhere") + "web: {listen: 127.0.0.1:9999}\nhealth: {offline_seconds: 20}\n"
    )
    assert site_of(text).restart_needed(site_of(GOOD)) == ["health", "storage", "web"]
    assert site_of(GOOD + "stop_seconds: 20\n").changes(site_of(GOOD)) == "stop_seconds changed"


def test_a_camera_is_the_same_while_only_others_change() -> None:
    more = GOOD.replace(
        "  gate:\n", "  door: {source: usb:0, zones: {yard: [[0,0],[1,0],[1,1]]}, pipelines: [surveillance]}\n  gate:\n"
    )
    assert site_of(more).same_camera(site_of(GOOD), "gate")
    assert not site_of(more).same_camera(site_of(GOOD), "door")
    assert not site_of(GOOD.replace("confidence: 0.3", "confidence: 0.4")).same_camera(site_of(GOOD), "gate")


def test_a_pipeline_file_that_was_edited_is_a_change(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    text = "cameras: {a: {source: usb:0, pipelines: [p]}}\npipelines: {p: {use: mine.py}}\n"
    old = site_of(text, tmp_path)
    (tmp_path / "mine.py").write_text(MINE + "    more: int = 1\n")
    assert site_of(text, tmp_path).changes(old) == "pipelines ~p"


def test_a_wrong_model_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"not a model at all")
    faults = faults_of(GOOD.replace("file: motion", "file: bad.onnx"), tmp_path)
    assert len(faults) == 1
    assert faults[0].startswith("site:14:12 models.finder.file: model ")
    assert "bad.onnx" in faults[0]


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not UTF-8 text"):
        load_site(tmp_path / "site.yaml")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load_site(tmp_path)


def test_schedules_of_rules_are_read_in_the_time_zone_of_the_site() -> None:
    """22:30 in Berlin is 15:30 in Montreal, where the rule names its own zone."""
    text = GOOD.replace("alerts: {", "alerts: {timezone: Europe/Berlin, ")
    late_in_berlin = 1_700_515_800.0  # Monday 2023-11-20 21:30 UTC
    for source, expected in ((text, True), (text.replace('06:00"', '06:00 America/Montreal"'), False)):
        rule = site_of(source).pipelines["surveillance"].enabled_rules()[0]
        assert rule.holds_at(late_in_berlin) is expected


MASKED = GOOD.replace(
    "    pipelines: [surveillance]",
    "    masks: {window: {polygon: [[0, 0], [0.2, 0], [0.2, 0.2]], ignore: [motion], privacy: true}}\n"
    "    tamper: false\n    pipelines: [surveillance]",
    1,
)


def test_masks_reach_the_reader_and_a_change_of_them_touches_only_their_camera() -> None:
    door = (
        "  door:\n    source: rtsp://10.0.0.6/a\n    zones: {yard: [[0, 0], [1, 0], [1, 1]]}\n"
        "    pipelines: [surveillance]\n"
    )
    site = site_of(MASKED.replace("pipelines:\n  surv", door + "pipelines:\n  surv"))
    gate = site.cameras["gate"]
    assert gate.places.hidden() == (((0.0, 0.0), (0.2, 0.0), (0.2, 0.2)),)
    assert [zone.name for zone in gate.places.ignored("motion")] == ["window"]
    assert gate.places.ignored("detections") == []
    assert not gate.tamper
    assert site.cameras["door"].tamper
    assert "window" in site.summary()
    moved = site_of(
        MASKED.replace("[0.2, 0.2]", "[0.2, 0.3]").replace("pipelines:\n  surv", door + "pipelines:\n  surv")
    )
    assert not moved.same_camera(site, "gate")
    assert moved.same_camera(site, "door")
    assert moved.changes(site) == "cameras ~gate"


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        ("{polygon: [[0, 0], [1, 0], [1, 1], [0, 1]], privacy: true}", "covers 100% of the picture"),
        ("{polygon: [[0, 0], [1, 0], [1, 1], [0, 1]], ignore: [detections]}", "`ignore: [detections]` (window)"),
        ("{polygon: [[0, 0], [1, 0], [1, 1], [0, 1]]}", "a mask must do something"),
        ("{polygon: [[0, 0], [1, 1], [1, 0], [0, 1]], privacy: true}", "crosses itself"),
        ("{polygon: [[0, 0], [1, 0], [1, 1]], ignore: [movement]}", "motion"),
        ("{polygon: [[0, 0], [1, 0], [1, 2]], privacy: true}", "polygon"),
    ],
)
def test_a_mask_that_hides_all_or_nothing_is_an_error(mask: str, words: str) -> None:
    faults = faults_of(
        MASKED.replace("{polygon: [[0, 0], [0.2, 0], [0.2, 0.2]], ignore: [motion], privacy: true}", mask)
    )
    assert len(faults) == 1
    assert "cameras.gate.masks.window" in faults[0]
    assert words in faults[0]


def test_masks_that_together_hide_all_are_an_error() -> None:
    left, right = "[[0, 0], [0.5, 0], [0.5, 1], [0, 1]]", "[[0.5, 0], [1, 0], [1, 1], [0.5, 1]]"
    halves = f"{{a: {{polygon: {left}, privacy: true}}, b: {{polygon: {right}, privacy: true}}}}"
    (fault,) = faults_of(GOOD.replace("    pipelines: [surv", f"    masks: {halves}\n    pipelines: [surv", 1))
    assert "`privacy: true` (a, b) covers 100% of the picture: nothing is left to watch" in fault


def test_fuse_needs_motion_as_its_second() -> None:
    site = site_of(GOOD.replace("detector: finder", "detector: {fuse: [finder, motion]}"))
    assert set(site.models) == {"finder", "motion"}
    (fault,) = faults_of(GOOD.replace("detector: finder", "detector: {fuse: [finder, nobody]}"))
    assert "model 'nobody'" in fault
