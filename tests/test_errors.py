"""The tree of errors: who catches what, and the fixed list of causes."""

from __future__ import annotations

import re

import pytest

from streamer import errors
from streamer.errors import (
    CAUSES,
    ConfigError,
    InputError,
    ModelError,
    SinkBusy,
    SinkError,
    SinkRejected,
    SourceError,
    StoreError,
    StreamerError,
    WorkerError,
)


def test_every_error_is_a_streamer_error_and_only_what_the_user_gave_is_an_input_error() -> None:
    classes = [value for value in vars(errors).values() if isinstance(value, type)]
    assert all(issubclass(cls, StreamerError) for cls in classes)
    assert {cls for cls in classes if issubclass(cls, InputError)} == {InputError, ConfigError, ModelError}
    assert {cls for cls in classes if issubclass(cls, SinkError)} == {SinkError, SinkRejected, SinkBusy}
    assert issubclass(WorkerError, StreamerError)
    assert issubclass(StoreError, StreamerError)


def test_the_docstring_draws_every_class() -> None:
    for name, value in vars(errors).items():
        if isinstance(value, type):
            assert re.search(rf"\b{name}\b", errors.__doc__ or ""), f"{name} is missing in the tree"


def test_config_error_has_one_line_a_fault() -> None:
    error = ConfigError(["site.yaml:1:1 cameras: required", "site.yaml:2:3 web.listen: bad port"])
    assert str(error) == "site.yaml:1:1 cameras: required\nsite.yaml:2:3 web.listen: bad port"
    assert len(error.faults) == 2


@pytest.mark.parametrize("cause", sorted(CAUSES))
def test_a_source_error_says_its_cause_in_words(cause: str) -> None:
    assert str(SourceError(cause)) == CAUSES[cause]
    assert str(SourceError(cause, "port 554")) == f"{CAUSES[cause]}: port 554"
    assert SourceError(cause, "port 554").detail == "port 554"
    assert SourceError(cause).cause == cause


def test_a_cause_that_is_not_on_the_list_is_a_bug() -> None:
    with pytest.raises(ValueError, match="'tired' is not one of"):
        SourceError("tired")


def test_causes_are_words_for_labels_and_sentences_for_people() -> None:
    for cause, words in CAUSES.items():
        assert re.fullmatch(r"[a-z][a-z_]*", cause)
        assert words
        assert not words.endswith(".")
        assert words[0].islower() or words.startswith("RTP")


def test_a_busy_sink_says_when() -> None:
    assert SinkBusy("come back", 30.0).retry_after_s == 30.0
