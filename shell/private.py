"""A daemon's data is for its own user: names, numbers and events lie in these folders."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

_NOBODY_ELSE: Final = 0o077
_OWN_FOLDER: Final = 0o700


def keep_private(folder: Path) -> None:
    """From now on this process makes no file that others may read, and nobody else may enter ``folder``.

    A folder of another user is left as it is: whoever set it up so has decided who may enter. One that cannot be made
    is left to whoever needs it next and knows what to do then; a gate without it still opens its exits.
    """
    os.umask(_NOBODY_ELSE)
    with suppress(OSError):
        folder.mkdir(mode=_OWN_FOLDER, parents=True, exist_ok=True)
        if folder.stat().st_uid == os.geteuid():
            folder.chmod(_OWN_FOLDER)
