"""A gate that pins the operator's root starts only from a key set that this root has signed."""

from pathlib import Path

import pytest

from edge.files import SIGNED_SUFFIX, load_key_set
from shell.settings import SettingsError
from tests.bundling import Office, entry
from tests.minting import SITE

OFFICE = Office()
ROOT = entry(OFFICE.root_secret, "root").public


def installed(folder: Path, *, signed: bytes | None) -> Path:
    path = folder / "keyset.json"
    path.write_text(OFFICE.key_set().model_dump_json(), encoding="utf-8")
    if signed is not None:
        path.with_suffix(SIGNED_SUFFIX).write_bytes(signed)
    return path


def test_a_key_set_signed_by_the_pinned_root_is_taken(tmp_path: Path) -> None:
    path = installed(tmp_path, signed=OFFICE.signed_key_set(OFFICE.key_set()))
    assert load_key_set(path, SITE, root=ROOT) == OFFICE.key_set()


@pytest.mark.parametrize(
    ("signed", "says"),
    [
        (None, "operator's signature"),
        (b"nothing", "not a signed key set"),
        (
            Office(root_secret=b"\x34" * 32).signed_key_set(OFFICE.key_set()),
            "not signed by the operator's root",
        ),
        (OFFICE.signed_key_set(OFFICE.key_set(seq=2)), "is another"),
    ],
)
def test_any_other_is_refused_and_without_a_pin_taken_as_before(
    tmp_path: Path, signed: bytes | None, says: str
) -> None:
    path = installed(tmp_path, signed=signed)
    with pytest.raises(SettingsError, match=says):
        load_key_set(path, SITE, root=ROOT)
    assert load_key_set(path, SITE) == OFFICE.key_set()
