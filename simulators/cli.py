"""``postern-sim``: a simulated site, and single virtual devices."""

import os
from pathlib import Path
from threading import Event
from typing import Annotated

import typer
from rich.cells import set_cell_size
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from shell.logs import set_up_logs
from shell.supervision import stop_event
from simulators.boards.process import board
from simulators.cameras.server import camera
from simulators.crowd import Line
from simulators.demo import Demo
from simulators.devices.commands import modem, scanner, thermometer, voice
from simulators.replay_cli import replay
from simulators.report import Report
from simulators.site import Ports, Site, SiteError
from simulators.sms_gateway import sms
from simulators.training_cli import up

EXIT_FAILED = 1
WHO_CELLS = 16  # a Chinese character takes two
COLOURS = {"GREEN": "green", "BLUE": "bright_blue", "RED": "bold red"}

app = typer.Typer(
    name="postern-sim",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="A simulated site around the real product, and single virtual devices.\n\n"
    "\b\n"
    "Examples:\n"
    "  postern-sim run\n"
    "  postern-sim run --seed 7 --for 150 --json out.json\n"
    "  postern-sim board lcus --link dev/relays --inputs-link dev/inputs\n"
    "  postern-sim up gate.toml          practise on a gate's file\n"
    "  postern-sim replay fault.jsonl --link dev/relays\n"
    "  postern-sim board --help          every board, profile and fault\n"
    "  postern-sim scanner --link dev/scanner --show HELLO --every 3",
)
app.command(name="board")(board)
app.command(name="scanner")(scanner)
app.command(name="thermometer")(thermometer)
app.command(name="modem")(modem)
app.command(name="voice")(voice)
app.command(name="up")(up)
app.command(name="replay")(replay)
app.command(name="camera")(camera)
app.command(name="sms")(sms)
out = Console(highlight=False)
messages = Console(stderr=True, highlight=False)


@app.command()
def run(
    seed: Annotated[int, typer.Option(help="Seed of the crowd, the looks of codes and the walkers.")] = 1,
    seconds: Annotated[
        float | None, typer.Option("--for", min=1, help="Stop by itself after so many seconds.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the counts of the run here, as JSON.")
    ] = None,
    folder: Annotated[
        Path, typer.Option("--dir", help="Where configuration, demo keys, data and logs go.")
    ] = Path("demo"),
    keep: Annotated[
        bool, typer.Option("--keep", help="Go on with the data of the last run in this folder.")
    ] = False,
    broker_url: Annotated[
        str | None,
        typer.Option("--broker", help="Use this broker (mqtt://127.0.0.1:port), not the embedded one."),
    ] = None,
    embedded: Annotated[
        str | None,
        typer.Option(help="Which broker to embed: mosquitto or amqtt. Default: mosquitto if installed."),
    ] = None,
    web_port: Annotated[int, typer.Option(help="Port of the centre's page.")] = 8080,
    kiosk_port: Annotated[int, typer.Option(help="Port of the gate's kiosk page.")] = 8081,
    broker_port: Annotated[int, typer.Option(help="Port of the embedded broker.")] = 18830,
    camera_port: Annotated[int, typer.Option(help="Port of the virtual cameras.")] = 8090,
    sms_port: Annotated[int, typer.Option(help="Port of the SMS gateway and its inbox.")] = 8025,
) -> None:
    """Run a whole site on this machine until Ctrl-C: gate, centre, broker, cameras, boards, SMS, a crowd.

    Example: postern-sim run --seed 7 --for 150 --json out.json
    """
    set_up_logs("postern-sim")
    stop = stop_event()
    ports = Ports(web=web_port, kiosk=kiosk_port, broker=broker_port, camera=camera_port, sms=sms_port)
    if json_file is not None and not os.access(json_file.absolute().parent, os.W_OK):
        raise typer.BadParameter(f"{json_file} cannot be written there", param_hint="--json")
    site = Site(folder, ports=ports, seed=seed, broker_url=broker_url, embedded=embedded)
    try:
        site.hold()
        if not keep:
            site.remove_old()
        report = _run(site, stop, seed=seed, seconds=seconds)
    except SiteError as error:
        messages.print(escape(str(error)), style="red", soft_wrap=True)
        raise typer.Exit(EXIT_FAILED) from None
    finally:
        site.let_go()
    if report is None:
        messages.print("Stopped before the site was up.", style="dim")
        return
    _print_report(report)
    if json_file is not None:
        json_file.write_text(report.model_dump_json(indent=2) + "\n", encoding="utf-8")
    if report.faults():
        messages.print(escape("; ".join(report.faults())), style="red")
        raise typer.Exit(EXIT_FAILED)


def _run(site: Site, stop: Event, *, seed: int, seconds: float | None) -> Report | None:
    """Play and count one run; None when it was stopped before the site was up."""
    try:
        messages.print("Starting the site …", style="dim")
        site.prepare()
        site.start_all(stop)
        if stop.is_set():
            return None
        _print_addresses(site)
        demo = Demo(site, seed=seed, tell=_print_line)
        demo.play(stop, seconds)
        messages.print("The crowd goes home; the last events are on their way …", style="dim")
        demo.settle(Event())
        sms_count = len(site.inbox())
    finally:
        site.stop()
    return demo.account(sms_count)


def _print_addresses(site: Site) -> None:
    table = Table.grid(padding=(0, 2))
    table.add_row("Kiosk 岗亭", f"http://localhost:{site.ports.kiosk}", "verdicts, who is inside, refusals")
    table.add_row("Centre 中心", f"http://localhost:{site.ports.web}", "inside now, overstays, SMS, gates")
    table.add_row("SMS 短信", f"http://localhost:{site.ports.sms}", "the supervisor's inbox")
    table.add_row(
        "Camera 摄像头", f"http://localhost:{site.ports.camera}/entry.mjpg", "what the entry camera sees"
    )
    out.print(
        Panel(table, title="Postern · a simulated site", subtitle="Ctrl-C stops everything", expand=False)
    )
    out.print(
        "After some 70 s a courier is over time: red on both pages, an SMS in the inbox. Coming back: RED.",
        style="dim",
    )


def _print_line(line: Line) -> None:
    who = escape(set_cell_size(line.who, WHO_CELLS))
    style = next((style for word, style in COLOURS.items() if word in line.expected), "dim")
    out.print(f"[bold]{who}[/] {escape(line.does)}  [dim]→[/] [{style}]{escape(line.expected)}[/]")


def _print_report(report: Report) -> None:
    table = Table(title="What the run came to", show_header=False)
    for name, value in report.model_dump().items():
        shown = (
            ", ".join(f"{key} {number}" for key, number in value.items()) or "none"
            if isinstance(value, dict)
            else value
        )
        table.add_row(name.replace("_", " "), str(shown))
    out.print(table)


def main() -> None:
    """Entry point of ``postern-sim``."""
    app()


if __name__ == "__main__":
    main()
