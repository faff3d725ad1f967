"""What does not fit in a ``gate.toml``: where it stands, and words in both languages."""

from collections.abc import Mapping
from dataclasses import dataclass

from drivers.model import DriverInfo
from passes.words import Pair

Where = tuple[str | int, ...]
Infos = Mapping[str, DriverInfo]
"""What each board can do, by its name."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that cannot be; ``where`` is the place in the file as pydantic names places."""

    where: Where
    words: Pair
