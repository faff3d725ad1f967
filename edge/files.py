"""The files beside ``gate.toml``: the key set and the directory of units."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from passes.claims import UNIT_MAX
from passes.keys import KeyEntry, KeySetError, KeySetFile, key_id
from passes.trust import CONFIG_USE, ROOT_USE, STATUS_USE, keys_for, open_key_set
from shell.file_reading import read_at_most
from shell.settings import SettingsError

SIGNED_SUFFIX: Final = ".signed"
_FILE_BYTES_MAX: Final = 4_000_000  # a directory of a hundred thousand rooms
Label = Annotated[str, StringConstraints(min_length=1, max_length=40)]
M = TypeVar("M", bound=BaseModel)


class UnitsFile(BaseModel):
    """``units.json``: what people at this site call each unit index."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    v: Literal[1]
    units: dict[Annotated[int, Field(ge=0, le=UNIT_MAX)], Label]


def load_key_set(path: Path, site: int, *, root: str | None = None) -> KeySetFile:
    """The key set of ``site``.

    Args:
        path: The file; what the operator signed lies beside it, as ``keyset.signed``.
        site: Whose key set it must be.
        root: The operator's public root key in hex, where the gate's file pins it.

    Raises:
        SettingsError: The file is broken, of another site, or not signed by the pinned root.
    """
    keys = _load(path, KeySetFile)
    if keys.site != site:
        raise SettingsError(
            path, [f": is the key set of site {keys.site}, and this gate stands at site {site}"]
        )
    try:
        keys.to_domain()
        for use in (STATUS_USE, CONFIG_USE, ROOT_USE):
            keys_for(use, keys)
    except KeySetError as error:
        raise SettingsError(path, [f": {error}"]) from error
    if root is not None:
        _demand_signature(path, keys, root)
    return keys


def _demand_signature(path: Path, keys: KeySetFile, root: str) -> None:
    """Raise ``SettingsError`` unless the pinned root signed this very key set."""
    pinned = KeyEntry(
        kid=key_id(bytes.fromhex(root)).hex(),
        alg="ed25519",
        public=root,
        use=ROOT_USE,
        categories=[],
        not_before=datetime.min.replace(tzinfo=UTC),  # a signature is asked of a root key, never its dates
        not_after=datetime.max.replace(tzinfo=UTC),
    )
    signed = path.with_suffix(SIGNED_SUFFIX)
    try:
        held = open_key_set(
            read_at_most(signed, _FILE_BYTES_MAX), KeySetFile(site=keys.site, seq=1, keys=[pinned])
        )
    except OSError as error:
        raise SettingsError(
            signed, [f": cannot be read ({error.strerror}); gate.root wants the operator's signature here"]
        ) from error
    except KeySetError as error:
        raise SettingsError(signed, [f": {error}; gate.root names that key"]) from error
    if held != keys:
        raise SettingsError(signed, [f": signs key set {held.seq}, and {path.name} is another"])


def load_units(path: Path) -> dict[int, str]:
    """Room labels by unit index; raises ``SettingsError``."""
    return dict(_load(path, UnitsFile).units)


def _load(path: Path, model: type[M]) -> M:
    try:
        return model.model_validate_json(read_at_most(path, _FILE_BYTES_MAX))
    except OSError as error:
        raise SettingsError(path, [f": cannot be read ({error.strerror})"]) from error
    except ValidationError as error:
        problems = [
            f": {'.'.join(map(str, one['loc'])) or 'file'}: {one['msg']}" for one in error.errors()[:5]
        ]
        raise SettingsError(path, problems) from error
