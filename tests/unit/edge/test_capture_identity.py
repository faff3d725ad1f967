"""Which camera is which, from trees like those of the kernel: links, sockets, names."""

from pathlib import Path

import pytest

from edge.vision.capture_identity import CameraIdentity, identity_of


def plug(tree: Path, node: str, socket: str, *, card: str = "HD Webcam", serial: str = "") -> None:
    """A USB camera in ``socket`` (``1-2.4``) gets the device file ``node``."""
    usb = tree / "sys" / "devices" / "usb1" / socket
    interface = usb / f"{socket}:1.0"
    entry = interface / "video4linux" / node
    entry.mkdir(parents=True, exist_ok=True)
    (interface / "bInterfaceNumber").write_text("00\n")
    (entry / "name").write_text(f"{card}\n")
    if serial:
        (usb / "serial").write_text(f"{serial}\n")
    link = entry / "device"
    link.unlink(missing_ok=True)
    link.symlink_to(interface)
    known = tree / "sys" / "class" / "video4linux" / node
    known.parent.mkdir(parents=True, exist_ok=True)
    known.unlink(missing_ok=True)
    known.symlink_to(entry)
    by_path = tree / "dev" / "v4l" / "by-path" / f"usb-{socket}-video-index0"
    by_path.parent.mkdir(parents=True, exist_ok=True)
    by_path.unlink(missing_ok=True)
    by_path.symlink_to(f"../../{node}")
    (tree / "dev" / node).touch()


def identity(tree: Path, name: str) -> CameraIdentity:
    return identity_of(tree / "dev" / name, sys=tree / "sys", dev=tree / "dev")


def test_a_camera_is_known_by_its_socket_its_link_its_serial_number_and_its_name(tmp_path: Path) -> None:
    plug(tmp_path, "video0", "1-2.4", card="HD Pro", serial="A1B2")
    found = identity(tmp_path, "video0")
    assert found == CameraIdentity(
        node="video0",
        links=("usb-1-2.4-video-index0",),
        card="HD Pro",
        socket="1-2.4:1.0",
        serial="A1B2",
    )
    for expected in ("1-2.4", "1-2.4:1.0", "A1B2", "HD Pro", "usb-1-2.4-video-index0"):
        assert found.fits(expected), expected
    assert found.fits("/dev/v4l/by-path/usb-1-2.4-video-index0")
    for other in ("1-2", "video0", "", "/dev/video0", "usb-1-3-video-index0"):
        assert not found.fits(other), other
    assert str(found) == "HD Pro, USB socket 1-2.4:1.0, usb-1-2.4-video-index0"


def test_a_link_leads_to_the_same_camera(tmp_path: Path) -> None:
    plug(tmp_path, "video2", "1-3")
    assert identity(tmp_path, "v4l/by-path/usb-1-3-video-index0") == identity(tmp_path, "video2")


@pytest.mark.parametrize("name", ["video0", "nothing"])
def test_a_camera_of_which_nothing_is_known_fits_nothing(tmp_path: Path, name: str) -> None:
    found = identity(tmp_path, name)
    assert not found.fits("HD Pro")
    assert str(found) == f"/dev/{name}, which has no name"
