"""Whatever TOML can say survives being written, exported as JSON and brought back, as what it was."""

import json
import tomllib
from datetime import UTC, date, datetime, time, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from typer.testing import CliRunner

from controller.init import DemoPlan, gate_toml
from drivers.tool.commands import app
from drivers.tool.config_travel import TravelError, packed, unpacked
from drivers.tool.toml_text import same, to_toml

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
ZONES = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
PLAIN = (
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | TEXTS
    | st.dates()
    | st.times()
    | st.datetimes()
    | st.datetimes(timezones=ZONES)
)
VALUES = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["toml", "value", "name"]) | TEXTS, inner, max_size=3)
    ),
    max_leaves=10,
)
FILES = st.dictionaries(TEXTS, VALUES, max_size=4)


@given(FILES)
@example({"lane": [{"tested_on": date(2026, 11, 22)}], "input": []})
@example({"gate": {"toml": "date", "value": "2026-11-22"}})
@example({"a": float("nan"), "b": [float("inf")], "c": time(7, 30), "d": datetime(2026, 1, 1, tzinfo=UTC)})
@example({"a": {}, "b": [{}], "c": [[]], "d": [{"x": 1}, 2], "e": True, "f": 1.0, "g": 1})
def test_every_type_of_toml_comes_back_as_itself(content: dict[str, Any]) -> None:
    text = to_toml(content)
    found = tomllib.loads(text)
    assert same(found, content)
    document = json.loads(json.dumps(packed(found), allow_nan=False))
    assert same(unpacked(document), content)
    assert same(tomllib.loads(to_toml(unpacked(document))), content)


@pytest.mark.parametrize(
    ("one", "other"), [(1, 1.0), (True, 1), ("2026-11-22", date(2026, 11, 22)), ([1], [1, 2]), ({}, [])]
)
def test_what_is_of_another_type_is_not_the_same(one: Any, other: Any) -> None:
    assert not same({"x": one}, {"x": other})


@given(st.recursive(st.none() | st.booleans() | st.integers() | TEXTS, lambda inner: st.lists(inner) | FILES))
def test_no_document_makes_the_reader_raise_anything_else(found: Any) -> None:
    for document in (found, {"v": 2, "what": "postern gate.toml", "content": found}):
        try:
            unpacked(document)
        except TravelError:
            continue


@pytest.mark.parametrize("kind", ["date", "time", "datetime", "float", "table", "pickle", 7])
def test_a_damaged_mark_is_refused(kind: Any) -> None:
    content = {"gate": {"x": {"toml": kind, "value": "soon"}}}
    with pytest.raises(TravelError):
        unpacked({"v": 2, "what": "postern gate.toml", "content": content})


def test_a_document_of_the_version_before_is_still_read() -> None:
    content = {"lane": [{"tested_on": "2026-11-22"}]}
    assert unpacked({"v": 1, "what": "postern gate.toml", "content": content}) == content


def test_a_gate_that_is_exported_and_imported_is_the_same_gate(tmp_path: Path) -> None:
    file, away, back = tmp_path / "gate.toml", tmp_path / "gate.json", tmp_path / "back.toml"
    signed = 'tested_by = "王强"\ntested_on = 2026-11-22\n'
    file.write_text(
        gate_toml(DemoPlan(folder=tmp_path)).replace("[[lane]]\n", f"[[lane]]\n{signed}"), "utf-8"
    )
    run = CliRunner().invoke
    assert run(app, ["config", "export", "--config", str(file), "--out", str(away)]).exit_code == 0
    done = run(app, ["config", "import", str(away), "--config", str(back)])
    assert done.exit_code == 0, done.output
    assert same(tomllib.loads(back.read_text("utf-8")), tomllib.loads(file.read_text("utf-8")))
    assert tomllib.loads(back.read_text("utf-8"))["lane"][0]["tested_on"] == date(2026, 11, 22)
