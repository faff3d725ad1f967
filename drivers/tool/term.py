"""``term``: bytes in hex to a port and back, by hand. What would switch a board is named first, and wants a word."""

import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from drivers.model import LineSettings
from drivers.port import Port
from drivers.tool.confirm import ISOLATED_WORDS
from drivers.tool.console import Exit, at_terminal, banner, put_line, say, warn
from drivers.tool.opening import check_port
from drivers.tool.switching import HOPELESS, switched
from drivers.tool.target import ConfigOption, find_target, read_gate
from drivers.tool.trace import TraceOption
from drivers.tool.wire import collect, raw_port
from passes.words import Pair

LISTEN_S: Final = 0.2
_LINE_MAX: Final = 4096
_TAIL: Final = 32  # bytes sent before, with which these may be one frame


def term(
    *,
    port: Annotated[str, typer.Option("--port", help="Serial device; prefer a /dev/serial/by-path link.")],
    baud: Annotated[int, typer.Option(help="Speed.")] = 9600,
    as_text: Annotated[bool, typer.Option("--as-text", help="Lines are text, not hex; CR is added.")] = False,
    config: ConfigOption = None,
    confirm: Annotated[
        str | None,
        typer.Option("--confirm", metavar="isolated", help="Nothing that these wires move can hurt."),
    ] = None,
    trace: TraceOption = None,
) -> None:
    """Send bytes by hand and see what comes back: FF 09 00 and Enter; an empty line only listens; Ctrl-D ends.

    \b
    Examples:
      postern-driver term --port /dev/ttyUSB0
      postern-driver term --port /dev/ttyUSB0 --baud 19200 --trace trace.jsonl

    Bytes that would switch a board that we know of are not sent before somebody types "isolated". What was sent before
    counts with them. Refused while the gate's daemon holds the port (exit 3).
    """
    _demand_free(port, config)
    warn(HOPELESS)
    isolated = (confirm or "").strip().lower() in ISOLATED_WORDS
    refused = False
    with raw_port(port, LineSettings(baud=baud), trace=trace) as opened:
        sent = b""
        for line in sys.stdin:
            data = _bytes(line[:_LINE_MAX].rstrip("\r\n"), as_text=as_text)
            if data is None:
                warn(Pair("不是十六进制：写成 A0 01 01 A2", "That is no hex. Write it as A0 01 01 A2"))
                continue
            boards = switched(sent[-_TAIL:] + data)
            if data and boards and not isolated:
                isolated = _confirms(data, boards)
                if not isolated:
                    refused = True
                    continue
            if data:
                opened.write(data)
                sent += data
                put_line(f"-> {data.hex(' ').upper()}")
            _heard(opened)
    if refused:
        raise typer.Exit(Exit.UNSAFE)


def _confirms(data: bytes, boards: tuple[str, ...]) -> bool:
    """Whether somebody types the word; False where nobody can."""
    banner(
        Pair("{hex} 会让 {boards} 动作", "{hex} WOULD SWITCH {boards}"),
        hex=data.hex(" ").upper(),
        boards=", ".join(boards),
    )
    if not at_terminal():
        say(Pair("没有发送。加 --confirm isolated", "Not sent. To send such bytes: --confirm isolated"))
        return False
    say(Pair("端子已从继电器上拔下？输入：已隔离", "Are the wires off the relays? Type: isolated"))
    if sys.stdin.readline().strip().lower() in ISOLATED_WORDS:
        return True
    say(Pair("没有发送", "Not sent"))
    return False


def _heard(port: Port) -> None:
    data = collect(port, LISTEN_S)
    for at in range(0, len(data), 16):
        piece = data[at : at + 16]
        plain = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in piece)
        put_line(f"<- {piece.hex(' ').upper():<47}  {plain}")


def _bytes(line: str, *, as_text: bool) -> bytes | None:
    if as_text:
        return (line + "\r").encode() if line else b""
    try:
        return bytes.fromhex(line)
    except ValueError:
        return None


def _demand_free(port: str, config: Path | None) -> None:
    """End with exit code 3 when the running gate of the file has this port."""
    if config is None:
        return
    gate = read_gate(config)
    for entry in gate.boards:
        if Path(entry.port).resolve() == Path(port).resolve():
            check_port(find_target(port=None, protocol=None, board=entry.name, config=gate.path))
