"""``[lane.view]`` of ``gate.toml``: which part of the picture is read, how often, and which camera it must be."""

import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import Field, field_validator

from passes.words import Pair
from shell.settings import SettingsModel

SIDE_MIN: Final = 0.05  # of the picture: less shows no code
DEVICES: Final = "/dev/"
_CHANGING: Final = re.compile(r"/dev/video\d+$")  # numbered in the order in which they were found

Share = Annotated[float, Field(ge=0, le=1)]


class ViewSection(SettingsModel):
    """The view of one lane's camera; what is left out stays as the camera has it."""

    region: tuple[Share, Share, Share, Share] = (0.0, 0.0, 1.0, 1.0)  # left, top, right, bottom
    reads_per_s: Annotated[float, Field(ge=1, le=30)] = 30.0
    exposure: Literal["auto"] | Annotated[float, Field(ge=0.1, le=1000)] | None = None  # milliseconds
    focus: Literal["auto"] | Annotated[int, Field(ge=0, le=10_000)] | None = None  # steps of the device
    device: Annotated[str, Field(min_length=1, max_length=200)] | None = None

    @field_validator("region")
    @classmethod
    def _has_two_sides(cls, region: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
        left, top, right, bottom = region
        if right - left < SIDE_MIN or bottom - top < SIDE_MIN:
            raise ValueError("write [left, top, right, bottom] as parts of 1, for example [0.2, 0, 0.8, 1]")
        return region

    @property
    def needs_a_device(self) -> tuple[str, ...]:
        """Those of its keys that only a camera on this machine can obey."""
        return tuple(name for name in ("exposure", "focus", "device") if getattr(self, name) is not None)


def does_not_fit(view: ViewSection | None, camera: str | None) -> Pair | None:
    """Why a lane's view and its camera cannot go together, or None."""
    if view is None:
        return None
    if camera is None:
        return Pair(
            "view 属于摄像头：没有 camera 就不要写 view",
            "view belongs to a camera: a lane without one has none",
        )
    if view.needs_a_device and not camera.startswith(DEVICES):
        keys = ", ".join(view.needs_a_device)
        return Pair(
            f"{keys} 只能用于本机的 USB 摄像头（/dev/…）：请在网络摄像头自己的网页里设置",
            f"{keys}: only for a camera of this machine (/dev/…). Set it on the network camera's own page",
        )
    return None


def warnings_of_cameras(lanes: Sequence[Any]) -> Iterator[str]:
    """What an installer should know of the cameras of the lanes: two may change places at the next start."""
    changing = [lane for lane in lanes if lane.camera is not None and _CHANGING.match(lane.camera)]
    if len({lane.camera for lane in lanes if (lane.camera or "").startswith(DEVICES)}) < 2:
        return
    for lane in changing:
        if lane.view is None or lane.view.device is None:
            yield (
                f"lane {lane.name}: {lane.camera} can be the other camera after the next start, and who goes out "
                "would be taken for coming in. Name it by /dev/v4l/by-path, or give its view a device"
            )
