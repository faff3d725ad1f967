"""The page of what never happens names tests that are there."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/never.md"
LINES = [f"I{number}" for number in range(1, 23)]


def names_in_tree() -> set[str]:
    return {
        node.name
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def test_each_sentence_has_its_tests_and_each_test_is_there() -> None:
    rows = dict(re.findall(r"^\| (I\d+) \| (.+)$", PAGE.read_text("utf-8"), re.M))
    assert list(rows) == LINES
    named = {line: re.findall(r"`(test_\w+)`", text) for line, text in rows.items()}
    assert [line for line, tests in named.items() if not tests] == []
    assert {test for tests in named.values() for test in tests} - names_in_tree() == set()
