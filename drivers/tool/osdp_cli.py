"""``osdp set-key``: give an OSDP reader a key of its own, on a bench; and which file then holds which key.

The key itself is never shown: it is in its file, and goes to the gate by hand. There is no trace either: who reads the
bytes with which a first key is given can read the key.
"""

from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer

from drivers.devices.osdp import BAUDS
from drivers.devices.osdp_bench import KeySettingError, Trouble, pending_file, set_key
from drivers.devices.osdp_frames import ADDRESS_MAX
from drivers.devices.osdp_key import KeyFileError
from drivers.devices.osdp_library import OsdpMissingError
from drivers.model import Identity, LineSettings
from drivers.port import PortError
from drivers.tool.console import (
    PROGRAM,
    DryRunOption,
    Exit,
    JsonOption,
    asked,
    at_terminal,
    both,
    facts,
    fail,
    put_json,
    say,
    text,
    warn,
)
from drivers.tool.opening import check_port, port_of, port_words
from drivers.tool.spoken_help import SpokenCommand, SpokenGroup
from drivers.tool.target import (
    BoardOption,
    ConfigOption,
    KeyFileOption,
    PortOption,
    Target,
    UnitOption,
    find_target,
    options_of,
)
from passes.words import Pair

_BENCH_WORDS: Final = ("bench", "工作台")
_TROUBLES: Final = {
    Trouble.NOT_USED: Pair(
        "读卡器 {unit} 收下了新密钥，之后却没有使用",
        "Reader {unit} took the new key, and then did not use it",
    ),
    Trouble.SILENT: Pair(
        "读卡器 {unit} 没有回答。检查供电、A/B 线、地址和速率",
        "Reader {unit} does not answer. Check its supply, wires A and B, its address and speed",
    ),
    Trouble.HAS_A_KEY: Pair(
        "读卡器 {unit} 不接受公开的默认密钥：它已有密钥，或不在安装模式。按其手册复位；"
        "若密钥在别的文件，用 --key-file 写明",
        "Reader {unit} does not take the published default key: it has a key already, or is not in its installation "
        "mode. Reset it as its manual says; or name the file that has its key by --key-file",
    ),
    Trouble.WRONG_KEY: Pair(
        "读卡器 {unit} 不认 {file} 里的密钥。它的密钥没有改变",
        "Reader {unit} has no secure channel with the key in {file}. Its key is as before",
    ),
    Trouble.UNANSWERED: Pair(
        "已把新密钥告诉读卡器 {unit}，它没有说收下",
        "Reader {unit} was told its new key, and did not say that it took it",
    ),
    Trouble.LINE_LOST: Pair(
        "设置密钥时线路断了：{why}",
        "The line was lost while the key was set: {why}",
    ),
}

osdp_app = typer.Typer(
    name="osdp",
    cls=SpokenGroup,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="""OSDP readers: their keys.

\b
Examples:
  postern-driver osdp set-key --port /dev/ttyUSB1 --unit 5 --key-file reader.key --dry-run
  postern-driver osdp set-key --board reader --config gate.toml
""",
)


@osdp_app.command("set-key", cls=SpokenCommand)
def set_key_of_reader(
    *,
    port: PortOption = None,
    unit: UnitOption = None,
    key_file: KeyFileOption = None,
    baud: Annotated[int | None, typer.Option(help="Speed of the reader's line; 9600 unless given.")] = None,
    board: BoardOption = None,
    config: ConfigOption = None,
    on_a_bench: Annotated[
        bool,
        typer.Option("--on-a-bench", help="The reader is alone on its cable: its first key may travel it."),
    ] = False,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Give an OSDP reader a new random key, see it used, and keep it in its file.

    \b
    Examples:
      postern-driver osdp set-key --port /dev/ttyUSB1 --unit 5 --key-file reader.key --dry-run
      postern-driver osdp set-key --port /dev/ttyUSB1 --unit 5 --key-file reader.key --on-a-bench

    Where the file does not exist, the reader is spoken to with the published default key. Whoever listens to the wire
    then learns the new one: so only on a bench (--on-a-bench, or the word typed; exit 4 otherwise), the reader alone
    and in its installation mode. Where the file exists, its key is replaced through its own secure channel.
    Exit 3: no answer; 1: it did not work. If it says to keep FILE.new, the reader may have that key.
    """
    target = _target(port, unit, key_file, board, config)
    file, address, line = _file_of(target), _address_of(target), _line_of(target, baud)
    first = not file.exists()
    plan = {"port": target.port, "unit": address, "key_file": str(file), "was": "default" if first else "own"}
    if dry_run:
        _show_plan(plan, pending_file(file), as_json=as_json)
        return
    check_port(target)
    if first:
        _demand_bench(file, on_a_bench=on_a_bench)
    try:
        found = set_key(port_of(target.port, line), unit=address, key_file=file, on_a_bench=first)
    except KeySettingError as error:
        _not_set(plan, error, as_json=as_json)
    except (KeyFileError, OsdpMissingError) as error:
        fail(Exit.USAGE, both("{error}"), error=error)
    except PortError as error:
        fail(Exit.UNREACHABLE, port_words(error))
    except KeyboardInterrupt:
        if pending_file(file).exists():
            _keep(pending_file(file))
        raise
    _report(plan, found, as_json=as_json)


def _target(
    port: str | None, unit: int | None, key_file: str | None, board: str | None, config: Path | None
) -> Target:
    target = find_target(
        port=port,
        protocol=None if port is None else "osdp",
        board=board,
        config=config,
        unit=unit,
        key_file=key_file,
    )
    if target.protocol != "osdp":
        fail(
            Exit.USAGE,
            Pair("{name} 是 {protocol}，不是 OSDP 读卡器", "{name} is a {protocol} device, no OSDP reader"),
            name=target.name,
            protocol=target.protocol,
        )
    return target


def _file_of(target: Target) -> Path:
    named = options_of(target).get("key_file")
    if not named:
        fail(
            Exit.USAGE,
            Pair(
                "密钥存到哪个文件？用 --key-file 写明，例如 --key-file reader.key",
                "Which file is to hold the key? Name it: --key-file reader.key",
            ),
        )
    return Path(named)


def _address_of(target: Target) -> int:
    if target.unit is None or not 0 <= target.unit <= ADDRESS_MAX:
        fail(
            Exit.USAGE,
            Pair(
                "写明读卡器的地址，0 到 {most}：--unit 5（不知道时：{program} identify --protocol osdp）",
                "Name the reader's address, 0 to {most}: --unit 5 (unknown: {program} identify --protocol osdp)",
            ),
            most=ADDRESS_MAX,
            program=PROGRAM,
        )
    return target.unit


def _line_of(target: Target, baud: int | None) -> LineSettings:
    speed = baud or options_of(target).get("baud") or BAUDS[0]
    if speed not in BAUDS:
        known = ", ".join(map(str, BAUDS))
        fail(
            Exit.USAGE,
            Pair("--baud {speed}：可用 {known}", "--baud {speed}: use one of {known}"),
            speed=speed,
            known=known,
        )
    return LineSettings(baud=speed)


def _demand_bench(file: Path, *, on_a_bench: bool) -> None:
    if on_a_bench:
        return
    if at_terminal():
        say(
            Pair(
                "{file} 不存在：将用公开的默认密钥与读卡器通话，线上旁听者能得到新密钥。",
                "{file} is not there: the reader is spoken to with the published default key, and whoever listens to "
                "the wire learns the new one.",
            ),
            file=file,
        )
        typed = asked(
            Pair(
                "读卡器是否单独接在工作台的线上？请输入：工作台",
                "Is it alone on its cable, on a bench? Type: bench",
            )
        )
        if typed.lower() in _BENCH_WORDS:
            return
    fail(
        Exit.UNSAFE,
        Pair(
            "没有发送任何字节：{file} 不存在，首个密钥只在工作台上设置（单独一条线），然后写 --on-a-bench",
            "Nothing was sent: {file} is not there, and a first key is set on a bench only, the reader alone on its "
            "cable. Then: --on-a-bench",
        ),
        file=file,
    )


def _show_plan(plan: dict[str, Any], pending: Path, *, as_json: bool) -> None:
    if as_json:
        put_json(plan | {"result": "dry_run", "pending": str(pending)})
        return
    spoken = (
        Pair("公开的默认密钥（只在工作台上）", "the published default key (on a bench only)")
        if plan["was"] == "default"
        else Pair("{file} 里现有的密钥", "the one in {file} now")
    )
    facts(
        (
            (Pair("读卡器", "reader"), f"{plan['port']}, {plan['unit']}"),
            (Pair("通话用的密钥", "key to speak with"), text(spoken, file=plan["key_file"])),
            (Pair("新密钥先存到", "new key, at first"), pending),
            (Pair("确认后存到", "new key, once used"), plan["key_file"]),
        )
    )


def _report(plan: dict[str, Any], found: Identity, *, as_json: bool) -> None:
    who = {"maker": found.maker, "model": found.model, "firmware": found.firmware, "serial": found.serial}
    if as_json:
        put_json(plan | {"result": "done", **who})
        return
    facts(
        (
            (Pair("读卡器", "reader"), f"{plan['unit']}: {found.maker} {found.model}, {found.serial}"),
            (Pair("它的新密钥在", "its new key is in"), plan["key_file"]),
            (Pair("旧密钥", "its old key"), text(_OLD[plan["was"]])),
        )
    )
    say(
        Pair(
            "把此文件亲手拷到门上（权限 0600），不要用邮件：谁有它，谁就能从线上开门",
            "Carry this file to the gate by hand (mode 0600), never by mail: who has it can open the lane from the "
            "cable",
        )
    )


_OLD: Final = {
    "default": Pair("公开的默认密钥，已不再有效", "the published default; it is void now"),
    "own": Pair("已作废，文件已被替换", "void; its file was replaced"),
}


def _not_set(plan: dict[str, Any], error: KeySettingError, *, as_json: bool) -> NoReturn:
    if as_json:
        pending = None if error.pending is None else str(error.pending)
        put_json(plan | {"result": "failed", "why": error.trouble.value, "pending": pending})
    if error.pending is not None:
        _keep(error.pending)
    unreached = error.trouble in {Trouble.SILENT, Trouble.LINE_LOST, Trouble.UNANSWERED}
    fail(
        Exit.UNREACHABLE if unreached else Exit.FAILED,
        _TROUBLES[error.trouble],
        unit=plan["unit"],
        file=plan["key_file"],
        why=error,
    )


def _keep(pending: Path) -> None:
    warn(
        Pair(
            "保留 {file}：读卡器可能已经在用其中的密钥。试一试：postern-driver identify … --key-file {file}",
            "KEEP {file}: the reader may have the key in it. Try it: postern-driver identify … --key-file {file}",
        ),
        file=pending,
    )
