"""The command line: what can be asked of `streamer`, and how errors are told.

`--help` must be quick and parsing must not import what a command will need, so every command's code is imported only
when it runs. Exit status: 0 done, 1 failed while running, 2 wrong input, 130 interrupted. Errors go to stderr, one line
each, without credentials; `--debug` adds the traceback.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from streamer import __version__, log
from streamer.commands.arguments import Add, add_commands, add_data_commands
from streamer.errors import ConfigError, InputError, StreamerError

SITE = "site.yaml"
"""The configuration file of commands that are not given one."""

DONE, FAILED, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    try:
        given = _parser(lazy=arguments).parse_args(arguments)
        log.setup(style=getattr(given, "log_format", "human"), level="debug" if debug else given.log_level)
        module, function = given.command.split(":")
        status = getattr(import_module(f"streamer.{module}"), function)(given)
        return DONE if status is None else int(status)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # whoever read our output has gone (`| head`): not an error, but the interpreter must not try to flush to it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except StreamerError as error:
        return _tell(error, debug)
    except Exception as error:  # the last stop: a person gets one line, not a traceback
        _say(f"{type(error).__name__}: {error}" if debug else _unexpected(error))
        if debug:
            _say(traceback.format_exc())
        return FAILED


def _tell(error: StreamerError, debug: bool) -> int:
    for line in error.faults if isinstance(error, ConfigError) else [str(error)]:
        _say(" ".join(line.split("\n")))
    if debug:
        _say(traceback.format_exc())
    return WRONG_INPUT if isinstance(error, InputError) else FAILED


def _unexpected(error: Exception) -> str:
    words = " ".join(str(error).split())
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return f"unexpected {type(error).__name__}: {words}; this is a bug: --debug shows where"


def _say(text: str) -> None:
    print(log.secrets.scrub(text), file=sys.stderr)


class _Parser(argparse.ArgumentParser):
    """Says in one line what was wrong."""

    def error(self, message: str) -> NoReturn:
        self.exit(WRONG_INPUT, log.secrets.scrub(f"{self.prog}: {message}; see {self.prog} --help\n"))


def _parser(lazy: Sequence[str]) -> argparse.ArgumentParser:
    """All commands; the arguments of the bench, which come from the bench, only if it is asked for."""
    parser = _Parser(prog="streamer", description="Watches cameras and tells people what happens in them.")
    parser.add_argument("--version", action="version", version=f"streamer {__version__}")
    parser.set_defaults(log_level="warning")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=_Parser)

    def command(name: str, code: str, text: str, of: argparse._SubParsersAction[_Parser] = commands) -> _Parser:
        made = of.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        made.set_defaults(command=code)
        made.add_argument("--debug", action="store_true", help="log more, and show tracebacks of errors")
        return made

    _add_site_commands(command)
    _add_camera_commands(command)
    add_commands(command)
    bench = command("bench", "bench.command:bench", "measure load, latency and cost against the floor")
    if "bench" in lazy[:1]:
        import_module("streamer.bench.command").add_arguments(bench)
    for name, text, add in (
        ("sinks", "try where alerts go", _add_sink_commands),
        ("outbox", "see and mend what could not be delivered", _add_outbox_commands),
        ("models", "list, describe, pull and import models", _add_model_commands),
        ("data", "check, clean, split and import clips for training", add_data_commands),
    ):
        group = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        inner = group.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=_Parser)
        add(partial(command, of=inner))
    return parser


def _add_site_commands(command: Add) -> None:
    made = command("init", "commands.site:init", "write a commented configuration file to start from")
    made.add_argument("file", nargs="?", type=Path, default=Path(SITE), help=f"where (default {SITE})")
    made = command("run", "commands.site:run", "watch: a configured site, or some streams or files for a first look")
    made.add_argument("what", nargs="*", metavar="CONFIG | URL | FILE", help=f"default {SITE}; URLs need no file")
    made.add_argument("--log-format", choices=("human", "json"), default="human", help="of the log on stderr")
    levels = ("debug", "info", "warning", "error")
    made.add_argument("--log-level", choices=levels, default="info", help="the least that is logged (default info)")
    made = command("check", "commands.site:check", "check a configuration file, and name all that is wrong with it")
    made.add_argument("config", nargs="?", type=Path, default=Path(SITE), help=f"default {SITE}")
    made.add_argument("--print", dest="show", action="store_true", help="print all settings, credentials masked")
    made = command("demo", "commands.site:demo", "watch three simulated cameras: nothing needed, all of it real")
    made.add_argument("--seconds", type=float, metavar="S", help="stop after so many (default: at Ctrl-C)")
    made.add_argument("--port", type=int, default=8080, help="of the status page (default 8080; 0: any free one)")
    made.add_argument("--folder", type=Path, default=Path("streamer-demo"), help="for its files (streamer-demo)")


def _add_camera_commands(command: Add) -> None:
    made = command("probe", "commands.video:probe", "say what a camera sends and what is wrong with it")
    made.add_argument("url", metavar="URL", help="of the camera, as in a configuration")
    made.add_argument("--seconds", type=float, default=10.0, metavar="S", help="how long to look (default 10)")
    made.add_argument("--transport", choices=("tcp", "udp"), default="tcp", help="for RTSP (default tcp)")
    made = command(
        "preview", "commands.preview:preview", "draw a camera's zones, lines, lanes and masks on a picture of it"
    )
    made.add_argument("config", nargs="?", type=Path, default=Path(SITE), metavar="CONFIG", help=f"default {SITE}")
    made.add_argument("--camera", metavar="NAME", help="which camera (may be left out where there is one)")
    made.add_argument("--out", type=Path, metavar="FILE", help="where to write it: .png, .jpg (default CAMERA.png)")
    made.add_argument("--video", type=Path, metavar="FILE", help="a recording to take the picture from, not the camera")
    made.add_argument("--at", type=float, metavar="SECONDS", help="the picture so long after the first (default 0)")
    made.add_argument("--detections", action="store_true", help="draw what the detectors find, too")
    made = command("replay", "commands.video:replay", "run a site's pipelines over recordings, the same every time")
    made.add_argument("config", type=Path, metavar="CONFIG")
    made.add_argument(
        "--video", action="append", required=True, metavar="CAMERA=FILE", help="a recording for a camera; repeatable"
    )
    made.add_argument("--out", type=Path, metavar="FILE", help="write the events here, one JSON object a line")
    made.add_argument("--signals", type=Path, metavar="FILE", help="recorded states of traffic signals, JSON lines")
    made = command("evaluate", "commands.evaluate:evaluate", "score a site's events on recordings against the truth")
    made.add_argument("config", nargs="?", type=Path, metavar="CONFIG")
    made.add_argument(
        "--video", action="append", default=[], metavar="CAMERA=FILE", help="a recording for a camera; repeatable"
    )
    made.add_argument("--truth", type=Path, metavar="FILE", help="what happens in them, as JSON or CSV")
    made.add_argument(
        *("--tolerance", "--tolerance-seconds"), type=float, default=10.0, metavar="S", dest="tolerance",
        help="how late an event may be told, seconds (default 10)",
    )  # fmt: skip
    made.add_argument(
        "--tracks", action="append", default=[], metavar="CAMERA=FILE", help="labeled boxes (MOT text): HOTA and IDF1"
    )
    made.add_argument(
        "--analyze-fps", type=float, nargs="+", metavar="FPS", help="instead of the configured rate; several for tracks"
    )
    made.add_argument("--json", action="store_true", help="print one JSON object")
    made.add_argument("--model", metavar="NAME | FILE", help="a behaviour model alone, on --data or --video")
    made.add_argument("--data", metavar="FOLDER | CSV", help="labeled clips for --model")
    made.add_argument("--folds", metavar="RUN", help="instead of --model: each fold of a training on what it held back")
    made.add_argument("--label", metavar="LABEL", help="of the model, the one that is looked for")
    made.add_argument("--threshold", type=float, metavar="X", help="instead of the card's (with --folds: of 0.5)")
    made.add_argument("--split", metavar="NAME", help="only clips of this split: train, val or test")
    made.add_argument(
        "--background", action="append", default=[], metavar="LABEL", help="clips that show none of the model's labels"
    )


def _add_sink_commands(command: Add) -> None:
    made = command("test", "commands.delivery:test_sink", "send a marked test alert to one sink")
    made.add_argument("name", metavar="NAME", help="of the sink, as configured")
    _add_config(made)


def _add_outbox_commands(command: Add) -> None:
    made = command("list", "commands.delivery:list_outbox", "list alerts that wait, and those that were given up")
    made.add_argument("--all", action="store_true", help="delivered ones too")
    made.add_argument("--limit", type=int, default=1000, metavar="N", help="at most so many (default 1000)")
    _add_config(made)
    made = command("retry", "commands.delivery:retry_outbox", "send again what was given up")
    made.add_argument("ids", nargs="*", metavar="ID", help="of alerts (default: all that were given up)")
    _add_config(made)


def _add_config(made: argparse.ArgumentParser) -> None:
    made.add_argument("--config", type=Path, default=Path(SITE), metavar="FILE", help=f"default {SITE}")


def _add_model_commands(command: Add) -> None:
    made = command("list", "commands.models:list_models", "list all models that have a name")
    made.add_argument("--all", action="store_true", help="those that can be pulled, too")
    made.add_argument("--registry", type=Path, metavar="FILE", help="of models to pull (TOML), besides the own one")
    made = command("pull", "commands.models:pull", "download a model of the registry, verify and import it")
    made.add_argument("name", metavar="NAME", help="as `models list --all` tells")
    made.add_argument("--accept-license", action="store_true", help="also of weights that are not free for any use")
    made.add_argument("--registry", type=Path, metavar="FILE", help="more models to pull (TOML)")
    made.add_argument("--allow-http", action="store_true", help="also from addresses without TLS (in your own network)")
    made = command("info", "commands.models:info", "tell what a model's card says")
    made.add_argument("name", metavar="NAME | FILE")
    made = command("import", "commands.models:import_model", "give a third-party model file its card")
    made.add_argument("file", type=Path, metavar="FILE")
    made.add_argument("--family", required=True, help="how its input and output are to be read: yolox or torchvision")
    made.add_argument("--out", type=Path, metavar="FILE", help="where to write it (default: the folder of models)")
    made.add_argument("--labels", default="", metavar="A,B|FILE", help="names of its classes (default: the family's)")
    for name, text in (("license", "of the weights"), ("source", "where they are from"), ("architecture", "variant")):
        made.add_argument(f"--{name}", default="", help=text)
