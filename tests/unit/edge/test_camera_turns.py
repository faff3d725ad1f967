"""How often a camera's pictures are looked at, and what its process is made of."""

import subprocess
import sys

import pytest

from drivers.gate.view import ViewSection
from edge.vision.camera import CameraSettings, Turns
from edge.vision.frames import Hints
from edge.vision.shot import Region


def taken(per_s: float, arrivals: list[float]) -> list[float]:
    """Those of the frames that are looked at."""
    turns, found = Turns(per_s), []
    for at_s in arrivals:
        if at_s >= turns.due_s:
            turns.taken(at_s)
            found.append(at_s)
    return found


def test_every_frame_of_a_camera_is_looked_at_though_its_frames_come_unevenly() -> None:
    arrivals = [100 + step / 30 + (0.004 if step % 2 else -0.004) for step in range(300)]
    assert len(taken(30, arrivals)) >= 298


@pytest.mark.parametrize("per_s", [1, 5, 12, 25])
def test_the_mean_keeps_to_the_cap(per_s: float) -> None:
    found = taken(per_s, [100 + step / 30 for step in range(300)])
    assert 9 * per_s <= len(found) <= 10 * per_s + 1


def test_after_a_pause_nothing_is_made_up_for() -> None:
    arrivals = [100.0, 110.0, *(110 + step / 30 for step in range(1, 30))]
    assert len(taken(10, arrivals)) <= 12


def test_a_lanes_view_is_the_cameras_settings() -> None:
    assert CameraSettings.of(None) == CameraSettings()
    view = ViewSection(region=(0.1, 0, 0.9, 1), reads_per_s=12, exposure=5, focus="auto", device="1-2")
    assert CameraSettings.of(view) == CameraSettings(
        region=Region(0.1, 0.0, 0.9, 1.0),
        reads_per_s=12.0,
        hints=Hints(exposure_ms=5.0, focus="auto", identity="1-2"),
    )


@pytest.mark.parametrize("module", ["edge.daemon", "edge.exits_only", "edge.cli"])
def test_the_daemon_loads_nothing_that_looks_at_pictures(module: str) -> None:
    code = f"import sys, {module}; print(sorted({{'cv2', 'numpy', 'zxingcpp', 'pyzbar'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"
