"""The settings of a USB camera as V4L2 has them: what it takes, what it rounds, and what it does not have."""

import cv2


class WebcamSettings:
    """Answers as ``cv2.VideoCapture`` does for a device.

    Args:
        gives_jpegs: Whether MJPG is one of its formats.
        has: The further properties that it has, and what they are now.
        stuck: Those of them that it does not change, whatever it says.
        step: It rounds exposure and focus to multiples of this.
    """

    def __init__(
        self,
        *,
        gives_jpegs: bool = True,
        has: dict[int, float] | None = None,
        stuck: frozenset[int] = frozenset(),
        step: int = 1,
    ) -> None:
        fourcc = cv2.VideoWriter.fourcc(*"YUYV")
        self._is = {cv2.CAP_PROP_FOURCC: float(fourcc), cv2.CAP_PROP_CONVERT_RGB: 1.0, **(has or {})}
        self._stuck = stuck | (frozenset() if gives_jpegs else {cv2.CAP_PROP_FOURCC})
        self._step = step

    def set(self, propId: int, value: float, /) -> bool:  # noqa: N803  # OpenCV's name
        """Take a value; False for a property that it does not have."""
        if propId not in self._is:
            return False
        if propId in {cv2.CAP_PROP_EXPOSURE, cv2.CAP_PROP_FOCUS}:
            value = round(value / self._step) * self._step
        if propId not in self._stuck:
            self._is[propId] = value
        return True

    def get(self, propId: int, /) -> float:  # noqa: N803  # OpenCV's name
        """The value, -1 for a property that it does not have."""
        return self._is.get(propId, -1.0)
