"""What is asked of a camera on this machine, and whether it obeyed.

Written by the documents of V4L2 and OpenCV: no camera was tried.
"""

from typing import Final, Protocol

import cv2

from edge.vision.frames import Hints
from passes.words import Pair

SIZE_PX: Final = (1280, 720)
MJPG: Final = cv2.VideoWriter.fourcc(*"MJPG")
# V4L2_CID_EXPOSURE_AUTO: manual, and aperture priority, which is what cameras without an iris call automatic.
EXPOSURE_MANUAL, EXPOSURE_AUTO = 1, 3
EXPOSURE_UNITS_A_MS: Final = 10  # V4L2_CID_EXPOSURE_ABSOLUTE counts 100 microseconds
_NEAR: Final = 0.25  # devices round to the steps they have


class Properties(Protocol):
    """The part of ``cv2.VideoCapture`` that settings need."""

    def set(self, propId: int, value: float, /) -> bool:  # noqa: N803  # OpenCV's name
        """Ask for a value; whether the device took it."""

    def get(self, propId: int, /) -> float:  # noqa: N803  # OpenCV's name
        """The value as it is; 0 or -1 for what the device does not have."""


def set_up(device: Properties, hints: Hints) -> tuple[Pair, ...]:
    """Ask for JPEGs of 1280 x 720 and for what the lane says; returns what the device refused, in words."""
    device.set(cv2.CAP_PROP_FOURCC, MJPG)
    device.set(cv2.CAP_PROP_FRAME_WIDTH, SIZE_PX[0])
    device.set(cv2.CAP_PROP_FRAME_HEIGHT, SIZE_PX[1])
    device.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    if gives_jpegs(device):
        device.set(cv2.CAP_PROP_CONVERT_RGB, 0)
    return (*_exposure(device, hints), *_focus(device, hints))


def gives_jpegs(device: Properties) -> bool:
    """Whether its pictures are JPEGs, which the eye decodes straight to grey."""
    return int(device.get(cv2.CAP_PROP_FOURCC)) == MJPG


def _exposure(device: Properties, hints: Hints) -> tuple[Pair, ...]:
    wanted = hints.exposure_ms
    if wanted is None:
        return ()
    if wanted == "auto":
        if device.set(cv2.CAP_PROP_AUTO_EXPOSURE, EXPOSURE_AUTO):
            return ()
        zh = 'exposure = "auto"：摄像头没有自动曝光，请删去 exposure'
        return (Pair(zh, 'exposure = "auto": the camera has no automatic exposure. Leave exposure out'),)
    device.set(cv2.CAP_PROP_AUTO_EXPOSURE, EXPOSURE_MANUAL)
    units = max(1, round(wanted * EXPOSURE_UNITS_A_MS))
    device.set(cv2.CAP_PROP_EXPOSURE, units)
    has = device.get(cv2.CAP_PROP_EXPOSURE)
    if abs(has - units) <= max(1, units * _NEAR):
        return ()
    if has <= 0:
        zh = f"exposure = {wanted:g}：摄像头不能设曝光，请删去 exposure"
        return (Pair(zh, f"exposure = {wanted:g}: the camera cannot be told. Leave exposure out"),)
    stays = f"{has / EXPOSURE_UNITS_A_MS:g} ms"
    zh = f"exposure = {wanted:g}：摄像头停在 {stays}，请写它能做到的值"
    return (Pair(zh, f"exposure = {wanted:g}: the camera stays at {stays}. Write what it can do"),)


def _focus(device: Properties, hints: Hints) -> tuple[Pair, ...]:
    wanted = hints.focus
    if wanted is None:
        return ()
    if wanted == "auto":
        if device.set(cv2.CAP_PROP_AUTOFOCUS, 1):
            return ()
        zh = 'focus = "auto"：摄像头没有自动对焦，请删去 focus'
        return (Pair(zh, 'focus = "auto": the camera has no automatic focus. Leave focus out'),)
    device.set(cv2.CAP_PROP_AUTOFOCUS, 0)
    device.set(cv2.CAP_PROP_FOCUS, wanted)
    has = device.get(cv2.CAP_PROP_FOCUS)
    if abs(has - wanted) <= max(1, wanted * _NEAR):
        return ()
    if has < 0:
        zh = f"focus = {wanted}：镜头是固定的，请删去 focus"
        return (Pair(zh, f"focus = {wanted}: the camera's lens is fixed. Leave focus out"),)
    zh = f"focus = {wanted}：摄像头停在 {has:g}，请写它能做到的值"
    return (Pair(zh, f"focus = {wanted}: the camera stays at {has:g}. Write what it can do"),)
