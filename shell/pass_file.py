"""The file that a command writes a pass to. Its kind is told by its ending, and nothing is replaced unasked.

PassFileError        no pass can be written there
└── WouldReplaceError  there is a file already
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shell.pass_picture import PassPicture

ENDINGS: Final = (".svg", ".png", ".txt")


class PassFileError(ValueError):
    """No pass can be written there; the message says why, before a pass is made."""


class WouldReplaceError(PassFileError):
    """A file is there, and nobody said that it may go."""


@dataclass(frozen=True, slots=True)
class PassFile:
    """Where a pass is to go; ``force`` replaces what is there."""

    path: Path
    force: bool

    def check(self) -> None:
        """Raise ``PassFileError`` for what can be known before the pass is made."""
        if self.path.suffix not in ENDINGS:
            raise PassFileError(f"--out {self.path}: end it in .svg, .png or .txt")
        if not self.path.parent.is_dir():
            raise PassFileError(f"--out {self.path}: there is no folder {self.path.parent}")
        if self.path.exists() and not self.force:
            raise WouldReplaceError(
                f"{self.path} exists already and was left as it is; replace it with --force"
            )

    def write(self, text: str, picture: PassPicture) -> None:
        """Write it, readable by its owner alone: whoever has the code has the pass. Raises ``OSError``."""
        match self.path.suffix:
            case ".svg":
                data = picture.svg().encode()
            case ".png":
                data = picture.png()
            case _:
                data = f"{text}\n".encode()
        flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if self.force else os.O_EXCL)
        with open(os.open(self.path, flags, 0o600), "wb") as file:  # noqa: PTH123
            file.write(data)
