"""The log: what a line looks like, and above all what never stands in one."""

from __future__ import annotations

import base64
import html
import io
import json
import logging
import re
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from yarl import URL

from streamer import log
from streamer.log import MASK, Secrets


@pytest.fixture(autouse=True)
def _untouched_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`setup` changes the process on purpose: put everything back."""
    root, libav = logging.getLogger(), logging.getLogger("libav")
    kept = root.handlers[:], root.level, libav.level, logging.raiseExceptions, sys.excepthook, threading.excepthook
    monkeypatch.setattr(log, "secrets", Secrets())
    yield
    logging.captureWarnings(False)
    root.handlers[:], root.level, libav.level = kept[0], kept[1], kept[2]
    logging.raiseExceptions, sys.excepthook, threading.excepthook = kept[3], kept[4], kept[5]


def _as_is(text: str) -> str:
    return text


# A password typed raw into a URL where that URL still has a reading, and as a careful person writes it: quoted.
RAW_SHAPES: dict[str, str] = {
    "userinfo": "rtsp://admin:{}@10.0.0.5:554/stream1",
    "user with dots": "rtsp://first.last:{}@cam.example.org/live/ch0?x=1",
    "user with @": "rtsp://admin@example.org:{}@10.0.0.5/stream1",
    "user quoted": "rtsp://admin%40example.org:{}@10.0.0.5/stream1",
    "IPv6": "rtsp://admin:{}@[fe80::1%25eth0]:554/stream1",
    "no host": "rtsp://admin:{}@",
    "no scheme": "admin:{}@10.0.0.5/stream1",
    "@ later on": "http://admin:{}@10.0.0.5/snap@2x.jpg?mail=a@b",
    "nested": "http://proxy.local/view?src=rtsp://admin:{}@10.0.0.5/stream1",
}
QUERY_SHAPES: dict[str, str] = {
    "query last": "http://10.0.0.5/flv?port=1935&user=admin&password={}",
    "query first": "http://10.0.0.5/flv?password={}&user=admin",
    "query middle": "rtsp://10.0.0.5/live?usr=admin&pwd={}&stream=0",
    "semicolons": "rtsp://10.0.0.5/live?user=admin;pass={};stream=0",
    "capitals": "http://10.0.0.5/cgi-bin/encoder?USER=admin&PWD={}&GET_STREAM",
    "loginpas": "http://10.0.0.5/videostream.cgi?loginuse=admin&loginpas={}",
    "token": "https://10.0.0.5/hls/index.m3u8?access_token={}#live",
    "key": "https://10.0.0.5/hls/index.m3u8?api-key={}",
    "xiongmai": "rtsp://10.0.0.5:554/user=admin_password={}_channel=1_stream=0.sdp?real_stream",
    "xiongmai &": "rtsp://10.0.0.5:554/user=admin&password={}&channel=1&stream=0.sdp",
    "xiongmai short": "rtsp://10.0.0.5:554/user=admin_password={}",
    "xiongmai track": "rtsp://10.0.0.5:554/user=admin_password={}_stream=0.sdp/trackID=0",
}
SPELLINGS: dict[str, Callable[[str], str]] = {
    "as is": _as_is,
    "quoted": quote,
    "quoted whole": lambda text: quote(text, safe=""),
    "quoted twice": lambda text: quote(quote(text, safe=""), safe=""),
    "form": quote_plus,
    "lower hex": lambda text: re.sub("%[0-9A-F]{2}", lambda m: m[0].lower(), quote(text, safe="")),
    "repr": repr,
    "repr twice": lambda text: repr([repr(text)]),
    "bytes": lambda text: repr(text.encode("utf-8", "surrogatepass")),
    "ascii": ascii,
    "json": json.dumps,
    "json, not ascii": lambda text: json.dumps(text, ensure_ascii=False),
    "json of repr": lambda text: json.dumps(repr(text)),
    "html": html.escape,
}
PASSWORDS = st.text(
    st.characters(exclude_characters="*", exclude_categories=["Cs"]), min_size=3, max_size=24
) | st.text("ab1@:/?#%&=+_.\\'\"<> ;é[]", min_size=3, max_size=12)


def leaks(password: str, text: str) -> list[str]:
    """The spellings in which the password stands in the text (found without the scrubber's own machinery)."""
    return [name for name, spell in SPELLINGS.items() if _bare(spell, password) in text]


def _bare(spell: Callable[[str], str], password: str) -> str:
    """The spelling without the quotes and brackets around it."""
    marked = spell(f"S{password}E")
    return marked[marked.index("S") + 1 : marked.rindex("E")]


@pytest.mark.parametrize("shape", RAW_SHAPES.values(), ids=RAW_SHAPES.keys())
@pytest.mark.parametrize("typed", [_as_is, lambda text: quote(text, safe="")], ids=["raw", "quoted"])
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(password=PASSWORDS)
@example("p@ss/w:ord?#")
@example("100%41abc")
@example('it\'s "quoted"\\ twice\\\\')
@example("a://b:c@d")
@example("ab_cd=ef")
@example("[::1]")
@example("\x00\n\t\x1b[2J")
@example("пароль\U0001f600")
def test_no_password_of_a_userinfo_survives(shape: str, typed: Callable[[str], str], password: str) -> None:
    url = shape.format(typed(password))
    assume(not url.startswith("admin://"))  # a scheme, then
    known = Secrets()
    known.add_url(url)
    for name, spell in SPELLINGS.items():
        line = known.scrub(f"open {spell(url)}: rejected {spell(password)} by the host")
        assert leaks(password, line) == [], (name, line)


@pytest.mark.parametrize("shape", QUERY_SHAPES.values(), ids=QUERY_SHAPES.keys())
@pytest.mark.parametrize("typed", [_as_is, lambda text: quote(text, safe="")], ids=["raw", "quoted"])
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(password=PASSWORDS)
@example("my_pass_word")
@example("a_b=c")
@example("x.sdp")
@example("ab+cd ef")
@example("abc@def:ghi")
@example("ab/cd")
def test_no_named_secret_survives(shape: str, typed: Callable[[str], str], password: str) -> None:
    url = shape.format(typed(password))
    known = Secrets()
    known.add_url(url)
    for name, spell in SPELLINGS.items():
        line = known.scrub(f"open {spell(url)}: rejected {spell(password)} by the host")
        assert leaks(password, line) == [], (name, line)


@pytest.mark.parametrize("style", ["human", "json"])
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(password=PASSWORDS)
def test_no_log_line_holds_a_password(style: str, password: str) -> None:
    url = f"rtsp://admin:{quote(password, safe='')}@10.0.0.5/stream1"
    log.secrets = Secrets()
    log.secrets.add_url(url)
    for written in _lines_that_want_to_leak(style, url, password):
        shown = (
            "".join(str(json.loads(written)[key]) for key in ("message", "exception")) if style == "json" else written
        )
        assert leaks(password, shown) == [], written
        assert MASK in shown


def _lines_that_want_to_leak(style: str, url: str, password: str) -> Iterator[str]:
    """An error whose text, cause, note and arguments all quote the secret; at last a call that does not fit."""
    for message, args in (("failed: %s", (url,)), ("failed: %r %s", ({"url": url}, password)), ("%d %s", (url,))):
        stream = io.StringIO()
        log.setup(style)
        handler = logging.getLogger().handlers[0]
        assert isinstance(handler, logging.StreamHandler)
        handler.setStream(stream)
        try:
            try:
                raise KeyError(url)
            except KeyError as cause:
                error = OSError(5, f"cannot open {url}", url)
                error.add_note(f"with {password!r}")
                raise error from cause
        except OSError:
            log.get("streamer.test").exception(message, *args)
        yield stream.getvalue()


@pytest.mark.parametrize("password", ["x", "12", "@", "ä"])
def test_a_short_password_is_hidden_where_it_stands_in_a_url_and_only_there(password: str) -> None:
    known = Secrets()
    known.add_url(f"rtsp://admin:{password}@10.0.0.5/x12")
    known.add_url(f"http://10.0.0.5/live?password={password}&channel=12x")
    for text in (f"rtsp://admin:{password}@10.0.0.5/x12", f"rtsp://admin:{quote(password)}@10.0.0.5/x12"):
        assert known.scrub(text) == "rtsp://admin:***@10.0.0.5/x12"
    assert known.scrub(f"?password={password}&other=12x") == "?password=***&other=12x"
    assert known.scrub(f"12 frames in x seconds @ {password}") == f"12 frames in x seconds @ {password}"


def test_a_password_that_contains_another_is_hidden_whole() -> None:
    known = Secrets()
    known.add("secret")
    known.add("secret-and-more")
    assert known.scrub("secret-and-more secret") == "*** ***"


def test_yarl_and_mixed_spellings_of_one_password() -> None:
    known = Secrets()
    known.add_url("rtsp://admin:p%40ss!w%2ford@10.0.0.5/stream1")
    assert known.scrub(str(URL("http://admin:p%40ss!w%2ford@10.0.0.5/"))) == "http://admin:***@10.0.0.5/"
    assert known.scrub(str(URL.build(scheme="http", user="u", password="p@ss!w/ord", host="h"))) == "http://u:***@h"
    assert known.scrub("p%40ss%21w/ord p@ss!w%2Ford p\\u0040ss!w\\/ord") == "*** *** ***"


def test_basic_authorization_is_hidden() -> None:
    known = Secrets()
    known.add_url("rtsp://admin:p%40ssword@10.0.0.5/stream1")
    token = base64.b64encode(b"admin:p@ssword").decode()
    assert (
        known.scrub(f"Authorization: Basic {token}\r\n") == f"Authorization: Basic {MASK}{'=' * token.count('=')}\r\n"
    )


@pytest.mark.parametrize(
    "url",
    ["", "rtsp://", "rtsp://host/path", "/dev/video0", "rtsp://[bad", "rtsp://a@b", "rtsp://:@h", "\x00", "@:"],
)
def test_urls_without_a_secret_teach_nothing_and_never_raise(url: str) -> None:
    known = Secrets()
    known.add_url(url)
    assert list(known) == []
    assert known.scrub("rtsp://host/path /dev/video0 a@b") == "rtsp://host/path /dev/video0 a@b"


@given(url=st.text(max_size=60))
def test_no_text_makes_add_url_raise(url: str) -> None:
    known = Secrets()
    known.add_url(url)
    known.scrub(url)


def test_values_travel_to_a_child() -> None:
    parent, child = Secrets(), Secrets()
    parent.add_url("rtsp://admin:p%40ssword@10.0.0.5/stream1")
    parent.add_url("rtsp://admin:12@10.0.0.5/stream1")
    for value in parent:
        child.add(value)
    assert child.scrub("p@ssword p%40ssword") == "*** ***"
    assert "12" not in list(parent)


def test_a_thousand_different_secrets_stay_fast_enough_to_log() -> None:
    known = Secrets()
    for i in range(1000):
        known.add(f"pass-{i}-word!")
    assert len(list(known)) == 1000
    line = known.scrub("x" * 400 + " pass-77-word%21")
    assert line.endswith(" ***")


def test_a_run_of_backslashes_is_matched_without_exploding() -> None:
    known = Secrets()
    known.add("\\" * 30 + "'" * 30)
    text = "\\" * 5000
    assert known.scrub(text) == text


# ---------------------------------------------------------------------------------------------------- lines


def _written(style: str, level: str = "info") -> io.StringIO:
    stream = io.StringIO()
    log.setup(style, level)
    handler = logging.getLogger().handlers[0]
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(stream)
    return stream


def test_a_human_line_has_time_level_part_and_message() -> None:
    stream = _written("human")
    log.get("streamer.ingest.readers").warning("camera %r: no frame for %.1f s", "lobby", 10.0)
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d\.\d{3} warning ingest\.readers camera 'lobby': no frame for 10\.0 s\n", stream.getvalue()
    )


def test_a_json_line_is_one_object() -> None:
    stream = _written("json")
    log.get("streamer.engine").info("one\ntwo", extra={"camera": "gate"})
    fields = json.loads(stream.getvalue())
    assert stream.getvalue().count("\n") == 1
    assert fields.pop("time").endswith("+00:00")
    assert fields == {"level": "info", "logger": "streamer.engine", "message": "one\ntwo", "camera": "gate"}


def test_the_level_is_kept_and_setup_may_be_called_again() -> None:
    stream = _written("human", "warning")
    log.get("streamer.engine").info("not shown")
    assert stream.getvalue() == ""
    _written("json", "debug")
    assert len(logging.getLogger().handlers) == 1
    assert logging.getLogger().level == logging.DEBUG


def test_escape_sequences_do_not_reach_the_terminal() -> None:
    stream = _written("human")
    log.get("streamer.engine").info("SDP says \x1b[2J\x07 and\ttab")
    assert "SDP says \\x1b[2J\\x07 and\ttab" in stream.getvalue()


def test_a_call_whose_arguments_do_not_fit_is_still_logged() -> None:
    stream = _written("human")
    log.get("streamer.engine").info("%d frames", "many")
    assert "'%d frames' with arguments ('many',)" in stream.getvalue()


def test_an_argument_that_cannot_be_shown_does_not_break_the_log() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError("no")

    stream = _written("human")
    log.get("streamer.engine").info("%r", Broken())
    assert "cannot be shown: RuntimeError" in stream.getvalue()


def test_uncaught_errors_are_scrubbed(capsys: pytest.CaptureFixture[str]) -> None:
    stream = _written("json")
    log.secrets.add("hunter2!")
    try:
        raise ValueError("Port could not be cast to integer value as 'hunter2!'")
    except ValueError as error:
        sys.excepthook(ValueError, error, error.__traceback__)
    thread = threading.Thread(target=_raise_secret)
    thread.start()
    thread.join()
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert first["message"] == "uncaught ValueError"
    assert "cast to integer value as '***'" in first["exception"]
    assert "RuntimeError: ***" in second["exception"]
    assert capsys.readouterr().err == ""


def _raise_secret() -> None:
    raise RuntimeError("hunter2!")


def test_ctrl_c_keeps_pythons_own_words(capsys: pytest.CaptureFixture[str]) -> None:
    stream = _written("human")
    sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert stream.getvalue() == ""
    assert "KeyboardInterrupt" in capsys.readouterr().err


def test_warnings_go_to_the_log_scrubbed() -> None:
    stream = _written("human")
    log.secrets.add("hunter2!")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn("bad URL with hunter2!", stacklevel=1)
        logging.captureWarnings(False)
    assert "bad URL with ***" in stream.getvalue()
    assert "hunter2" not in stream.getvalue()
