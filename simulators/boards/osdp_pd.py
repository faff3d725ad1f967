"""An OSDP reader: libosdp's own peripheral, with outputs, inputs, a lamp, a buzzer and a key that outlasts the supply.

The protocol is not ours: whatever our panel misreads, this end reads as its authors meant it. libosdp takes the time
from the machine's clock, so this device is for real lines only, and not for virtual time.
"""

from typing import Any, Final

from simulators.boards.board import Board
from simulators.boards.device import Answer, earliest

try:
    import osdp_sys
except ImportError:  # the extra "osdp" is not installed
    osdp_sys = None
library: Any = osdp_sys

_TURN_S: Final = 0.010
_ON_FOR_A_WHILE: Final = 5
_SWITCHES: Final = {1: False, 2: True, 3: False, 4: True}  # control codes for good
_TENTH_S: Final = 0.1


def has_libosdp() -> bool:
    """Whether the extra "osdp" is installed."""
    return library is not None


class _Wire:
    id = 0

    def __init__(self) -> None:
        self.heard, self.said = bytearray(), bytearray()

    def read(self, most: int) -> bytes:
        data = bytes(self.heard[:most])
        del self.heard[:most]
        return data

    def write(self, data: bytes) -> int:
        self.said += data
        return len(data)

    def flush(self) -> None:
        """Nothing is on its way in memory."""


class OsdpReader(Board):
    """One reader.

    Args:
        unit: Its address.
        key: Its key; None for a reader as it leaves the factory, which obeys the published default key until it is
            given one of its own.
        relays: How many outputs.
        inputs: How many inputs.
    """

    def __init__(
        self,
        *,
        unit: int = 0,
        key: bytes | None = None,
        relays: int = 2,
        inputs: int = 8,
    ) -> None:
        super().__init__(relays=relays, inputs=inputs)
        self.unit, self.key = unit, key
        self.tampered = False
        self.orders: list[dict[str, Any]] = []  # that were obeyed, as libosdp gave them
        self._now_s, self._turn_s = 0.0, float("-inf")
        self._told: dict[int, bytes] = {}
        self._pd: Any = None
        self._wire = _Wire()
        self._start(0.0)

    @property
    def secure(self) -> bool:
        """Whether the secure channel stands."""
        return self._pd is not None and bool(self._pd.is_sc_active())

    def show(self, data: bytes) -> None:
        """Hold a code or card before it."""
        if self._pd is not None:
            self._pd.submit_event(
                {
                    "event": library.EVENT_CARDREAD,
                    "reader_no": 0,
                    "format": library.CARD_FMT_RAW_UNSPECIFIED,
                    "direction": 0,
                    "length": len(data) * 8,
                    "data": data,
                }
            )

    def _hear(self, data: bytes, now_s: float) -> list[Answer]:
        self._wire.heard += data
        return self._turn(now_s)

    def _pass_time(self, now_s: float) -> list[Answer]:
        super()._pass_time(now_s)
        return self._turn(now_s) if now_s >= self._turn_s + _TURN_S else []

    def _next_deadline(self) -> float | None:
        return earliest([super()._next_deadline(), self._turn_s + _TURN_S])

    def _turn(self, now_s: float) -> list[Answer]:
        self._now_s = self._turn_s = now_s
        if self.secure:
            self._tell_changes()
        for _ in range(2):  # take the order, then answer it
            self._pd.refresh()
        data = bytes(self._wire.said)
        self._wire.said.clear()
        return [Answer(data=data, at_s=now_s)] if data else []

    def _tell_changes(self) -> None:
        """Report what changed since the last report, or what is not at rest at first."""
        for kind in (library.STATUS_REPORT_LOCAL, library.STATUS_REPORT_INPUT, library.STATUS_REPORT_OUTPUT):
            levels = self._levels(kind)
            if levels != self._told.get(kind, bytes(len(levels))):
                self._told[kind] = levels
                self._pd.submit_event({"event": library.EVENT_STATUS, "type": kind, "report": levels})

    def _levels(self, kind: int) -> bytes:
        if kind == library.STATUS_REPORT_INPUT:
            return bytes(self.inputs.level(place + 1, self._now_s) for place in range(len(self.inputs)))
        if kind == library.STATUS_REPORT_OUTPUT:
            return bytes(self.relays.closed)
        return bytes([self.tampered, False])  # tamper, power

    def _obey(self, order: dict[str, Any]) -> tuple[int, dict[str, Any] | None]:
        self.orders.append(order)
        kind = order["command"]
        if kind == library.CMD_OUTPUT:
            return self._switch(order), None
        if kind == library.CMD_STATUS:
            # The library's Python side loses the levels of such an answer and denies the question; so may a reader.
            return -1, None
        if kind == library.CMD_KEYSET:
            self.key = bytes(order["data"])
            self._happen("setting", self._now_s, 0, "key")
        return 0, None

    def _switch(self, order: dict[str, Any]) -> int:
        channel, code = order["output_no"] + 1, order["control_code"]
        if channel not in self.relays:
            return -1
        if code == _ON_FOR_A_WHILE:
            for_s = order["timer_count"] * _TENTH_S
            self.relays.switch(channel, on=True, now_s=self._now_s, for_s=for_s)
        elif code in _SWITCHES:
            self.relays.switch(channel, on=_SWITCHES[code], now_s=self._now_s)
        return 0

    def _lose_power(self, now_s: float) -> None:
        super()._lose_power(now_s)
        self._pd = None

    def _start(self, now_s: float) -> list[Answer]:
        library.set_loglevel(library.LOG_EMERG)
        self._wire, self._told = _Wire(), {}
        able = {
            library.CAP_OUTPUT_CONTROL: len(self.relays),
            library.CAP_CONTACT_STATUS_MONITORING: len(self.inputs),
            library.CAP_READER_LED_CONTROL: 1,
            library.CAP_READER_AUDIBLE_OUTPUT: 1,
        }
        self._pd = library.PeripheralDevice(
            {
                "name": "reader",
                "address": self.unit,
                "flags": library.FLAG_INSTALL_MODE if self.key is None else library.FLAG_ENFORCE_SECURE,
                "scbk": self.key,
                "channel": self._wire,
                "version": 1,
                "model": 2,
                "vendor_code": 0xCAFE01,
                "serial_number": 0x12345678,
                "firmware_version": 0x010203,
            },
            capabilities=[
                {"function_code": ability, "compliance_level": 1, "num_items": count}
                for ability, count in able.items()
            ],
        )
        self._pd.set_command_callback(self._obey)
        return self._turn(now_s)
