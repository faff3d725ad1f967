"""How a modem stands: set up or not, its SIM, its network, its signal; asked in order, then again and again."""

import re
from dataclasses import dataclass, field
from typing import Final

from drivers.devices.at import Answer
from drivers.peripherals import ModemState

LOOK_EVERY_S: Final = 30.0
LOOK_SOON_S: Final = 3.0  # while something is missing
STARTED: Final = frozenset({"RDY", "START", "^SYSSTART"})  # what modems say when their supply came back
REGISTERED: Final = frozenset({1, 5, 6, 7})  # at home, roaming; 6 and 7: the same, for messages only
READY: Final = "READY"
_SIM: Final = re.compile(r"\+CPIN: ?([A-Z0-9 -]{1,20})")
_NETWORK: Final = re.compile(r"\+C(?:E|G)?REG: ?\d,(\d{1,2})(?:,.*)?")
_NETWORK_NEWS: Final = re.compile(r"\+C(?:E|G)?REG: ?(\d{1,2})")
_SIGNAL: Final = re.compile(r"\+CSQ: ?(\d{1,2}),\d{1,2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One command of the watch. ``answer`` is a pattern of its lines; ``needed``: without it nothing works."""

    line: str = field(repr=False)  # one of them holds the PIN
    answer: str | None = None
    needed: bool = False


HELLO: Final = Probe(line="AT", needed=True)
NO_ECHO: Final = Probe(line="ATE0")
CODES: Final = Probe(line="AT+CMEE=1")
PDU_MODE: Final = Probe(line="AT+CMGF=0", needed=True)
REPORTS: Final = Probe(line="AT+CNMI=2,0,0,1,0")  # 3GPP TS 27.005: hand receipts over as they come
ASK_SIM: Final = Probe(line="AT+CPIN?", answer=_SIM.pattern)
ASK_NETWORK: Final = Probe(line="AT+CREG?", answer=_NETWORK.pattern)
ASK_LTE: Final = Probe(line="AT+CEREG?", answer=_NETWORK.pattern)
ASK_SIGNAL: Final = Probe(line="AT+CSQ", answer=_SIGNAL.pattern)


class Watch:
    """The watch over one modem.

    Args:
        pin: Of the SIM; not tried again after it was wrong.
        reports: Whether receipts are wanted.
    """

    def __init__(self, *, pin: str | None, reports: bool) -> None:
        self._pin, self._reports = pin, reports
        self._setting_up: list[Probe] = []
        self.due_s = float("inf")
        self._now_s = float("-inf")
        self.faults: dict[str, str] = {}
        self._sim = ""
        self._signal_dbm: int | None = None
        self._networks: dict[str, bool] = {}
        self._told: ModemState | None = None
        self._left: list[Probe] = []  # of the round of questions
        self._pin_tried = False  # and not yet known to be right

    @property
    def ready(self) -> bool:
        """Whether messages can go out."""
        return not self._setting_up and self._sim == READY and self._registered

    @property
    def hopeless(self) -> bool:
        """Whether messages cannot go out until somebody comes with a SIM or its PIN."""
        return "sim" in self.faults

    @property
    def _registered(self) -> bool:
        return any(self._networks.values())

    def begin(self, now_s: float) -> None:
        """The line is up: the modem may be another one, or fresh."""
        self._setting_up = [HELLO, NO_ECHO, CODES, PDU_MODE]
        if self._reports:
            self._setting_up.append(REPORTS)
        self._sim, self._signal_dbm, self._left = "", None, []
        self._networks.clear()
        self.faults.clear()
        self._told = None
        self.due_s = self._now_s = now_s

    def end(self) -> None:
        """The line is gone."""
        self.due_s = float("inf")
        self._networks.clear()
        self.faults.clear()
        self._sim, self._left = "", []

    def take_due(self, now_s: float) -> list[Probe]:
        """The next command, when it is time; it must be answered or missed before the next."""
        self._now_s = now_s
        if now_s < self.due_s:
            return []
        if self._setting_up:
            return [self._setting_up[0]]
        if not self._left:
            self._left = [ASK_SIM, ASK_NETWORK, ASK_LTE, ASK_SIGNAL]
        return [self._left[0]]

    def answered(self, probe: Probe, answer: Answer) -> None:
        """Understand one answer."""
        if self._setting_up:
            if probe != self._setting_up[0]:
                return  # it is about the time before the modem started again
            if answer.good or not probe.needed:
                del self._setting_up[0]
            else:
                self.due_s = self._now_s + LOOK_SOON_S
            return
        if probe is ASK_SIM:
            self._take_sim(answer)
        elif probe in {ASK_NETWORK, ASK_LTE}:
            found = _first(_NETWORK, answer)
            self._networks[probe.line] = found is not None and int(found) in REGISTERED
        elif probe is ASK_SIGNAL:
            found = _first(_SIGNAL, answer)
            self._signal_dbm = None if found is None or int(found) > 31 else 2 * int(found) - 113
        self._done_with(probe)

    def missed(self, probe: Probe, now_s: float) -> None:
        """The modem said nothing."""
        self._now_s = now_s
        if self._setting_up:
            self.due_s = now_s + LOOK_SOON_S
        else:
            self._done_with(probe)

    def news(self, line: str) -> bool:
        """Take a line that nobody asked for; whether it changes how the modem stands."""
        if line in STARTED:
            self.begin(self._now_s)  # it has forgotten what it was told
            return False
        found = _NETWORK_NEWS.fullmatch(line)
        if found is not None and not self._setting_up:
            key = ASK_LTE.line if line.startswith("+CEREG") else ASK_NETWORK.line
            self._networks[key] = int(found[1]) in REGISTERED
            self._judge()
            return True
        return False

    def take_events(self) -> list[ModemState]:
        """The state, when it is known and has changed; a signal a little stronger or weaker is no change."""
        if self._left or self._setting_up or not self._sim:
            return []
        state = ModemState(id="", sim=self._sim, registered=self._registered, signal_dbm=self._signal_dbm)
        if self._told is not None and _same(self._told, state):
            return []
        self._told = state
        return [state]

    def _take_sim(self, answer: Answer) -> None:
        self._sim = _first(_SIM, answer) or ("NOT INSERTED" if answer.error.endswith(" 10") else "UNKNOWN")
        if self._sim == READY:
            self._pin_tried = False
        elif self._sim == "SIM PIN" and self._pin is not None and not self._pin_tried:
            self._pin_tried = True
            self._left[1:1] = [Probe(line=f"AT+CPIN={self._pin}"), ASK_SIM]

    def _done_with(self, probe: Probe) -> None:
        if self._left and self._left[0] == probe:
            del self._left[0]
        if not self._left:
            self._judge()
            self.due_s = self._now_s + (LOOK_SOON_S if self.faults else LOOK_EVERY_S)

    def _judge(self) -> None:
        self.faults.clear()
        if self._sim in {"", READY}:
            if self._sim and not self._registered:
                self.faults["network"] = (
                    "the modem is not registered with a network: check antenna and contract"
                )
        else:
            self.faults["sim"] = f"the SIM is not ready ({self._sim}): check that it is in, and its PIN"


def _first(pattern: re.Pattern[str], answer: Answer) -> str | None:
    for line in answer.lines:
        found = pattern.fullmatch(line)
        if found is not None:
            return found[1]
    return None


def _same(before: ModemState, now: ModemState) -> bool:
    if (before.sim, before.registered) != (now.sim, now.registered):
        return False
    if before.signal_dbm is None or now.signal_dbm is None:
        return before.signal_dbm == now.signal_dbm
    return abs(before.signal_dbm - now.signal_dbm) < 6
