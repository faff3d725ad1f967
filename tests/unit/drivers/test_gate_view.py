"""``[lane.view]``: what is taken, what is refused, and of what an installer is told."""

from typing import Any

import pytest
from pydantic import ValidationError

from drivers.gate.hardware import LaneSection
from drivers.gate.view import ViewSection, warnings_of_cameras

LANE: dict[str, Any] = {
    "name": "entry",
    "direction": "entry",
    "camera": "/dev/video0",
    "board": "relays",
    "channel": 1,
    "passage": "assumed",
    "release": "pulse_to_open",
    "on_power_loss": "open",
}


def lane(**changed: object) -> LaneSection:
    return LaneSection.model_validate(LANE | changed)


def test_a_view_is_taken_as_a_file_writes_it() -> None:
    view = {"region": [0.2, 0, 0.8, 1], "reads_per_s": 12, "exposure": 5, "focus": 30, "device": "1-2.4"}
    assert lane(view=view).view == ViewSection(
        region=(0.2, 0.0, 0.8, 1.0), reads_per_s=12.0, exposure=5.0, focus=30, device="1-2.4"
    )
    assert lane().view is None
    automatic = lane(view={"exposure": "auto", "focus": "auto"}).view
    assert automatic == ViewSection(exposure="auto", focus="auto")


@pytest.mark.parametrize(
    ("view", "why"),
    [
        ({"region": [0.8, 0, 0.2, 1]}, "left, top, right, bottom"),
        ({"region": [0, 0, 1, 0.01]}, "left, top, right, bottom"),
        ({"region": [0, 0, 2, 1]}, "less than or equal to 1"),
        ({"region": [0, 0, 1]}, "region"),
        ({"reads_per_s": 0}, "greater than or equal to 1"),
        ({"reads_per_s": 60}, "less than or equal to 30"),
        ({"exposure": "off"}, "exposure"),
        ({"exposure": 0}, "exposure"),
        ({"focus": -1}, "focus"),
        ({"device": ""}, "device"),
        ({"regoin": [0, 0, 1, 1]}, "regoin"),
    ],
)
def test_a_wrong_view_is_refused_with_what_is_wrong(view: dict[str, object], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        lane(view=view)


@pytest.mark.parametrize("view", [{"exposure": 5}, {"focus": 3}, {"device": "1-2"}])
def test_what_only_a_device_obeys_is_refused_for_a_network_camera(view: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="only for a camera of this machine"):
        lane(camera="rtsp://10.0.0.5/ch1", view=view)
    assert lane(camera="rtsp://10.0.0.5/ch1", view={"reads_per_s": 5}).view == ViewSection(reads_per_s=5)


def test_a_lane_with_a_scanner_alone_has_no_view() -> None:
    with pytest.raises(ValidationError, match="view belongs to a camera"):
        lane(camera=None, scanner="reader", view={"reads_per_s": 5})


def warned(*cameras: tuple[str, dict[str, object] | None]) -> list[str]:
    lanes = [lane(name=f"lane{at}", camera=camera, view=view) for at, (camera, view) in enumerate(cameras)]
    return [words.partition(":")[0] for words in warnings_of_cameras(lanes)]


def test_two_cameras_named_by_their_order_are_warned_of_c9() -> None:
    by_path = "/dev/v4l/by-path/pci-0-usb-0:1:1.0-video-index0"
    assert warned(("/dev/video0", None), ("/dev/video2", None)) == ["lane lane0", "lane lane1"]
    assert warned(("/dev/video0", None), (by_path, None)) == ["lane lane0"]
    assert warned(("/dev/video0", {"device": "1-1"}), ("/dev/video2", {"device": "1-2"})) == []
    assert warned(("/dev/video0", None)) == []
    assert warned(("/dev/video0", None), ("rtsp://10.0.0.5/ch1", None)) == []
