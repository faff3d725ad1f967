"""A gate's file played by virtual boards: one for each ``[[board]]``, wired as its lanes and inputs say.

Relays release the lanes that the file has them open, passage contacts close where the file has them end, and the beam
of a turnstile controller is walked through on the side of its lane. The file that the tool is given is a copy with
other ports, so that no command can reach a real board by mistake.
"""

import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from drivers.tool.gate_file import BoardEntry, GateFile
from drivers.tool.toml_text import with_value
from simulators.boards.board import Board
from simulators.boards.cable import Cable
from simulators.boards.catalogue import UnknownBoardError, make_board
from simulators.boards.device import Device
from simulators.boards.ends import End, PtyEnd, TcpEnd
from simulators.boards.gate_controller import SIDES, GateController, Side
from simulators.boards.knobs import Knobs
from simulators.boards.modbus_board import ModbusBoard
from simulators.boards.wires import Terminal
from simulators.devices.modem import Modem
from simulators.devices.scanner import TextScanner
from simulators.devices.scanner_gm65 import Gm65
from simulators.devices.scanner_menus import Honeywell, Newland
from simulators.devices.thermometers import Cjmcu90614, Gy614V, Mcu90614
from simulators.devices.voice import Syn6288

_TCP: Final = re.compile(r"tcp://([^/:]+|\[[^\]]+\]):(\d{1,5})/?")
_PEOPLES: Final = ("fire", "exit_button")


class TrainingError(Exception):
    """This file cannot be played; the message names the board and what to change."""


@dataclass(slots=True)
class Training:
    """Virtual boards of one gate's file, before they are plugged in.

    Args:
        ends: Their lines.
        devices: By the board's name.
        places: Where each board is found: a link, or a network address.
        lanes: Names in the file's order; the first one is lane 1.
    """

    ends: list[End] = field(default_factory=list)
    devices: dict[str, Device] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    lanes: list[str] = field(default_factory=list)


class WiredByFile:
    """The wires of a training gate.

    Args:
        gate: The file.
        devices: Its boards by name.
    """

    def __init__(self, gate: GateFile, devices: dict[str, Device]) -> None:
        self._names = {id(device): name for name, device in devices.items()}
        self._lanes: dict[tuple[int, int], int] = {}
        self._contacts: dict[int, Terminal] = {}
        self._sides: dict[int, tuple[GateController, Side]] = {}
        for number, lane in enumerate(gate.lanes, 1):
            device = devices.get(lane.board)
            if device is None:
                raise TrainingError(f"lane {lane.name!r} names no board of the file: board = {lane.board!r}")
            self._lanes[id(device), lane.channel] = number
            if isinstance(device, GateController):
                self._sides[number] = device, SIDES[(lane.channel - 1) % 2]
            if lane.contact is not None:
                self._contacts[number] = _terminal(
                    devices, *lane.contact, of=f"the contact of lane {lane.name!r}"
                )
        self._roles: dict[str, list[Terminal]] = {role: [] for role in _PEOPLES}
        raw: Any = gate.content.get("input")
        for entry, said in zip(gate.inputs, raw if isinstance(raw, list) else [], strict=False):
            closed = isinstance(said, dict) and said.get("normally") == "closed"
            at = _terminal(
                devices,
                entry.board,
                entry.channel,
                normally_closed=closed,
                of=f"the input for {entry.role!r}",
            )
            at.touch(float("-inf"), active=False)
            self._roles.setdefault(entry.role, []).append(at)

    def lane_of(self, device: Device, channel: int) -> int | None:
        """The lane that the file has this output open."""
        return self._lanes.get((id(device), channel))

    def contact_of(self, lane: int) -> Terminal | None:
        """The lane's ``contact``."""
        return self._contacts.get(lane)

    def side_of(self, lane: int) -> tuple[GateController, Side] | None:
        """The lane's ``side``."""
        return self._sides.get(lane)

    def fire(self) -> Sequence[Terminal]:
        """Inputs with ``role = "fire"``."""
        return self._roles["fire"]

    def buttons(self) -> Sequence[Terminal]:
        """Inputs with ``role = "exit_button"``."""
        return self._roles["exit_button"]

    def name_of(self, device: Device) -> str:
        """The board's name in the file."""
        return self._names.get(id(device), "")


def make_training(
    gate: GateFile, folder: Path | None, *, knobs: Knobs | None = None, seed: int = 0
) -> tuple[Training, WiredByFile]:
    """The boards of a file, and how they are wired.

    Args:
        gate: The file.
        folder: Where their links go; None for the ports that the file names.
        knobs: What is wrong with every line.
        seed: Decides what is hit.

    Raises:
        TrainingError: A board cannot be played, or a port is a real one.
    """
    made, lines = Training(lanes=[lane.name for lane in gate.lanes]), dict[str, list[BoardEntry]]()
    for entry in gate.boards:
        made.devices[entry.name] = _device(gate, entry)
        lines.setdefault(entry.port, []).append(entry)
    for port, entries in lines.items():
        devices = [made.devices[entry.name] for entry in entries]
        if entries[0].networked:
            end, place = _network_end(
                port, entries[0].name, devices[0], in_place=folder is None, knobs=knobs, seed=seed
            )
        else:
            link = _own_link(port) if folder is None else folder.absolute() / "dev" / entries[0].name
            end, place = PtyEnd(link, Cable(devices, knobs=knobs, seed=seed)), str(link)
        made.ends.append(end)
        made.places |= dict.fromkeys((entry.name for entry in entries), place)
    return made, WiredByFile(gate, made.devices)


def rewritten(gate: GateFile, places: dict[str, str]) -> str:
    """The gate's file with other ports, the files that it names where they are, and a data folder of its own.

    The daemon of the real gate listens in the real data folder: no command of a lesson may find it.
    """
    text, base = gate.path.read_text(encoding="utf-8"), gate.path.resolve().parent
    for name, place in places.items():
        text = with_value(text, ["board", name, "port"], place)
    section: Any = gate.content.get("gate")
    if isinstance(section, dict):
        text = with_value(text, ["gate", "data_dir"], "data")
    for key in ("keys", "units"):
        found = section.get(key) if isinstance(section, dict) else None
        if isinstance(found, str):
            text = with_value(text, ["gate", key], str(base / found))
    for entry in gate.boards:
        if isinstance(entry.options.get("expect"), dict):
            text = with_value(text, ["board", entry.name, "expect"], {})  # no virtual port is that adapter
        for key in ("key_file", "profile"):
            found = entry.options.get(key)
            if isinstance(found, str) and (key == "key_file" or found.endswith(".toml")):
                text = with_value(text, ["board", entry.name, key], str(base / found))
    return text


def _device(gate: GateFile, entry: BoardEntry) -> Device:
    make = str(entry.options.get("make") or "")
    match entry.protocol:
        case "scanner":
            engines: dict[str, Callable[[], Device]] = {
                "text": TextScanner,
                "gm65": Gm65,
                "honeywell": Honeywell,
                "newland": Newland,
            }
            return _picked(entry, "make", make or "text", engines)()
        case "thermometer":
            modules: dict[str, Callable[[], Device]] = {
                "mcu90614": Mcu90614,
                "614v": Gy614V,
                "cjmcu": Cjmcu90614,
            }
            return _picked(entry, "make", make, modules)()
        case "modem":
            return _modem(entry)
        case "syn6288":
            return Syn6288()
    try:
        return make_board(entry.protocol, unit=entry.unit, profile=_kind(gate, entry))
    except UnknownBoardError as error:
        raise TrainingError(f"board {entry.name!r}: {error}") from error


def _modem(entry: BoardEntry) -> Modem:
    device, pin = Modem(), entry.options.get("pin")
    if pin:
        device.sim, device.pin = "SIM PIN", str(pin)
    return device


def _picked(
    entry: BoardEntry, key: str, word: str, kinds: dict[str, Callable[[], Device]]
) -> Callable[[], Device]:
    if word not in kinds:
        raise TrainingError(f"board {entry.name!r}: {key} = {word!r}; there are {', '.join(kinds)}")
    return kinds[word]


def _kind(gate: GateFile, entry: BoardEntry) -> str | None:
    """What the virtual boards call it."""
    said = {key: entry.options.get(key) for key in ("profile", "model", "outputs", "check", "key_file")}
    match entry.protocol:
        case "modbus-relay" | "modbus-tcp":
            return None if said["profile"] is None else str(said["profile"])
        case "devantech-usb":
            return None if said["model"] is None else str(said["model"]).lower().removeprefix("usb-")
        case "kmtronic":
            return None if said["outputs"] is None else str(said["outputs"])
        case "turnstile-eb":
            return None if said["check"] is None else str(said["check"])
        case "osdp" if said["key_file"] is not None:
            file = gate.path.resolve().parent / str(said["key_file"])
            try:
                return file.read_text(encoding="ascii").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise TrainingError(f"board {entry.name!r}: its key {file} cannot be read") from error
    return None


def _network_end(
    port: str, name: str, device: Device, *, in_place: bool, knobs: Knobs | None, seed: int
) -> tuple[End, str]:
    found = _TCP.fullmatch(port)
    if found is None or not isinstance(device, ModbusBoard):
        raise TrainingError(
            f"board {name!r}: port = {port!r} cannot be played; write tcp://HOST:PORT of a Modbus board"
        )
    host, number = ("127.0.0.1", _free_port()) if not in_place else (found[1], int(found[2]))
    return TcpEnd(device, host=host, port=number, knobs=knobs, seed=seed), f"tcp://{host}:{number}"


def _own_link(port: str) -> Path:
    """A place that nothing real is at."""
    link = Path(port)
    real = link.exists() and link.resolve().parent != Path("/dev/pts")
    if real or link.is_relative_to("/dev"):
        raise TrainingError(
            f"{port} is a real port, or a place for one: leave --in-place out, and links are made elsewhere"
        )
    return link


def _terminal(
    devices: dict[str, Device], board: str, channel: int, *, of: str, normally_closed: bool = False
) -> Terminal:
    device = devices.get(board)
    if not isinstance(device, Board) or channel not in device.inputs:
        raise TrainingError(f"{of} is input {channel} of board {board!r}, and there is no such input")
    return Terminal(board=device, channel=channel, normally_closed=normally_closed)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
