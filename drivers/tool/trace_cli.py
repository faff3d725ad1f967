"""``trace record`` and ``trace show``: what passes on a line, written down, and read again in words."""

import json
import math
import time
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from drivers.model import LineSettings
from drivers.tool.console import Exit, JsonOption, fail, put_json, put_line, say
from drivers.tool.frames import in_words
from drivers.tool.masking import masked_numbers
from drivers.tool.spoken_help import SpokenCommand, SpokenGroup
from drivers.tool.wire import collect, raw_port
from passes.words import Pair
from shell.file_reading import read_at_most

FILE_BYTES_MAX: Final = 50_000_000
MS_MAX: Final = 1e11  # three years
_ARROWS: Final = {"tx": "->", "rx": "<-"}

trace_app = typer.Typer(
    name="trace",
    cls=SpokenGroup,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Write down what passes on a line, and read it.\n\n\b\nExamples:\n"
    "  postern-driver trace record --port /dev/ttyUSB1 --out trace.jsonl --seconds 10\n"
    "  postern-driver trace show trace.jsonl\n",
)


@trace_app.callback()
def about() -> None:
    """Make its commands words of their own."""


@trace_app.command(cls=SpokenCommand)
def record(
    *,
    port: Annotated[str, typer.Option("--port", help="Serial device; prefer a /dev/serial/by-path link.")],
    out: Annotated[Path, typer.Option("--out", help="Where to write it.")],
    baud: Annotated[int, typer.Option(help="Speed.")] = 9600,
    protocol: Annotated[str, typer.Option("--protocol", help="What the device speaks.")] = "",
    seconds: Annotated[float, typer.Option(min=0.1, help="How long.")] = 10.0,
) -> None:
    """Listen to a line and write down every byte with its time. It sends nothing.

    \b
    Examples:
      postern-driver trace record --port /dev/ttyUSB1 --out trace.jsonl --seconds 10
      postern-driver trace record --port /dev/ttyUSB1 --out trace.jsonl --protocol modbus-relay --seconds 2

    What a command of this tool sends and hears is written by its own --trace.
    """
    until_s, heard = time.monotonic() + seconds, 0
    with raw_port(port, LineSettings(baud=baud), trace=out, protocol=protocol) as opened:
        try:
            while (left_s := until_s - time.monotonic()) > 0:
                heard += len(collect(opened, left_s, enough=bool))
        except KeyboardInterrupt:
            pass
    say(Pair("{n} 字节，已写入 {out}", "{n} bytes, written to {out}"), n=heard, out=out)


@trace_app.command(cls=SpokenCommand)
def show(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A trace.")],
    *,
    protocol: Annotated[str, typer.Option("--protocol", help="Read the frames as this protocol's.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Show a trace: time, direction, bytes, and what they say.

    \b
    Examples:
      postern-driver trace show trace.jsonl
      postern-driver trace show trace.jsonl --protocol modbus-relay --json

    Phone numbers are masked where they stand as text. A line that is none of a trace ends it with exit code 1.
    """
    rows = list(_rows(file))
    spoken = protocol or str(rows[0].get("protocol") or "")
    for row in rows[1:]:
        try:
            data = bytes.fromhex(str(row.get("hex", "")))
        except ValueError:
            _no_trace(file)
        if data:
            row["frames"] = in_words(spoken, data, sent=row.get("do") == "tx") or row.get("frames") or []
        if as_json:
            put_json(_without_numbers(row))
        else:
            _put(row, data)


def _without_numbers(row: dict[str, Any]) -> dict[str, Any]:
    """The same row, with the phone numbers masked in all that is text of it."""
    shown = dict(row)
    if "frames" in row:
        shown["frames"] = [masked_numbers(each) for each in row["frames"]]
    return {
        name: masked_numbers(value) if isinstance(value, str) and name != "hex" else value
        for name, value in shown.items()
    }


def _put(row: dict[str, Any], data: bytes) -> None:
    did = str(row.get("do"))
    head = f"{row.get('ms', 0):>11.1f} ms {_ARROWS.get(did, did)}"
    words = "; ".join(map(str, row.get("frames") or [])) or str(row.get("why") or "")
    if not data:
        put_line(f"{head} {masked_numbers(words)}".rstrip())
        return
    for at in range(0, len(data), 16):
        put_line(f"{head if not at else ' ' * len(head)} {data[at : at + 16].hex(' ').upper()}")
    if words:
        put_line(" " * len(head) + f" {masked_numbers(words)}")


def _rows(file: Path) -> list[dict[str, Any]]:
    try:
        lines = read_at_most(file, FILE_BYTES_MAX).decode().splitlines()
        rows = [json.loads(line) for line in lines if line]
    except OSError as error:
        fail(
            Exit.USAGE,
            Pair("读不了 {file}（{why}）", "{file} cannot be read ({why})"),
            file=file,
            why=error.strerror,
        )
    except (ValueError, RecursionError):
        _no_trace(file)
    good = rows and all(isinstance(row, dict) for row in rows) and rows[0].get("trace") == 1
    if not good or not all(map(_is_row, rows[1:])):
        _no_trace(file)
    return rows


def _is_row(row: dict[str, Any]) -> bool:
    ms, frames = row.get("ms"), row.get("frames", [])
    return (
        isinstance(ms, int | float)
        and 0 <= ms <= MS_MAX
        and isinstance(frames, list)
        and all(isinstance(each, str) for each in frames)
        and all(_is_plain(value) for name, value in row.items() if name != "frames")
    )


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int | None) or (isinstance(value, float) and math.isfinite(value))


def _no_trace(file: Path) -> Any:
    fail(Exit.FAILED, Pair("{file} 不是跟踪文件", "{file} is no trace of this tool"), file=file)
