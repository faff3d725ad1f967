"""The words for each alarm on the guard's screen, Chinese and English, and what the guard does."""

from typing import Final

from passes.words import Pair

ALARMS: Final[dict[str, Pair]] = {
    "forced": Pair("强行通过", "Passage without a grant"),
    "tailgate": Pair("尾随", "Tailgating"),
    "wrong_direction": Pair("逆行", "Against the direction"),
    "held": Pair("通道受阻或未关", "Blocked, or held open"),
    "tamper": Pair("设备被拆动", "Device opened, or its wire cut"),
    "controller": Pair("闸机控制器报警", "The turnstile reports an alarm"),
    "scanner": Pair("扫码器会执行印刷设置码", "A scanner obeys printed set-up codes"),
    "used_twice": Pair("同一通行码用于两个门", "One pass used at two gates"),
    "clock": Pair("时钟不可信", "The clock cannot be trusted"),
    "disk": Pair("磁盘将满", "The disk is nearly full"),
    "disk_full": Pair("磁盘已满，入口停用", "The disk is full: entries are refused"),
    "unsent": Pair("大量记录未送达中心", "Many events wait for the centre"),
    "fire_unread": Pair("火警输入无法读取", "The fire input cannot be read"),
}


def for_alarm(what: str) -> Pair:
    """The words for an alarm; one that this version does not know is shown as it is."""
    return ALARMS.get(what, Pair(what, what))
