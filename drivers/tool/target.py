"""Which device a command is about: a ``--board`` of ``gate.toml``, or what ``--port`` and ``--protocol`` describe."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, cast

import typer

from drivers.model import Driver
from drivers.registry import Options, UnknownProtocolError, make_driver
from drivers.tool.console import Exit, both, fail
from drivers.tool.gate_file import GateFile, LaneEntry, read_gate_file
from passes.words import Pair
from shell.settings import SettingsError

DEFAULT_CONFIG: Final = Path("gate.toml")

PortOption = Annotated[
    str | None, typer.Option("--port", help="Serial device; prefer a /dev/serial/by-path link.")
]
ProtocolOption = Annotated[str | None, typer.Option("--protocol", help="What the device speaks.")]
ProfileOption = Annotated[
    str | None, typer.Option("--profile", help="Family of a Modbus board, or the path of your own file.")
]
MakeOption = Annotated[str | None, typer.Option("--make", help="Make of a scanner or thermometer.")]
UnitOption = Annotated[
    int | None,
    typer.Option(
        "--unit", min=0, max=255, help="Address on the line, as set on the device; 0 only for osdp."
    ),
]
KeyFileOption = Annotated[
    str | None,
    typer.Option("--key-file", metavar="FILE", help="File with the key of an OSDP reader."),
]
BoardOption = Annotated[
    str | None, typer.Option("--board", help="Name of a board in --config, instead of port and protocol.")
]
ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", help="The gate's file; gate.toml in this folder unless it is named."),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One device.

    Args:
        name: Its name in the gate's file, or its port.
        port: Path of the device file, or a network address.
        protocol: Name in the registry.
        unit: Address on a shared line; None for the one it is delivered with.
        options: What else its driver is made with: ``profile``, ``make`` and the like.
        gate: The gate's file, when one was named or found by ``--board``.
        board: Its name in that file; None when it was described on the command line.
    """

    name: str
    port: str
    protocol: str
    unit: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    gate: GateFile | None = None
    board: str | None = None

    def lane(self, channel: int) -> LaneEntry | None:
        """The lane that an output opens, when the gate's file knows it."""
        return None if self.gate is None or self.board is None else self.gate.lane_at(self.board, channel)

    def lanes(self) -> tuple[LaneEntry, ...]:
        """Every lane that this device opens, when the gate's file knows them."""
        return () if self.gate is None or self.board is None else self.gate.lanes_of(self.board)


def find_target(
    *,
    port: str | None,
    protocol: str | None,
    board: str | None = None,
    config: Path | None = None,
    unit: int | None = None,
    profile: str | None = None,
    make: str | None = None,
    key_file: str | None = None,
) -> Target:
    """The device that the options name; ends with exit code 2 when they name none, or two."""
    if board is not None and (port is not None or protocol is not None):
        fail(
            Exit.USAGE,
            Pair(
                "--board 与 --port/--protocol 只能用一种",
                "Name the device by --board, or by --port and --protocol",
            ),
        )
    options = {"profile": profile, "make": make, "key_file": _here(key_file)}
    given = {key: value for key, value in options.items() if value is not None}
    if board is not None:
        return _checked(_named(board, read_gate(config or DEFAULT_CONFIG), unit, given))
    gate = None if config is None else read_gate(config)
    if port is None or protocol is None:
        fail(
            Exit.USAGE,
            Pair(
                "缺少设备：用 --port 与 --protocol，或用 --board 名称（配合 --config gate.toml）",
                "No device is named: use --port and --protocol, or --board NAME (with --config gate.toml)",
            ),
        )
    return _checked(_described(port, protocol, gate, unit, given))


def driver_of(target: Target) -> Driver:
    """A fresh driver for the device; ends with exit code 2 when its description fits none."""
    try:
        return make_driver(target.protocol, **options_of(target))
    except (UnknownProtocolError, ValueError, TypeError) as error:
        fail(Exit.USAGE, both("{error}"), error=error)


def options_of(target: Target) -> Options:
    """What the registry is told of the device; files that the gate's file names lie beside it."""
    given = {key: value for key, value in target.options.items() if key in Options.__annotations__}
    profile = given.get("profile")
    if target.gate is not None and isinstance(profile, str) and profile.endswith(".toml"):
        given["profile"] = target.gate.path.resolve().parent / profile
    key_file = given.get("key_file")
    if target.gate is not None and isinstance(key_file, str):
        given["key_file"] = target.gate.path.resolve().parent / key_file
    return cast("Options", {"unit": target.unit, **given})


def read_gate(path: Path) -> GateFile:
    """The gate's file; ends with exit code 2 when it cannot be read."""
    try:
        return read_gate_file(path)
    except SettingsError as error:
        fail(Exit.USAGE, both("{error}"), error=error)


def _named(board: str, gate: GateFile, unit: int | None, given: dict[str, str]) -> Target:
    entry = gate.board(board)
    if entry is None:
        known = ", ".join(each.name for each in gate.boards) or "-"
        fail(
            Exit.USAGE,
            Pair(
                "{file} 中没有名为 {board!r} 的板；有：{known}",
                "{file} has no board named {board!r}. It has: {known}",
            ),
            file=gate.path,
            board=board,
            known=known,
        )
    return Target(
        name=entry.name,
        port=entry.port,
        protocol=entry.protocol,
        unit=entry.unit if unit is None else unit,
        options={**entry.options, **given},
        gate=gate,
        board=entry.name,
    )


def _here(path: str | None) -> str | None:
    """A path of the command line: beside the gate's file it would be another one."""
    return None if path is None else str(Path(path).absolute())


def _checked(target: Target) -> Target:
    """The same; ends with exit code 2 when it is to be asked as unit 0, which is everybody on a Modbus line."""
    if target.unit == 0 and target.protocol != "osdp":
        fail(
            Exit.USAGE,
            Pair(
                "{protocol} 设备没有地址 0：在 Modbus 线上 0 是所有设备。写 1 到 255",
                "A {protocol} device has no address 0: on a Modbus line that is everybody. Use 1 to 255",
            ),
            protocol=target.protocol,
        )
    return target


def _described(
    port: str, protocol: str, gate: GateFile | None, unit: int | None, given: dict[str, str]
) -> Target:
    """What the command line says, and the gate's name for it where its file has the same port."""
    entries = () if gate is None else gate.boards
    same = [entry for entry in entries if Path(entry.port).resolve() == Path(port).resolve()]
    entry = same[0] if len(same) == 1 and same[0].protocol == protocol else None
    return Target(
        name=port if entry is None else entry.name,
        port=port,
        protocol=protocol,
        unit=entry.unit if unit is None and entry is not None else unit,
        options=given if entry is None else {**entry.options, **given},
        gate=gate,
        board=None if entry is None else entry.name,
    )
