"""What may stand in a ``gate.toml``: its keys with what they take, so that a typing error is found before the gate is.

The daemon has the last word (``edge.config``); the tests hold the two together. Here a wrong key gets the right one
suggested, and the boards are checked against the registry, which knows their options and limits.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final
from zoneinfo import ZoneInfo

from drivers.registry import PROTOCOLS, OptionError, Options, UnknownProtocolError, make_driver
from drivers.tool.console import NOTHING, both
from passes.vocabulary import GATES_MAX
from passes.words import Pair

Check = Callable[[Any], str | None]
"""None for a good value, or what to write instead."""

LANES_MAX: Final = 8
PULSE_MS: Final = (100, 2000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One problem: where (``lane.entry.channel``), what, and what to do."""

    where: str
    what: Pair
    remedy: Pair = NOTHING

    def words(self, file: str) -> Pair:
        """The problem with its place."""
        return Pair(f"{file}：{self.where}：{self.what.zh}", f"{file}: {self.where}: {self.what.en}")


@dataclass(frozen=True, slots=True)
class Key:
    """One key: how its value is checked, and whether it must be there."""

    check: Check
    needed: bool = False


def _text(pattern: str, hint: str) -> Check:
    found = re.compile(pattern)
    return lambda value: None if isinstance(value, str) and found.fullmatch(value) else hint


def _number(least: float, most: float, *, whole: bool = True) -> Check:
    hint = f"{least:g} … {most:g}"

    def check(value: Any) -> str | None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return hint
        return None if least <= value <= most and (isinstance(value, int) or not whole) else hint

    return check


def _choice(*words: str) -> Check:
    return lambda value: None if value in words else " | ".join(words)


def _yes_no(value: Any) -> str | None:
    return None if isinstance(value, bool) else "true | false"


def _zone(value: Any) -> str | None:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, TypeError, OSError):
        return "Asia/Shanghai"
    return None


def _limit(value: Any) -> str | None:
    if _number(1, 24 * 60)(value) is None:
        return None
    return _text(r"([01]\d|2[0-3]):[0-5]0", '60 | "20:00"')(value)


def _anything(_value: Any) -> str | None:
    return None


_WORD: Final = _text(r"[a-z][a-z0-9_]{0,39}", "a-z 0-9 _")
_PATH: Final = _text(r"[^\x00]{1,500}", "PATH")
_CONTACT: Final = {"board": Key(_WORD, needed=True), "channel": Key(_number(1, 8), needed=True)}

SECTIONS: Final[Mapping[str, Mapping[str, Key]]] = {
    "gate": {
        "id": Key(_text(r"[a-z0-9][a-z0-9-]{0,31}", "a-z 0-9 -"), needed=True),
        "site": Key(_number(0, 65_535), needed=True),
        "number": Key(_number(0, GATES_MAX - 1), needed=True),
        "name": Key(_text(r".{1,60}", "1-60"), needed=True),
        "site_name": Key(_text(r".{0,60}", "0-60")),
        "zone": Key(_zone, needed=True),
        "data_dir": Key(_PATH, needed=True),
        "keys": Key(_PATH, needed=True),
        "root": Key(_text(r"[0-9a-f]{64}", "64 × 0-9 a-f")),
        "units": Key(_PATH, needed=True),
    },
    "broker": {"url": Key(_text(r"mqtt://[^\s/]+:\d{1,5}", "mqtt://HOST:1883"), needed=True)},
    "kiosk": {"host": Key(_text(r"\S{1,200}", "127.0.0.1")), "port": Key(_number(1, 65_535))},
    "policy": {
        name: Key(_yes_no)
        for name in (
            "static_needs_guard",
            "residents_when_clock_untrusted",
            "residents_when_bundle_stale",
            "bundle_required",
        )
    },
    "stay": {name: Key(_limit) for name in ("food", "courier", "renovation", "service", "other")},
}
LISTS: Final[Mapping[str, Mapping[str, Key]]] = {
    "board": {
        "name": Key(_WORD, needed=True),
        "protocol": Key(_choice(*PROTOCOLS), needed=True),
        "port": Key(_PATH, needed=True),
        **{name: Key(_anything) for name in Options.__annotations__},
    },
    "lane": {
        "name": Key(_WORD, needed=True),
        "direction": Key(_choice("entry", "exit"), needed=True),
        "camera": Key(_text(r".{1,500}", "http://… | rtsp://… | /dev/video0"), needed=True),
        "board": Key(_WORD, needed=True),
        "channel": Key(_number(1, 32), needed=True),
        "pulse_ms": Key(_number(*PULSE_MS)),
        "passage": Key(_choice("contact", "assumed"), needed=True),
        "contact": Key(_anything),
        "passage_wait_s": Key(_number(1, 60, whole=False)),
        "release": Key(_choice("pulse_to_open", "energise_to_lock"), needed=True),
        "on_power_loss": Key(_choice("open", "locked", "as_is"), needed=True),
    },
}
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
        if port and ports.setdefault(port, where) != where and board.get("unit") is None:
            yield Problem(
                where=f"{where}.port",
                what=Pair(f"与 {ports[port]} 同一个端口", f"is the port of {ports[port]} too"),
            )
        protocol = board.get("protocol")
        if protocol not in PROTOCOLS:
            continue  # named above
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
        place = (str(board), str(lane.get("channel")))
        if outputs.setdefault(place, where) != where:
            yield Problem(
                where=where,
                what=Pair(f"与 {outputs[place]} 同一个输出", f"has the output of {outputs[place]}"),
            )
        yield from _contact(where, lane, list(boards))
        if lane.get("release") == "energise_to_lock":
            yield Problem(
                where=f"{where}.release",
                what=Pair("energise_to_lock 尚不能驱动", "energise_to_lock is not driven yet"),
                remedy=Pair("请接成 pulse_to_open", "wire this lane as pulse_to_open"),
            )
        wait_s, pulse_ms = lane.get("passage_wait_s", 5), lane.get("pulse_ms", 300)
        if isinstance(wait_s, int | float) and isinstance(pulse_ms, int) and wait_s < pulse_ms / 1000 + 1:
            yield Problem(
                where=f"{where}.passage_wait_s",
                what=Pair("至少要比 pulse_ms 长一秒", "must be at least one second longer than pulse_ms"),
            )


def _contact(where: str, lane: Mapping[str, Any], boards: list[str]) -> Iterator[Problem]:
    contact = lane.get("contact")
    if (lane.get("passage") == "contact") != (contact is not None):
        yield Problem(
            where=f"{where}.contact",
            what=Pair(
                'passage = "contact" 要有 contact，"assumed" 不能有',
                'passage = "contact" needs a contact, and "assumed" has none',
            ),
        )
    if isinstance(contact, dict):
        yield from _table(f"{where}.contact", contact, _CONTACT)
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
