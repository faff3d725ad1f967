"""The order of the suite: the longest files first, so that workers that share it end at about the same time.

Two files start whole sites; fuzzing stands between them, so that they do not start all at once on two workers.
"""

import logging
from collections.abc import Iterator

import pytest
import structlog

LONG = ("tests/site/test_whole_site.py", "tests/fuzz/", "tests/site/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: [not item.nodeid.startswith(start) for start in LONG])


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    """A command that a test runs in this process sets up the logs of the process: they are put back after each test."""
    before, configured = structlog.get_config(), structlog.is_configured()
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    structlog.reset_defaults()
    if configured:
        structlog.configure(**before)
    structlog.contextvars.clear_contextvars()
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
