"""What may stand in a ``gate.toml``: its keys with what they take, so that a typing error is found before the gate is.

The daemon has the last word (``edge.config``); the tests hold the two together. Here a wrong key gets the right one
suggested, and the boards are checked against the registry, which knows their options and limits.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

from drivers.registry import PROTOCOLS, OptionError, Options, UnknownProtocolError, make_driver
from drivers.tool.config_keys import CONTACT, EXPECT, LISTS, SECTIONS, Key
from drivers.tool.console import NOTHING, both
from drivers.tool.wiring import info_of
from passes.words import Pair

LANES_MAX: Final = 8
NETWORK: Final = "tcp://"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One problem: where (``lane.entry.channel``), what, and what to do."""

    where: str
    what: Pair
    remedy: Pair = NOTHING

    def words(self, file: str) -> Pair:
        """The problem with its place."""
        return Pair(f"{file}：{self.where}：{self.what.zh}", f"{file}: {self.where}: {self.what.en}")


NEEDED: Final = ("gate", "broker", "board", "lane")


def problems_of(content: Mapping[str, Any]) -> list[Problem]:
    """Everything that is wrong with the content of a gate's file."""
    return list(_found(content))


def known_keys() -> list[str]:
    """Every key in words: ``gate.zone``, ``board.NAME.port``."""
    plain = [f"{section}.{key}" for section, keys in SECTIONS.items() for key in keys]
    listed = [f"{section}.NAME.{key}" for section, keys in LISTS.items() for key in keys]
    return plain + listed


def _found(content: Mapping[str, Any]) -> Iterator[Problem]:
    names = [*SECTIONS, *LISTS]
    for name in content:
        if name not in names:
            yield _unknown(name, name, names)
    for name in NEEDED:
        if not content.get(name):
            yield Problem(where=name, what=Pair("缺少这一节", "this section is missing"))
    for name, keys in SECTIONS.items():
        if name in content:
            yield from _table(name, content[name], keys)
    for name, keys in LISTS.items():
        yield from _list(name, content.get(name, []), keys)
    yield from _boards(_tables(content, "board"))
    yield from _lanes(content)
    yield from _fits(content)


def _table(where: str, found: Any, keys: Mapping[str, Key]) -> Iterator[Problem]:
    if not isinstance(found, dict):
        yield Problem(where=where, what=Pair("应当是一节 [..]", "must be a section"))
        return
    for name, value in found.items():
        key = keys.get(name)
        if key is None:
            yield _unknown(f"{where}.{name}", name, list(keys))
            continue
        hint = key.check(value)
        if hint is not None:
            yield Problem(
                where=f"{where}.{name}",
                what=Pair(f"不能是 {value!r}", f"cannot be {value!r}"),
                remedy=Pair(f"写：{hint}", f"write: {hint}"),
            )
    for name, key in keys.items():
        if key.needed and name not in found:
            yield Problem(where=f"{where}.{name}", what=Pair("缺少这个键", "this key is missing"))


def _list(name: str, found: Any, keys: Mapping[str, Key]) -> Iterator[Problem]:
    if not isinstance(found, list):
        yield Problem(where=name, what=Pair(f"应当写成 [[{name}]]", f"must be written as [[{name}]]"))
        return
    seen: set[str] = set()
    for number, entry in enumerate(found, start=1):
        own = entry.get("name") if isinstance(entry, dict) else None
        where = f"{name}.{own if isinstance(own, str) else number}"
        yield from _table(where, entry, keys)
        if isinstance(own, str) and own in seen:
            yield Problem(where=where, what=Pair("名称重复", "this name is taken twice"))
        seen.add(own if isinstance(own, str) else "")


def _boards(boards: list[Mapping[str, Any]]) -> Iterator[Problem]:
    ports: dict[str, str] = {}
    for board in boards:
        where = f"board.{board.get('name', '?')}"
        port = str(board.get("port", ""))
        if "expect" in board:
            yield from _table(f"{where}.expect", board["expect"], EXPECT)
        if port and ports.setdefault(port, where) != where and board.get("unit") is None:
            yield Problem(
                where=f"{where}.port",
                what=Pair(f"与 {ports[port]} 同一个端口", f"is the port of {ports[port]} too"),
            )
        protocol = board.get("protocol")
        if protocol not in PROTOCOLS:
            continue  # named above
        if PROTOCOLS[str(protocol)].network != port.startswith(NETWORK):
            yield Problem(
                where=f"{where}.port",
                what=Pair(
                    "网络板写 tcp://，其他写设备路径", "tcp:// is for network boards, a path for all others"
                ),
            )
        given = {name: board[name] for name in Options.__annotations__ if name in board}
        if str(given.get("profile", "")).endswith(".toml"):
            continue  # a site's own profile lies beside the file; the driver checks it when it is opened
        try:
            make_driver(str(protocol), **given)
        except (UnknownProtocolError, OptionError, ValueError, TypeError) as error:
            yield Problem(where=where, what=both(str(error)))


def _lanes(content: Mapping[str, Any]) -> Iterator[Problem]:
    boards = {str(board.get("name")): board for board in _tables(content, "board")}
    outputs: dict[tuple[str, str], str] = {}
    lanes = _tables(content, "lane")
    if len(lanes) > LANES_MAX:
        yield Problem(
            where="lane", what=Pair(f"最多 {LANES_MAX} 条通道", f"a gate has at most {LANES_MAX} lanes")
        )
    for lane in lanes:
        where = f"lane.{lane.get('name', '?')}"
        board = lane.get("board")
        if isinstance(board, str) and board not in boards:
            yield _unknown(f"{where}.board", board, list(boards))
        place = (str(board), str(lane.get("side") or lane.get("channel")))
        yield from _lane(where, lane)
        if outputs.setdefault(place, where) != where:
            yield Problem(
                where=where,
                what=Pair(f"与 {outputs[place]} 同一个输出", f"has the output of {outputs[place]}"),
            )
        yield from _contact(where, lane, list(boards))
        wait_s, pulse_ms = lane.get("passage_wait_s", 5), lane.get("pulse_ms", 300)
        if isinstance(wait_s, int | float) and isinstance(pulse_ms, int) and wait_s < pulse_ms / 1000 + 1:
            yield Problem(
                where=f"{where}.passage_wait_s",
                what=Pair("至少要比 pulse_ms 长一秒", "must be at least one second longer than pulse_ms"),
            )


def _lane(where: str, lane: Mapping[str, Any]) -> Iterator[Problem]:
    """What a lane says about itself."""
    if ("channel" in lane) == ("side" in lane):
        yield Problem(
            where=where,
            what=Pair(
                "要么有 channel（继电器），要么有 side（闸机控制器）",
                "a lane has either a channel (relay) or a side (turnstile controller)",
            ),
        )
    if lane.get("release") == "energise_to_lock":
        yield Problem(
            where=f"{where}.release",
            what=Pair("energise_to_lock 尚不能驱动", "energise_to_lock is not driven yet"),
            remedy=Pair("请接成 pulse_to_open", "wire this lane as pulse_to_open"),
        )
    if (lane.get("direction"), lane.get("on_power_loss")) == ("exit", "as_is"):
        yield Problem(
            where=f"{where}.on_power_loss",
            what=Pair(
                "出口不能是 as_is：断电时里面的人必须能出去",
                "as_is is refused at an exit: whoever is inside must get out without power",
            ),
        )
    if ("tested_by" in lane) != ("tested_on" in lane):
        yield Problem(
            where=where,
            what=Pair("tested_by 与 tested_on 要同时写", "tested_by and tested_on belong together"),
        )


def _fits(content: Mapping[str, Any]) -> Iterator[Problem]:
    """Whether the boards can do what lanes and inputs want of them."""
    infos = {str(board.get("name")): info_of(dict(board)) for board in _tables(content, "board")}
    for lane in _tables(content, "lane"):
        where, info = f"lane.{lane.get('name', '?')}", infos.get(str(lane.get("board")))
        if info is None:
            continue
        channel, side = lane.get("channel"), lane.get("side")
        if isinstance(channel, int) and channel > info.outputs:
            yield Problem(
                where=f"{where}.channel",
                what=Pair(f"这块板有 {info.outputs} 个输出", f"this board has {info.outputs} outputs"),
            )
        if side is not None and side not in [str(each) for each in info.sides]:
            yield Problem(
                where=f"{where}.side",
                what=Pair("这块板不是闸机控制器", "this board is no turnstile controller"),
            )
        pulse_ms, (least, most) = lane.get("pulse_ms", 300), info.pulse_ms
        if isinstance(pulse_ms, int) and (not least <= pulse_ms <= most or pulse_ms % info.pulse_step_ms):
            yield Problem(
                where=f"{where}.pulse_ms",
                what=Pair(
                    f"这块板的脉冲是 {least} 到 {most} 毫秒，步长 {info.pulse_step_ms}",
                    f"this board makes pulses of {least} to {most} ms in steps of {info.pulse_step_ms}",
                ),
            )
    for number, entry in enumerate(_tables(content, "input"), start=1):
        info, channel = infos.get(str(entry.get("board"))), entry.get("channel")
        if info is not None and isinstance(channel, int) and channel > info.inputs:
            yield Problem(
                where=f"input.{number}.channel",
                what=Pair(f"这块板有 {info.inputs} 个输入", f"this board has {info.inputs} inputs"),
            )


def _contact(where: str, lane: Mapping[str, Any], boards: list[str]) -> Iterator[Problem]:
    contact = lane.get("contact")
    if (lane.get("passage") == "contact") != (contact is not None):
        yield Problem(
            where=f"{where}.contact",
            what=Pair(
                'passage = "contact" 要有 contact，其他不能有',
                'passage = "contact" needs a contact, the others have none',
            ),
        )
    if isinstance(contact, dict):
        yield from _table(f"{where}.contact", contact, CONTACT)
        if isinstance(contact.get("board"), str) and contact["board"] not in boards:
            yield _unknown(f"{where}.contact.board", contact["board"], boards)


def _unknown(where: str, name: str, known: list[str]) -> Problem:
    close = get_close_matches(name, known, n=1)
    return Problem(
        where=where,
        what=Pair(f"不认识 {name!r}", f"{name!r} is unknown"),
        remedy=Pair(f"是不是 {close[0]!r}？", f"did you mean {close[0]!r}?")
        if close
        else Pair(f"可用：{', '.join(known)}", f"there are: {', '.join(known)}"),
    )


def _tables(content: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = content.get(name)
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []
