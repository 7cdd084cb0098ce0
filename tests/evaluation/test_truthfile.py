"""JSON and CSV say the same thing; what is wrong with either is told with its place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from streamer.errors import InputError
from streamer.evaluation.truthfile import load_truth, parse_csv, parse_json

JSON = """{
  "kinds": ["intrusion", "line_crossing"],
  "events": [
    {"camera": "gate", "kind": "intrusion", "start": 12.5, "end": 20, "zone": "yard", "label": "person"},
    {"camera": "gate", "kind": "line_crossing", "start": 31, "line": "entry", "direction": "forward"}
  ],
  "counts": [{"camera": "gate", "kind": "line_crossing", "line": "entry", "count": 4}],
  "ignore": [{"camera": "gate", "start": 40}]
}"""
CSV = """camera,kind,start,end,zone,line,label,direction,count,ignore
gate,intrusion,12.5,20,yard,,person,,,
gate,line_crossing,31,,,entry,,forward,,

gate,line_crossing,,,,entry,,,4,no
gate,,40,,,,,,,yes
"""


def test_both_forms_say_the_same() -> None:
    one, other = parse_json(JSON, "t.json"), parse_csv(CSV, "t.csv")
    assert (one.events, one.counts, one.ignored) == (other.events, other.counts, other.ignored)
    assert [event.start for event in one.events] == [12.5, 31.0]
    assert one.events[1].end is None
    assert (one.counts[0].count, one.ignored[0].kind) == (4, None)
    assert one.kinds == ("intrusion", "line_crossing")


def test_the_suffix_decides(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"\xef\xbb\xbf" + CSV.replace("\n", "\r\n").encode())  # as a spreadsheet writes it
    (tmp_path / "t.json").write_text(JSON)
    assert load_truth(tmp_path / "t.csv").events == load_truth(tmp_path / "t.json").events


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"t.json:1:2: no valid JSON"),
        ("[" * 100_000, "no valid JSON"),
        ("[]", "must be an object with the lists events, counts"),
        ('{"event": []}', "unknown key 'event'; did you mean 'events'"),
        ('{"events": {}}', "events must be a list"),
        ('{"kinds": [1]}', "kinds must be a list of words"),
        ('{"events": [3]}', r"events\[0\]: must be an object, got 3"),
        ('{"events": [{"camera": "g", "start": 1}]}', r"events\[0\]: kind is missing"),
        ('{"events": [{"camera": "g", "kind": "fall", "start": 1, "zon": "x"}]}', "unknown key 'zon'; did you mean"),
        ('{"events": [{"camera": "g", "kind": "fall", "start": 5, "end": 4}]}', "ends before it begins: start 5"),
        ('{"events": [{"camera": "g", "kind": "fall", "start": "x"}]}', "start must be a valid number.*got 'x'"),
        ('{"events": [{"camera": "g", "kind": "fall", "start": NaN}]}', "start must be a finite number"),
        ('{"counts": [{"camera": "g", "kind": "fall", "count": -1}]}', "count must be greater than or equal"),
    ],
)
def test_bad_json(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_json(text, "t.json")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "t.csv:1: no column 'camera'"),
        ("camera,kind,begin\n", "t.csv:1: unknown column 'begin'"),
        ("camera,kind,strat\n", "unknown column 'strat'; did you mean 'start'"),
        ("camera,kind,start\ngate,fall\n", "t.csv:2: start is missing"),
        ("camera,kind,start\ngate,fall,3,4\n", "t.csv:2: more fields than the 3 columns"),
        ("camera,kind,start,end\ngate,fall,3,4\ngate,fall,3,2\n", "t.csv:3: ends before it begins"),
        ("camera,kind,start,ignore\ngate,fall,3,maybe\n", "t.csv:2: ignore must be yes or no, got 'maybe'"),
    ],
)
def test_bad_csv(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_csv(text, "t.csv")


def test_all_faults_of_a_file_are_told_at_once() -> None:
    rows = [{"camera": "g", "kind": "fall", "start": 5, "end": 4}, {"camera": "g"}]
    with pytest.raises(InputError) as caught:
        parse_json(json.dumps({"events": rows, "ignore": [{"start": 1}]}), "t.json")
    assert len(str(caught.value).splitlines()) == 4


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file"):
        load_truth(tmp_path / "none.json")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="no text in UTF-8"):
        load_truth(tmp_path / "binary.csv")
