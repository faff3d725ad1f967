"""Deep TOML: counted in one pass before anybody walks through it, and never taken for shallow."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.init import DemoPlan, gate_toml
from drivers.devices.modbus_profile import ProfileError, parse_profile
from drivers.gate.config import load_config
from drivers.tool.config_check import problems_of
from shell.nesting import DEPTH_MAX, depth_of, toml_of
from shell.settings import FILE_BYTES_MAX, PROBLEMS_MAX, SettingsError, read_toml

DEEP = {
    "a key of many names": "a." * 20_000 + "a = 1\n",
    "a key of many names in quotes": '"a" . ' * 20_000 + "'a' = 1\n",
    "a heading of many names": "[" + "a." * 20_000 + "a]\n",
    "arrays": "x = " + "[" * 5_000 + "]" * 5_000 + "\n",
    "open arrays": "x=[" + "[" * 5_000 + "\n",
    "tables": "x = " + "{a = " * 5_000 + "1" + "}" * 5_000 + "\n",
}
BEFORE = (
    "",
    'a1 = """two\n"" lines\\""""\n',
    'a1 = """quotes at the end"""" # \\\n',
    "a1 = '''quotes at the end''''' # \\\n",
    "a1 = ''' [\"[ '''\n",
    'a1 = "a # no comment \\" \\\\" # a comment \\\n',
    "a1 = 'a # \\'\n",
    "# '''\n# \"\"\"\n",
    "a1 = \"\"\na2 = '' \n",
)


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("deep", DEEP)
def test_what_is_nested_deeply_is_refused_in_words_whatever_stands_before_it(before: str, deep: str) -> None:
    tomllib.loads(before)
    with pytest.raises(tomllib.TOMLDecodeError, match="nested deeper than 32 levels"):
        toml_of(before + DEEP[deep])


@pytest.mark.parametrize("deep", DEEP)
def test_a_deep_gate_file_or_profile_is_wrong_configuration(deep: str, tmp_path: Path) -> None:
    path = tmp_path / "gate.toml"
    path.write_text(DEEP[deep], encoding="utf-8")
    with pytest.raises(SettingsError, match=r"gate\.toml: is not TOML: it is nested deeper"):
        read_toml(path)
    with pytest.raises(ProfileError, match="nested deeper"):
        parse_profile(DEEP[deep].encode(), file="own.toml")


@pytest.mark.parametrize(
    "text",
    [
        gate_toml(DemoPlan(folder=Path())),
        "x = '" + "a." * 1000 + "'\ny = \"" + "[" * 1000 + '"\n',
        "# " + "a." * 1000 + "[" * 1000 + "\nx = 1.5\n",
        "x = [\n" + "  [1, 2],\n" * 1000 + "]\n",
        "x = " + "[" * DEPTH_MAX + "]" * DEPTH_MAX + "\n",
        "a." * (DEPTH_MAX - 1) + "a = 1979-05-27T07:32:00.999999+07:00\n",
    ],
)
def test_what_is_not_deep_is_read_as_it_is(text: str) -> None:
    assert toml_of(text) == tomllib.loads(text)


@given(st.text(alphabet="a.\"'[]{}#= \\\n", max_size=60))
def test_no_toml_is_deeper_than_it_was_counted(text: str) -> None:
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        depth_of(text)
        return
    assert _height(found) <= depth_of(text) * 2 + 1  # names and brackets are counted apart


def _height(value: object) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return max((1 + _height(each) for each in inner), default=0)


@pytest.mark.parametrize("line", ["a{}=1\n", "[gate.a{}]\n"])
def test_a_file_full_of_mistakes_is_answered_with_the_first_ones(line: str, tmp_path: Path) -> None:
    path, made = tmp_path / "gate.toml", ""
    for number in range(FILE_BYTES_MAX // (len(line) + 4)):
        made += line.format(number)
    path.write_text(made, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load_config(path)
    assert len(caught.value.problems) == PROBLEMS_MAX + 1
    assert caught.value.problems[-1].endswith(" more")
    assert PROBLEMS_MAX <= len(problems_of(tomllib.loads(made))) <= 2 * PROBLEMS_MAX


@pytest.mark.parametrize(
    ("name", "written"),
    [("gate.toml", DEEP["a key of many names"]), ("gate.json", '{"a":' * 700 + "1" + "}" * 700)],
)
def test_no_command_ends_in_a_traceback_over_a_deep_file(name: str, written: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(written, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "drivers.cli", "config", "import", str(path)],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 2, done.stderr
    assert "nested deeper than 32 levels" in " ".join(done.stderr.split())


def test_a_file_larger_than_a_gates_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "gate.toml"
    path.write_text("#" * FILE_BYTES_MAX, encoding="utf-8")
    assert read_toml(path)[1] == {}
    path.write_text("#" * (FILE_BYTES_MAX + 1), encoding="utf-8")
    with pytest.raises(SettingsError, match="larger than 262144 bytes"):
        read_toml(path)
