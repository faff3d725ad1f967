"""Every command of the tool: in the docs, in both languages, within 80 columns, with examples that work when pasted."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.cells import cell_len

from controller.init import DemoPlan, gate_toml
from drivers.tool.commands import app
from drivers.tool.help_words import COMMANDS, OPTIONS
from drivers.tool.spoken_help import option_word
from simulators.boards.catalogue import make_board
from tests.real.drivers.tool.conftest import Plug
from tests.real.drivers.tool.twins import run

pytestmark = pytest.mark.real
DOCS = [Path(__file__).parents[4] / "docs" / name for name in ("driver-tool.md", "drivers.md")]
ROOT: Any = typer.main.get_command(app)
NEEDS_A_TERMINAL = {"postern-driver init": 2}
TELLS_BY_ITS_CODE = {"doctor": {0, 1}, "config diff": {0, 1}}
KEEPS_GOING = {"watch": ("--timeout", "20", "--count", "1")}


def walk(command: Any = ROOT, words: str = "") -> Iterator[tuple[str, Any]]:
    yield words, command
    for name, child in getattr(command, "commands", {}).items():
        yield from walk(child, f"{words} {name}".strip())


ALL = dict(walk())
LEAVES = [words for words, command in ALL.items() if not hasattr(command, "commands")]
MINE = {"ports", "detect", "identify", "pulse", "watch", "doctor", "init", "report", "modbus scan"}


@pytest.mark.parametrize("words", LEAVES)
def test_every_command_is_in_the_docs(words: str) -> None:
    documented = "\n".join(file.read_text("utf-8") for file in DOCS)
    assert f"postern-driver {words}" in documented


@pytest.mark.parametrize("words", list(ALL))
def test_every_command_and_option_has_its_chinese_words(words: str) -> None:
    assert words in COMMANDS
    options = {option_word(each) for each in ALL[words].params} - {"--help"}
    assert sorted(options - OPTIONS.keys()) == []


def test_no_chinese_words_are_left_over() -> None:
    options = {option_word(each) for command in ALL.values() for each in command.params}
    assert sorted(OPTIONS.keys() - options) == []
    assert sorted(COMMANDS.keys() - ALL.keys()) == []


@pytest.mark.parametrize("words", list(ALL))
@pytest.mark.parametrize("language", ["en", "zh"])
def test_help_fits_the_console_and_begins_with_examples(words: str, language: str) -> None:
    code, out, _ = run("--lang", language, *words.split(), "--help")
    assert code == 0
    prose = [line for line in out.splitlines() if "postern-driver" not in line]
    assert [line for line in prose if cell_len(line) > 80] == []
    assert ("用法：" in out) == (language == "zh")
    assert len(re.findall(r"^\s+postern-driver ", out, re.MULTILINE)) >= 2


@pytest.fixture
def folder(tmp_path: Path, plug: Plug, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which the files of the examples are there, and devices at the ports of the examples."""
    plug(make_board("lcus", profile="text"), name="dev/relays")
    inputs: Any = make_board("modbus-inputs")
    inputs.set_input(1, active=True)
    plug(inputs, name="dev/inputs")
    gate = gate_toml(DemoPlan(folder=tmp_path))
    for name in ("gate.toml", "other-gate.toml", "gate.toml.bak-20261122-120000"):
        (tmp_path / name).write_text(gate, encoding="utf-8")
    signed = 'tested_by = "Li"\ntested_on = 2026-11-22\n'
    (tmp_path / "answers.toml").write_text(gate.replace("[[lane]]\n", f"[[lane]]\n{signed}"), "utf-8")
    monkeypatch.chdir(tmp_path)
    assert run("config", "export", "--out", "gate.json")[0] == 0
    return tmp_path


def examples(words: str) -> list[str]:
    _, out, _ = run(*words.split(), "--help")
    return [line.strip() for line in out.splitlines() if re.match(r"\s+postern-driver ", line)]


@pytest.mark.parametrize("words", [each for each in LEAVES if each in MINE or each.startswith("config ")])
def test_examples_work_when_pasted(words: str, folder: Path) -> None:
    for example in examples(words):
        line = example.replace("/dev/ttyUSB0", str(folder / "dev/relays"))
        arguments = shlex.split(line.replace("/dev/ttyUSB1", str(folder / "dev/inputs")))[1:]
        if arguments == ["detect"]:
            arguments += ["--seconds", "0"]  # the machine's own ports are not the test's to open
        wanted = TELLS_BY_ITS_CODE.get(words, {NEEDS_A_TERMINAL.get(example, 0)})
        code, _, err = run(*arguments, *KEEPS_GOING.get(words, ()))
        assert code in wanted, (example, err)


@pytest.mark.parametrize(
    ("command", "words"),
    [("off", ("controller", "控制器")), ("set-baud", ("read at the new speed", "在新速率下读回"))],
)
def test_help_in_both_languages_says_what_the_command_does(command: str, words: tuple[str, str]) -> None:
    for language, said in zip(("C", "zh_CN.UTF-8"), words, strict=True):
        code, out, _ = run(command, "--help", language=language)
        assert (code, said.replace(" ", "") in re.sub(r"\s", "", out)) == (0, True), language
