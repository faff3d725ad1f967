"""Yes, this may move: a lane's name, typed or given by ``--confirm``, and nothing else.

There is no ``--yes``. A name that is typed without thinking is a name at least; where the gate's file says which lane
an output opens, another lane's name is a no.
"""

from collections.abc import Sequence
from typing import Annotated, Final

import typer

from drivers.tool.console import Exit, asked, at_terminal, fail, say
from drivers.tool.target import Target
from passes.words import Pair

ISOLATED: Final = "isolated"
ISOLATED_WORDS: Final = (ISOLATED, "已隔离")

ConfirmOption = Annotated[
    str | None,
    typer.Option("--confirm", metavar="LANE", help="Name of the lane this moves: yes, move it."),
]
IsolatedOption = Annotated[
    str | None,
    typer.Option(
        "--confirm",
        metavar="isolated",
        help="The word 'isolated': nothing that these wires move can hurt. Or a lane of --board that may open.",
    ),
]


def confirmed_lane(target: Target, channel: int, confirm: str | None) -> str:
    """The name of the lane that output ``channel`` opens; ends with exit code 4 unless it was typed or given."""
    known = target.lane(channel)
    names = [] if known is None else [known.name]
    moves = Pair(
        "{port} 的继电器 {channel} 将吸合，后面的通道会打开。",
        "Relay {channel} on {port} will close, and the lane behind it will open.",
    )
    return _confirmed(moves, names, confirm, port=target.port, channel=channel)


def confirmed_board(target: Target, confirm: str | None) -> str:
    """As ``confirmed_lane``, for what reaches every lane of a board; the name of any of them will do."""
    moves = Pair("将操作 {port} 上的所有输出。", "This reaches every output on {port}.")
    return _confirmed(moves, [lane.name for lane in target.lanes()], confirm, port=target.port, channel="")


def confirmed_gate(targets: Sequence[Target], confirm: str | None) -> str:
    """As ``confirmed_board``, for all boards of a gate at once."""
    moves = Pair("将操作以下端口上的所有输出：{ports}", "This reaches every output on {ports}.")
    names = [lane.name for target in targets for lane in target.lanes()]
    return _confirmed(moves, names, confirm, ports=", ".join(target.port for target in targets))


def confirmed_isolated(
    confirm: str | None, risk: Pair, *, lanes: Sequence[str] = (), **values: object
) -> None:
    """Go on only when somebody says that the wires move nothing; else exit code 4, and nothing was sent.

    Args:
        confirm: What was given by ``--confirm``.
        risk: What may happen, with ``values``.
        lanes: Names of lanes that will do as well: whoever types one says that it may open.
        values: For ``risk``.
    """
    names = ", ".join(lanes)
    if confirm is None and at_terminal():
        say(risk, **values)
        confirm = asked(
            Pair(
                "确认通道已与设备隔离（拔下继电器端子）？请输入：已隔离"
                + ("；或输入可以打开的通道名称（{names}）" if lanes else ""),
                "Type: isolated" + (", or the name of the lane that may open ({names})" if lanes else ""),
            ),
            names=names,
        )
    word = (confirm or "").strip()
    if word.lower() in ISOLATED_WORDS or (word and word in lanes):
        return
    fail(
        Exit.UNSAFE,
        Pair(
            "未确认，未发送任何字节。先拔下继电器输出端子，再用 --confirm isolated"
            + ("；若通道可以打开，用 --confirm 通道名（{names}）" if lanes else ""),
            "Not confirmed, nothing was sent. Take the wires off the relays first, then: --confirm isolated"
            + (". Or, if the lane may open, --confirm LANE ({names})" if lanes else ""),
        ),
        names=names,
    )


def _confirmed(moves: Pair, names: Sequence[str], confirm: str | None, **values: object) -> str:
    if confirm is None and at_terminal():
        say(moves, **values)
        confirm = asked(Pair("输入通道名称以继续", "Type the lane's name to go on"))
    lane = (confirm or "").strip()
    if not lane:
        fail(
            Exit.UNSAFE,
            Pair(
                "未确认，未发送任何字节。请写明通道名称：--confirm 通道名",
                "Not confirmed, nothing was sent. Name the lane that moves: --confirm LANE",
            ),
        )
    if names and lane not in names:
        fail(
            Exit.UNSAFE,
            Pair(
                "配置里这里接的是通道 {names}，不是 {lane!r}；未发送任何字节",
                "The gate's file has lane {names} here, not {lane!r}; nothing was sent",
            ),
            names=", ".join(names),
            lane=lane,
        )
    return lane
