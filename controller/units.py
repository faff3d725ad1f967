"""The site's directory of units: the number that a pass carries, and what is written on the door."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from shell.settings import SettingsError

UnitNumber = Annotated[int, Field(ge=0, lt=65_536)]
Door = Annotated[str, StringConstraints(min_length=1, max_length=20)]


class UnitsFile(BaseModel):
    """``units.json``: ``{"v":1,"units":{"12":"3-1202"}}``."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    v: Literal[1]
    units: dict[UnitNumber, Door]


def load_units(path: Path) -> dict[int, str]:
    """The doors by unit number; empty when there is no file.

    Raises:
        SettingsError: The file is there and wrong.
    """
    if not path.exists():
        return {}
    try:
        return UnitsFile.model_validate_json(path.read_bytes()).units
    except (OSError, ValidationError) as error:
        raise SettingsError(path, [f": is not a directory of units: {error}"]) from error
