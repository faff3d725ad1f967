"""A report may be sent: no pass, card, key, PIN or phone number is in it."""

import json
from pathlib import Path
from typing import Any

import pytest

from drivers.tool.gate_file import read_gate_file
from drivers.tool.report import as_text, compiled
from drivers.tool.trace_masking import sendable

KEY = "00112233445566778899AABBCCDDEEFF"
KEYSET = bytes.fromhex("FF53001E000E02D0750110" + KEY)
CARD = bytes.fromhex("FF538010000C5000001A0012345678")
PASS = b"GP1:6BF+70OD7N0IWE3ND$MG*/E2IUH7DWM+6C\r"


def trace(protocol: str, *pieces: bytes) -> list[str]:
    head = {"trace": 1, "protocol": protocol, "port": "/dev/ttyUSB0", "baud": 9600}
    rows = [{"ms": at, "do": "rx", "hex": piece.hex(" ").upper()} for at, piece in enumerate(pieces, 1)]
    return [json.dumps(row) for row in (head, *rows)]


@pytest.mark.parametrize("protocol", ["osdp", "scanner", ""])
@pytest.mark.parametrize("said", [KEYSET, CARD, PASS], ids=["key", "card", "pass"])
def test_what_a_line_says_of_people_stays_here(protocol: str, said: bytes) -> None:
    whole = sendable(trace(protocol, said))
    assert json.loads(whole[1]) == {"ms": 1, "do": "rx", "bytes": len(said)}
    pieces = trace(protocol, *(said[at : at + 3] for at in range(0, len(said), 3)))
    assert not any("hex" in line for line in sendable(pieces[1:], pieces[0]))


@pytest.mark.parametrize("protocol", ["kmtronic", "modbus-relay", "numato", ""])
def test_the_bytes_of_a_board_stay_in_the_trace(protocol: str) -> None:
    lines = trace(protocol, bytes.fromhex("FF0101"), bytes.fromhex("010500 00FF008C3A"), b"ver\r")
    assert sendable(lines) == lines


@pytest.mark.parametrize(
    "protocol", ["modbus-inputs", "modbus-relay", "lcus", "numato", "kmtronic", "thermometer", "syn6288", ""]
)
@pytest.mark.parametrize(
    "said",
    [PASS, b"0012345678\r\n", "粤B12345 张三丰真人".encode(), CARD],
    ids=["pass", "digits", "name", "card"],
)
@pytest.mark.parametrize("piece", [1, 7, 100])
def test_s3_a_code_read_while_its_port_was_taken_for_a_boards_stays_here(
    protocol: str, said: bytes, piece: int
) -> None:
    asked = json.dumps({"ms": 0.5, "do": "tx", "hex": "01 02 00 00 00 08 79 CC"})
    head, *came = trace(protocol, *(said[at : at + piece] for at in range(0, len(said), piece)))
    whole = sendable([head, asked, *came])
    assert whole[0] == head
    assert all("hex" not in json.loads(line) for line in whole[2:])
    if protocol:
        assert whole[1] == asked


def test_what_a_board_says_in_letters_is_no_code() -> None:
    numato = trace("numato", b"relay writeall 0f\r\r\n>", b"gpio read A\r\n\r1\r\n>ver\r\n\r00000008\r\n>")
    assert sendable(numato) == numato
    lcus = trace("lcus", b"CH1: OFF\r\nCH2: ON\r\nCH3: OFF\r\n")
    assert sendable(lcus) == lcus
    assert "hex" not in sendable([*numato, *trace("", PASS)[1:]])[-1]


def test_a_password_in_what_a_row_says_is_left_out_and_the_row_stays_one() -> None:
    row = json.dumps({"ms": 1, "do": "lost", "why": 'rtsp://admin:a"b c@10.0.0.1/x is gone'})
    _, bare = sendable([trace("lcus")[0], row])
    assert json.loads(bare) == {"ms": 1, "do": "lost", "why": "rtsp://***@10.0.0.1/x is gone"}


def test_damaged_lines_of_a_scanner_are_left_out() -> None:
    assert sendable(["{", *trace("scanner", PASS)], trace("scanner")[0])[0] == "…"


def test_no_secret_of_a_gate_is_in_its_report(tmp_path: Path) -> None:
    secrets = ("4711", "geheim", "wort", "Kamera99", "abc123", KEY, "13800138000", "13912345678", "Zhang San")
    (tmp_path / "reader.key").write_text(KEY, encoding="utf-8")
    gate = tmp_path / "gate.toml"
    gate.write_text(
        '[gate]\nid = "g"\nname = "Gate, call 13800138000"\n'
        '[broker]\nurl = "mqtts://gate:geheim:wort/mit@sign@centre.example:8883"\n'
        '[[board]]\nname = "modem"\nprotocol = "modem"\nport = "/dev/none"\npin = "4711"\n'
        '[[board]]\nname = "reader"\nprotocol = "osdp"\nport = "/dev/none"\nkey_file = "reader.key"\n'
        '[[board]]\nname = "io"\nprotocol = "numato"\nport = "/dev/none"\nserial = "00000000012345"\n'
        '[[lane]]\nname = "entry"\ncamera = "rtsp://admin:Kamera99@10.0.0.9/stream?token=abc123"\n',
        encoding="utf-8",
    )
    (tmp_path / "journal.refused.jsonl").write_text(
        '{"name": "Zhang San"}\n{"name": "Li Si"}\n', encoding="utf-8"
    )
    lines = tmp_path / "trace.jsonl"
    lines.write_text("\n".join(trace("osdp", KEYSET, CARD)) + "\n", encoding="utf-8")
    test = tmp_path / "selftest.json"
    test.write_text('{"installer": "Li 13912345678", "figures": {"to": 13800138000}}', encoding="utf-8")
    document: dict[str, Any] = compiled(
        read_gate_file(gate), trace=lines, selftest=test, installer="Wang +8613912345678"
    )
    for shown in (json.dumps(document), as_text(document)):
        compact = shown.replace(" ", "").upper()
        assert [secret for secret in secrets if secret.upper() in compact] == []
    assert (document["installer"], document["selftest"]["figures"]) == ("Wang ***5678", {"to": "***8000"})
    assert document["config"]["board"][2]["serial"] == "00000000012345"
    assert document["set_aside"] == {"file": "journal.refused.jsonl", "rows": 2}
    assert "journal.refused.jsonl: 2 rows" in as_text(document)
    (tmp_path / "journal.refused.jsonl").unlink()
    empty = compiled(read_gate_file(gate), trace=None, selftest=None, installer="")
    assert empty["set_aside"] is None
