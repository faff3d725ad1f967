"""How one journal of one gate is named at the centre."""

from typing import NamedTuple


class Stream(NamedTuple):
    """One journal of one gate."""

    site: int
    gate: str
    epoch: str
