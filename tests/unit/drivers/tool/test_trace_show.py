"""What ``trace show`` prints: no phone number as text, and no row that is none."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from drivers.tool.trace_cli import trace_app

NUMBER = "13912345678"
HEAD = '{"trace": 1, "protocol": "modem", "port": "x", "baud": 115200}'


def shown(tmp_path: Path, row: str, *options: str) -> tuple[int, str]:
    file = tmp_path / "trace.jsonl"
    file.write_text(f"{HEAD}\n{row}\n", encoding="utf-8")
    done = CliRunner().invoke(trace_app, ["show", str(file), *options])
    return done.exit_code, done.stdout


@pytest.mark.parametrize("options", [(), ("--json",), ("--json", "--protocol", "modem")])
@pytest.mark.parametrize(
    "row",
    [
        {"ms": 1.0, "do": "rx", "hex": f'+CMGS: "{NUMBER}"\r\n'.encode().hex(" ")},
        {"ms": 1.0, "do": "tx", "frames": [f"to {NUMBER}"]},
        {"ms": 1.0, "do": "lost", "why": f"the call of {NUMBER}"},
    ],
)
def test_no_phone_number_is_shown_as_text(
    row: dict[str, Any], options: tuple[str, ...], tmp_path: Path
) -> None:
    code, out = shown(tmp_path, json.dumps(row), *options)
    assert code == 0
    assert NUMBER not in out
    assert "***5678" in out


@pytest.mark.parametrize(
    "row",
    [
        '{"ms": Infinity, "do": "rx"}',
        '{"ms": NaN, "do": "rx"}',
        '{"ms": -1e308, "do": "rx"}',
        '{"ms": 1e999, "do": "rx"}',
        '{"ms": 1, "do": "rx", "baud": NaN}',
        '{"ms": 1, "do": "rx", "frames": 7}',
        '{"ms": 1, "do": "rx", "more": ' + '{"a":' * 300 + "1" + "}" * 301,
    ],
)
@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_row_that_is_none_of_a_trace_ends_it(row: str, options: tuple[str, ...], tmp_path: Path) -> None:
    assert shown(tmp_path, row, *options) == (1, "")


def test_a_good_row_is_shown_as_it_is(tmp_path: Path) -> None:
    row = {"ms": 12.5, "do": "rx", "hex": "4F 4B 0D", "baud": 9600, "why": None}
    code, out = shown(tmp_path, json.dumps(row), "--json", "--protocol", "lcus")
    assert code == 0
    assert {key: json.loads(out)[key] for key in row} == row
