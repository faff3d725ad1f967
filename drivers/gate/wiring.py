"""Whether the boards, lanes and inputs of a ``gate.toml`` fit together.

Each problem stops the start, and names its key, what does not fit, and what to do.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from drivers.devices.modbus_tcp import NetworkAddressError
from drivers.gate.hardware import BoardSection, InputSection, LaneSection
from drivers.gate.lines import ports
from drivers.gate.problem import Infos, Problem, Where
from drivers.gate.readers import scanners
from drivers.gate.terminals import shared
from drivers.model import DriverInfo
from drivers.registry import PROTOCOLS, OptionError, make_port
from passes.vocabulary import Direction
from passes.words import Pair


def problems(
    boards: Sequence[BoardSection], lanes: Sequence[LaneSection], inputs: Sequence[InputSection], base: Path
) -> list[Problem]:
    """Everything that does not fit; ``base`` is the folder of the file."""
    placed = [board.beside(base) for board in boards]
    infos: dict[str, DriverInfo] = {}
    found = [
        *_same_names("board", [board.name for board in boards]),
        *_same_names("lane", [lane.name for lane in lanes]),
        *_boards(placed, infos),
    ]
    if found:
        return found  # what follows would blame lanes for their boards
    return [
        *ports(placed, infos),
        *(one for at, lane in enumerate(lanes) for one in _lane(("lane", at), lane, infos)),
        *scanners(placed, lanes, infos),
        *(one for at, lane in enumerate(lanes) for one in _lamps(("lane", at), lane, infos)),
        *(one for at, entry in enumerate(inputs) for one in _input(("input", at), entry, lanes, infos)),
        *shared(lanes, inputs),
    ]


def _same_names(table: str, names: list[str]) -> Iterator[Problem]:
    for at, name in enumerate(names):
        if name in names[:at]:
            yield Problem(
                (table, at, "name"),
                Pair(f"名称 {name!r} 重复，请改其中一个", f"two {table}s have the same name {name!r}"),
            )


def _boards(boards: Sequence[BoardSection], infos: dict[str, DriverInfo]) -> Iterator[Problem]:
    for at, board in enumerate(boards):
        try:
            infos[board.name] = info = board.driver().info
            if PROTOCOLS[board.protocol].network:
                make_port(board.port, info.line)
        except OptionError as error:
            key = error.option if error.option in type(board).model_fields else "protocol"
            yield Problem(("board", at, key), _same(error))
        except NetworkAddressError as error:
            yield Problem(("board", at, "port"), _same(error))
        except ValueError as error:  # a profile that cannot be used
            yield Problem(("board", at, "profile"), _same(error))


def _same(error: Exception) -> Pair:
    """What a driver says of its options: names and numbers."""
    return Pair(str(error), str(error))


def _lane(where: Where, lane: LaneSection, infos: Infos) -> Iterator[Problem]:
    info = infos.get(lane.board)
    if lane.channel is not None:
        if info is None or not info.outputs:
            words = Pair(
                f"通道 {lane.name}：板 {lane.board!r} 不是本文件里的继电器板",
                f"lane {lane.name}: board {lane.board!r} is not a relay board of this file",
            )
            yield Problem((*where, "board"), words)
        else:
            yield from _relay(where, lane, lane.channel, info)
    elif info is None or lane.side not in info.sides:
        words = Pair(
            f"通道 {lane.name}：板 {lane.board!r} 不是本文件里的闸机控制器",
            f"lane {lane.name}: board {lane.board!r} is not a turnstile controller of this file",
        )
        yield Problem((*where, "board"), words)
    elif lane.passage == "counter" and not info.counts:
        words = Pair(
            f'通道 {lane.name}：{info.protocol} 到下一次放行才报计数：请用 passage = "contact" 或 "assumed"',
            f"lane {lane.name}: {info.protocol} tells its counts only with the next admission: "
            'use passage = "contact" or "assumed"',
        )
        yield Problem((*where, "passage"), words)
    if lane.senses is not None:
        key, place = "presence" if lane.presence else "contact", lane.senses
        seen = infos.get(place.board)
        if seen is None or not seen.inputs:
            words = Pair(
                f"通道 {lane.name}：触点所在的板 {place.board!r} 没有输入",
                f"lane {lane.name}: {key} board {place.board!r} has no inputs",
            )
            yield Problem((*where, key), words)
        elif place.channel > seen.inputs:
            words = Pair(
                f"通道 {lane.name}：板 {place.board!r} 的输入是 1 到 {seen.inputs}",
                f"lane {lane.name}: board {place.board!r} has inputs 1 to {seen.inputs}",
            )
            yield Problem((*where, key), words)
    if lane.close is not None:
        closing = infos.get(lane.close.board)
        if closing is None or not 1 <= lane.close.channel <= closing.outputs:
            words = Pair(
                f"通道 {lane.name}：close 所写的板 {lane.close.board!r} 没有这个输出",
                f"lane {lane.name}: board {lane.close.board!r} has no such output to close the barrier",
            )
            yield Problem((*where, "close"), words)


def _lamps(where: Where, lane: LaneSection, infos: Infos) -> Iterator[Problem]:
    """Lamps hang on outputs that are there; that nothing else hangs on them is seen with the rest."""
    if lane.lamps is None:
        return
    info = infos.get(lane.lamps.board)
    if info is None or not info.outputs:
        words = Pair(
            f"通道 {lane.name}：指示灯的板 {lane.lamps.board!r} 不是本文件里的继电器板",
            f"lane {lane.name}: lamps board {lane.lamps.board!r} is not a relay board of this file",
        )
        yield Problem((*where, "lamps"), words)
    elif any(channel > info.outputs for channel in lane.lamps.channels.values()):
        words = Pair(
            f"通道 {lane.name}：板 {lane.lamps.board!r} 的输出是 1 到 {info.outputs}",
            f"lane {lane.name}: board {lane.lamps.board!r} has outputs 1 to {info.outputs}",
        )
        yield Problem((*where, "lamps"), words)
    elif not lane.lamps.channels:
        words = Pair(
            f"通道 {lane.name}：lamps 里一个也没有写：green、red 或 buzzer",
            f"lane {lane.name}: lamps name none: green, red or buzzer",
        )
        yield Problem((*where, "lamps"), words)


def _relay(where: Where, lane: LaneSection, channel: int, info: DriverInfo) -> Iterator[Problem]:
    if channel > info.outputs:
        words = Pair(
            f"通道 {lane.name}：板 {lane.board!r} 的输出是 1 到 {info.outputs}",
            f"lane {lane.name}: board {lane.board!r} has outputs 1 to {info.outputs}",
        )
        yield Problem((*where, "channel"), words)
    least_ms, most_ms = info.pulse_ms
    if not least_ms <= lane.pulse_ms <= most_ms or lane.pulse_ms % info.pulse_step_ms:
        step, steps = "", ""
        if info.pulse_step_ms > 1:
            step, steps = f"，步长 {info.pulse_step_ms}", f" in steps of {info.pulse_step_ms}"
        words = Pair(
            f"通道 {lane.name}：板 {lane.board!r} 的脉冲是 {least_ms} 到 {most_ms} 毫秒{step}",
            f"lane {lane.name}: board {lane.board!r} makes pulses of {least_ms} to {most_ms} ms{steps}",
        )
        yield Problem((*where, "pulse_ms"), words)
    if info.latching and lane.direction is Direction.EXIT:
        words = Pair(
            f"通道 {lane.name}：板 {lane.board!r} 的继电器断电后保持原状（as_is），出口不能用。"
            "请换断电即释放的板",
            f"lane {lane.name}: the relays of board {lane.board!r} stay as they are without power (as_is): "
            "refused at an exit. Take a board whose relays drop",
        )
        yield Problem((*where, "board"), words)


def _input(
    where: Where, entry: InputSection, lanes: Sequence[LaneSection], infos: Infos
) -> Iterator[Problem]:
    info = infos.get(entry.board)
    if info is None or not info.inputs:
        words = Pair(
            f"板 {entry.board!r} 在本文件里没有输入", f"board {entry.board!r} has no inputs in this file"
        )
        yield Problem((*where, "board"), words)
    elif entry.channel > info.inputs:
        words = Pair(
            f"板 {entry.board!r} 的输入是 1 到 {info.inputs}",
            f"board {entry.board!r} has inputs 1 to {info.inputs}",
        )
        yield Problem((*where, "channel"), words)
    if entry.lane is not None and entry.lane not in {lane.name for lane in lanes}:
        words = Pair(f"本文件里没有通道 {entry.lane!r}", f"there is no lane {entry.lane!r} in this file")
        yield Problem((*where, "lane"), words)
