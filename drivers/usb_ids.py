"""What a USB number says about the device behind it: seldom more than the adapter's maker (drivers reference 0.2)."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from drivers.model import Certainty
from passes.words import Pair

DEVANTECH: Final = "04d8:ffee"
NUMATO: Final = "2a19"


@dataclass(frozen=True, slots=True, kw_only=True)
class UsbHint:
    """What may be at a port.

    Args:
        what: Its name for people.
        protocols: In the order in which they are worth asking; empty: leave it alone.
        certainty: How well the number names them.
        own: The number is of these devices alone, and of no adapter behind which anything may be.
    """

    what: Pair
    protocols: tuple[str, ...]
    certainty: Certainty = Certainty.WEAK
    own: bool = False


_BY_DEVICE: Final[dict[str, UsbHint]] = {
    "1a86:7523": UsbHint(
        what=Pair(
            "CH340 转接芯片：LCUS 继电器板、SainSmart 16 路板、RS-485 转换器都用它",
            "CH340 adapter: LCUS relay boards, SainSmart 16 and RS-485 dongles all use it",
        ),
        protocols=("lcus", "modbus-relay"),
    ),
    DEVANTECH: UsbHint(
        what=Pair("Devantech USB-RLY 继电器板", "Devantech USB-RLY relay board"),
        protocols=("devantech-usb",),
        own=True,
        certainty=Certainty.WEAK,  # the maker of the chip lends this number to others
    ),
    "0403:6001": UsbHint(
        what=Pair(
            "FTDI 转接芯片：KMtronic 板、RS-485 转换器，也可能是 bit-bang 继电器板（不支持）",
            "FTDI adapter: KMtronic boards, RS-485 dongles, or a bit-bang relay board (never used)",
        ),
        protocols=("kmtronic", "modbus-relay"),
    ),
    "067b:2303": UsbHint(
        what=Pair(
            "PL2303 转接芯片：RS-232 线，也可能是 ICStation 板（拒绝使用）",
            "PL2303 adapter: an RS-232 cable, or an ICStation board (refused)",
        ),
        protocols=(),
    ),
    "10c4:ea60": UsbHint(
        what=Pair("CP210x 转接芯片：RS-485 转换器、温度模块", "CP210x adapter: RS-485 dongles, thermometers"),
        protocols=("modbus-relay", "thermometer"),
    ),
}
_BY_VENDOR: Final[dict[str, UsbHint]] = {
    NUMATO: UsbHint(
        what=Pair("Numato 模块", "Numato module"), protocols=("numato",), certainty=Certainty.STRONG, own=True
    ),
    "1a86": UsbHint(
        what=Pair("WCH 转接芯片", "WCH adapter"), protocols=("modbus-relay", "lcus"), certainty=Certainty.WEAK
    ),
    "0403": UsbHint(what=Pair("FTDI 转接芯片", "FTDI adapter"), protocols=("modbus-relay", "kmtronic")),
    "1eab": UsbHint(what=Pair("Newland 扫码引擎", "Newland scanner"), protocols=("scanner",), own=True),
    "0c2e": UsbHint(what=Pair("Honeywell 扫码引擎", "Honeywell scanner"), protocols=("scanner",), own=True),
    "2c7c": UsbHint(what=Pair("移远 GSM 模块", "Quectel modem"), protocols=("modem",), own=True),
    "1e0e": UsbHint(what=Pair("芯讯通 GSM 模块", "SIMCom modem"), protocols=("modem",), own=True),
    "12d1": UsbHint(what=Pair("华为调制解调器", "Huawei modem"), protocols=("modem",), own=True),
}


def usb_hint(usb: str | None) -> UsbHint | None:
    """What a port with this number, for example ``1a86:7523``, may lead to; None when it is not known."""
    if not usb:
        return None
    return _BY_DEVICE.get(usb.lower()) or _BY_VENDOR.get(usb.lower().partition(":")[0])


def foreign_hint(usb: str, speaks: Collection[str]) -> UsbHint | None:
    """What is certainly at a port with this number, when that is none of what is to be spoken there; else None."""
    hint = usb_hint(usb)
    if hint is None or not hint.own or not speaks or any(each in hint.protocols for each in speaks):
        return None
    return hint
