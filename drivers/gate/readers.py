"""Which scanner reads for which lane: each lane names its own, and no order in which ports were found decides it."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from drivers.gate.hardware import BoardSection, LaneSection
from drivers.gate.problem import Infos, Problem
from drivers.registry import TOLD_BY_MAKER
from passes.words import Pair

CHANGING: Final = re.compile(r"/dev/tty(USB|ACM)\d+$")  # numbered in the order in which they were found


def scanners(boards: Sequence[BoardSection], lanes: Sequence[LaneSection], infos: Infos) -> Iterator[Problem]:
    """What does not fit between lanes and their scanners."""
    used: dict[str, str] = {}
    for at, lane in enumerate(lanes):
        if lane.scanner is None:
            continue
        info = infos.get(lane.scanner)
        if info is None or not info.reads_codes:
            words = Pair(
                f"通道 {lane.name}：板 {lane.scanner!r} 不是本文件里的扫码器",
                f"lane {lane.name}: board {lane.scanner!r} is not a scanner of this file",
            )
            yield Problem(("lane", at, "scanner"), words)
        elif lane.scanner in used:
            words = Pair(
                f"通道 {lane.name}：扫码器 {lane.scanner!r} 已属于通道 {used[lane.scanner]}，一个扫码器只用于一条通道",
                f"lane {lane.name}: scanner {lane.scanner!r} is lane {used[lane.scanner]}'s. "
                "A scanner serves one lane",
            )
            yield Problem(("lane", at, "scanner"), words)
        else:
            used[lane.scanner] = lane.name
    yield from _taken_for_each_other([(at, board) for at, board in enumerate(boards) if board.name in used])


def _taken_for_each_other(used: Sequence[tuple[int, BoardSection]]) -> Iterator[Problem]:
    """Two scanners of lanes must not change places: who comes in would be written down as going out."""
    loose = [(at, board) for at, board in used if CHANGING.match(board.port) and not _is_bound(board)]
    for at, board in loose if len(used) > 1 else ():
        words = Pair(
            f"扫码器 {board.name}：{board.port} 下次启动时可能是另一个扫码器，进出会弄反。"
            "请写 /dev/serial/by-path 的链接，或 expect 的 socket 或 serial（见 postern-driver ports）",
            f"scanner {board.name}: {board.port} can be another scanner's after the next start, and entry would be "
            "exit. Name it by /dev/serial/by-path, or give expect its socket or serial: postern-driver ports "
            "shows both",
        )
        yield Problem(("board", at, "port"), words)


def _is_bound(board: BoardSection) -> bool:
    return board.expect is not None and bool(board.expect.socket or board.expect.serial)


def warnings_of_readers(boards: Sequence[BoardSection], lanes: Sequence[LaneSection]) -> Iterator[str]:
    """What an installer should know of scanners that fit."""
    used = {lane.scanner for lane in lanes}
    for board in boards:
        if board.name not in used:
            if board.protocol == "scanner":
                yield f"board {board.name}: no lane names this scanner: what it reads is dropped"
            continue
        if board.protocol == "osdp":
            yield (
                f"board {board.name}: one message of an osdp reader holds 64 bytes, and our passes are longer: "
                "no pass can be read by it"
            )
        elif board.make == "text":
            yield (
                f"board {board.name}: make text cannot say whether it obeys printed set-up codes. "
                "Switch them off by its maker's sheet, and try it"
            )
        elif board.make in TOLD_BY_MAKER and board.setting is None:
            yield (
                f"board {board.name}: without setting nobody can tell whether it obeys printed set-up codes. "
                "Ask its maker for the setting's name"
            )
