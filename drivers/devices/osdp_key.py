"""Keys of OSDP readers: 16 random bytes, as hexadecimal digits in a file that only its owner can read."""

import os
import secrets
import stat
from pathlib import Path
from typing import Final

from shell.file_reading import open_regular

DEFAULT_KEY: Final = bytes(range(0x30, 0x40))  # SCBK-D: printed in the standard, so it keeps nobody out
KEY_BYTES: Final = 16
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


class KeyFileError(Exception):
    """A reader's key cannot be used; ``path`` is its file. The words, which a guard sees, have its name alone."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"The reader's key {path.name} {why}")
        self.path = path


def read_key(path: Path) -> bytes:
    """The key in a file.

    Raises:
        KeyFileError: It is missing, can be read by others, is no key, or is the published default.
    """
    try:
        with open_regular(path) as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(256)
    except OSError as error:
        raise KeyFileError(
            path, f"cannot be read ({error.strerror}). Set one on a bench (docs/devices/osdp.md)"
        ) from error
    if mode & _OTHERS:
        raise KeyFileError(path, f"can be read by others. Close it: chmod 600 {path.name}")
    try:
        key = bytes.fromhex(text.decode("ascii").strip())
    except ValueError as error:
        raise KeyFileError(path, "is not 32 hexadecimal digits. Restore it, or set a new one") from error
    if len(key) != KEY_BYTES:
        raise KeyFileError(path, "is not 32 hexadecimal digits. Restore it, or set a new one")
    if key == DEFAULT_KEY:
        raise KeyFileError(path, "is the published default key. Set one of your own on a bench")
    return key


def write_new_key(path: Path) -> bytes:
    """Make a random key and keep it in a new file before anybody is told of it.

    Raises:
        KeyFileError: The file is there already, or cannot be written.
    """
    key = secrets.token_bytes(KEY_BYTES)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(key.hex() + "\n")
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError as error:
        raise KeyFileError(
            path,
            "is there already: an earlier attempt did not come to its end. If the reader works, remove it; "
            "if not, the reader may have this key",
        ) from error
    except OSError as error:
        raise KeyFileError(path, f"cannot be written ({error.strerror})") from error
    return key
