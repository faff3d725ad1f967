"""The checks of the house can fail: each is given a tree with one breach, and one without."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import check_tree, dead_code, locks

ROOT = Path(__file__).parents[2]


def put(root: Path, name: str, text: str) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "text", "breach"),
    [
        ("edge/a.py", "import time\n\ntime.sleep(1)\n", "edge/a.py:3: time.sleep"),
        ("edge/a.py", "from time import monotonic, sleep\n", "edge/a.py:1: time.sleep"),
        ("tests/a.py", "async def f():\n    await asyncio.sleep(0.1)\n", "tests/a.py:2: asyncio.sleep"),
        ("tests/a.py", "from unittest.mock import Mock\n", "tests/a.py:1: unittest.mock"),
        ("tests/a.py", "from unittest import mock\n", "tests/a.py:1: unittest.mock"),
        ("tests/a.py", "import unittest.mock\n", "tests/a.py:1: unittest.mock"),
        ("drivers/a.py", "import random\n", "drivers/a.py:1: random"),
        ("sync/a.py", "now = datetime.now(UTC)\n", "sync/a.py:1: datetime.now"),
        ("controller/a.py", "home = os.environ['HOME']\n", "controller/a.py:1: os.environ"),
        ("edge/a.py", "x = 1\n" * 501, "edge/a.py:501: longer"),
        ("edge/utils.py", "x = 1\n", "edge/utils.py:1: a name that says nothing"),
        ("docs/a.md", "one\nTO" + "DO: two\n", "docs/a.md:2: unfinished"),
    ],
)
def test_a_breach_of_a_house_rule_is_named_with_its_line(
    tmp_path: Path, name: str, text: str, breach: str
) -> None:
    put(tmp_path, name, text)
    (found,) = check_tree.breaches(tmp_path)
    assert found.startswith(breach)


def test_a_tree_that_keeps_the_rules_has_no_breach(tmp_path: Path) -> None:
    put(tmp_path, "edge/a.py", '"""Says time.sleep(1) in words only."""\n\nstop.wait(1)\n')
    put(tmp_path, "shell/clock.py", "now = datetime.now(UTC)\n")
    put(tmp_path, "tests/a.py", "async def f():\n    await asyncio.sleep(0)\n")
    assert check_tree.breaches(tmp_path) == []


def test_a_breach_ends_the_command_with_1_and_a_clean_tree_with_0(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "scripts.check_tree", str(tmp_path)]
    put(tmp_path, "edge/a.py", "x = 1\n")
    assert subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode == 0
    put(tmp_path, "edge/a.py", "import time\n\ntime.sleep(1)\n")
    assert subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode == 1


def vendored(root: Path, text: str, sha256: str) -> None:
    put(root, "edge/static/vendor/a.js", text)
    entry = f'file = "a.js"\nname = "a"\nversion = "1"\nlicence = "MIT"\nsha256 = "{sha256}"\n'
    put(root, "edge/static/vendor/vendored.toml", f"[[vendored]]\n{entry}")


def test_a_vendored_file_is_the_one_that_its_list_names(tmp_path: Path) -> None:
    sha256 = hashlib.sha256(b"1;\n").hexdigest()
    vendored(tmp_path, "1;\n", sha256)
    assert check_tree.breaches(tmp_path) == []
    vendored(tmp_path, "2;\n", sha256)
    (changed,) = check_tree.breaches(tmp_path)
    assert changed.startswith("edge/static/vendor/a.js: is not the file")


def test_a_vendored_file_without_an_entry_is_a_breach(tmp_path: Path) -> None:
    put(tmp_path, "edge/static/vendor/b.js", "1;\n")
    (found,) = check_tree.breaches(tmp_path)
    assert found.startswith("edge/static/vendor/b.js: somebody else's file")


@pytest.fixture
def locked(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    return tmp_path


def test_the_locks_of_this_tree_are_in_step() -> None:
    assert locks.breaches(ROOT) == []


def test_a_changed_dependency_without_new_locks_is_a_breach(locked: Path) -> None:
    project = locked / "pyproject.toml"
    project.write_text(project.read_text("utf-8").replace('"rich>=13"', '"rich>=14"'), "utf-8")
    (found,) = locks.breaches(locked)
    assert "run: make lock" in found


@pytest.mark.parametrize(
    "line",
    [
        "-".join(["-", "index", "url packages.example"]),
        "-i packages.example",
        "rich @ file:///srv/rich.whl",
        "rich",
    ],
)
def test_an_address_or_an_unpinned_package_in_a_lock_is_a_breach(locked: Path, line: str) -> None:
    lock = locked / "requirements" / "edge.txt"
    lock.write_text(f"{line}\n{lock.read_text('utf-8')}", "utf-8")
    (found,) = locks.breaches(locked)
    assert found.startswith("requirements/edge.txt:1: ")


def test_unused_code_is_found_and_an_excuse_must_still_be_needed(tmp_path: Path) -> None:
    put(
        tmp_path,
        "pyproject.toml",
        '[tool.vulture]\npaths = ["edge"]\nmin_confidence = 60\nignore_decorators = []\n',
    )
    put(tmp_path, "edge/a.py", "def used():\n    pass\n\n\ndef unused():\n    pass\n\n\nused()\n")
    allowed = put(tmp_path, dead_code.ALLOWED, "# PATH NAME why\n")
    assert dead_code.breaches(tmp_path) == ["edge/a.py:5: unused function 'unused'"]
    allowed.write_text("edge/*.py unu* called by another program\n", "utf-8")
    assert dead_code.breaches(tmp_path) == []
    allowed.write_text("edge/*.py unused called by another program\nedge/*.py gone no reason left\n", "utf-8")
    (found,) = dead_code.breaches(tmp_path)
    assert "edge/*.py gone excuses nothing" in found


def test_tests_keep_simulators_alive_but_not_what_ships(tmp_path: Path) -> None:
    put(
        tmp_path,
        "pyproject.toml",
        '[tool.vulture]\npaths = ["edge", "simulators"]\nmin_confidence = 60\nignore_decorators = []\n',
    )
    put(tmp_path, dead_code.ALLOWED, "")
    put(tmp_path, "edge/a.py", "def probe():\n    pass\n")
    put(tmp_path, "simulators/a.py", "def unplug():\n    pass\n")
    put(tmp_path, "tests/test_a.py", "probe()\nunplug()\n")
    assert dead_code.breaches(tmp_path) == ["edge/a.py:1: unused function 'probe'"]


def test_what_a_template_reads_is_in_use(tmp_path: Path) -> None:
    put(
        tmp_path,
        "pyproject.toml",
        '[tool.vulture]\npaths = ["edge"]\nmin_confidence = 60\nignore_decorators = []\n',
    )
    put(tmp_path, dead_code.ALLOWED, "")
    put(tmp_path, "edge/a.py", "class Card:\n    verdict = 1\n    colour = 2\n\n\nCard()\n")
    put(tmp_path, "edge/templates/a.html", "<p>colour</p>{% if card.verdict %}yes{% endif %}")
    assert dead_code.breaches(tmp_path) == ["edge/a.py:3: unused variable 'colour'"]


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("edge/wrong.py", "import controller", "Imports point down, never sideways BROKEN"),
        ("drivers/wrong.py", "import edge", "Imports point down, never sideways BROKEN"),
        ("passes/wrong.py", "import socket", "passes does no I/O BROKEN"),
        ("sync/wrong.py", "import pytest", "Nothing that ships imports the tests or their tools BROKEN"),
        ("edge/right.py", "import sync", "Contracts: 3 kept, 0 broken."),
    ],
)
def test_an_import_that_points_up_or_sideways_breaks_its_contract(
    tmp_path: Path, module: str, line: str, contract: str
) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for package in ("passes", "shell", "sync", "drivers", "edge", "controller", "simulators"):
        put(tmp_path, f"{package}/__init__.py", "")
    put(tmp_path, module, f"{line}\n")
    ran = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert contract in ran.stdout


def test_benchmarks_print_a_ratio_for_each_figure_and_write_it_down(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks", "passes", "--seconds", "0.02"],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    report = json.loads((tmp_path / "build" / "bench.json").read_text("utf-8"))
    assert report["results"][0]["name"] == "rotating code, text to decision"
    for one in report["results"]:
        assert one["ratio"] == one["value"] / one["baseline_value"]
        assert one["name"] in ran.stdout
    promised = {one["name"]: one["ratio_max"] for one in report["results"] if one["ratio_max"] is not None}
    assert promised["rotating code, text to decision"] == 4.0
    assert ", 0 skipped\n" in ran.stdout


@pytest.mark.real
@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("unit", ["postern-edge", "postern-controller"])
def test_a_unit_file_is_valid_and_confines_its_daemon(tmp_path: Path, unit: str) -> None:
    installed = f"/opt/postern/.venv/bin/{unit}"
    text = (ROOT / "deploy" / f"{unit}.service").read_text("utf-8")
    assert f"ExecStart={installed} run --config /etc/postern/" in text
    path = put(tmp_path, f"{unit}.service", text.replace(installed, "/bin/true"))
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", path], capture_output=True, text=True, check=False
    )
    assert (verified.returncode, verified.stderr) == (0, "")
    # The threshold is in tenths: an exposure of 2.0 at most.
    scored = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert scored.returncode == 0, scored.stdout[-200:]


def test_every_link_between_the_papers_leads_somewhere() -> None:
    papers = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("deploy/*.md")]
    assert ROOT / "docs" / "README.md" in papers
    dead = [
        f"{paper.relative_to(ROOT)}: {link}"
        for paper in papers
        for link in re.findall(r"\]\((?!https?://|mailto:|#)([^)#\s]+)", paper.read_text("utf-8"))
        if not (paper.parent / link).exists()
    ]
    assert dead == []


def test_every_decision_note_has_its_parts_and_stands_in_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text("utf-8")
    notes = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert [note.name for note in notes if f"(decisions/{note.name})" not in index] == []
    for note in notes:
        headings = re.findall(r"^## (.+)$", note.read_text("utf-8"), re.MULTILINE)
        assert headings == ["Context", "Decision", "Rejected", "Consequences"], note.name
        assert "**Status:**" in note.read_text("utf-8"), note.name
