"""Key files on a disk that is full: whichever write fails, the site goes on with the keys it had."""

from datetime import timedelta
from pathlib import Path

import pytest

from controller.init import DemoPlan, create_demo
from controller.issuer_keys import load_key_set, load_keys
from controller.key_changes import GONE, Change, KeyFiles, rotate, withdraw
from controller.site_keys import ROOT_FILE, load_config_key, load_status_key
from passes.keys import KeySetFile
from tests.full_disk import room_for
from tests.real.controller.centre import NOON, SITE

pytestmark = pytest.mark.real


@pytest.fixture
def files(tmp_path: Path) -> KeyFiles:
    create_demo(DemoPlan(folder=tmp_path / "demo"), now=NOON)
    keys = tmp_path / "demo" / "keys"
    return KeyFiles(SITE, keys, tmp_path / "demo" / "keyset.json", keys / ROOT_FILE)


def held(files: KeyFiles) -> KeySetFile:
    return load_key_set(files.keyset, SITE)


def change(files: KeyFiles, name: str) -> Change:
    if name == "status":
        lost = next(entry.kid for entry in held(files).keys if entry.use == "status")
        return withdraw(held(files), lost, now=NOON)
    return rotate(held(files), name, now=NOON, lead=timedelta(hours=1))


def snapshot(files: KeyFiles) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (*files.keys_dir.iterdir(), files.keyset)}


def starts(files: KeyFiles) -> bool:
    """Whether a centre finds all its keys."""
    published = held(files)
    load_status_key(files.keys_dir, SITE, published)
    return (
        len(load_keys(files.keys_dir, SITE)) >= 2
        and load_config_key(files.keys_dir, SITE, published) is not None
    )


@pytest.mark.parametrize("name", ["visitor", "config", "status"])
def test_whichever_write_finds_the_disk_full_nothing_changes_and_the_next_try_works(
    files: KeyFiles, name: str
) -> None:
    before, planned = snapshot(files), change(files, name)
    root = files.load_root(held(files))
    longest = len(planned.key_set.model_dump_json(indent=1))
    for size in (
        0,
        60,
        600,
        longest,
    ):  # nothing has room, half a key, a key, all but the end of the last file
        with room_for(size), pytest.raises(OSError, match="large"):
            files.write(planned, root)
        assert snapshot(files) == before
        assert starts(files)
    files.write(planned, root)
    assert held(files) == planned.key_set
    assert starts(files)
    assert not list(files.keys_dir.glob("*.part"))
    assert len(list(files.keys_dir.glob(f"*{GONE}"))) == (0 if name == "visitor" else 1)


def test_a_first_key_set_is_not_made_of_half_a_key(tmp_path: Path) -> None:
    plan = DemoPlan(folder=tmp_path / "demo")
    with room_for(60), pytest.raises(OSError, match="large"):
        create_demo(plan, now=NOON)
    assert list((plan.folder / "keys").iterdir()) == []
