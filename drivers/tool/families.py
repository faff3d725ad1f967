"""The families of devices that can be asked who they are: which bytes, at which speed, and what an answer proves.

None of this is sent before somebody says that the lane is isolated, except by ``identify`` where the bytes are harmless
to every board that we know of (``drivers.tool.switching``). Text goes only to a device whose USB number says that it
is the right one: letters are switching commands on other makers' boards (drivers reference 0.1).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from drivers.devices.osdp_frames import called_in, id_question, replied_in
from drivers.model import Certainty, LineSettings
from drivers.tool.candidates import Candidate, overheard
from drivers.tool.modbus_asking import READS, answer, any_question
from drivers.usb_ids import DEVANTECH, NUMATO
from passes.words import Pair
from shell.text import visible

_DEVANTECH_MODELS: Final = {8: "USB-RLY08", 9: "USB-RLY16", 10: "USB-RLY02", 15: "USB-RLY16L"}


_9600: Final = LineSettings(baud=9600)


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One family.

    Args:
        name: What ``--probe`` calls it.
        protocol: What its devices are in the registry.
        title: Its name for people.
        writes: What is sent, each followed by a time of listening.
        read: What an answer proves; None when it is none.
        line: How the line is set.
        within_s: How long an answer may take.
        closing: Sent at the end, so that a stranger who took our bytes for the beginning of a frame of his own has
            the rest of it, and none of the next family's bytes completes an order to him.
        usb: Only devices whose USB number begins so are asked; empty for all.
    """

    name: str
    protocol: str
    title: Pair
    writes: tuple[bytes, ...]
    read: Callable[[bytes], Candidate | None]
    line: LineSettings = _9600
    within_s: float = 0.3
    closing: bytes = b""
    usb: str = ""

    @property
    def all_bytes(self) -> bytes:
        """Everything that is sent, in order."""
        return b"".join(self.writes) + self.closing


def _devantech(heard: bytes) -> Candidate | None:
    if len(heard) != 2 or heard[0] not in _DEVANTECH_MODELS:
        return None
    model, firmware = _DEVANTECH_MODELS[heard[0]], heard[1]
    return Candidate(
        protocol="devantech-usb",
        options={"model": model},
        certainty=Certainty.STRONG,
        why=Pair(f"自报 {model}，固件 {firmware}", f"says that it is a {model}, firmware {firmware}"),
    )


def _numato(heard: bytes) -> Candidate | None:
    if b"ver" not in heard or b">" not in heard:
        return None
    version = visible(heard.replace(b"ver", b"", 1).strip(b"\r\n> ").decode("ascii", "replace"))
    return Candidate(
        protocol="numato",
        certainty=Certainty.STRONG,
        why=Pair(f"回答版本 {version}", f"answers with version {version}"),
    )


def _kmtronic(heard: bytes) -> Candidate | None:
    if len(heard) not in {4, 8} or any(byte > 1 for byte in heard):
        return None
    return Candidate(
        protocol="kmtronic",
        options={"outputs": len(heard)},
        why=Pair(f"回答 {len(heard)} 个继电器的状态", f"answers with the states of {len(heard)} relays"),
    )


def _lcus(heard: bytes) -> Candidate | None:
    lines = heard.count(b"CH")
    if lines and b":O" in heard:
        return Candidate(
            protocol="lcus",
            why=Pair(
                f"回答 {lines} 行 CH 状态，卖家说 LCUS 如此；别的板也可能",
                f"answers with {lines} CH lines, as sellers say that LCUS boards do; others may, too",
            ),
        )
    if 1 <= len(heard) <= 8 and all(byte <= 1 for byte in heard):
        return Candidate(
            protocol="lcus",
            why=Pair(
                f"回答 {len(heard)} 个 0/1 字节，有些 LCUS 如此；别的设备也可能",
                f"answers with {len(heard)} bytes of 0 or 1, as some LCUS boards do; others may, too",
            ),
        )
    return None


def _turnstile_7e(heard: bytes) -> Candidate | None:
    return next((each for each in overheard(heard) if each.protocol == "turnstile-7e"), None)


def _modbus(heard: bytes) -> Candidate | None:
    found = next((found for function in READS if (found := answer(heard, any_question(1, function)))), None)
    if found is None:
        return None
    return Candidate(
        protocol="modbus-relay",
        options={"unit": found.unit},
        why=Pair("单元 1 以正确校验回答 Modbus", "unit 1 answers in Modbus with a good check"),
    )


def _thermometer_614v(heard: bytes) -> Candidate | None:
    at = heard.find(b"\xa4\x03\x08\x06")
    frame = heard[at : at + 11]
    if at < 0 or len(frame) != 11 or sum(frame[:-1]) & 0xFF != frame[-1]:
        return None
    return Candidate(
        protocol="thermometer",
        options={"make": "614v"},
        certainty=Certainty.STRONG,
        why=Pair("回答 A4 寄存器，校验正确", "answers with its A4 registers and a good check"),
    )


def _gm65(heard: bytes) -> Candidate | None:
    if b"\x02\x00\x00" not in heard:
        return None
    return _scanner("gm65", Pair("按 GM65 格式回答", "answers as GM65 engines do"))


def _honeywell(heard: bytes) -> Candidate | None:
    if b"232BAD" not in heard.upper():
        return None
    return _scanner("honeywell", Pair("回答菜单查询 232BAD", "answers the menu question 232BAD"))


def _newland(heard: bytes) -> Candidate | None:
    if b"\x02\x010000" not in heard:
        return None
    return _scanner("newland", Pair("按 Newland 格式回答", "answers as Newland engines do"))


def _scanner(make: str, why: Pair) -> Candidate:
    return Candidate(protocol="scanner", options={"make": make}, certainty=Certainty.STRONG, why=why)


def _modem(heard: bytes) -> Candidate | None:
    if b"OK" not in heard and b"ERROR" not in heard:
        return None
    return Candidate(protocol="modem", why=Pair("对 AT 回答", "answers to AT"))


def osdp_reader(heard: bytes) -> Candidate | None:
    """What a reader that was asked in the clear says of itself: anybody on the line could say the same."""
    called = called_in(heard)
    if called is not None:
        name = f"{called.maker} {called.model} {called.firmware}"
        return Candidate(
            protocol="osdp",
            why=Pair(
                f"OSDP 读卡器，自称 {name}，序列号 {called.serial}；没有密钥就没有证明",
                f"an OSDP reader that calls itself {name}, serial {called.serial}; without its key nothing proves that",
            ),
        )
    if not replied_in(heard):
        return None
    return Candidate(
        protocol="osdp",
        why=Pair("OSDP 读卡器，不肯说自己是谁", "an OSDP reader that does not say who it is"),
    )


def _voice(heard: bytes) -> Candidate | None:
    if not heard or heard[-1] not in (0x4E, 0x4F):
        return None
    busy = heard[-1] == 0x4E
    return Candidate(
        protocol="syn6288",
        why=Pair(f"状态{'忙' if busy else '空闲'}", f"says that it is {'busy' if busy else 'idle'}"),
    )


_ZEROS: Final = bytes(2)

FAMILIES: Final[dict[str, Family]] = {
    family.name: family
    for family in (
        Family(
            name="devantech",
            protocol="devantech-usb",
            title=Pair("Devantech USB-RLY 继电器板", "Devantech USB-RLY relay boards"),
            writes=(b"\x5a",),
            read=_devantech,
            usb=DEVANTECH,
        ),
        Family(
            name="numato",
            protocol="numato",
            title=Pair("Numato 模块", "Numato modules"),
            writes=(b"ver\r",),
            read=_numato,
            line=LineSettings(baud=19200),
            usb=NUMATO,
        ),
        Family(
            name="modbus",
            protocol="modbus-relay",
            title=Pair("Modbus RTU 板（单元 1）", "Modbus RTU boards (unit 1)"),
            writes=tuple(any_question(1, function) for function in READS),
            read=_modbus,
        ),
        Family(
            name="kmtronic",
            protocol="kmtronic",
            title=Pair("KMtronic 4 路和 8 路板", "KMtronic boards with 4 or 8 relays"),
            writes=(b"\xff\x09\x00",),
            read=_kmtronic,
        ),
        Family(
            name="lcus",
            protocol="lcus",
            title=Pair("LCUS 继电器板（许多不回答）", "LCUS relay boards (many do not answer)"),
            writes=(b"\xff",),
            read=_lcus,
            closing=_ZEROS,
        ),
        Family(
            name="turnstile-7e",
            protocol="turnstile-7e",
            title=Pair("7E 协议闸机控制器", "7E turnstile controllers"),
            writes=(bytes.fromhex("7E00011000000070"),),
            read=_turnstile_7e,
            line=LineSettings(baud=19200),
        ),
        Family(
            name="gm65",
            protocol="scanner",
            title=Pair("GM65/GM8xx 扫码引擎", "GM65/GM8xx scanners"),
            writes=(bytes.fromhex("7E000701002A02D80F"),),
            read=_gm65,
        ),
        Family(
            name="honeywell",
            protocol="scanner",
            title=Pair("Honeywell 扫码引擎", "Honeywell scanners"),
            writes=(b"\x16M\r232BAD?!",),
            read=_honeywell,
        ),
        Family(
            name="newland",
            protocol="scanner",
            title=Pair("Newland 扫码引擎", "Newland scanners"),
            writes=(b"~\x010000@QRYPDN;\x03",),
            read=_newland,
        ),
        Family(
            name="thermometer-614v",
            protocol="thermometer",
            title=Pair("GY-614V 测温模块", "GY-614V thermometers"),
            writes=(bytes.fromhex("A4030806B5"),),
            read=_thermometer_614v,
        ),
        Family(
            name="modem",
            protocol="modem",
            title=Pair("GSM 调制解调器", "GSM modems"),
            writes=(b"AT\r",),
            read=_modem,
            line=LineSettings(baud=115200),
        ),
        Family(
            name="syn6288",
            protocol="syn6288",
            title=Pair("SYN6288 语音模块", "SYN6288 voice modules"),
            writes=(bytes.fromhex("FD000221DE"),),
            read=_voice,
        ),
        Family(
            name="osdp",
            protocol="osdp",
            title=Pair("OSDP 读卡器（线上只有一个）", "OSDP readers (the only one on its line)"),
            writes=(id_question(),),
            read=osdp_reader,
        ),
    )
}
"""In the order of the ladder (drivers reference 7.6): what its USB number names first, then what is safest to ask."""
