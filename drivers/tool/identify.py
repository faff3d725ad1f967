"""``identify``: ask a device of a known protocol who it is, with the bytes that are safest for everybody else.

No driver is opened: a driver begins with "all relays off", and on a port that holds something else that is a guess.
"""

from pathlib import Path
from typing import Final

from drivers.devices.modbus_frames import Rtu
from drivers.devices.modbus_profile import ProfileError, load_profile, profile_names
from drivers.model import Certainty, LineSettings
from drivers.port import Port
from drivers.relay_codec import Ask
from drivers.tool.asking import QUIET_S, ask_family
from drivers.tool.candidates import CERTAINTY_WORDS, Candidate
from drivers.tool.confirm import IsolatedOption, confirmed_isolated
from drivers.tool.console import (
    DryRunOption,
    Exit,
    JsonOption,
    add_row,
    fail,
    put_json,
    put_line,
    show,
    table,
    text,
)
from drivers.tool.detect import demand_fit, usb_of
from drivers.tool.families import FAMILIES, Family
from drivers.tool.modbus_asking import READS, answer, any_question, question
from drivers.tool.opening import check_port
from drivers.tool.switching import harmless, switched
from drivers.tool.target import (
    BoardOption,
    ConfigOption,
    MakeOption,
    PortOption,
    ProfileOption,
    ProtocolOption,
    Target,
    UnitOption,
    driver_of,
    find_target,
    options_of,
)
from drivers.tool.trace import TraceOption
from drivers.tool.wire import collect, hexed, raw_port
from passes.words import Pair

_MODBUS: Final = ("modbus-relay", "modbus-inputs")
_ANSWER_S: Final = 0.3
_BY_MAKE: Final = {
    ("scanner", "gm65"): "gm65",
    ("scanner", "honeywell"): "honeywell",
    ("scanner", "newland"): "newland",
    ("thermometer", "614v"): "thermometer-614v",
}


def identify(
    *,
    port: PortOption = None,
    protocol: ProtocolOption = None,
    profile: ProfileOption = None,
    make: MakeOption = None,
    unit: UnitOption = None,
    board: BoardOption = None,
    config: ConfigOption = None,
    confirm: IsolatedOption = None,
    dry_run: DryRunOption = False,
    trace: TraceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask a device who it is, and say how certain the answer makes it. Switches nothing.

    \b
    Examples:
      postern-driver identify --port /dev/ttyUSB0 --protocol lcus --dry-run
      postern-driver identify --port /dev/ttyUSB1 --protocol modbus-inputs
      postern-driver identify --port /dev/ttyUSB1 --protocol modbus-inputs --json

    Where the question would switch some other maker's board, it is only asked if the port's USB number is the right
    one, or with --confirm isolated. Exit code 3: no answer; 1: something else answers.
    """
    target = find_target(
        port=port, protocol=protocol, board=board, config=config, unit=unit, profile=profile, make=make
    )
    check_port(target)
    if target.protocol in _MODBUS:
        found, heard = _ask_modbus(target, confirm, dry_run=dry_run, trace=trace)
    else:
        found, heard = _ask(target, _family(target), confirm, dry_run=dry_run, trace=trace)
    if not dry_run:
        _report(target, found, heard, as_json=as_json)


def _family(target: Target) -> Family:
    name = _BY_MAKE.get((target.protocol, str(target.options.get("make"))))
    if name is None:
        name = next(
            (
                family.name
                for family in FAMILIES.values()
                if family.protocol == target.protocol and target.protocol not in ("scanner", "thermometer")
            ),
            None,
        )
    if name is None:
        fail(
            Exit.USAGE,
            Pair(
                "{protocol} 设备没有可以安全发问的识别命令；请在现场核对铭牌",
                "{protocol} devices know no safe question. Look at the type plate",
            ),
            protocol=target.protocol,
        )
    return FAMILIES[name]


def _ask(
    target: Target, family: Family, confirm: str | None, *, dry_run: bool, trace: Path | None
) -> tuple[list[Candidate], bytes]:
    number = usb_of(target.port)
    if dry_run:
        for write in (*family.writes, *([family.closing] if family.closing else [])):
            put_line(hexed(write, most=64))
        return [], b""
    own = bool(family.usb) and (number or "").lower().startswith(family.usb)
    if not own and not harmless(family.all_bytes):
        confirmed_isolated(
            confirm,
            Pair(
                "识别 {protocol} 要发送 {hex}；若另一端是 {boards}，继电器会动作。",
                "To identify {protocol}, {hex} is sent. If {boards} is at the other end, its relays move.",
            ),
            protocol=target.protocol,
            hex=hexed(family.all_bytes),
            boards=", ".join(switched(family.all_bytes)),
        )
    elif not own:
        demand_fit(family, number)
    with raw_port(target.port, family.line, trace=trace, protocol=target.protocol) as port:
        found, heard = ask_family(port, family)
    return ([] if found is None else [found]), heard


def _ask_modbus(
    target: Target, confirm: str | None, *, dry_run: bool, trace: Path | None
) -> tuple[list[Candidate], bytes]:
    """Harmless questions until one is answered; a good answer proves a Modbus line, then the profiles' own follow."""
    line, unit = driver_of(target).info.line, _unit_of(target)
    questions: list[bytes] = []
    for function in READS:
        frame = question(unit, function, before=b"".join(questions))
        questions += [] if frame is None else [frame]
    harmful = not questions
    if harmful:
        questions = [any_question(unit, function) for function in READS]
    if dry_run:
        for frame in questions:
            put_line(hexed(frame))
        return [], b""
    if harmful:
        confirmed_isolated(
            confirm,
            Pair(
                "问单元 {unit} 的任何字节都会让 {boards} 动作，如果它在另一端。",
                "Every question to unit {unit} switches {boards}, if that is at the other end.",
            ),
            unit=unit,
            boards=", ".join(switched(b"".join(questions))),
        )
    heard = b""
    with raw_port(target.port, line, trace=trace, protocol=target.protocol) as port:
        for frame in questions:
            said = _exchange(port, frame)
            heard += said
            if answer(said, frame) is not None:
                return _fitting(port, unit, line), heard
    return [], heard


def _unit_of(target: Target) -> int:
    """The unit that was named, or the one that the board is delivered with."""
    profile = options_of(target).get("profile")
    if target.unit is not None or profile is None:
        return target.unit or 1
    return load_profile(profile).unit


def _fitting(port: Port, unit: int, line: LineSettings) -> list[Candidate]:
    """The profiles whose own questions are all answered with data, at this speed."""
    found = [
        Candidate(
            protocol="modbus-relay",
            options={"unit": unit},
            why=Pair(
                f"单元 {unit} 以正确校验回答 Modbus", f"unit {unit} answers in Modbus with a good check"
            ),
        )
    ]
    for name in profile_names():
        try:
            profile = load_profile(name)
        except ProfileError:
            continue
        asked = [
            each
            for ask in (Ask.OUTPUTS, Ask.INPUTS)
            if (each := profile.question(ask, unit=unit, channel=1)) is not None
        ] + [profile.check_question(check, unit=unit) for check in profile.check]
        frames = [Rtu().wrap(each.body()) for each in asked]
        if profile.line.baud != line.baud or not frames:
            continue
        replies = [answer(_exchange(port, frame), frame) for frame in frames]
        if all(reply is not None and reply.code is None for reply in replies):
            found.append(
                Candidate(
                    protocol="modbus-relay",
                    options={"profile": name, "unit": unit},
                    why=Pair(
                        f"回答了它的全部 {len(frames)} 个读命令", f"answers all {len(frames)} of its reads"
                    ),
                )
            )
    return found


def _exchange(port: Port, frame: bytes) -> bytes:
    collect(port, QUIET_S)
    port.write(frame)
    return collect(port, _ANSWER_S, enough=lambda heard: answer(heard, frame) is not None)


def _report(target: Target, found: list[Candidate], heard: bytes, *, as_json: bool) -> None:
    certainty = max((each.certainty for each in found), key=_rank, default=Certainty.NONE)
    if as_json:
        put_json(
            {
                "name": target.name,
                "port": target.port,
                "protocol": target.protocol,
                "certainty": certainty.value,
                "heard": hexed(heard, most=64),
                "found": [
                    {
                        "protocol": each.protocol,
                        "options": dict(each.options),
                        "certainty": each.certainty.value,
                        "why": text(each.why),
                    }
                    for each in found
                ],
            }
        )
    elif found:
        made = table(Pair("设备", "device"), Pair("把握", "certainty"), Pair("依据", "why"))
        for each in found:
            add_row(made, (each.shown, text(CERTAINTY_WORDS[each.certainty]), text(each.why)))
        show(made)
    if found:
        return
    if heard:
        fail(
            Exit.FAILED,
            Pair(
                "{port} 上的设备没有按 {protocol} 回答，收到：{heard}",
                "What is at {port} does not answer as {protocol} does. It said: {heard}",
            ),
            port=target.port,
            protocol=target.protocol,
            heard=hexed(heard),
        )
    fail(
        Exit.UNREACHABLE,
        Pair(
            "{port} 没有回答。检查供电、A/B 线、速率和地址",
            "No answer on {port}. Check the supply, wires A and B, the speed and the address",
        ),
        port=target.port,
    )


def _rank(certainty: Certainty) -> int:
    return list(Certainty)[::-1].index(certainty)
