from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.controller.centre import Centre, Journal, centre_at


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[Centre]:
    with centre_at(tmp_path / "centre.db") as open_centre:
        yield open_centre


@pytest.fixture
def journal() -> Journal:
    return Journal()
