"""What the tool needs of a ``gate.toml``: its boards, its lanes, and where the daemon listens.

The file is the daemon's, and the daemon is strict with it. This reader takes what it understands and passes over the
rest, so that an installer can work on a gate whose file is not finished.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final

from drivers.gate.ways import each_way
from shell.settings import read_toml

CONTROL_SOCKET: Final = "control.sock"
REFUSED_ROWS: Final = "journal.refused.jsonl"
NETWORK_SCHEMES: Final = ("tcp://", "udp://", "socket://", "rfc2217://", "http://")
_SIDES: Final = {"left": 1, "right": 2}  # of a turnstile controller, as the tool counts them
_OF_EVERY_BOARD: Final = ("name", "protocol", "port", "unit")


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardEntry:
    """One ``[[board]]``. ``port`` is absolute, or a network address; ``options`` is what else the entry says."""

    name: str
    protocol: str
    port: str
    unit: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def networked(self) -> bool:
        """Reached over a network, not by a cable of its own."""
        return self.port.startswith(NETWORK_SCHEMES) or self.protocol.endswith("-tcp")


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneEntry:
    """One ``[[lane]]``: what opens it, and what its wiring does by itself; empty where the file does not say."""

    name: str
    board: str = ""
    channel: int = 0
    direction: str = ""
    pulse_ms: int = 300
    contact: tuple[str, int] | None = None
    release: str = ""
    on_power_loss: str = ""
    tested_by: str = ""
    tested_on: str = ""

    @property
    def is_tested(self) -> bool:
        """Whether its wiring facts are written down and signed for; without that it is not held open."""
        return all((self.release, self.on_power_loss, self.tested_by, self.tested_on))


@dataclass(frozen=True, slots=True, kw_only=True)
class InputEntry:
    """One ``[[input]]``: what an input of a board means."""

    role: str
    board: str
    channel: int
    lane: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateFile:
    """One gate's file, as far as it was understood."""

    path: Path
    data_dir: Path
    boards: tuple[BoardEntry, ...] = ()
    lanes: tuple[LaneEntry, ...] = ()
    inputs: tuple[InputEntry, ...] = ()
    content: Mapping[str, Any] = field(default_factory=dict)

    def board(self, name: str) -> BoardEntry | None:
        """The board of this name."""
        return next((board for board in self.boards if board.name == name), None)

    def lane_at(self, board: str, channel: int) -> LaneEntry | None:
        """The lane that an output opens."""
        return next((lane for lane in self.lanes if (lane.board, lane.channel) == (board, channel)), None)

    def lanes_of(self, board: str) -> tuple[LaneEntry, ...]:
        """Every lane that a board opens."""
        return tuple(lane for lane in self.lanes if lane.board == board)

    def role_at(self, board: str, channel: int) -> str:
        """What an input means, in the file's words: ``entry contact``, ``fire``; empty where it has none."""
        for lane in self.lanes:
            if lane.contact == (board, channel):
                return f"{lane.name} contact"
        for entry in self.inputs:
            if (entry.board, entry.channel) == (board, channel):
                return f"{entry.lane} {entry.role}".strip()
        return ""

    @property
    def control_socket(self) -> Path:
        """Where the running daemon of this file listens."""
        return self.data_dir / CONTROL_SOCKET

    @property
    def refused_rows(self) -> Path:
        """Where the gate keeps rows that its journal never took."""
        return self.data_dir / REFUSED_ROWS


def read_gate_file(path: Path) -> GateFile:
    """Read what can be read.

    Raises:
        SettingsError: The file cannot be read, or it is not TOML.
    """
    _, content = read_toml(path)
    base = path.resolve().parent
    gate = _table(content.get("gate"))
    folder = gate.get("data_dir")
    return GateFile(
        path=path,
        data_dir=base / folder if isinstance(folder, str) else base,
        boards=tuple(_board(entry, base) for entry in _tables(content.get("board"))),
        lanes=tuple(_lane(way) for entry in _tables(content.get("lane")) for way in each_way(entry)),
        inputs=tuple(_input(entry) for entry in _tables(content.get("input"))),
        content=content,
    )


def _board(entry: Mapping[str, Any], base: Path) -> BoardEntry:
    port = _word(entry, "port")
    unit = entry.get("unit")
    return BoardEntry(
        name=_word(entry, "name"),
        protocol=_word(entry, "protocol"),
        port=port if not port or port.startswith(NETWORK_SCHEMES) else str(base / port),
        unit=unit if _whole(unit) else None,
        options={key: value for key, value in entry.items() if key not in _OF_EVERY_BOARD},
    )


def _lane(entry: Mapping[str, Any]) -> LaneEntry:
    contact = _table(entry.get("presence") or entry.get("contact"))
    channel, pulse_ms = entry.get("channel"), entry.get("pulse_ms")
    return LaneEntry(
        name=_word(entry, "name"),
        board=_word(entry, "board"),
        channel=channel if isinstance(channel, int) else _SIDES.get(_word(entry, "side"), 0),
        direction=_word(entry, "direction"),
        pulse_ms=pulse_ms if isinstance(pulse_ms, int) else 300,
        contact=(_word(contact, "board"), contact["channel"]) if _whole(contact.get("channel")) else None,
        release=_word(entry, "release"),
        on_power_loss=_word(entry, "on_power_loss"),
        tested_by=_word(entry, "tested_by"),
        tested_on=_day(entry.get("tested_on")),
    )


def _input(entry: Mapping[str, Any]) -> InputEntry:
    channel = entry.get("channel")
    return InputEntry(
        role=_word(entry, "role"),
        board=_word(entry, "board"),
        channel=channel if isinstance(channel, int) else 0,
        lane=_word(entry, "lane"),
    )


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _day(found: object) -> str:
    """A day, written as a TOML date or as text."""
    return found.isoformat() if isinstance(found, date) else found if isinstance(found, str) else ""


def _word(entry: Mapping[str, Any], key: str) -> str:
    found = entry.get(key)
    return found if isinstance(found, str) else ""


def _table(found: object) -> Mapping[str, Any]:
    return found if isinstance(found, dict) else {}


def _tables(found: object) -> list[Mapping[str, Any]]:
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []
