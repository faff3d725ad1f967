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
    power_loss = Consequence(
        Pair("断电", "power loss"),
        POWER_LOSS.get(on_power_loss, Pair("未写明", "not said")),
        danger=on_power_loss in ("locked", "as_is"),
    )
    if info is not None and info.sides:
        return [*_of_a_controller(info), power_loss]
    pulsed = release != "energise_to_lock"
    resting = _STAYS_SHUT if pulsed else _UNLOCKS
    return [
        Consequence(Pair("启动", "start"), resting),
        Consequence(Pair("停止", "stop"), resting),
        _crash(info, pulsed=pulsed),
        _unplug(info, resting),
        power_loss,
    ]


def info_of(board: dict[str, Any]) -> DriverInfo | None:
    """What a configured board can do; None when it cannot be made from its entry."""
    given = {name: board[name] for name in Options.__annotations__ if name in board}
    try:
        return make_driver(str(board.get("protocol")), **given).info
    except (UnknownProtocolError, OptionError, ValueError, TypeError):
        return None


def _of_a_controller(info: DriverInfo) -> list[Consequence]:
    """A turnstile controller moves by itself: we only admit, so that it stays as it is when we are gone."""
    missed = (
        Pair("期间走过的人恢复后补计", "who walks meanwhile is counted afterwards")
        if info.counts
        else Pair(
            "期间走过的人到下一次放行才计，失联也到那时才发现",
            "who walks meanwhile is counted at the next admission, and a dead controller is noticed only then",
        )
    )
    return [
        Consequence(
            Pair("启动", "start"),
            Pair(
                "不发任何动作命令：闸机保持原来的模式（正常、常开、禁行）",
                "nothing is sent that moves it: the controller stays in its mode (normal, free or blocked)",
            ),
        ),
        Consequence(
            Pair("停止", "stop"),
            Pair(
                "不发命令：已放行的一人仍可通过，之后不再放行，常开的仍常开；出口靠闸机自己的按钮",
                "nothing is sent: who was admitted may still walk, nobody after that, and free stays free; "
                "the way out is the controller's own button",
            ),
        ),
        Consequence(
            Pair("崩溃", "crash"),
            Pair(
                f"同停止；已发出的放行由闸机自己计时结束，不会重发；{missed.zh}",
                f"as stop; an admission that was sent ends by the controller's own time and is not sent again; "
                f"{missed.en}",
            ),
        ),
        Consequence(
            Pair("拔线", "unplug"),
            Pair(
                f"闸机按原模式自己运行，进出都不再放行；{missed.zh}；出口靠闸机自己的按钮",
                f"the controller goes on in its mode, and nobody is admitted either way; {missed.en}; "
                "the way out is its own button",
            ),
            danger=True,
        ),
    ]


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
    if info is not None and info.outputs and not info.host_timed:
        return Consequence(
            when,
            Pair(
                "脉冲由板自己结束；常开的通道一直开到守护进程重启",
                "the board ends a running pulse by itself; a lane that is held open stays open until the restart",
            ),
        )
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
