"""libosdp's control panel for one reader, with its wire in memory: no port, no thread, nothing that raises.

The library's usual wrapper has a thread of its own that ends for good when its channel raises, and a pause of 300 s
after a reader was silent. Here the panel is turned by whoever owns the line, its channel is two byte buffers, and a
panel that has given up is thrown away for a new one (decision 0014). Time is libosdp's own: it reads the clock.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

from drivers.devices.osdp_commands import Command, Reports
from drivers.devices.osdp_library import OsdpMissingError, library

HEARD_MAX: Final = 4096  # a frame has at most 1440 bytes; more is noise


class PanelBrokenError(Exception):
    """libosdp's state can no longer be trusted: make a new panel."""


class Can(IntEnum):
    """Abilities that a reader is asked about; the numbers are the standard's."""

    INPUTS = 1
    OUTPUTS = 2
    LEDS = 4
    BUZZERS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The command that was given is over: ``ok``, the reader took it."""

    ok: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """The reader read something."""

    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """States as the reader reported them, the first one's first: 0 is at rest."""

    what: Reports
    levels: bytes


@dataclass(frozen=True, slots=True)
class GaveUp:
    """libosdp pauses for minutes: make a new panel."""


Note = Finished | Card | Levels | GaveUp


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """Who the reader says it is."""

    vendor: int
    model: int
    version: int
    serial: int
    firmware: int


class _Wire:
    """The channel that libosdp reads and writes."""

    id = 0

    def __init__(self) -> None:
        self.heard = bytearray()
        self.said = bytearray()
        self.frames = 0

    def read(self, most: int) -> bytes:
        data = bytes(self.heard[:most])
        del self.heard[:most]
        return data

    def write(self, data: bytes) -> int:
        self.said += data
        self.frames += 1
        return len(data)

    def flush(self) -> None:
        self.heard.clear()
        self.said.clear()  # what was not taken in time is said again by the library


class _Notes:
    """What libosdp calls back with; knows nothing of the panel, so that nothing keeps an old one alive."""

    def __init__(self) -> None:
        self.list: list[Note] = []

    def event(self, _reader: int, event: dict[str, Any]) -> int:
        kinds = {
            library.STATUS_REPORT_LOCAL: Reports.LOCAL,
            library.STATUS_REPORT_INPUT: Reports.INPUTS,
            library.STATUS_REPORT_OUTPUT: Reports.OUTPUTS,
        }
        match event.get("event"):
            case library.EVENT_CARDREAD:
                self.list.append(Card(data=bytes(event["data"])))
            case library.EVENT_STATUS if event["type"] in kinds:
                self.list.append(Levels(what=kinds[event["type"]], levels=bytes(event["report"])))
            case library.EVENT_NOTIFICATION if (
                event["type"] == library.EVENT_NOTIFICATION_PD_STATUS and not event["arg0"]
            ):
                self.list.append(GaveUp())
        return 0

    def finished(self, _reader: int, _command: Command, status: int) -> None:
        if status in {library.COMPLETION_OK, library.COMPLETION_FAILED}:
            self.list.append(Finished(ok=status == library.COMPLETION_OK))


class Panel:
    """One conversation with one reader, from its beginning; one command at a time.

    Args:
        address: The reader's, 0 to 126.
        key: 16 bytes of its secure channel.
        plain: Talk without a secure channel, and with the published default key, too: only to set a key on a bench.

    Raises:
        OsdpMissingError: libosdp is not installed.
    """

    def __init__(self, *, address: int, key: bytes, plain: bool = False) -> None:
        if library is None:
            raise OsdpMissingError
        assert len(key) == 16, "a key has 16 bytes"
        self.plain = plain
        self._wire, self._notes, self._key = _Wire(), _Notes(), key
        library.set_loglevel(library.LOG_EMERG)  # it writes to this process's stderr
        self._panel = library.ControlPanel(
            [
                {
                    "name": f"reader {address}",
                    "address": address,
                    "flags": library.FLAG_ENABLE_NOTIFICATION | (0 if plain else library.FLAG_ENFORCE_SECURE),
                    "scbk": key,
                    "channel": self._wire,
                    # of a reader; a panel has none
                    "version": 0,
                    "model": 0,
                    "vendor_code": 0,
                    "serial_number": 0,
                    "firmware_version": 0,
                }
            ]
        )
        self._panel.set_event_callback(self._notes.event)
        self._panel.set_command_completion_callback(self._notes.finished)

    @property
    def secure(self) -> bool:
        """Whether the secure channel stands."""
        return bool(self._panel.sc_status() & 1)

    @property
    def online(self) -> bool:
        """Whether the reader takes commands; with ``plain`` perhaps without a secure channel."""
        return bool(self._panel.status() & 1)

    @property
    def frames(self) -> int:
        """How many frames it has said since it was made."""
        return self._wire.frames

    @property
    def speaks(self) -> bool:
        """Whether something waits to be written."""
        return bool(self._wire.said)

    def has_key(self, key: bytes) -> bool:
        """Whether it was made with this key."""
        return key == self._key

    def restart(self) -> None:
        """Begin the conversation again; no command may be under way."""
        self._panel.disable_pd(0)
        self._panel.refresh()
        self._wire.flush()
        self._panel.enable_pd(0)
        self._notes.list.clear()

    def hear(self, data: bytes) -> None:
        """Take bytes from the line."""
        self._wire.heard += data
        del self._wire.heard[:-HEARD_MAX]

    def take(self) -> bytes:
        """Bytes to write, and forget them."""
        data = bytes(self._wire.said)
        self._wire.said.clear()
        return data

    def turn(self) -> None:
        """Let libosdp do what is due; wanted every 50 ms at least.

        Raises:
            PanelBrokenError: It failed in itself.
        """
        try:
            self._panel.refresh()
        except SystemError as error:
            raise PanelBrokenError(str(error)) from error

    def take_notes(self) -> list[Note]:
        """What happened since the last call, in order."""
        notes, self._notes.list = self._notes.list, []
        return notes

    def give(self, command: Command) -> bool:
        """Give a command; whether libosdp took it. Its end comes as ``Finished``."""
        return bool(self._panel.submit_command(0, command))

    def withdraw(self) -> None:
        """Take back a command that was not said yet; no ``Finished`` comes for it."""
        self._panel.flush_commands(0)

    def items(self, ability: Can) -> int:
        """How many outputs, inputs, lamps or buzzers the reader has."""
        level, count = self._panel.check_capability(0, int(ability))
        return int(count) if level else 0

    def about(self) -> About:
        """Who the reader says it is."""
        said = self._panel.get_pd_id(0)
        return About(
            vendor=said["vendor_code"],
            model=said["model"],
            version=said["version"],
            serial=said["serial_number"],
            firmware=said["firmware_version"],
        )
