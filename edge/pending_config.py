"""The configuration that the centre wants this gate to have: which one, until a start finds it in force.

The command names a version and the file's hash; the file itself is installed by whoever looks after the gate, and is
judged at the start as always. So a wrong one costs nothing but that start, and what is missing is on record.
"""

from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from shell.file_reading import read_at_most
from shell.files import write_whole
from shell.logs import get_logger
from sync.messages import DeviceData

log = get_logger("config")

FILE: Final = "config.pending"  # in the data folder
DEVICE: Final = "config"
_BYTES_MAX: Final = 1000


class PendingConfig(BaseModel):
    """What ``config.pending`` holds."""

    model_config = ConfigDict(frozen=True)

    version: str
    sha256: str
    by: str


def put(folder: Path, pending: PendingConfig) -> None:
    """Keep it until the next start; raises ``OSError``."""
    write_whole(folder / FILE, pending.model_dump_json().encode() + b"\n")


def look(folder: Path, running_sha256: str) -> DeviceData | None:
    """At a start: whether the configuration that was wanted is in force now; None when none was."""
    path = folder / FILE
    try:
        pending = PendingConfig.model_validate_json(read_at_most(path, _BYTES_MAX, follow=False))
        if pending.sha256 != running_sha256:
            detail = f"version {pending.version} is wanted by the centre, and is not installed"
            return DeviceData(device=DEVICE, state="fault", detail=detail)
        path.unlink()
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        log.error(
            "it cannot be read which configuration is wanted", file=str(path), error=type(error).__name__
        )
        return None
    return DeviceData(device=DEVICE, state="recovered", detail=f"version {pending.version} is in force")
