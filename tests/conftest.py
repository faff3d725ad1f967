"""The order of the suite: the longest files first, so that workers that share it end at about the same time.

Two files start whole sites; fuzzing stands between them, so that they do not start all at once on two workers.
"""

import pytest

LONG = ("tests/site/test_whole_site.py", "tests/fuzz/", "tests/site/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: [not item.nodeid.startswith(start) for start in LONG])
