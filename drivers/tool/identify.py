"""``identify``: ask a device of a known protocol who it is, with the bytes that are safest for everybody else.

No driver is opened: a driver begins with "all relays off", and on a port that holds something else that is a guess.
"""

from typing import Final

from drivers.devices.modbus_frames import Rtu
from drivers.devices.modbus_profile import ProfileError, load_profile, profile_names
from drivers.model import Certainty, LineSettings
from drivers.port import Port
from drivers.registry import PROTOCOLS, make_driver
from drivers.relay_codec import Ask
from drivers.tool.asking import QUIET_S, ask_family, at_speed
from drivers.tool.candidates import CERTAINTY_WORDS, Candidate, overheard
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
    warn,
)
from drivers.tool.detect import demand_fit, usb_of
from drivers.tool.families import FAMILIES, Family
from drivers.tool.modbus_asking import READS, answer, any_question, question
from drivers.tool.opening import check_port
from drivers.tool.osdp_identify import demand_key, identify_osdp
from drivers.tool.switching import harmless, switched
from drivers.tool.target import (
    BoardOption,
    ConfigOption,
    KeyFileOption,
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
from drivers.tool.trace import Trace, TraceOption
from drivers.tool.wire import collect, hexed, raw_port, traced
from passes.words import Pair

_MODBUS: Final = ("modbus-relay", "modbus-inputs")
_ANSWER_S: Final = 0.3
_LINE: Final = LineSettings(baud=9600)  # as long as nobody says another
_BY_MAKE: Final = {
    ("scanner", "gm65"): "gm65",
    ("scanner", "honeywell"): "honeywell",
    ("scanner", "newland"): "newland",
    ("thermometer", "614v"): "thermometer-614v",
}
_OF_MANY_MAKES: Final = ("scanner", "thermometer")
_STREAMING: Final = ("mcu90614", "cjmcu")  # thermometers that talk by themselves
_LISTEN_S: Final = 1.0
_FAST: Final = 115200  # some scanners are delivered so
_NONE_SAFE: Final = Pair(
    "{protocol} 设备没有可以安全发问的识别命令；请在现场核对铭牌",
    "{protocol} devices know no safe question. Look at the type plate",
)
_UNKNOWN: Final = Pair(
    "没有 {protocol} 这种协议。可用：{known}", "Protocol {protocol} is unknown. Use one of: {known}"
)
_NO_QUESTION: Final = {
    "scanner": Pair(
        "这种扫码器没有可问的问题。向它出示一个码：postern-driver scan",
        "This scanner knows no question. Hold a code before it: postern-driver scan",
    )
}
_NO_ANSWER: Final = Pair(
    "{port} 没有回答。检查供电、A/B 线、速率和地址",
    "No answer on {port}. Check the supply, wires A and B, the speed and the address",
)
_SILENCE: Final = {
    "lcus": Pair(
        "{port} 没有回答（No answer）：许多 LCUS 板从不回答，所以这既不证明有，也不证明没有。拔下端子，用 pulse 试",
        "No answer on {port}: many LCUS boards never answer, so this tells neither that one is there nor that none is."
        " With the wires off its relays, try: pulse",
    ),
    "scanner": Pair(
        "{port} 没有回答。许多扫码器不答任何问题：向它出示一个码，postern-driver scan",
        "No answer on {port}. Many scanners answer nothing: hold a code before it, postern-driver scan",
    ),
}


def identify(
    *,
    port: PortOption = None,
    protocol: ProtocolOption = None,
    profile: ProfileOption = None,
    make: MakeOption = None,
    unit: UnitOption = None,
    key_file: KeyFileOption = None,
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
    one, or with --confirm isolated. An OSDP reader says its name to anybody; with its key (--key-file) that is proved.
    Exit code 3: no answer; 1: something else answers, or a reader without our key.
    """
    target = find_target(
        port=port,
        protocol=protocol,
        board=board,
        config=config,
        unit=unit,
        profile=profile,
        make=make,
        key_file=key_file,
    )
    if target.protocol not in PROTOCOLS:
        fail(Exit.USAGE, _UNKNOWN, protocol=target.protocol, known=", ".join(sorted(PROTOCOLS)))
    check_port(target)
    with traced(None if dry_run else trace, target.port, _LINE, protocol=target.protocol) as written:
        if target.protocol == "osdp":
            asked = identify_osdp(target, dry_run=dry_run, trace=written)
            found, heard = asked.found, asked.heard
        else:
            ask = _ask_modbus if target.protocol in _MODBUS else _ask_kind
            asked = None
            found, heard = ask(target, confirm, dry_run=dry_run, trace=written)
    if not dry_run:
        _report(target, found, heard, as_json=as_json)
    if asked is not None:
        demand_key(asked, target)


def _ask_kind(
    target: Target, confirm: str | None, *, dry_run: bool, trace: Trace | None
) -> tuple[list[Candidate], bytes]:
    """Listen to what streams, then ask each make that the description allows, until one answers as it should."""
    families, listens = _families(target), _streams(target)
    if not families and not listens:
        fail(Exit.USAGE, _NO_QUESTION.get(target.protocol, _NONE_SAFE), protocol=target.protocol)
    heard = b""
    if listens and not dry_run:
        heard = _listened(target, trace)
        found = [each for each in overheard(heard) if _fits(each, target)]
        if found:
            return found, heard
    alone = len(families) == 1
    for family in families:
        if not alone and confirm is None and not harmless(family.all_bytes):
            warn(
                Pair(
                    "没有问 {family}：它的问话会让 {boards} 动作。可加 --confirm isolated",
                    "{family} was not asked: its question would switch {boards}. To ask it: --confirm isolated",
                ),
                family=family.name,
                boards=", ".join(switched(family.all_bytes)),
            )
            continue
        found, said = _ask(target, family, confirm, dry_run=dry_run, trace=trace)
        heard += said
        if found:
            return found, heard
    return [], heard


def _families(target: Target) -> list[Family]:
    """Whose questions may be asked: that of the make, or of all makes when none was named."""
    make = target.options.get("make")
    if make is not None and target.protocol in _OF_MANY_MAKES:
        name = _BY_MAKE.get((target.protocol, str(make)))
        return [] if name is None else [FAMILIES[name]]
    return [family for family in FAMILIES.values() if family.protocol == target.protocol]


def _streams(target: Target) -> bool:
    return target.protocol == "thermometer" and target.options.get("make") in (None, *_STREAMING)


def _fits(found: Candidate, target: Target) -> bool:
    make = target.options.get("make")
    return found.protocol == target.protocol and make in (None, found.options.get("make"))


def _listened(target: Target, trace: Trace | None) -> bytes:
    """What comes by itself, at the speed of each make that streams."""
    make = target.options.get("make")
    heard = b""
    for each in _STREAMING if make is None else (str(make),):
        line = make_driver(target.protocol, make=each, baud=target.options.get("baud")).info.line
        with raw_port(target.port, line, trace=trace, protocol=target.protocol) as port:
            heard = collect(port, _LISTEN_S)
        if any(_fits(found, target) for found in overheard(heard)):
            break
    return heard


def _lines_of(target: Target, family: Family) -> list[LineSettings]:
    """The speed that the gate's file says, or those at which such devices are delivered."""
    baud = target.options.get("baud")
    if isinstance(baud, int):
        return [at_speed(family, baud)]
    usual = [family.line.baud, *([_FAST] if target.protocol == "scanner" else [])]
    return [at_speed(family, speed) for speed in usual]


def _ask(
    target: Target, family: Family, confirm: str | None, *, dry_run: bool, trace: Trace | None
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
    heard = b""
    for line in _lines_of(target, family):
        with raw_port(target.port, line, trace=trace, protocol=target.protocol) as port:
            collect(port, QUIET_S)
            found, said = ask_family(port, family)
        heard += said
        if found is not None:
            return [found], heard
    return [], heard


def _ask_modbus(
    target: Target, confirm: str | None, *, dry_run: bool, trace: Trace | None
) -> tuple[list[Candidate], bytes]:
    """Harmless questions until one is answered; a good answer proves a Modbus line, then the profiles' own follow."""
    unit = _unit_of(target)
    needs_profile = target.protocol == "modbus-relay" and "profile" not in target.options
    line = _LINE if needs_profile else driver_of(target).info.line
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
                delivered = line if target.options.get("baud") is None else None
                return _fitting(port, unit, delivered, target.protocol), heard
    return [], heard


def _unit_of(target: Target) -> int:
    """The unit that was named, or the one that the board is delivered with."""
    profile = options_of(target).get("profile")
    if target.unit is not None or profile is None:
        return target.unit or 1
    return load_profile(profile).unit


def _fitting(port: Port, unit: int, delivered: LineSettings | None, protocol: str) -> list[Candidate]:
    """The profiles whose own questions are all answered with data; ``delivered``: only those of this speed."""
    found = [
        Candidate(
            protocol=protocol,
            options={"unit": unit},
            why=Pair(
                f"单元 {unit} 以正确校验回答 Modbus：是 Modbus 设备，哪一种不知道",
                f"unit {unit} answers in Modbus with a good check: some Modbus device; this does not say which",
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
        if not frames or (delivered is not None and profile.line.baud != delivered.baud):
            continue
        replies = [answer(_exchange(port, frame), frame) for frame in frames]
        if all(reply is not None and reply.code is None for reply in replies):
            found.append(
                Candidate(
                    protocol="modbus-relay",
                    options={"profile": name, "unit": unit},
                    why=_answers_words(len(frames)),
                )
            )
    return found


def _answers_words(reads: int) -> Pair:
    if reads == 1:
        return Pair(
            "回答了它唯一的读命令，但别的型号也可能", "answers its only read, as other boards may, too"
        )
    return Pair(
        f"回答了它的{reads}个读命令，但别的型号也可能",  # without spaces, at which a table would fold it
        f"answers all {reads} of its reads, as other boards may, too",
    )


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
    fail(Exit.UNREACHABLE, _SILENCE.get(target.protocol, _NO_ANSWER), port=target.port)


def _rank(certainty: Certainty) -> int:
    return list(Certainty)[::-1].index(certainty)
