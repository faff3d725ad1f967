"""When a code that is held up counts as shown once, and when as shown again: pure, without clock or camera."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

GONE_AFTER_S: Final = (
    1.5  # a code unread for this long was taken away; shorter gaps are glare or a shaking hand
)
LEFT_AFTER_S: Final = 60.0  # nobody holds a pass up for so long: it was taped there, or is a poster


@dataclass(frozen=True, slots=True)
class InView:
    """The codes that are held up now.

    Attributes:
        last_seen_s: Text -> monotonic time of the newest frame that it was read in.
        since_s: Text -> when its presentation began.
    """

    last_seen_s: Mapping[str, float] = field(default_factory=dict)
    since_s: Mapping[str, float] = field(default_factory=dict)


def look(view: InView, texts: Iterable[str], now_s: float) -> tuple[InView, tuple[str, ...]]:
    """Take what one frame showed into account.

    Args:
        view: The codes held up before this frame.
        texts: The texts read in this frame, perhaps none.
        now_s: Monotonic time of the frame; frames come in order.

    Returns:
        The codes held up now, and those texts of the frame that begin a presentation, sorted. A text that
        stays in view begins none; one that was away for 1.5 s begins another.
    """
    shown = frozenset(texts)
    held = {text: seen_s for text, seen_s in view.last_seen_s.items() if now_s - seen_s < GONE_AFTER_S}
    new = tuple(sorted(shown - held.keys()))
    since = {text: view.since_s.get(text, now_s) for text in held} | dict.fromkeys(new, now_s)
    return InView(held | dict.fromkeys(shown, now_s), since), new


def left_in_view(view: InView, now_s: float) -> tuple[str, ...]:
    """The texts whose presentation has lasted longer than anybody holds a pass up, sorted."""
    return tuple(sorted(text for text, since_s in view.since_s.items() if now_s - since_s >= LEFT_AFTER_S))
