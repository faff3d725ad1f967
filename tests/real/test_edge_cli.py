"""``postern-edge`` as its user meets it: exit status, words, JSON."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from controller.init import DemoPlan, create_demo
from shell.clock import SystemClock
from simulators.cameras.look import Look
from simulators.cameras.scene import render
from tests.minting import Mint

pytestmark = pytest.mark.real
FOREIGN = "https://example.org/menu"


def edge(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edge.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    create_demo(DemoPlan(folder=tmp_path / "demo"), now=SystemClock().now())
    return tmp_path / "demo"


def test_a_wrong_key_ends_with_2_and_its_line_and_no_traceback(demo: Path) -> None:
    config = demo / "gate.toml"
    config.write_text(config.read_text("utf-8").replace("[kiosk]", "[kiosk]\nprot = 8081"), "utf-8")
    ended = edge("run", "--config", config)
    assert ended.returncode == 2
    assert f"{config}:" in ended.stderr
    assert "kiosk.prot: unknown key. Allowed here: host, port" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_missing_file_ends_with_2_and_says_how_to_name_one(tmp_path: Path) -> None:
    ended = edge("run", "--config", tmp_path / "none.toml")
    assert ended.returncode == 2
    assert "Name the file with --config" in ended.stderr


def test_help_names_every_command_and_opens_with_examples() -> None:
    ended = edge("--help")
    assert ended.returncode == 0
    assert "postern-edge scan photo.jpg --json" in ended.stdout
    for command in ("run", "scan", "enroll", "bundle", "walkin"):
        assert edge(command, "--help").returncode == 0
        assert f" {command} " in ended.stdout


def test_scan_prints_one_json_line_a_picture_and_judges_passes_by_the_key_set(
    tmp_path: Path, demo: Path
) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for name, text in (("forged.png", Mint().paper()), ("menu.png", FOREIGN)):
        cv2.imwrite(str(pictures / name), render(text, Look(), seed=3))
    (pictures / "notes.txt").write_text("not a picture")
    ended = edge("scan", pictures, "--json", "--config", demo / "gate.toml")
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    assert ended.returncode == 0
    assert [Path(line["source"]).name for line in lines] == ["forged.png", "menu.png"]
    assert [line["codes"] for line in lines] == [
        [{"text": Mint().paper(), "valid": False, "reason": "unknown_key"}],
        [{"text": FOREIGN, "valid": False, "reason": "foreign"}],
    ]
    assert all(line["ms"] > 0 for line in lines)


def test_scan_of_something_unreadable_says_so_and_ends_with_1(tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8 not really")
    ended = edge("scan", broken, tmp_path / "none.png", "--json")
    assert ended.returncode == 1
    assert [("error" in json.loads(line)) for line in ended.stdout.splitlines()] == [True, True]
    assert "Traceback" not in ended.stderr
