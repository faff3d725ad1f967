"""Command ids that were seen: whatever is submitted twice is done once."""

from collections import OrderedDict
from typing import Final

IDS_KEPT: Final = 4096  # far more than can be issued within the age limit of a command, even in a storm


class SeenIds:
    """The latest ids of one driver."""

    def __init__(self) -> None:
        self._ids: OrderedDict[str, None] = OrderedDict()

    def is_new(self, id_: str) -> bool:
        """Whether this id comes for the first time; from now on it is known."""
        if id_ in self._ids:
            return False
        self._ids[id_] = None
        if len(self._ids) > IDS_KEPT:
            self._ids.popitem(last=False)
        return True
