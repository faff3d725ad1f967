"""The words for what became of a command, Chinese and English, for whoever ordered it."""

from typing import Final

from passes.words import Pair

STATES: Final[dict[str, Pair]] = {
    "waiting": Pair("等待门岗上线", "waits for the gate"),
    "sent": Pair("已发送，门岗尚未答复", "sent, and not answered yet"),
    "done": Pair("已执行", "done"),
    "refused": Pair("门岗未执行", "refused, nothing was done"),
    "expired": Pair("已过期，未执行", "too late, nothing was done"),
    "unknown": Pair("结果不明，请到现场或查看记录", "nobody knows: look at the gate, or at its record"),
}
WHYS: Final[dict[str, Pair]] = {
    "replayed": Pair("重复或过时的指令", "it came again, or behind a newer one"),
    "no_time": Pair("门岗尚未与中心对时", "the gate does not know the centre's time yet"),
    "expired": Pair("送达太迟", "it came too late"),
    "ahead": Pair("时间在未来，请检查中心时钟", "it is from the future: look at the centre's clock"),
    "unsupported": Pair("门岗版本不支持", "this gate's version cannot do it"),
    "malformed": Pair("门岗无法读懂", "the gate cannot read it"),
    "unknown_lane": Pair("没有此通道", "there is no such lane"),
    "unknown_stay": Pair("该门岗没有此来访记录", "this gate knows no such stay"),
    "not_recorded": Pair("门岗无法写入记录", "the gate's journal cannot be written"),
    "restarted": Pair("门岗执行中重启", "the gate was restarted meanwhile"),
    "not_confirmed": Pair("控制板没有确认", "the board did not confirm it"),
    "internal_error": Pair("门岗程序出错", "an error in the gate's program"),
    "just_opened": Pair("刚刚开过，请稍候", "the lane opened a moment ago"),
    "walking": Pair("有人正在通过", "somebody is walking through"),
    "held": Pair("已在常开", "it is held open already"),
    "blocked": Pair("通道已停用，请先恢复", "the lane is blocked: unblock it first"),
    "exit": Pair("出口始终开放，不能停用", "exits open for everyone"),
    "emergency": Pair("紧急状态，只能在本门复位", "there is an emergency, which is reset at the gate alone"),
    "controller": Pair("闸机控制器不支持常开", "a turnstile controller is not held open"),
    "no_wiring_facts": Pair("接线未经签字确认", "nobody signed for this lane's wiring"),
    "occupied": Pair("可能有车在道闸下", "a vehicle may be under the arm"),
    "board_fault": Pair("控制板故障", "the board does not work"),
    "not_taken": Pair("控制板未接受", "the board did not take it"),
    "line_down": Pair("控制板连线断开", "the board's cable is out"),
    "bad_channel": Pair("控制板没有此路", "the board has no such output"),
    "bad_length": Pair("控制板不支持此时长", "the board cannot time this"),
    "too_old": Pair("门岗过于繁忙，指令已旧", "the gate was too busy, and this is too old now"),
    "busy": Pair("该路正在动作", "the output is in use"),
    "overtaken": Pair("已被全部断开取代", "everything was switched off meanwhile"),
    "wrong_device": Pair("接口上是另一台设备", "another device answers at the board's port"),
    "full": Pair("控制板指令过多", "too much waits for the board"),
    "denied": Pair("控制板拒绝", "the board says no"),
    "no_answer": Pair("门岗没有答复", "the gate did not answer"),
}
UNSAFE: Final = frozenset({"blocked", "exit", "emergency", "controller", "no_wiring_facts", "occupied"})
"""Refused because it would do harm."""


def said(words: Pair) -> str:
    """Both languages on one line."""
    return f"{words.zh} {words.en}"


def outcome(state: str, why: str | None, detail: str) -> str:
    """What became of it, why, and what the gate said beside; what this version does not know is shown as it came."""
    parts = [said(STATES.get(state, Pair(state, "")))]
    if why is not None and why != state:
        parts.append(said(WHYS.get(why, Pair(why, ""))))
    return ": ".join(part.strip() for part in parts) + (f" ({detail})" if detail else "")
