"""What a lane does by itself when the gate starts, stops, crashes, is unplugged or loses power: said before it is so.

The facts are the wiring's (decision 0007); software cannot find them out, so whoever wired the lane tells them, and
whoever tested it signs.
"""

from dataclasses import dataclass
from typing import Any, Final

from drivers.model import DriverInfo
from drivers.registry import OptionError, Options, UnknownProtocolError, make_driver
from passes.words import Pair

POWER_LOSS: Final = {
    "open": Pair("断电时通道打开", "without power the lane is open"),
    "locked": Pair(
        "断电时通道锁闭：必须另有硬接线的出口", "without power the lane is locked: egress must be hard-wired"
    ),
    "as_is": Pair(
        "断电时通道保持原状：不可用作逃生口", "without power the lane stays as it is: never an escape route"
    ),
}
_STAYS_SHUT: Final = Pair("继电器全部断开，通道保持关闭", "all relays open; the lane stays shut")
_UNLOCKS: Final = Pair(
    "继电器全部断开，通道解锁，直到守护进程重新锁上",
    "all relays open; the lane unlocks until the daemon locks it",
)


@dataclass(frozen=True, slots=True)
class Consequence:
    """One thing that may happen, and what the lane does then; ``danger`` is shown in red."""

    when: Pair
    then: Pair
    danger: bool = False


def consequences(*, release: str, on_power_loss: str, info: DriverInfo | None) -> list[Consequence]:
    """What follows from a lane's wiring and its board; ``info`` is None for a board that is not known."""
    pulsed = release != "energise_to_lock"
    resting = _STAYS_SHUT if pulsed else _UNLOCKS
    return [
        Consequence(Pair("启动", "start"), resting),
        Consequence(Pair("停止", "stop"), resting),
        _crash(info, pulsed=pulsed),
        _unplug(info, resting),
        Consequence(
            Pair("断电", "power loss"),
            POWER_LOSS.get(on_power_loss, Pair("未写明", "not said")),
            danger=on_power_loss in ("locked", "as_is"),
        ),
    ]


def info_of(board: dict[str, Any]) -> DriverInfo | None:
    """What a configured board can do; None when it cannot be made from its entry."""
    given = {name: board[name] for name in Options.__annotations__ if name in board}
    try:
        return make_driver(str(board.get("protocol")), **given).info
    except (UnknownProtocolError, OptionError, ValueError, TypeError):
        return None


def _crash(info: DriverInfo | None, *, pulsed: bool) -> Consequence:
    when = Pair("崩溃", "crash")
    if not pulsed:
        return Consequence(
            when,
            Pair(
                "继电器保持原状（锁着就锁着），重启后先全部断开",
                "relays stay as they are, locked if they were; the restart opens them all",
            ),
            danger=True,
        )
    if info is not None and (info.outputs or info.sides) and not info.host_timed:
        return Consequence(when, Pair("脉冲由板自己结束", "the board ends a running pulse by itself"))
    return Consequence(
        when,
        Pair(
            "脉冲途中崩溃时继电器保持吸合：通道开着，直到守护进程重启或板断电",
            "in mid-pulse the relay stays closed: the lane is open until the restart, or the board loses power",
        ),
        danger=True,
    )


def _unplug(info: DriverInfo | None, resting: Pair) -> Consequence:
    when = Pair("拔线", "unplug")
    if info is not None and info.latching:
        return Consequence(
            when,
            Pair("保持型继电器：保持原状", "latching relays: they stay as they are"),
            danger=True,
        )
    return Consequence(
        when,
        Pair(
            f"USB 供电的板：{resting.zh}；自带电源的板：保持原状",
            f"a board fed by USB: {resting.en}; one with its own supply stays as it is",
        ),
    )
