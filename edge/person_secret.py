"""The site's person secret at this gate: carried here by hand, beside the gate's key, and never sent.

With it a walk-in with the same number is the same person at every gate of the site and at the centre.
"""

from enum import StrEnum
from pathlib import Path
from typing import Final

from shell.files import SECRET, stage, write_secret
from shell.person_secret import NoPersonSecretError, PersonSecret, read_person_secret

FILE: Final = "walkin.secret"


class RedKnown(StrEnum):
    """Where it is known that whoever was registered with this number is RED."""

    SITE = "site"  # at every gate that has the secret, and at the centre
    GATE = "gate"  # at this gate alone


def load_person_secret(folder: Path, site: int) -> PersonSecret | None:
    """The secret in a gate's data folder, None where there is none; raises ``PersonSecretError``."""
    try:
        return read_person_secret(folder / FILE, site=site)
    except NoPersonSecretError:
        return None


def install_person_secret(folder: Path, secret: PersonSecret, *, replace: bool) -> None:
    """Write the secret durably, for the folder's owner alone.

    Raises:
        FileExistsError: There is one already, and ``replace`` is off.
        OSError: The folder cannot be written.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if replace:
        stage(folder / FILE, secret.to_file(), mode=SECRET).put_over()
    else:
        write_secret(folder / FILE, secret.to_file())
