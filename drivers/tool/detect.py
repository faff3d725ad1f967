"""``detect``: what may be at a port. Passive at first: USB numbers, and two seconds of listening.

``--probe FAMILY`` asks: one family, one port, after somebody has said that the lane is isolated, and after the bytes
were shown. A line that is to be probed for the next family is opened afresh and left quiet before.
"""

from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from drivers.model import LineSettings
from drivers.port import PortError, SerialPort
from drivers.ports import PortRow, list_ports
from drivers.tool.asking import ask_family, at_speed
from drivers.tool.candidates import CERTAINTY_WORDS, Candidate, overheard
from drivers.tool.confirm import IsolatedOption, confirmed_isolated
from drivers.tool.console import (
    DryRunOption,
    Exit,
    JsonOption,
    add_row,
    banner,
    fail,
    progress,
    put_json,
    say,
    show,
    table,
    text,
    warn,
)
from drivers.tool.families import FAMILIES, Family
from drivers.tool.opening import port_words
from drivers.tool.switching import HOPELESS, harmless, switched
from drivers.tool.trace import TraceOption
from drivers.tool.wire import collect, hexed, is_virtual, raw_port
from drivers.usb_ids import NUMATO, UsbHint, usb_hint
from passes.words import Pair

LISTEN_BAUDS: Final = (9600, 115200)
QUIET_BEFORE_S: Final = 0.5  # before a probe: every frame that somebody took us to have begun is over
_ONE_FAMILY_ONLY: Final = {"04d8:ffee": "devantech", NUMATO: "numato"}


def detect(
    *,
    port: Annotated[
        list[str] | None, typer.Option("--port", help="Look at this port only; may be repeated.")
    ] = None,
    seconds: Annotated[
        float, typer.Option(min=0.0, max=60.0, help="How long to listen at each speed; 0 opens no port.")
    ] = 2.0,
    probe: Annotated[
        str | None, typer.Option("--probe", metavar="FAMILY", help="Ask this one family. THIS SENDS BYTES.")
    ] = None,
    baud: Annotated[
        int | None, typer.Option(help="Ask at this speed, not at the family's usual one.")
    ] = None,
    usb: Annotated[
        str | None,
        typer.Option(metavar="VID:PID", help="USB number, for a port that has none of its own to read."),
    ] = None,
    confirm: IsolatedOption = None,
    dry_run: DryRunOption = False,
    trace: TraceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what may be connected: by USB numbers, and by listening. Sends nothing unless --probe is given.

    \b
    Examples:
      postern-driver detect
      postern-driver detect --port /dev/ttyUSB0 --json
      postern-driver detect --port /dev/ttyUSB0 --probe modbus --dry-run

    A probe may open a gate on a board that nobody expected: take the wires off the relays first, and type
    'isolated' when asked (or --confirm isolated). One family at a time: devantech, numato, modbus, kmtronic,
    lcus, turnstile-7e, gm65, honeywell, newland, thermometer-614v, modem, syn6288, osdp.
    """
    if probe is not None:
        row = _probe(_one(port), probe, baud=baud, usb=usb, confirm=confirm, dry_run=dry_run, trace=trace)
        _report([row], as_json=as_json)
        raise typer.Exit(0 if dry_run or row["candidates"] else Exit.FAILED)
    known = {row.path: row for row in list_ports([Path(path) for path in port or []])}
    wanted = [known[path] for path in port] if port else list(known.values())
    rows = []
    with progress(Pair("监听", "Listening"), len(wanted) * len(LISTEN_BAUDS)) as step:
        for each in wanted:
            hint = usb_hint(usb or each.usb)
            heard, skipped = (b"", "") if dry_run else _listen(each, seconds, step)
            found = [*_hinted(hint), *overheard(heard)]
            rows.append(_row(each.path, usb or each.usb, found, heard=heard, skipped=skipped))
    _report(rows, as_json=as_json)
    if not rows:
        say(Pair("没有串口。", "No serial ports."))
    if len(rows) == 1 and rows[0]["skipped"]:
        raise typer.Exit(Exit.UNREACHABLE)


def family_of(name: str) -> Family:
    """The family that ``--probe`` names; ends with exit code 2 when there is none."""
    family = FAMILIES.get(name)
    if family is None:
        fail(
            Exit.USAGE,
            Pair("没有族 {name!r}；可用：{known}", "There is no family {name!r}. Use one of: {known}"),
            name=name,
            known=", ".join(FAMILIES),
        )
    return family


def demand_fit(family: Family, usb: str | None) -> None:
    """End with exit code 4 when the port's USB number says that this family's bytes do not belong there."""
    number = (usb or "").lower()
    own = next((name for start, name in _ONE_FAMILY_ONLY.items() if number.startswith(start)), None)
    if own is not None and own != family.name:
        fail(
            Exit.UNSAFE,
            Pair(
                "USB 号 {usb} 属于 {own}：其他族的字节会让它的继电器动作。只能用 --probe {own}",
                "USB number {usb} is {own}'s: another family's bytes switch its relays. Use --probe {own} only",
            ),
            usb=usb,
            own=own,
        )
    if family.usb and not number.startswith(family.usb) and (number or not harmless(family.all_bytes)):
        fail(
            Exit.UNSAFE,
            Pair(
                "{family} 只发给 USB 号为 {wanted} 的设备，此端口为 {usb}：这些字节会让 {boards} 动作",
                "{family} is only asked at USB number {wanted}, this port has {usb}: these bytes would switch {boards}",
            ),
            family=family.name,
            wanted=family.usb,
            usb=usb or "-",
            boards=", ".join(switched(family.all_bytes)) or "-",
        )


def usb_of(path: str) -> str | None:
    """The USB number of a port, as the system knows it."""
    resolved = Path(path).resolve()
    return next((row.usb for row in list_ports([]) if Path(row.path).resolve() == resolved), None)


def _one(port: list[str] | None) -> str:
    if port is None or len(port) != 1:
        fail(Exit.USAGE, Pair("--probe 需要一个 --port", "--probe wants one --port"))
    return port[0]


def _probe(
    port: str,
    name: str,
    *,
    baud: int | None,
    usb: str | None,
    confirm: str | None,
    dry_run: bool,
    trace: Path | None,
) -> dict[str, Any]:
    family = family_of(name)
    line = at_speed(family, baud)
    number = usb or usb_of(port)
    _show_bytes(family, port, line)
    if dry_run:
        return _row(port, number, [], skipped="dry run", asked=family)
    demand_fit(family, number)
    confirmed_isolated(
        confirm,
        Pair(
            "这些字节将发到 {port}。未知的板可能因此吸合继电器、打开通道。",
            "These bytes go to {port}. A board that nobody expected may close a relay and open a lane.",
        ),
        port=port,
    )
    with raw_port(port, line, trace=trace, protocol=family.protocol) as opened:
        before = collect(opened, QUIET_BEFORE_S)
        if before:
            warn(
                Pair("端口自己在发送数据：{heard}", "The port talks by itself: {heard}"), heard=hexed(before)
            )
        found, heard = ask_family(opened, family)
    return _row(port, number, [] if found is None else [found], heard=heard, asked=family)


def _show_bytes(family: Family, port: str, line: LineSettings) -> None:
    banner(
        Pair("将发送到 {port}（{baud} 8N1）", "To be sent to {port} ({baud} 8N1)"), port=port, baud=line.baud
    )
    for write in (*family.writes, *([family.closing] if family.closing else [])):
        say(Pair("  {hex}", "  {hex}"), hex=hexed(write, most=64))
    boards = switched(family.all_bytes)
    if boards:
        warn(
            Pair("若另一端是 {boards}，继电器会动作。", "If {boards} is at the other end, its relays move."),
            boards=", ".join(boards),
        )
    say(HOPELESS)


def _listen(row: PortRow, seconds: float, step: Any) -> tuple[bytes, str]:
    """What a port says by itself at the usual speeds; and why it was passed over."""
    heard = b""
    for baud in LISTEN_BAUDS:
        step(f"{row.path} {baud}")
        if not seconds:
            continue
        if row.holder is not None and not is_virtual(row.path):
            return b"", text(Pair("被 {holder} 占用", "held by {holder}"), holder=row.holder)
        port = SerialPort(row.path, LineSettings(baud=baud))
        try:
            port.open()
            try:
                heard = collect(port, seconds)
            finally:
                port.close()
        except PortError as error:
            return heard, text(port_words(error))
        if any(each.protocol for each in overheard(heard)):
            break
    return heard, ""


def _hinted(hint: UsbHint | None) -> list[Candidate]:
    if hint is None:
        return []
    return [
        Candidate(protocol=protocol, certainty=hint.certainty, why=hint.what)
        for protocol in hint.protocols or ("",)
    ]


def _row(
    port: str,
    usb: str | None,
    found: list[Candidate],
    *,
    heard: bytes = b"",
    skipped: str = "",
    asked: Family | None = None,
) -> dict[str, Any]:
    return {
        "port": port,
        "usb": usb,
        "asked": None if asked is None else asked.name,
        "sent": [] if asked is None or skipped else [write.hex(" ").upper() for write in asked.writes],
        "heard": hexed(heard, most=64),
        "heard_bytes": len(heard),
        "skipped": skipped or None,
        "candidates": [
            {
                "protocol": each.protocol or None,
                "options": dict(each.options),
                "certainty": each.certainty.value,
                "why": text(each.why),
                "shown": each.shown,
                "certainty_shown": text(CERTAINTY_WORDS[each.certainty]),
            }
            for each in found
        ],
    }


def _report(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        hidden = ("shown", "certainty_shown")
        put_json(
            [
                row
                | {
                    "candidates": [
                        {key: value for key, value in each.items() if key not in hidden}
                        for each in row["candidates"]
                    ]
                }
                for row in rows
            ]
        )
        return
    made = table(
        Pair("端口", "port"),
        Pair("USB", "usb"),
        Pair("可能是", "may be"),
        Pair("把握", "certainty"),
        Pair("依据", "why"),
    )
    for row in rows:
        place = (row["port"], row["usb"] or "-")
        silent = Pair("没有声音", "silent") if row["asked"] is None else Pair("没有回答", "no answer")
        if row["skipped"] or not row["candidates"]:
            add_row(made, (*place, "-", "-", row["skipped"] or text(silent)))
            place = ("", "")
        for why, alike in groupby(row["candidates"], key=lambda each: (each["certainty_shown"], each["why"])):
            add_row(made, (*place, ", ".join(each["shown"] for each in alike), *why))
            place = ("", "")
    if rows:
        show(made)
