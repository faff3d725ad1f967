"""Who an OSDP reader is: what it says in the clear, and whether it has the key that we have.

Anybody on the line can call himself a maker and a serial number; only the reader with our key can open the secure
channel. Nothing is switched: the driver here only looks.
"""

from dataclasses import dataclass, replace
from typing import Final

from drivers.devices.osdp_frames import ADDRESS_MAX, id_question
from drivers.model import Certainty, Identify, Identity, LineSettings
from drivers.tool.asking import ask_family
from drivers.tool.candidates import Candidate
from drivers.tool.console import Exit, fail, put_line, warn
from drivers.tool.families import FAMILIES
from drivers.tool.opening import fresh_id, opened
from drivers.tool.osdp_looking import osdp_looking
from drivers.tool.switching import harmless, switched
from drivers.tool.target import Target, options_of
from drivers.tool.trace import Trace
from drivers.tool.wire import hexed, raw_port
from passes.words import Pair

_NAME_WITHIN_S: Final = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What came of it.

    Args:
        found: What the reader is, as far as it is known.
        heard: What it said in the clear.
        proved: It has our key; None where we have none.
    """

    found: list[Candidate]
    heard: bytes
    proved: bool | None = None


def identify_osdp(target: Target, *, dry_run: bool, trace: Trace | None) -> Asked:
    """Ask in the clear, and then with the key, if one was named; ends with exit code 2 or 3 when it cannot."""
    frame = _question(target)
    if dry_run:
        put_line(hexed(frame))
        return Asked(found=[], heard=b"")
    options = options_of(target)
    family = replace(FAMILIES["osdp"], writes=(frame,))
    line = LineSettings(baud=options.get("baud") or family.line.baud)
    with raw_port(target.port, line, trace=trace, protocol=target.protocol) as port:
        found, heard = ask_family(port, family)
    if found is None:
        return Asked(found=[], heard=heard)
    key_file = options.get("key_file")
    if not key_file:
        warn(
            Pair(
                "没有密钥，谁都可以这样自称。写明密钥文件：--key-file FILE，或用 --board",
                "Without the key anybody may call himself so. Name its file: --key-file FILE, or use --board",
            )
        )
        return Asked(found=[found], heard=heard)
    if target.unit is None:
        fail(
            Exit.USAGE,
            Pair(
                "要用密钥证明，还需要读卡器的地址：--unit 5",
                "To prove it by its key, name its address: --unit 5",
            ),
        )
    named = _proved(target, trace)
    if named is None:
        return Asked(found=[found], heard=heard, proved=False)
    return Asked(found=[_candidate(named)], heard=heard, proved=True)


def demand_key(asked: Asked, target: Target) -> None:
    """End with exit code 1 when a reader answers that does not have our key."""
    if asked.proved is False:
        fail(
            Exit.FAILED,
            Pair(
                "读卡器有回答，但没有 {file} 里的密钥：是另一个读卡器，或密钥不同",
                "A reader answers, but it does not have the key in {file}: another reader, or another key",
            ),
            file=options_of(target).get("key_file"),
        )


def _question(target: Target) -> bytes:
    if target.unit is not None and target.unit > ADDRESS_MAX:
        fail(
            Exit.USAGE,
            Pair("OSDP 地址是 0 到 {most}", "A reader's address is 0 to {most}"),
            most=ADDRESS_MAX,
        )
    own = [id_question(target.unit, summed=summed) for summed in (False, True)]
    frame = next(filter(harmless, own), None)
    if frame is None:
        warn(
            Pair(
                "问地址 {unit} 的字节会让 {boards} 动作，如果它在另一端；所以问线上任意地址",
                "A question to address {unit} switches {boards}, if that is at the other end: any address is asked",
            ),
            unit=target.unit,
            boards=", ".join(switched(own[0])),
        )
    return frame or id_question()


def _proved(target: Target, trace: Trace | None) -> Identity | None:
    """Who it is, through its secure channel; None when there is none with our key."""
    with opened(target, driver=osdp_looking(target), trace=trace) as session:
        answer = session.answer(Identify(id=fresh_id()), within_s=_NAME_WITHIN_S)
    return answer if isinstance(answer, Identity) else None


def _candidate(named: Identity) -> Candidate:
    name = f"{named.maker} {named.model} {named.firmware}"
    return Candidate(
        protocol="osdp",
        certainty=Certainty.STRONG,
        why=Pair(
            f"有我们的密钥：{name}，序列号 {named.serial}", f"has our key: {name}, serial {named.serial}"
        ),
    )
