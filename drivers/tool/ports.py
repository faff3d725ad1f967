"""``ports``: the serial ports of this machine, without opening one: opening can reset or trigger a board."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.padding import Padding
from rich.table import Table

from drivers.ports import PortRow, list_ports
from drivers.tool.console import JsonOption, plain, put_json, say, show, text
from drivers.tool.host import Host
from drivers.usb_ids import usb_hint
from passes.words import Pair

CH340: Final = "1a86:7523"
_SAID: Final = {
    "not there": Pair("不存在", "not there"),
    "virtual": Pair("虚拟端口", "virtual"),
    "named with --also": Pair("由 --also 指明", "named with --also"),
}


def ports(
    *,
    also: Annotated[
        list[Path] | None, typer.Option(help="Also show this path, for example a virtual port.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List serial ports without opening any.

    \b
    Examples:
      postern-driver ports
      postern-driver ports --json
      postern-driver ports --also dev/relays --also dev/inputs

    Configuration should name the by-path link: it stays with the socket, while ttyUSB numbers move.
    The USB numbers name the adapter, not the board behind it.
    """
    rows, host = list_ports(also or []), Host()
    if as_json:
        put_json([as_row(row, host) for row in rows])
    elif rows:
        for row in rows:
            _show(row, host)
    else:
        say(
            Pair(
                "没有串口。请插上设备；虚拟端口用 --also 路径 指明。",
                "No serial ports. Plug the board in; name a virtual port with --also PATH.",
            )
        )


def as_row(row: PortRow, host: Host) -> dict[str, Any]:
    """A port for ``--json``: ``claims`` are programs that may take it, ``clone`` is a CH340 without serial number."""
    return asdict(row) | {"claims": claims(row, host), "clone": _is_clone(row)}


def claims(row: PortRow, host: Host) -> list[str]:
    """Programs of this machine that take new serial ports for something else, and may take this one."""
    found = []
    if row.usb and host.modem_manager_may_take(row.path):
        found.append("ModemManager")
    if host.brltty_takes(row.usb):
        found.append("brltty")
    return found


def _show(row: PortRow, host: Host) -> None:
    show(
        f"[bold]{plain(row.path)}[/]  {plain(' '.join(each for each in (row.usb, _said(row.driver)) if each))}"
    )
    made = Table.grid(padding=(0, 2))
    made.add_column(style="dim", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value, style in _facts(row, host):
        made.add_row(plain(text(name)), plain(value), style=style)
    show(Padding(made, (0, 0, 0, 2), expand=False))


def _facts(row: PortRow, host: Host) -> Sequence[tuple[Pair, str, str]]:
    no_link = text(Pair("无：编号会变", "none: the number moves"))
    found = [(Pair("固定链接", "by-path link"), row.by_path or no_link, "" if row.by_path else "dim")]
    if row.socket:
        found.append((Pair("USB 插口", "USB socket"), row.socket, ""))
    if row.usb:
        serial = row.serial or text(Pair("无", "none"))
        if _is_clone(row):
            serial = text(
                Pair(
                    "无：CH340，同型号分不开，只能认插口",
                    "none: a CH340, told from its like only by its socket",
                )
            )
        found.append((Pair("序列号", "serial number"), serial, ""))
        hint = usb_hint(row.usb)
        if hint is not None:
            found.append((Pair("可能是", "may be"), text(hint.what), ""))
    yours = Pair("你可以", "you may") if row.usable else Pair("你不可以", "not you")
    found.append(
        (
            Pair("谁可打开", "who may open it"),
            f"{_said(row.access)} ({text(yours)})",
            "" if row.usable else "red",
        )
    )
    nobody = text(Pair("无人", "nobody"))
    found.append((Pair("占用", "held by"), row.holder or nobody, "yellow" if row.holder else ""))
    found += [
        (
            Pair("会被占用", "may be taken by"),
            text(Pair("{p}（见 postern-driver doctor）", "{p} (see postern-driver doctor)"), p=program),
            "red",
        )
        for program in claims(row, host)
    ]
    return found


def _said(words: str) -> str:
    """What ``drivers.ports`` says about a port, in the language in use; a system's own words stay as they are."""
    return text(_SAID[words]) if words in _SAID else words


def _is_clone(row: PortRow) -> bool:
    return row.usb == CH340 and not row.serial
