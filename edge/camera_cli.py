"""``postern-edge scan`` and ``postern-edge camera test``: what pictures and cameras show, without a gate."""

import json
import logging
import sys
from collections.abc import Generator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.live import Live

from drivers.gate.config import load_config
from edge import bundles
from edge.command import DEFAULT_CONFIG, Exit, failure, say
from edge.files import load_key_set
from edge.vision import camera_test_words
from edge.vision.annotate_files import AnnotateError, Annotations, is_own, write_own
from edge.vision.camera import CameraSettings
from edge.vision.camera_test import CameraTest, Report
from edge.vision.frames import SourceError, shown
from edge.vision.scan import Scanned, Scanning
from edge.vision.scan_progress import Bar, Progressing, Silent
from passes.bundle import Refused
from passes.check import Foreign, Verified, check
from passes.gp1 import PREFIX
from passes.keys import KeyTable
from shell.clock import Clock, SystemClock
from shell.logs import set_up_logs
from shell.settings import SettingsError
from shell.text import visible

UNWATCHED_S: Final = 10.0  # how long a test lasts where there is no terminal and no --seconds
LINE_EVERY_S: Final = 1.0
PANELS_PER_S: Final = 4
_JPEGS: Final = {".jpg", ".jpeg"}

camera_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Cameras, while they are mounted.\n\n"
    "Examples:\n\n"
    "    postern-edge camera test /dev/video0\n\n"
    "    postern-edge camera test --lane entry --config gate.toml --seconds 20 --save entry.jpg",
)

ForceOption = Annotated[
    bool, typer.Option("--force", help="Replace files that this tool did not write, too.")
]


@camera_app.callback()
def _camera() -> None:
    """Make the command a word of its own."""


@camera_app.command(name="test")
def test_camera(
    *,
    source: Annotated[
        str | None,
        typer.Argument(help="Camera address or device, video file, folder or picture.", metavar="[SOURCE]"),
    ] = None,
    lane: Annotated[str | None, typer.Option(help="The camera of this lane of gate.toml.")] = None,
    config: Annotated[Path, typer.Option(help="gate.toml, for --lane.")] = DEFAULT_CONFIG,
    seconds: Annotated[
        float | None,
        typer.Option(min=0.1, help="End after so long; without a terminal after 10.", show_default=False),
    ] = None,
    save: Annotated[
        Path | None, typer.Option(help="Save the last picture, with codes if any, outlined: a .jpg file.")
    ] = None,
    force: ForceOption = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a look on stdout.")] = False,
) -> None:
    """Show what a camera sees: light, sharpness, codes, pixels a module, and how near they must come.

    With --lane, it is set up and read as the gate does: exposure, focus, device and region of the lane's view.
    Stop it with Ctrl-C. It ends with 0 when pictures came, 3 when the camera cannot be reached.

    Examples: postern-edge camera test /dev/video0; postern-edge camera test --lane entry --save entry.jpg
    """
    set_up_logs("postern-edge", level=logging.WARNING)
    spec, settings = _source_of(source, lane, config)
    if save is not None:
        _check_target(save, force=force)
    watched = sys.stdout.isatty() and not as_json
    if seconds is None and not watched:
        seconds = UNWATCHED_S
    best: Report | None = None
    looks = 0
    test = CameraTest(spec, SystemClock(), settings=settings, pictures=save is not None)
    try:
        with (
            closing(_shown_reports(test.reports(seconds), spec, watched=watched, as_json=as_json)) as reports,
            suppress(KeyboardInterrupt),
        ):
            for report in reports:
                looks += report.problem is None
                if report.picture and (best is None or report.read >= min(best.read, 1)):
                    best = report
    except SourceError as error:
        raise failure(f"{error.words.en}\n{error.words.zh}", Exit.UNREACHABLE) from None
    if save is not None:
        _save(save, best, force=force)
    if not looks:
        raise failure(f"{shown(spec)} gave no picture that could be looked at", Exit.FAILED)


def _source_of(source: str | None, lane: str | None, config: Path) -> tuple[str, CameraSettings]:
    if (source is None) == (lane is None):
        raise failure(
            "Name a source or --lane, one of them: postern-edge camera test /dev/video0", Exit.USAGE
        )
    if source is not None:
        return source, CameraSettings()
    try:
        lanes = {one.name: one for one in load_config(config).lane}
    except SettingsError as error:
        raise failure(error, Exit.USAGE) from None
    if lane not in lanes:
        raise failure(f"There is no lane {lane!r} in {config}. Lanes: {', '.join(sorted(lanes))}", Exit.USAGE)
    camera = lanes[lane].camera
    if camera is None:
        raise failure(f"The lane {lane!r} of {config} has a scanner and no camera", Exit.USAGE)
    return camera, CameraSettings.of(lanes[lane].view)


def _check_target(path: Path, *, force: bool) -> None:
    """Before the camera is opened: nobody holds up a code for a minute to hear of a wrong name."""
    if path.suffix.lower() not in _JPEGS:
        raise failure(f"{path}: the picture is a JPEG; name it .jpg", Exit.USAGE)
    if path.exists() and not force and not is_own(path):
        raise failure(
            f"{path} was there before and is not a picture of ours; --force replaces it", Exit.USAGE
        )
    if not path.parent.is_dir():
        raise failure(f"{path.parent} is no folder", Exit.USAGE)


def _shown_reports(
    reports: Generator[Report, None, None], spec: str, *, watched: bool, as_json: bool
) -> Generator[Report]:
    """Each report, after it was shown in the way that suits who reads it."""
    with ExitStack() as open_things:
        if watched:
            live = open_things.enter_context(
                Live(console=Console(), refresh_per_second=PANELS_PER_S, transient=False)
            )
            for report in reports:
                live.update(camera_test_words.panel(report, shown(spec)))
                yield report
            return
        told_s, told = float("-inf"), None
        for report in reports:
            if as_json:
                typer.echo(json.dumps(report.as_json(), ensure_ascii=False))
            elif report.at_s - told_s >= LINE_EVERY_S or _what(report) != told:
                told_s, told = report.at_s, _what(report)
                typer.echo(camera_test_words.line(report))
            yield report


def _what(report: Report) -> tuple[object, ...]:
    return (report.problem, *(code.text for code in report.codes if code.text is not None))


def _save(path: Path, best: Report | None, *, force: bool) -> None:
    if best is None or best.picture is None:
        raise failure(f"No picture came: {path} was not written", Exit.FAILED)
    try:
        write_own(path, best.picture, force=force)
    except AnnotateError as error:
        raise failure(error, Exit.FAILED) from None
    say(f"Saved: {path} ({best.width} x {best.height}, {best.read} read)")


def scan(
    sources: Annotated[
        list[str],
        typer.Argument(help="Pictures, folders, videos, camera addresses or devices.", metavar="SOURCE…"),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line on stdout.")] = False,
    config: Annotated[
        Path | None,
        typer.Option(help="gate.toml, whose key set and bundle judge the passes; without it none is valid."),
    ] = None,
    annotate: Annotated[
        Path | None,
        typer.Option(help="Write each picture there with its codes outlined.", metavar="DIR"),
    ] = None,
    force: ForceOption = False,
) -> None:
    """Read the QR codes in pictures, folders, videos and cameras, and say which are good passes.

    Examples: postern-edge scan photo.jpg; postern-edge scan pictures/ --json --annotate seen/
    """
    set_up_logs("postern-edge", level=logging.ERROR)  # what a picture did is in its line
    clock = SystemClock()
    try:
        keys = _keys_of(config, clock)
        annotations = None if annotate is None else Annotations(annotate, force=force)
    except (SettingsError, AnnotateError) as error:
        raise failure(error, Exit.USAGE) from None

    def judge(text: str) -> tuple[bool, str | None]:
        checked = check(text, keys, now=clock.now(), trust=clock.trust())
        if isinstance(checked, Verified):
            return True, None
        return False, "foreign" if isinstance(checked, Foreign) else checked.reason.value

    out, err = Console(soft_wrap=True), Console(stderr=True)
    failed: list[Scanned] = []
    unjudged = False
    with ExitStack() as open_things:
        progress: Progressing = Silent()
        if err.is_terminal:
            bar = Bar(err, clock.monotonic_s)
            open_things.enter_context(bar.shown())
            progress = bar
        scanning = Scanning(judge, clock, annotations=annotations, tell=progress.tell)
        for one in open_things.enter_context(closing(scanning.run(sources))):
            if one.error is not None:
                failed.append(one)
            unjudged |= config is None and any(code.text.startswith(PREFIX) for code in one.codes)
            # What goes elsewhere than the terminal with the bar needs no room made for it.
            put = progress.write if out.is_terminal else Silent().write
            put(lambda: _print_scanned(out, one, as_json=as_json))  # noqa: B023  # called at once
    if scanning.skipped:
        say(f"Passed over, by their names neither pictures nor videos: {scanning.skipped}")
    if unjudged:
        say("No pass is valid without the gate's keys. To have passes judged add: --config gate.toml")
    if annotations is not None:
        say(f"{annotations.written} annotated pictures are in {visible(str(annotate))}")
    if failed:
        raise typer.Exit(Exit.UNREACHABLE if all(one.unreachable for one in failed) else Exit.FAILED)


def _keys_of(config: Path | None, clock: Clock) -> KeyTable:
    """The keys that the gate trusts: those of its newest bundle, walk-in keys among them, else those installed."""
    if config is None:
        return KeyTable([])
    gate = load_config(config).gate
    anchor = load_key_set(gate.keys, gate.site, root=gate.root)
    held = bundles.load(gate.data_dir, anchor, clock.now())
    if isinstance(held, Refused):
        say(
            f"Judged without the gate's bundle: {held.detail}. The keys of {gate.keys.name} alone count here."
        )
    return held.keys if isinstance(held, bundles.Holding) else anchor.to_domain()


def _print_scanned(out: Console, one: Scanned, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(one.as_json(), ensure_ascii=False) + "\n")
        sys.stdout.flush()
        return
    name = visible(one.source)
    out.print(name, style="bold", markup=False, highlight=False)
    for words in filter(None, (one.error, one.zh)):
        out.print(f"  {visible(words).removeprefix(f'{name} ')}", style="red", markup=False, highlight=False)
    if one.error and not one.codes:
        return
    if not one.codes:
        out.print("  no code", style="dim", highlight=False)
    for code in one.codes:
        word, style = ("valid", "green") if code.valid else (code.reason or "not valid", "yellow")
        out.print(f"  {word:14} ", style=style, end="", highlight=False)
        out.print(ascii(code.text)[1:-1], markup=False, highlight=False)
