"""The files beside ``gate.toml``: the key set and the directory of units."""

from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from passes.keys import KeySetError, KeySetFile, KeyTable
from passes.trust import ROOT_USE, STATUS_USE, keys_for
from shell.settings import SettingsError

Label = Annotated[str, StringConstraints(min_length=1, max_length=40)]
M = TypeVar("M", bound=BaseModel)


class UnitsFile(BaseModel):
    """``units.json``: what people at this site call each unit index."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    v: Literal[1]
    units: dict[int, Label]


def load_keys(path: Path, site: int) -> KeyTable:
    """The issuer keys of ``site``; raises ``SettingsError`` as ``load_key_set`` does."""
    return load_key_set(path, site).to_domain()


def load_key_set(path: Path, site: int) -> KeySetFile:
    """The key set of ``site``; raises ``SettingsError`` when the file is broken or of another site."""
    keys = _load(path, KeySetFile)
    if keys.site != site:
        raise SettingsError(
            path, [f": is the key set of site {keys.site}, and this gate stands at site {site}"]
        )
    try:
        keys.to_domain()
        for use in (STATUS_USE, ROOT_USE):
            keys_for(use, keys)
    except KeySetError as error:
        raise SettingsError(path, [f": {error}"]) from error
    return keys


def load_units(path: Path) -> dict[int, str]:
    """Room labels by unit index; raises ``SettingsError``."""
    return dict(_load(path, UnitsFile).units)


def _load(path: Path, model: type[M]) -> M:
    try:
        return model.model_validate_json(path.read_bytes())
    except OSError as error:
        raise SettingsError(path, [f": cannot be read ({error.strerror})"]) from error
    except ValidationError as error:
        problems = [
            f": {'.'.join(map(str, one['loc'])) or 'file'}: {one['msg']}" for one in error.errors()[:5]
        ]
        raise SettingsError(path, problems) from error
