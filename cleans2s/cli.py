"""The command line: talk · replay · serve · rag · judge · models · doctor · bench."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import Cleans2sError, ConfigError
from .judge import command as judging
from .rag import command as documents
from .version import VERSION

if TYPE_CHECKING:
    from rich.console import Console

    from .config import Config
    from .events import Event


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0; 1 when something that was asked about is not in order; 2 for a mistake, said in a sentence."""
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = _parser(measures="bench" in arguments)
    options, rest = parser.parse_known_args(arguments)
    try:
        options.settings = _overrides(parser, rest)
        return options.run(options)
    except Cleans2sError as error:
        sys.stderr.write(f"cleans2s: {error}\n")
        return 2
    except KeyboardInterrupt:
        return 130


def _parser(measures: bool) -> argparse.ArgumentParser:
    """`measures`: with the benchmarks' own options, for which they are imported."""
    parser = argparse.ArgumentParser("cleans2s", description="A speech-to-speech agent that hears while it speaks.")
    parser.add_argument("--version", action="version", version=VERSION)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    talk = commands.add_parser(
        "talk",
        help="play recordings to the agent as a microphone would, and hear it answer",
        epilog="Any setting can be given by its dotted name, for example --tts.speed 1.2 or --interruption off.",
    )
    talk.add_argument("files", nargs="+", metavar="question.wav", help="what the user says, one file after another")
    talk.add_argument("--at", action="append", default=[], metavar="SECONDS", help=(
        "begin the second file (given again: the third, …) at this moment of the conversation instead of after the "
        "answer, to interrupt; +1.5 means 1.5 s into the agent's next reply"
    ))  # fmt: skip
    talk.add_argument("--out", metavar="FILE.wav", help="stereo recording: left the user, right the agent as heard")
    talk.add_argument("--events", metavar="FILE.jsonl", help="event log (default: beside --out)")
    talk.add_argument("--timeline", metavar="FILE.png", help="a picture of the conversation")
    talk.add_argument("--profile", "--config", metavar="NAME|FILE.toml", help="engines and settings (default: embedded)")
    _add_lookup(talk)
    talk.add_argument("--record", metavar="DIR", help="keep the conversation in a folder: sound, events, settings; see replay")
    talk.set_defaults(run=_talk)

    replay = commands.add_parser("replay", help="a recorded conversation again, with other engines or settings")
    replay.add_argument("folder", metavar="DIR", help="a session that --record has kept, or the folder with a single one")
    replay.add_argument("--profile", metavar="NAME|FILE", help="engines to replay it with (default: the recording's)")
    replay.add_argument("--fast", action="store_true", help="leave out the waits in which nothing goes on")
    replay.add_argument("--timeline", metavar="FILE.png", help="a picture of both conversations")
    replay.set_defaults(run=_replay)

    serve = commands.add_parser("serve", help="a server that speaks the OpenAI Realtime protocol", epilog=(
        "Environment: CLEANS2S_API_KEY is a key that clients have to send, CLEANS2S_ORIGINS are web pages that may connect."
    ))  # fmt: skip
    serve.add_argument("--host", metavar="ADDRESS", help="where to listen; 0.0.0.0 for everybody (default: this machine only)")
    serve.add_argument("--port", type=int, metavar="N", help="default: 8000")
    serve.add_argument("--sessions", type=int, metavar="N", help="conversations at a time (default: two for each core)")
    serve.add_argument("--idle-s", type=float, metavar="S", help="end a conversation in which nothing is said for so long")
    serve.add_argument("--session-s", type=float, metavar="S", help="longest conversation")
    serve.add_argument("--profile", "--config", metavar="NAME|FILE.toml", help="engines and settings (default: embedded)")
    _add_lookup(serve)
    serve.add_argument("--record", metavar="DIR", help="keep every conversation in a folder; clients are told")
    serve.set_defaults(run=_serve)

    rag = commands.add_parser(
        "rag",
        help="documents that can be asked: add, list, remove, retrieve, answer, compare",
        epilog="Settings of the language model can be given by their dotted names, for example --llm.temperature 0.5.",
    )
    documents.add_arguments(rag)
    judging.add_parser(commands)

    models = commands.add_parser("models", help="the weights: list, fetch, verify")
    actions = models.add_subparsers(required=True, metavar="list|fetch|verify")
    actions.add_parser("list", help="what there is, under which licence, and where it is").set_defaults(run=_list)
    for name, run, text in (
        ("fetch", _fetch, "download what is missing (default: what the embedded agent needs)"),
        ("verify", _verify, "compare every file with its sha256 (default: all that are here)"),
    ):
        action = actions.add_parser(name, help=text)
        action.add_argument("names", nargs="*", metavar="NAME")
        action.set_defaults(run=run)

    doctor = commands.add_parser("doctor", help="what is installed, what is missing, and the mend")
    doctor.add_argument("--profile", metavar="NAME|FILE.toml", help="of which engines (default: embedded)")
    doctor.set_defaults(run=_doctor)

    bench = commands.add_parser("bench", help="measure; see benchmarks/ in the source checkout")
    measurements = bench.add_subparsers(required=True, metavar="latency|server|chinese|judge|memory|rag")
    for name, text in (
        ("latency", "voice-to-voice latency, turn-taking, interruption, resources"),
        ("server", "the page, conversations at a time, idle sessions, fairness"),
        ("chinese", "Chinese spoken and transcribed back"),
        ("judge", "how reactions are judged, on situations that no training saw"),
        ("memory", "the right episode among a thousand, and how fast; a memory of 100,000 turns"),
        ("rag", "retrieval: recall, groundedness, growth"),
    ):
        measurement = measurements.add_parser(name, help=text)
        if measures and (benchmark := _benchmark(name)):
            benchmark.add_arguments(measurement)
        measurement.set_defaults(run=_bench, measurement=name)
    return parser


def _add_lookup(command: argparse.ArgumentParser) -> None:
    command.add_argument("--documents", metavar="DIR", help="answer from a folder of documents, or an index of `cleans2s rag`")
    command.add_argument("--web", action="store_true", help="look questions about the world up in the web")


def _overrides(parser: argparse.ArgumentParser, rest: Sequence[str]) -> dict[str, str]:
    """`--llm.temperature 0.5 --interruption=off` as settings."""
    settings: dict[str, str] = {}
    words = iter(rest)
    for word in words:
        name, equals, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or not name:
            parser.error(f"unexpected argument {word!r}")
        if not equals and (value := next(words, "")) == "":
            raise ConfigError(f"--{name}: expected a value after it, for example --{name} 1")
        settings[name.replace("-", "_")] = value
    return settings


def _config(options: argparse.Namespace) -> Config:
    from . import profiles

    looked_up = {name: value for name in ("documents", "web") if (value := getattr(options, name, None))}
    config = profiles.load(getattr(options, "profile", None) or profiles.DEFAULT).changed(options.settings | looked_up)
    if config.documents:
        from .lookup.documents import Documents

        Documents(config.documents).check()  # a wrong name costs no wait
    return config


def _console() -> Console:
    from rich.console import Console

    class Output(Console):
        def on_broken_pipe(self) -> None:
            """The reader has gone (`| head`): go on without words, so that what was asked for is still written."""
            self.quiet = True
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    return Output(highlight=False, soft_wrap=True)


# ── talk ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _talk(options: argparse.Namespace) -> int:
    import anyio

    from .recorder import Recorder
    from .session import Session
    from .talk import Moment, heard_speech, sounds_from, talk
    from .timeline import Timeline

    config, moments = _config(options), [Moment.parse(text) for text in options.at]
    if len(moments) >= len(options.files):
        raise ConfigError(f"{len(moments)} --at for {len(options.files)} file(s): the first file begins by itself")
    targets = [Path(name) for name in (options.out, options.events, options.timeline) if name]
    for target in targets:
        if not target.parent.is_dir():
            raise ConfigError(f"{target}: there is no folder {target.parent}; make it first")
    sounds = sounds_from(options.files)
    console = _console()
    console.print("[dim]loading the engines …[/dim]")
    session = Session(config, Recorder(options.record))
    talked = anyio.run(lambda: talk(sounds, config, moments, lambda event: _show(console, event), session))
    if not heard_speech(talked):
        console.print("The agent heard no speech: expected a voice in the recording, louder than its noise.")
    _table(console, talked.recording.events)
    if options.out:
        talked.recording.save_wav(options.out)
    if options.events or options.out:
        talked.recording.save_events(options.events or Path(options.out).with_suffix(".jsonl"))
    if options.timeline:
        Timeline(talked.recording, talked.conversation).save(options.timeline)
    return 0


def _show(console: Console, event: Event) -> None:
    """Live: who says what."""
    from rich.markup import escape

    from . import events as e

    def line(who: str, text: str) -> None:
        console.print(f"[dim]{event.at_s:7.2f} s[/dim]  {who}  {escape(text)}")

    match event:
        case e.TurnEnded():
            line("[bold cyan]you  [/bold cyan]", event.text or "(not understood)")
        case e.Judged(_, _, strategy, _, reason) if strategy != "standard":
            line("[dim]     [/dim]", f"({strategy}: {reason})")
        case e.ReplyText():
            line("[bold green]agent[/bold green]", event.text)
        case e.Sources(_, _, sources):
            for source in sources:
                if source["cited"]:
                    line("[dim]     [/dim]", f"[{source['number']}] {source['title']} ({source['url'] or source['file']})")
        case e.Ignored():
            line("[dim]…    [/dim]", f"({event.reason}{f': {event.text}' if event.text else ''})")
        case e.Interrupted():
            line("[yellow]cut  [/yellow]", f"you interrupted; heard: “{event.heard}”")
        case e.Failed():
            line("[bold red]fail [/bold red]", f"{event.stage}: {event.error}")
        case _:
            pass


def _table(console: Console, events: Sequence[Event]) -> None:
    """Latencies per turn, in ms after the user's last speech."""
    from dataclasses import fields

    from rich.table import Table

    from .events import Latency, ReplyStarted

    starts = [event for event in events if isinstance(event, ReplyStarted)]
    if not starts:
        return
    names = [field.name for field in fields(Latency)]
    table = Table(title="ms after your last speech", title_justify="left")
    for column in ("turn", *(name.removesuffix("_ms").replace("_", " ") for name in names)):
        table.add_column(column, justify="right")
    for start in starts:
        values = [getattr(start.latency, name) for name in names]
        table.add_row(str(start.turn), *("–" if value is None else f"{value:.0f}" for value in values))
    console.print(table)


def _replay(options: argparse.Namespace) -> int:
    from .replay import main

    return main(options)


# ── serve ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _serve(options: argparse.Namespace) -> int:
    from .realtime.connection import Bounds
    from .server import serve
    from .serving import Serving

    config = _config(options)
    given = {name: value for name in ("host", "port", "sessions", "record") if (value := getattr(options, name)) is not None}
    bounds = {name: value for name in ("idle_s", "session_s") if (value := getattr(options, name)) is not None}
    if any(value <= 0 for name, value in {**given, **bounds}.items() if name in ("sessions", "idle_s", "session_s")):
        raise ConfigError("--sessions, --idle-s and --session-s: expected a number above 0")
    serving = Serving.from_environment(**given, bounds=Bounds(**bounds))
    console = _console()
    serve(config, serving, lambda words: console.print(words))
    return 0


# ── models, doctor, bench ─────────────────────────────────────────────────────────────────────────────────────────────


def _list(options: argparse.Namespace) -> int:
    from rich.table import Table

    from .models import listing

    table = Table()
    for column in ("name", "role", "licence", "MB", "here", "source"):
        table.add_column(column, justify="right" if column == "MB" else "left")
    for row in listing():
        model = row.model
        name = f"{model.name} *" if model.default else model.name
        source = f"{model.source}@{model.revision[:12]}"
        table.add_row(name, model.role, model.licence, f"{model.size / 1e6:.0f}", row.where, source)
    console = _console()
    console.print(table)
    console.print("* needed by the embedded agent")
    return 0


def _fetch(options: argparse.Namespace) -> int:
    from .catalogue import DEFAULT, find
    from .models import fetch

    for model in [find(name) for name in options.names or DEFAULT]:
        sys.stdout.write(f"{model.name}: {fetch(model)}\n")
    return 0


def _verify(options: argparse.Namespace) -> int:
    from .models import listing, verify

    names = options.names or [row.model.name for row in listing() if row.where != "absent"]
    if not names:
        sys.stdout.write("No weights here yet; `cleans2s models fetch` brings them.\n")
    checks = [check for name in names for check in verify(name)]
    for check in checks:
        sys.stdout.write(f"{check.state:10}  {check.path}\n")
    return int(any(check.state != "ok" for check in checks))


def _doctor(options: argparse.Namespace) -> int:
    from .doctor import examine

    findings = examine(_config(options))
    for finding in findings:
        sys.stdout.write(f"{'ok ' if finding.ok else 'BAD'}  {finding.what}\n")
        if not finding.ok:
            sys.stdout.write(f"     mend: {finding.mend}\n")
    return int(not all(finding.ok for finding in findings))


def _benchmark(name: str) -> Any:
    """A measurement from benchmarks/ of the source checkout, None where there is none (installed without its sources)."""
    import importlib

    root = Path(__file__).parent.parent
    if not (root / "benchmarks" / f"{name}.py").is_file():
        return None
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    return importlib.import_module(f"benchmarks.{name}")


def _bench(options: argparse.Namespace) -> int:
    benchmark = _benchmark(options.measurement)
    if benchmark is None:
        raise ConfigError("the benchmark is part of the source checkout: clone it, and run `cleans2s bench` from there")
    return benchmark.main(options)
