"""Durable writes on a real file system: whole or not at all."""

import os
from pathlib import Path

import pytest

from shell.files import PUBLIC, stage, write_secret, write_whole
from tests.full_disk import room_for

pytestmark = pytest.mark.real
DATA = bytes(range(256)) * 4


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_secret_is_for_its_owner_alone_and_is_never_replaced(tmp_path: Path) -> None:
    secret = tmp_path / "key.pem"
    write_secret(secret, DATA)
    assert (secret.read_bytes(), secret.stat().st_mode & 0o777) == (DATA, 0o600)
    with pytest.raises(FileExistsError):
        write_secret(secret, b"another")
    assert secret.read_bytes() == DATA
    assert names_in(tmp_path) == ["key.pem"]


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    file = tmp_path / "keyset.json"
    write_whole(file, b"old")
    write_whole(file, DATA)
    assert file.read_bytes() == DATA
    assert names_in(tmp_path) == ["keyset.json"]


@pytest.mark.parametrize("room", [0, 1, len(DATA) - 1])
def test_on_a_full_disk_there_is_no_half_of_a_file(tmp_path: Path, room: int) -> None:
    file = tmp_path / "keyset.json"
    write_whole(file, b"old")
    with room_for(room):
        with pytest.raises(OSError, match="large"):
            write_whole(file, DATA)
        with pytest.raises(OSError, match="large"):
            write_secret(tmp_path / "key.pem", DATA)
    assert file.read_bytes() == b"old"
    assert names_in(tmp_path) == ["keyset.json"]


def test_what_was_staged_needs_no_room_any_more(tmp_path: Path) -> None:
    staged = stage(tmp_path / "keyset.json", DATA, mode=PUBLIC)
    with room_for(0):
        staged.put_over()
    assert (tmp_path / "keyset.json").read_bytes() == DATA
    staged.discard()
    assert names_in(tmp_path) == ["keyset.json"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root writes for others")
def test_what_root_writes_belongs_to_the_folders_owner(tmp_path: Path) -> None:
    folder = tmp_path / "gate"
    folder.mkdir()
    os.chown(folder, 1234, 2345)
    write_whole(folder / "site.bundle", DATA)
    write_secret(folder / "key.pem", DATA)
    owners = {(path.stat().st_uid, path.stat().st_gid) for path in folder.iterdir()}
    assert owners == {(1234, 2345)}
