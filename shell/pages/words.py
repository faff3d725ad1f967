"""Words that the pages of gate and centre share, as English texts to translate."""

from typing import Final

from passes.vocabulary import Direction
from shell.pages.i18n import mark

WAYS: Final = {Direction.ENTRY.value: mark("Entry"), Direction.EXIT.value: mark("Exit")}
LANE_STATES: Final = {
    "ready": mark("Ready"),
    "opening": mark("Opening"),
    "open": mark("Open"),
    "held": mark("Held open"),
    "forced": mark("Forced open"),
    "tailgate": mark("Tailgating"),
    "kept_open": mark("Kept open"),
    "blocked": mark("Blocked"),
    "emergency": mark("Emergency"),
    "fault": mark("Fault"),
}
"""States of a lane; a state that is not here is shown as it came."""
