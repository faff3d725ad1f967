"""``report``: everything that somebody far away needs to help, as a text to read and a JSON document to sign.

Passwords, PINs and phone numbers are masked before anything is hashed: what was signed may be sent.
"""

import hashlib
import json
import os
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from drivers.ports import list_ports
from drivers.tool.config_check import problems_of
from drivers.tool.config_cli import flat
from drivers.tool.config_files import write_whole
from drivers.tool.console import Exit, JsonOption, fail, put_json, put_line, say, text
from drivers.tool.doctor import as_row as finding_row
from drivers.tool.doctor import examine
from drivers.tool.gate_file import GateFile
from drivers.tool.host import Host
from drivers.tool.masking import masked, masked_numbers
from drivers.tool.ports import as_row as port_row
from drivers.tool.target import DEFAULT_CONFIG, ConfigOption, read_gate
from drivers.tool.toml_text import value_text
from drivers.tool.trace_masking import sendable
from drivers.tool.wiring import consequences, info_of
from passes.words import Pair
from shell.clock import SystemClock
from shell.file_reading import open_regular, read_at_most
from shell.text import visible, visible_json

VERSION: Final = 1
PACKAGES: Final = ("postern", "pyserial", "pydantic", "typer", "rich")
PHONE_DIGITS: Final = 11  # with fewer, a bare number is a figure
TRACE_LINES: Final = 200  # the newest ones
FILE_BYTES_MAX: Final = 2_000_000
HEADER_BYTES_MAX: Final = 10_000


def report(
    *,
    config: ConfigOption = None,
    trace: Annotated[
        Path | None,
        typer.Option("--trace", help="A trace to enclose; the newest trace*.jsonl beside the config."),
    ] = None,
    selftest: Annotated[
        Path | None,
        typer.Option(
            "--selftest", help="A self-test to enclose; the newest selftest*.json beside the config."
        ),
    ] = None,
    installer: Annotated[str, typer.Option("--installer", help="Who was here.")] = "",
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Write NAME.json and NAME.txt instead of printing.", metavar="NAME"),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Put together what somebody far away needs to help.

    \b
    Examples:
      postern-driver report
      postern-driver report --json
      postern-driver report --installer Wang --out visit

    Versions, configuration, ports, findings, the last trace and self-test; secrets and phone numbers are masked.
    The hash is over the JSON document without it, keys sorted, no spaces:
    what an installer signs.
    """
    path = config or (DEFAULT_CONFIG if DEFAULT_CONFIG.exists() else None)
    gate = None if path is None else read_gate(path)
    folder = Path() if gate is None else gate.path.resolve().parent
    document = compiled(
        gate,
        trace=trace or _newest(folder, "trace*.jsonl"),
        selftest=selftest or _newest(folder, "selftest*.json"),
        installer=installer,
    )
    if out is None:
        if as_json:
            put_json(document)
        else:
            put_line(as_text(document))
        return
    try:
        for suffix, content in (
            (".json", visible_json(_dumped(document, indent=1))),
            (".txt", as_text(document)),
        ):
            write_whole(out.with_name(out.name + suffix), content + "\n", now=SystemClock().now())
    except OSError as error:
        fail(
            Exit.FAILED,
            Pair("无法写入 {out}（{why}）", "{out} cannot be written ({why})"),
            out=out,
            why=error,
        )
    say(
        Pair("已写入 {out}.json 和 {out}.txt，散列 {hash}", "Written: {out}.json and {out}.txt, hash {hash}"),
        out=out,
        hash=document["sha256"],
    )


def compiled(
    gate: GateFile | None, *, trace: Path | None, selftest: Path | None, installer: str
) -> dict[str, Any]:
    """The document, with its hash."""
    host, clock, rows = Host(), SystemClock(), list_ports([])
    document: dict[str, Any] = {
        "report": VERSION,
        "at": clock.now().isoformat(timespec="seconds"),
        "installer": masked_numbers(installer),
        "machine": {"system": platform.platform(), "python": platform.python_version()},
        "versions": {name: _version(name) for name in PACKAGES},
        "config": None if gate is None else _without_numbers(masked(gate.content)),
        "problems": []
        if gate is None
        else [
            {"where": each.where, "what": each.what.en, "remedy": each.remedy.en}
            for each in problems_of(gate.content)
        ],
        "lanes": [] if gate is None else _lanes(gate),
        "ports": [port_row(row, host) for row in rows],
        "findings": [finding_row(each) for each in examine(gate, rows, host, clock)],
        "set_aside": None if gate is None else _set_aside(gate.refused_rows),
        "selftest": _json_file(selftest),
        "trace": _lines(trace),
    }
    return document | {"sha256": signable_hash(document)}


def signable_hash(document: Mapping[str, Any]) -> str:
    """SHA-256 over the document without its hash: JSON, keys sorted, no spaces, UTF-8."""
    plain = {key: value for key, value in document.items() if key != "sha256"}
    return hashlib.sha256(_dumped(plain).encode()).hexdigest()


def as_text(document: Mapping[str, Any]) -> str:
    """The document for people, in the language in use."""
    lines = [
        f"Postern {document['versions']['postern']}  {document['at']}  {document['installer']}".rstrip(),
        f"{document['machine']['system']}, Python {document['machine']['python']}",
        "",
        text(Pair("== 发现 ==", "== Findings ==")),
        *(f"[{each['level']}] {each['what']}" for each in document["findings"]),
        "",
        text(Pair("== 端口 ==", "== Ports ==")),
        *(
            f"{each['path']}  {each['usb'] or '-'}  {each['by_path'] or '-'}  {each['holder'] or '-'}"
            for each in document["ports"]
        ),
        "",
        text(Pair("== 通道接线 ==", "== Wiring of the lanes ==")),
        *(f"{each['lane']}: {each['when']}: {each['then']}" for each in document["lanes"]),
        "",
        text(Pair("== 配置 ==", "== Configuration ==")),
        *(f"{key} = {value_text(value)}" for key, value in flat(document["config"] or {})),
        *(f"! {each['where']}: {each['what']}" for each in document["problems"]),
        "",
        text(Pair("== 未入日志的行 ==", "== Rows that the journal never took ==")),
        _set_aside_words(document["set_aside"]),
        "",
        text(Pair("== 自检 ==", "== Self-test ==")),
        "-" if document["selftest"] is None else _dumped(document["selftest"], indent=1),
        "",
        text(Pair("== 最近的跟踪 ==", "== Last trace ==")),
        *(document["trace"] or ["-"]),
        "",
        f"sha256 {document['sha256']}",
    ]
    return visible("\n".join(lines), keep="\n")


def _lanes(gate: GateFile) -> list[dict[str, str]]:
    boards = {board.get("name"): board for board in _tables(gate.content.get("board"))}
    return [
        {"lane": lane.name, "when": text(each.when), "then": text(each.then)}
        for lane in gate.lanes
        for each in consequences(
            release=lane.release,
            on_power_loss=lane.on_power_loss,
            info=info_of(boards.get(lane.board, {})),
        )
    ]


def _set_aside(file: Path) -> dict[str, Any] | None:
    """That there are rows which the gate's journal never took, and how many: they are of people, and stay here."""
    try:
        rows = read_at_most(file, FILE_BYTES_MAX).splitlines()
        return {"file": file.name, "rows": sum(1 for row in rows if row.strip())}
    except FileNotFoundError:
        return None
    except OSError as error:
        return {"file": file.name, "rows": None, "problem": error.strerror or str(error)}


def _set_aside_words(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return "-"
    words = Pair("{file}：{rows} 行，须由人来看", "{file}: {rows} rows, which a person must read")
    return text(words, file=found["file"], rows="?" if found["rows"] is None else found["rows"])


def _tables(found: object) -> list[dict[str, Any]]:
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def _newest(folder: Path, pattern: str) -> Path | None:
    return max(folder.glob(pattern), key=lambda file: file.stat().st_mtime, default=None)


def _json_file(file: Path | None) -> Any:
    if file is None:
        return None
    try:
        return _without_numbers(masked(json.loads(read_at_most(file, FILE_BYTES_MAX))))
    except (OSError, ValueError, RecursionError) as error:
        return {"file": file.name, "problem": str(error)}


def _without_numbers(content: Any, key: str = "") -> Any:
    """The same values without phone numbers; a serial number is none."""
    if isinstance(content, dict):
        return {name: _without_numbers(value, str(name)) for name, value in content.items()}
    if isinstance(content, list):
        return [_without_numbers(value, key) for value in content]
    if isinstance(content, int) and len(str(abs(content))) >= PHONE_DIGITS:
        return masked_numbers(str(content))
    return masked_numbers(content) if isinstance(content, str) and key != "serial" else content


def _lines(file: Path | None) -> list[str]:
    if file is None:
        return []
    try:
        with open_regular(file) as source:
            header = source.readline(HEADER_BYTES_MAX).decode("utf-8", "replace")
            source.seek(max(0, os.fstat(source.fileno()).st_size - FILE_BYTES_MAX))
            lines = source.read(FILE_BYTES_MAX).decode("utf-8", "replace").splitlines()
    except OSError as error:
        return [str(error)]
    return sendable(lines[-TRACE_LINES:], header)


def _dumped(content: Any, indent: int | None = None) -> str:
    separators = None if indent else (",", ":")
    return json.dumps(
        content, ensure_ascii=False, sort_keys=True, separators=separators, indent=indent, default=str
    )


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
