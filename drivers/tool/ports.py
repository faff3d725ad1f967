"""``ports``: the serial ports of this machine, without opening one."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from drivers.ports import PortRow, list_ports
from drivers.tool.console import JsonOption, add_row, put_json, say, show, table
from passes.words import Pair


def ports(
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
    rows = list_ports(also or [])
    if as_json:
        put_json([asdict(row) for row in rows])
    elif rows:
        show(_table(rows))
    else:
        say(
            Pair(
                "没有串口。请插上设备；虚拟端口用 --also 路径 指明。",
                "No serial ports. Plug the board in; name a virtual port with --also PATH.",
            )
        )


def _table(rows: list[PortRow]) -> Table:
    made = table(
        Pair("端口", "port"),
        Pair("固定链接", "by-path link"),
        Pair("USB", "usb"),
        Pair("驱动", "driver"),
        Pair("谁可打开", "who may open it"),
        Pair("占用", "held by"),
    )
    for row in rows:
        access = row.access if row.usable else f"{row.access} (not you)"
        cells = (row.path, row.by_path or "-", row.usb or "-", row.driver or "-", access, row.holder or "-")
        add_row(made, cells)
    return made
