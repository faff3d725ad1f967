"""The rules of ``doctor``: what is wrong with a machine, why it matters at a gate, and what to type.

Each rule takes facts and gives findings; none opens a port, and none changes anything. The remedy is printed and never
carried out: whoever owns the machine does that.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from drivers.ports import PortRow
from drivers.tool.console import NOTHING, both
from drivers.tool.gate_file import BoardEntry, GateFile
from drivers.tool.host import Host, free_bytes, user_name
from passes.vocabulary import ClockTrust
from passes.words import Pair
from shell.clock import Clock

RULES_FILE: Final = "/etc/udev/rules.d/70-postern.rules"
DISK_FAIL: Final = 200_000_000  # a year of journal is some 100 MB
DISK_WARN: Final = 1_000_000_000


class Level(StrEnum):
    """How bad it is: only ``fail`` makes ``doctor`` end with 1."""

    FAIL = "fail"
    WARN = "warn"
    OK = "ok"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One finding.

    Args:
        code: Stable, for scripts.
        level: How bad.
        what: What is so, and where.
        why: What it does to a gate.
        remedy: What to do; lines to paste stand alone.
    """

    code: str
    level: Level
    what: Pair
    why: Pair = NOTHING
    remedy: Pair = NOTHING


def about_ports(rows: Sequence[PortRow], host: Host) -> Iterator[Finding]:
    """Rights, programs that take ports, sleeping adapters, adapters that look alike."""
    for row in rows:
        yield from _rights(row)
        yield from _takers(row, host)
        yield from _sleep(row, host)
    yield from _twins(rows)


def about_boards(gate: GateFile, rows: Sequence[PortRow], *, daemon_runs: bool) -> Iterator[Finding]:
    """The boards of a gate's file against what is plugged in."""
    for board in gate.boards:
        if board.networked:
            yield _unauthenticated(board)
        elif not Path(board.port).exists():
            yield Finding(
                code="port_missing",
                level=Level.FAIL,
                what=Pair(
                    f"板 {board.name} 的端口 {board.port} 不存在", f"board {board.name}: no port {board.port}"
                ),
                why=Pair("该板控制的通道打不开", "the lanes of this board will not open"),
                remedy=Pair("插好设备，然后：postern-driver ports", "plug it in, then: postern-driver ports"),
            )
        else:
            yield from _bound_by_number(board, rows)
            yield from _held(board, rows, daemon_runs=daemon_runs)


def about_journal(gate: GateFile) -> Iterator[Finding]:
    """Whether the gate's record is whole."""
    if not gate.refused_rows.exists():
        return
    file = gate.refused_rows
    yield Finding(
        code="rows_set_aside",
        level=Level.FAIL,
        what=Pair(f"日志缺少的行放在 {file}", f"rows that the journal never took are in {file}"),
        why=Pair("中心不知道这些事", "the centre does not know of them"),
        remedy=Pair(
            "请人逐行查看、在中心补记，然后把文件移走",
            "have a person read it line by line and make up for it at the centre, then move the file away",
        ),
    )


def about_clock(host: Host, clock: Clock) -> Iterator[Finding]:
    """Whether passes can be judged by this machine's time."""
    remedy = Pair("sudo timedatectl set-ntp true", "sudo timedatectl set-ntp true")
    if clock.trust() is not ClockTrust.TRUSTED:
        yield Finding(
            code="clock_wrong",
            level=Level.FAIL,
            what=Pair(f"系统时间是 {clock.now():%Y-%m-%d}，不可信", f"the clock says {clock.now():%Y-%m-%d}"),
            why=Pair("时间不对，通行码无法判断有效期", "passes cannot be judged by a wrong clock"),
            remedy=remedy,
        )
    elif host.clock_synchronised() is False:
        yield Finding(
            code="clock_not_synchronised",
            level=Level.WARN,
            what=Pair("系统时间没有同步", "nothing keeps the clock right"),
            why=Pair("每天会偏几秒，动态码 30 秒一换", "it drifts by seconds a day; codes change every 30 s"),
            remedy=remedy,
        )


def about_machine(host: Host, folder: Path) -> Iterator[Finding]:
    """Disk and watchdog."""
    free = free_bytes(folder)
    if free is not None and free < DISK_WARN:
        yield Finding(
            code="disk_full",
            level=Level.FAIL if free < DISK_FAIL else Level.WARN,
            what=Pair(f"{folder} 只剩 {free // 1_000_000} MB", f"{folder}: {free // 1_000_000} MB are free"),
            why=Pair("磁盘满了门就不再记录，也不再放行", "a gate that cannot record admits nobody"),
            remedy=Pair("清理磁盘，或换更大的存储卡", "make room, or fit a larger card"),
        )
    if not host.has_watchdog():
        yield Finding(
            code="no_watchdog",
            level=Level.WARN,
            what=Pair("没有看门狗 /dev/watchdog", "there is no /dev/watchdog"),
            why=Pair("机器死机后要等人来重启", "a machine that hangs waits for somebody to come"),
            remedy=Pair(
                "在固件里打开看门狗，或：sudo modprobe softdog",
                "switch it on in the firmware, or: sudo modprobe softdog",
            ),
        )
    elif not host.feeds_watchdog():
        yield Finding(
            code="watchdog_unused",
            level=Level.WARN,
            what=Pair("看门狗没有启用", "the watchdog is not used"),
            why=Pair("机器死机后要等人来重启", "a machine that hangs waits for somebody to come"),
            remedy=Pair(
                "在 /etc/systemd/system.conf 写入 RuntimeWatchdogSec=60，然后重启",
                "write RuntimeWatchdogSec=60 into /etc/systemd/system.conf, then restart",
            ),
        )


def ignore_rule(usb: str) -> str:
    """The udev rule that keeps ModemManager away from adapters of one number."""
    vendor, _, product = usb.partition(":")
    return (
        f'ATTRS{{idVendor}}=="{vendor}", ATTRS{{idProduct}}=="{product}", '
        'ENV{ID_MM_DEVICE_IGNORE}="1", ENV{ID_MM_PORT_IGNORE}="1"'
    )


def awake_rule(usb: str) -> str:
    """The udev rule that keeps adapters of one number awake."""
    vendor, _, product = usb.partition(":")
    return (
        f'ACTION=="add", SUBSYSTEM=="usb", ATTR{{idVendor}}=="{vendor}", ATTR{{idProduct}}=="{product}", '
        'ATTR{power/control}="on"'
    )


def _rights(row: PortRow) -> Iterator[Finding]:
    if row.usable:
        return
    group = (row.access.split() or ["?"] * 2)[1:2]
    if row.access == "not there" or not group:
        yield Finding(
            code="port_missing",
            level=Level.FAIL,
            what=Pair(f"{row.path} 不存在", f"{row.path} is not there"),
            remedy=Pair("插好设备", "plug it in"),
        )
        return
    yield Finding(
        code="no_rights",
        level=Level.FAIL,
        what=Pair(
            f"用户 {user_name()} 无权打开 {row.path}（{row.access}）",
            f"user {user_name()} may not open {row.path} ({row.access})",
        ),
        why=Pair("守护进程打不开板子", "the daemon cannot reach the board"),
        remedy=Pair(
            f"sudo usermod -aG {group[0]} {user_name()}  （然后重新登录）",
            f"sudo usermod -aG {group[0]} {user_name()}  (then log in again)",
        ),
    )


def _takers(row: PortRow, host: Host) -> Iterator[Finding]:
    if row.usb and host.modem_manager_may_take(row.path):
        yield Finding(
            code="modem_manager",
            level=Level.FAIL,
            what=Pair(f"ModemManager 会探测 {row.path}", f"ModemManager probes {row.path}"),
            why=Pair(
                "它向新端口发送 AT 命令约 10 秒：这些字节可能让别的板动作",
                "it sends AT commands to new ports for some 10 s: bytes that may switch a board",
            ),
            remedy=_rule(ignore_rule(row.usb)),
        )
    if host.brltty_takes(row.usb):
        rules = host.brltty_rules()
        mask = f"sudo ln -s /dev/null /etc/udev/rules.d/{rules.name}" if rules is not None else ""
        yield Finding(
            code="brltty",
            level=Level.FAIL,
            what=Pair(f"brltty 会占用 {row.path}（{row.usb}）", f"brltty takes {row.path} ({row.usb})"),
            why=Pair(
                "它把这种转接芯片当作盲文显示器，端口会消失",
                "it takes such adapters for braille displays, and the port goes away",
            ),
            remedy=both(
                "\n".join(line for line in (mask, "sudo systemctl mask brltty-udev.service") if line)
            ),
        )


def _sleep(row: PortRow, host: Host) -> Iterator[Finding]:
    if row.usb and host.suspends(row.path):
        yield Finding(
            code="usb_autosuspend",
            level=Level.WARN,
            what=Pair(f"{row.path} 的 USB 会自动休眠", f"{row.path}: USB may go to sleep"),
            why=Pair(
                "唤醒要时间，有的转接芯片唤醒后丢字节",
                "waking takes time, and some adapters lose bytes by it",
            ),
            remedy=_rule(awake_rule(row.usb)),
        )


def _twins(rows: Iterable[PortRow]) -> Iterator[Finding]:
    counted = Counter((row.usb, row.serial or "") for row in rows if row.usb)
    for (usb, serial), count in counted.items():
        if count < 2:
            continue
        own = f"序列号 {serial}" if serial else "没有序列号"
        yield Finding(
            code="duplicate_usb_ids",
            level=Level.WARN,
            what=Pair(
                f"{count} 个转接器同为 {usb}，{own}",
                f"{count} adapters are all {usb}, {f'serial {serial}' if serial else 'without serial number'}",
            ),
            why=Pair(
                "系统分不清它们：插错位置就会打开另一条通道（S4）",
                "nothing tells them apart: swapped cables would open the other lane (S4)",
            ),
            remedy=Pair(
                "配置里写 /dev/serial/by-path/… 并给插口贴标签",
                "name /dev/serial/by-path/… in the configuration, and label the sockets",
            ),
        )


def _unauthenticated(board: BoardEntry) -> Finding:
    return Finding(
        code="network_relay_unauthenticated",
        level=Level.FAIL,
        what=Pair(
            f"网络继电器 {board.name}（{board.port}）没有任何认证（NET11）",
            f"network relay {board.name} ({board.port}) asks nobody who he is (NET11)",
        ),
        why=Pair("同一网络上的任何人都能打开这条通道", "whoever reaches this network can open the lane"),
        remedy=Pair(
            "把板和门机放在单独的网段（专用网线或 VLAN），或改用 USB/RS-485 板",
            "give board and gate a network of their own (own cable or VLAN), or use a USB or RS-485 board",
        ),
    )


def _bound_by_number(board: BoardEntry, rows: Sequence[PortRow]) -> Iterator[Finding]:
    name = Path(board.port).name
    if not board.port.startswith("/dev/tty") or not name.startswith(("ttyUSB", "ttyACM")):
        return
    link = next((row.by_path for row in rows if row.path == board.port and row.by_path), None)
    yield Finding(
        code="bound_by_number",
        level=Level.FAIL,
        what=Pair(f"板 {board.name} 写的是 {board.port}", f"board {board.name} is bound to {board.port}"),
        why=Pair(
            "ttyUSB 编号按插入顺序变化：重启后可能是另一块板（S4）",
            "ttyUSB numbers follow the order of plugging: after a restart it may be another board (S4)",
        ),
        remedy=Pair(
            f"postern-driver config set board.{board.name}.port {link or '/dev/serial/by-path/…'}",
            f"postern-driver config set board.{board.name}.port {link or '/dev/serial/by-path/…'}",
        ),
    )


def _held(board: BoardEntry, rows: Sequence[PortRow], *, daemon_runs: bool) -> Iterator[Finding]:
    resolved = Path(board.port).resolve()
    holder = next((row.holder for row in rows if Path(row.path).resolve() == resolved), None)
    if holder is None or daemon_runs:
        return
    yield Finding(
        code="port_held",
        level=Level.FAIL,
        what=Pair(f"板 {board.name} 被 {holder} 占用", f"board {board.name} is held by {holder}"),
        why=Pair("守护进程打不开它（S10）", "the daemon cannot open it (S10)"),
        remedy=Pair("停止该程序", "stop that program"),
    )


def _rule(rule: str) -> Pair:
    tail = "sudo udevadm control --reload && sudo udevadm trigger"
    return Pair(f"在 {RULES_FILE} 中写入：\n{rule}\n{tail}", f"write into {RULES_FILE}:\n{rule}\n{tail}")
