"""Whether what an eye saw may be believed: pure, by the times and the content of the frames.

A live sensor is never bit-identical for long, a lens that sees something has contrast, and a frame that waited
in a buffer shows who stood there before.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from edge.vision.shot import Seen
from passes.words import Pair

FROZEN_AFTER_S: Final = 2.0
FROZEN_FRAMES: Final = 3  # one that is equal to the last before a break may be chance
LATE_S: Final = 1.0  # an older frame never counts
LATE_FOR_S: Final = 3.0
DARK_CONTRAST: Final = 12.0  # grey levels between the 5th and 95th percentile; noise alone has up to 10
DARK_AFTER_S: Final = 60.0  # somebody may stand close in front of the lens for a while
_DAZZLED_LIGHT: Final = 200.0


class Doubt(StrEnum):
    """Why a frame is not believed."""

    FROZEN = "frozen"
    LATE = "late"
    DARK = "dark"


@dataclass(frozen=True, slots=True)
class Doubted:
    """One frame that is not believed.

    Attributes:
        why: The kind of doubt.
        lasting: It has been so for long: the camera has a fault.
        words: The fault in words, for whoever stands at the gate.
    """

    why: Doubt
    lasting: bool
    words: Pair


class Freshness:
    """Remembers what the frames of one camera were like, across breaks of its source too."""

    def __init__(self) -> None:
        self._digest: int | None = None
        self._same_since_s = 0.0
        self._same = 0
        self._late_since_s: float | None = None
        self._dark_since_s: float | None = None

    def doubt(self, seen: Seen, now_s: float) -> Doubted | None:
        """Take the next frame; why it is not believed, or None.

        Args:
            seen: What the eye saw; frames come in order.
            now_s: When it was seen, monotonic.
        """
        dark = self._dark(seen)
        frozen = self._frozen(seen)
        return self._late(seen, now_s) or frozen or dark

    def _late(self, seen: Seen, now_s: float) -> Doubted | None:
        age_s = now_s - seen.at_s
        if age_s <= LATE_S:
            self._late_since_s = None
            return None
        if self._late_since_s is None:
            self._late_since_s = now_s
        words = Pair(
            f"看到的画面已过了 {age_s:.1f} 秒，不作数。请检查网络，和本机是否太忙",
            f"pictures are {age_s:.1f} s old when they are seen, and do not count. Check the network, and how busy "
            "this machine is",
        )
        return Doubted(Doubt.LATE, now_s - self._late_since_s >= LATE_FOR_S, words)

    def _frozen(self, seen: Seen) -> Doubted | None:
        if seen.digest != self._digest:
            self._digest, self._same_since_s, self._same = seen.digest, seen.at_s, 0
        self._same += 1
        if self._same < FROZEN_FRAMES or seen.at_s - self._same_since_s < FROZEN_AFTER_S:
            return None
        words = Pair(
            f"画面 {FROZEN_AFTER_S:g} 秒丝毫未变：摄像头卡住了。请断电后重新接通",
            f"the picture has been the very same for {FROZEN_AFTER_S:g} s: frozen. Switch the camera off and on",
        )
        return Doubted(Doubt.FROZEN, lasting=True, words=words)

    def _dark(self, seen: Seen) -> Doubted | None:
        if seen.contrast > DARK_CONTRAST or seen.codes:
            self._dark_since_s = None
            return None
        if self._dark_since_s is None:
            self._dark_since_s = seen.at_s
        if seen.at_s - self._dark_since_s < DARK_AFTER_S:
            return None
        what = Pair("全白", "white") if seen.light > _DAZZLED_LIGHT else Pair("全黑", "dark")
        words = Pair(
            f"画面{what.zh}已有 {DARK_AFTER_S:g} 秒。请擦净或揭开镜头，并检查通道的灯光",
            f"the picture has been {what.en} all over for {DARK_AFTER_S:g} s. Clean or uncover the lens, and check the "
            "light at the lane",
        )
        return Doubted(Doubt.DARK, lasting=True, words=words)


class Lateness:
    """How late the frames of a stream are, by the stream's own stamps.

    The quickest frame is taken as on time. A frame that had to be waited for did not lie in a buffer, whatever
    its stamp says, for the stamps of cheap cameras drift.
    """

    _FORGOTTEN: Final = 0.001  # of each second: two clocks never run alike

    def __init__(self) -> None:
        self._least_s: float | None = None
        self._stamp_s = 0.0
        self._arrived_s = 0.0

    def age_s(self, *, arrived_s: float, stamp_s: float, waited: bool) -> float:
        """How long the next frame lay somewhere, in seconds; 0 where the stamps do not tell.

        Args:
            arrived_s: When it was had, monotonic.
            stamp_s: Its time in the stream.
            waited: It was not there when it was asked for.
        """
        offset_s = arrived_s - stamp_s
        if self._least_s is None or stamp_s <= self._stamp_s:
            self._least_s = offset_s
        else:
            forgotten_s = (arrived_s - self._arrived_s) * self._FORGOTTEN
            self._least_s = min(offset_s, self._least_s + forgotten_s)
        self._stamp_s, self._arrived_s = stamp_s, arrived_s
        return 0.0 if waited else offset_s - self._least_s
