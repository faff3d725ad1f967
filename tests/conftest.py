"""The order of the suite: the longest files first, so that workers that share it end at about the same time."""

import pytest

LONG = ("site/", "fuzz/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not item.nodeid.startswith(tuple(f"tests/{folder}" for folder in LONG)))
