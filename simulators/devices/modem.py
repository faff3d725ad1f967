"""Model of a GSM modem: AT commands with echo, a prompt without line end, and lines that nobody asked for."""

import re
from typing import Final

from simulators.boards.device import Answer, Device, earliest
from simulators.devices.mobile_network import (
    INVALID_PDU,
    NETWORK_OUT,
    MobileNetwork,
    PduError,
    report_pdu,
)

_CR, _ESC, _CTRL_Z = 0x0D, 0x1B, 0x1A
_LINE_MAX: Final = 1024
_SIM_MISSING, _UNKNOWN = 10, 100  # +CME ERROR
_TEXTS: Final = {
    "+CGMI": "SIMULATED",
    "+CGMM": "SIM-800",
    "+CGMR": "R1.0",
    "+CGSN": "490154203237518",  # the example of an IMEI in every textbook
    "+CIMI": "460001234567890",
    "I": "SIM-800 R1.0",
    "+CSCA?": '+CSCA: "+8613800100500",145',
    "+COPS?": '+COPS: 0,0,"SIMULATED"',
    "+CMGF=?": "+CMGF: (0,1)",
}
_ACCEPTED: Final = re.compile(
    r"Z|&F|V1|Q0|\+CMMS=[012]|\+CSMS=[01]|\+CSCS=\".*\"|\+CSMP=.*|\+CPMS=.*|\+CSCA=.*|\+IFC=.*|\+CREG=[012]"
    r"|\+CEREG=[012]|\+CFUN=1|\+CMGD=.*|\+IPR=\d+"
)


class Modem(Device):
    """One modem with its SIM.

    Args:
        network: What it is on; its inbox has what arrived at phones.
        echoes: Whether it echoes until told not to (``ATE0``).
        sends_in_s: From the last byte of a message to ``+CMGS``.
        reports_in_s: From there to the status report, when one was asked for.
    """

    baud = 0

    def __init__(
        self,
        network: MobileNetwork | None = None,
        *,
        echoes: bool = True,
        sends_in_s: float = 0.8,
        reports_in_s: float = 2.0,
    ) -> None:
        super().__init__()
        self.network = network or MobileNetwork()
        self.sim: str | None = "READY"  # or "SIM PIN", or None for no card
        self.delivers = True  # what the status reports say
        self.refuse: list[int] = []  # codes of +CMS ERROR for the next messages
        self.interrupt: list[str] = []  # lines that cut the next replies in two
        self.pin = "1234"
        self._echo_at_start, self._echo = echoes, echoes
        self._sends_in_s, self._reports_in_s = sends_in_s, reports_in_s
        self._line, self._declared = b"", 0
        self._at_prompt = False
        self._numeric_errors = False
        self._pdu_mode = False
        self._reports_wanted = False
        self._reference = 0
        self._later: list[Answer] = []

    def unsolicited(self, line: str, now_s: float) -> list[Answer]:
        """Say something that nobody asked for: a ring, a change of the network, an SMS that came in."""
        return [Answer(data=f"\r\n{line}\r\n".encode("ascii"), at_s=now_s)] if self.powered else []

    def _hear(self, data: bytes, now_s: float) -> list[Answer]:
        answers: list[Answer] = []
        for byte in data:
            if self._echo:
                answers.append(Answer(data=bytes((byte,)), at_s=now_s))
            if self._at_prompt:
                answers += self._in_message(byte, now_s)
            elif byte == _CR:
                line, self._line = self._line.decode("ascii", "replace").strip(), b""
                answers += self._command(line, now_s)
            elif byte != 0x0A and len(self._line) < _LINE_MAX:
                self._line += bytes((byte,))
        return _joined(answers)

    def _command(self, line: str, now_s: float) -> list[Answer]:
        if not line:
            return []
        if line[:2].upper() != "AT":
            return []  # a modem waits for AT and is silent to all else
        order = line[2:] if '"' in line else line[2:].upper()
        if found := re.fullmatch(r"\+CMGS=(\d+)", order):
            return self._begin_message(int(found[1]), now_s)
        return self._reply(self._say(order), now_s)

    def _say(self, order: str) -> str:
        """What comes back, with ``OK`` or an error as the last line."""
        match order:
            case "":
                return "OK"
            case "E0" | "E1":
                self._echo = order == "E1"
                return "OK"
            case "+CMEE=0" | "+CMEE=1" | "+CMEE=2":
                self._numeric_errors = order != "+CMEE=0"
                return "OK"
            case "+CMGF=0" | "+CMGF=1":
                self._pdu_mode = order == "+CMGF=0"
                return "OK"
            case "+CMGF?":
                return f"+CMGF: {int(not self._pdu_mode)}\r\n\r\nOK"
            case "+CPIN?":
                return self._error(_SIM_MISSING) if self.sim is None else f"+CPIN: {self.sim}\r\n\r\nOK"
            case "+CREG?" | "+CEREG?":
                return f"{order[:-1]}: 0,{self.network.registration}\r\n\r\nOK"
            case "+CSQ":
                return f"+CSQ: {self.network.signal},0\r\n\r\nOK"
            case _ if found := re.fullmatch(r'\+CPIN="?(\d{4,8})"?', order):
                return self._unlock(found[1])
            case _ if found := re.fullmatch(r"\+CNMI=(\d)(?:,(\d))?(?:,(\d))?(?:,(\d))?(?:,(\d))?", order):
                self._reports_wanted = found[4] == "1"
                return "OK"
            case _ if order in _TEXTS:
                return f"{_TEXTS[order]}\r\n\r\nOK"
            case _:
                return "OK" if _ACCEPTED.fullmatch(order) else self._error(_UNKNOWN)

    def _unlock(self, pin: str) -> str:
        if self.sim is None:
            return self._error(_SIM_MISSING)
        if self.sim == "SIM PIN" and pin != self.pin:
            return self._error(16)  # incorrect password
        self.sim = "READY"
        return "OK"

    def _error(self, code: int) -> str:
        return f"+CME ERROR: {code}" if self._numeric_errors else "ERROR"

    def _begin_message(self, declared: int, now_s: float) -> list[Answer]:
        if not self._pdu_mode:
            return self._reply(self._error(_UNKNOWN), now_s)
        if self.sim != "READY":
            return self._reply("+CMS ERROR: 310" if self.sim is None else "+CMS ERROR: 311", now_s)
        self._at_prompt, self._declared = True, declared
        return [Answer(data=b"\r\n> ", at_s=now_s)]

    def _in_message(self, byte: int, now_s: float) -> list[Answer]:
        if byte == _ESC:
            self._at_prompt, self._line = False, b""
            return self._reply("OK", now_s)
        if byte != _CTRL_Z:
            self._line = (self._line + bytes((byte,)))[-_LINE_MAX:]
            return []
        text, self._line, self._at_prompt = self._line, b"", False
        sent_s = now_s + self._sends_in_s
        self._later += self._send(text, sent_s)
        return []

    def _send(self, text: bytes, sent_s: float) -> list[Answer]:
        if self.refuse:
            return self._reply(f"+CMS ERROR: {self.refuse.pop(0)}", sent_s)
        if not self.network.registered:
            return self._reply(f"+CMS ERROR: {NETWORK_OUT}", sent_s)
        try:
            pdu = bytes.fromhex(text.decode("ascii"))
            part = self.network.submit(pdu, self._declared, sent_s)
        except (PduError, ValueError):
            return self._reply(f"+CMS ERROR: {INVALID_PDU}", sent_s)
        self._reference = (self._reference + 1) % 256
        self._happen("sms", sent_s, part.number, f"{part.to} {part.text}")
        answers = self._reply(f"+CMGS: {self._reference}\r\n\r\nOK", sent_s)
        if part.reports and self._reports_wanted:
            report = report_pdu(part.to, self._reference, delivered=self.delivers)
            said = f"+CDS: {len(report) - 1}\r\n{report.hex().upper()}"
            answers += self.unsolicited(said, sent_s + self._reports_in_s)
        return answers

    def _reply(self, text: str, now_s: float) -> list[Answer]:
        data = f"\r\n{text}\r\n".encode("ascii")
        if self.interrupt and "\r\n\r\n" in text:
            cut = data.index(b"\r\n\r\n") + 2
            data = data[:cut] + f"\r\n{self.interrupt.pop(0)}\r\n".encode("ascii") + data[cut:]
        return [Answer(data=data, at_s=now_s)]

    def _pass_time(self, now_s: float) -> list[Answer]:
        due = [answer for answer in self._later if answer.at_s <= now_s]
        self._later = [answer for answer in self._later if answer.at_s > now_s]
        return due

    def _next_deadline(self) -> float | None:
        return earliest(answer.at_s for answer in self._later)

    def _lose_power(self, now_s: float) -> None:  # noqa: ARG002  # the shape of every device
        self._line, self._at_prompt, self._later = b"", False, []
        self._echo, self._numeric_errors, self._pdu_mode = self._echo_at_start, False, False
        self._reports_wanted = False

    def _start(self, now_s: float) -> list[Answer]:
        return [Answer(data=b"\r\nRDY\r\n", at_s=now_s)]


def _joined(answers: list[Answer]) -> list[Answer]:
    """Answers of one moment as one."""
    joined: list[Answer] = []
    for answer in answers:
        if joined and joined[-1].at_s == answer.at_s:
            joined[-1] = Answer(data=joined[-1].data + answer.data, at_s=answer.at_s)
        else:
            joined.append(answer)
    return joined
