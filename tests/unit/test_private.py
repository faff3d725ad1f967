"""What a daemon writes is for its own user."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from shell.private import keep_private


@pytest.fixture(autouse=True)
def _umask() -> Iterator[None]:
    before = os.umask(0o022)
    os.umask(before)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_folder_that_others_could_enter_is_closed_and_new_files_are_for_the_owner(tmp_path: Path) -> None:
    folder = tmp_path / "south"
    folder.mkdir(mode=0o755)
    keep_private(folder)
    (folder / "journal.db").write_bytes(b"13800138000")
    assert (mode(folder), mode(folder / "journal.db")) == (0o700, 0o600)


def test_a_folder_that_cannot_be_made_stops_no_gate(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    keep_private(tmp_path / "file" / "south")
    assert not (tmp_path / "file" / "south").exists()
