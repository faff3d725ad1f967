"""The questions of ``init``, one after the other, each asked again until its answer can stand in a gate's file."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, Final

from drivers.ports import PortRow, list_ports
from drivers.registry import PROTOCOLS
from drivers.tool.config_keys import LISTS, SECTIONS, Key
from drivers.tool.console import add_row, asked, both, say, show, table, text, warn
from drivers.tool.toml_text import parsed_value
from drivers.tool.wiring import POWER_LOSS, info_of
from passes.words import Pair
from shell.masking import masked_value

Ask = Callable[[Pair, str], str]
"""Asks a person: the question, and what an empty answer means."""

Question = tuple[str, Pair, str]
"""A key, what it asks, and what an empty answer means."""

TESTED_BY: Final = "tested_by"
TESTED_ON: Final = "tested_on"

_GATE: Final[tuple[Question, ...]] = (
    ("id", Pair("门的代号（小写字母、数字、-）", "Id of the gate (a-z 0-9 -)"), "south"),
    ("site", Pair("小区编号（中心给的）", "Number of the site (from the centre)"), "1"),
    ("number", Pair("门的编号（从 0 起，中心给的）", "Number of the gate (from 0, from the centre)"), "0"),
    ("name", Pair("门的名称", "Name of the gate"), "南门 South gate"),
    ("zone", Pair("时区", "Time zone"), "Asia/Shanghai"),
    ("data_dir", Pair("数据文件夹", "Folder for its data"), "data"),
    ("keys", Pair("密钥集文件", "File of the key set"), "keyset.json"),
    ("units", Pair("房号目录文件", "File of the directory of units"), "units.json"),
)


def ask_gate(ask: Ask) -> dict[str, Any]:
    """The sections about the gate itself and its broker."""
    heading(Pair("一、门", "1. The gate"))
    gate = {name: _valid(ask, SECTIONS["gate"][name], words, usual) for name, words, usual in _GATE}
    url = _valid(
        ask,
        SECTIONS["broker"]["url"],
        Pair("消息代理地址", "Address of the message broker"),
        "mqtt://127.0.0.1:1883",
    )
    return {"gate": gate, "broker": {"url": url}}


def ask_boards(ask: Ask) -> list[dict[str, Any]]:
    """The boards, until there are no more."""
    heading(Pair("二、板", "2. The boards"))
    rows = list_ports([])
    _show_ports(rows)
    boards: list[dict[str, Any]] = []
    while True:
        first = not boards
        name = ask(
            Pair("板的名称（空行结束）", "Name of a board (empty line: no more)"), "relays" if first else ""
        )
        if not name:
            return boards
        boards.append(_board(ask, name, rows))


def ask_lanes(ask: Ask, boards: Sequence[dict[str, Any]], *, today: date) -> list[dict[str, Any]]:
    """The lanes with their wiring facts and who tested them."""
    heading(Pair("三、通道", "3. The lanes"))
    lanes: list[dict[str, Any]] = []
    while True:
        usual = ("entry", "exit")[len(lanes)] if len(lanes) < 2 else ""
        name = ask(
            Pair("通道的名称（空行结束）", "Name of a lane (empty line: no more)"), usual if not lanes else ""
        )
        if not name:
            return lanes
        lanes.append(_lane(ask, name, boards, today=today))


def ask_inputs(ask: Ask, content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What other inputs mean: fire, exit buttons, tamper, doors; until there are no more."""
    readers = [
        str(board["name"])
        for board in content["board"]
        if (info := info_of(board)) is not None and info.inputs
    ]
    if not readers:
        return []
    heading(
        Pair(
            "四、其他输入（只读：消防和按钮由硬件动作）",
            "4. Other inputs (only read: fire and buttons act in hardware)",
        )
    )
    keys, lanes, found = LISTS["input"], [str(lane["name"]) for lane in content["lane"]], []
    while role := ask(
        Pair(
            "fire 消防 / exit_button 按钮 / tamper 防拆 / door 门磁（空行结束）",
            "fire, exit_button, tamper or door (empty: no more)",
        ),
        "",
    ):
        entry: dict[str, Any] = {"role": _checked(ask, keys["role"], Pair("用途", "Role"), role)}
        entry["board"] = _one_of(ask, Pair("接在哪块板", "Board"), readers)
        entry["channel"] = _valid(ask, keys["channel"], Pair("输入编号", "Input"), "")
        if entry["role"] in ("exit_button", "door"):
            entry["lane"] = _one_of(ask, Pair("属于哪条通道", "Lane"), lanes)
        usual = "closed" if entry["role"] == "fire" else "open"
        entry["normally"] = _valid(
            ask, keys["normally"], Pair("平时 open 断开 / closed 闭合", "Normally open or closed"), usual
        )
        found.append(entry)
    return found


def asked_at_terminal(question: Pair, usual: str) -> str:
    """One question at the terminal."""
    return asked(both("{words}"), default=usual, words=text(question))


def heading(words: Pair) -> None:
    """The heading of a part of the questions."""
    say(both("\n{words}"), words=text(words))


def _board(ask: Ask, name: str, rows: Sequence[PortRow]) -> dict[str, Any]:
    keys = LISTS["board"]
    for word, protocol in PROTOCOLS.items():
        say(both("  {word:<14} {summary}"), word=word, summary=protocol.summary)
    board: dict[str, Any] = {"name": _checked(ask, keys["name"], Pair("板的名称", "Name of the board"), name)}
    board["protocol"] = _valid(ask, keys["protocol"], Pair("协议", "Protocol"), "lcus")
    protocol = PROTOCOLS[board["protocol"]]
    usual = next((row.by_path or row.path for row in rows if row.by_path), "")
    board["port"] = _valid(
        ask, keys["port"], Pair("端口（最好是 by-path 链接）", "Port (best a by-path link)"), usual
    )
    if str(board["port"]).startswith(("/dev/ttyUSB", "/dev/ttyACM")):
        warn(
            Pair("ttyUSB 编号会变，建议改用 by-path 链接", "ttyUSB numbers move: better use the by-path link")
        )
    if protocol.needs:
        words = Pair(
            f"{protocol.needs}（{'、'.join(protocol.values())}）",
            f"{protocol.needs} ({', '.join(protocol.values())})",
        )
        board[protocol.needs] = ask(words, protocol.values()[0])
    if "unit" in protocol.options:
        board["unit"] = _valid(ask, Key(_positive), Pair("地址", "Address (unit)"), "1")
    return board


def _lane(ask: Ask, name: str, boards: Sequence[dict[str, Any]], *, today: date) -> dict[str, Any]:
    keys = LISTS["lane"]
    names = [str(board["name"]) for board in boards]
    infos = {str(board["name"]): info_of(board) for board in boards}
    openers = [name for name, info in infos.items() if info is not None and (info.outputs or info.sides)]
    readers = [name for name, info in infos.items() if info is not None and info.inputs]
    lane: dict[str, Any] = {"name": _checked(ask, keys["name"], Pair("通道的名称", "Name of the lane"), name)}

    def put(key: str, words: Pair, usual: str) -> None:
        lane[key] = _valid(ask, keys[key], words, usual)

    put(
        "direction",
        Pair("方向 entry 进 / exit 出", "Direction: entry or exit"),
        "exit" if name == "exit" else "entry",
    )
    scanners = [name for name, info in infos.items() if info is not None and info.reads_codes]
    lane.update(_readers(ask, scanners))
    lane["board"] = _one_of(ask, Pair("开门的板", "Board that opens it"), openers or names)
    info = infos[lane["board"]]
    if info is not None and info.sides:
        put("side", Pair("闸机的哪一侧 left 左 / right 右", "Side of the turnstile: left or right"), "left")
    else:
        put("channel", Pair("继电器编号（板上印的，从 1 起）", "Relay (as printed, from 1)"), "1")
    put("pulse_ms", Pair("脉冲毫秒（100 到 2000）", "Pulse in ms (100 to 2000)"), "300")
    put(
        "passage",
        Pair(
            "怎么知道人走过：contact 触点 / counter 闸机计数 / assumed 只能假定",
            "How a passage is noticed: contact, counter (turnstile), or assumed",
        ),
        "contact" if readers else "counter" if info is not None and info.counts else "assumed",
    )
    if lane["passage"] == "contact":
        board = _one_of(ask, Pair("触点接在哪块板", "Board of the contact"), readers or names)
        channel = _valid(ask, Key(_positive), Pair("输入编号", "Input"), str(lane.get("channel", 1)))
        lane["contact"] = {"board": board, "channel": channel}
    put(
        "release",
        Pair(
            "接线：pulse_to_open 脉冲开门（电磁锁的电源接继电器常闭触点 NC）",
            "Wiring: pulse_to_open (a magnet lock over the relay's normally closed contact)",
        ),
        "pulse_to_open",
    )
    for word, meaning in POWER_LOSS.items():
        say(both("  {word:<8} {meaning}"), word=word, meaning=text(meaning))
    put("on_power_loss", Pair("断电时通道怎样（现场拉闸试过）", "Without power (tried on site)"), "")
    lane[TESTED_BY] = ask(Pair("谁试的", "Tested by"), "")
    lane[TESTED_ON] = _date(ask, today)
    return lane


def _readers(ask: Ask, scanners: Sequence[str]) -> dict[str, Any]:
    """What reads codes in a lane: a scanner of the file, a camera, or both."""
    keys, found = LISTS["lane"], dict[str, Any]()
    if scanners:
        named = ", ".join(scanners)
        words = Pair(f"扫码器（{named}；没有就写 -）", f"Scanner that reads for it ({named}; - for none)")
        takes = Key(lambda value: None if value in (*scanners, "-") else f"{named}, -")
        name = _valid(ask, takes, words, scanners[0])
        found |= {} if name == "-" else {"scanner": name}
    words = Pair("摄像头（http、rtsp、/dev/video0）", "Camera (http, rtsp, /dev/video0)")
    if not found:
        return {"camera": _valid(ask, keys["camera"], words, "/dev/video0")}
    besides = Pair(f"{words.zh}，没有就写 -", f"{words.en}; - for none")
    camera = _valid(ask, keys["camera"], besides, "-")
    return found if camera == "-" else found | {"camera": camera}


def _valid(ask: Ask, key: Key, words: Pair, usual: str) -> Any:
    """An answer that the key takes; numbers are numbers."""
    while True:
        answer = ask(words, usual)
        value: Any = parsed_value(answer) if _is_number(answer) and key.check(answer) is not None else answer
        hint = key.check(value)
        if hint is None:
            return value
        warn(
            Pair("不能是 {value!r}，写：{hint}", "Cannot be {value!r}. Write: {hint}"),
            value=answer,
            hint=hint,
        )


def _checked(ask: Ask, key: Key, words: Pair, answer: str) -> Any:
    """An answer that was given already, or another one that the key takes."""
    hint = key.check(answer)
    if hint is None:
        return answer
    warn(
        Pair("不能是 {value!r}，写：{hint}", "Cannot be {value!r}. Write: {hint}"),
        value=masked_value(answer),
        hint=hint,
    )
    return _valid(ask, key, words, "")


def _one_of(ask: Ask, words: Pair, names: Sequence[str]) -> Any:
    shown = Pair(f"{words.zh}（{'、'.join(names)}）", f"{words.en} ({', '.join(names)})")
    usual = names[0] if names else ""
    return _valid(ask, Key(lambda value: None if value in names else ", ".join(names)), shown, usual)


def _date(ask: Ask, today: date) -> date:
    while True:
        answer = ask(Pair("哪天试的", "Tested on"), today.isoformat())
        try:
            return date.fromisoformat(answer)
        except ValueError:
            warn(Pair("写成 2026-11-22", "Write it as 2026-11-22"))


def _positive(value: Any) -> str | None:
    return None if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 255 else "1 … 255"


def _is_number(answer: str) -> bool:
    return answer.isdecimal()


def _show_ports(rows: Sequence[PortRow]) -> None:
    made = table(Pair("端口", "port"), Pair("固定链接", "by-path link"), Pair("USB", "usb"))
    for row in rows:
        if row.by_path or row.usb:
            add_row(made, (row.path, row.by_path or "-", row.usb or "-"))
    if made.row_count:
        show(made)
