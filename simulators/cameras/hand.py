"""Draws the hand that holds a card: the palm, fingers and sleeve behind it, the thumb in front."""

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from simulators.cameras.look import Look, Medium
from simulators.cameras.pixels import Generator, Picture, Warp, clipped, pixel

_SKIN: Final = (118, 148, 196)


def behind_hand(scene: Picture, card: tuple[int, ...], warp: Warp, look: Look, rng: Generator) -> Picture:
    """Shadow of the card, and fingers and a sleeve behind it."""
    height, width = card
    grip = 0.66 if look.medium is Medium.PHONE else 0.93
    knuckles = [(width * 1.03, height * (grip + 0.09 * finger)) for finger in range(-2, 2)]
    palm = (width * 0.55, height * (grip + 0.22))
    reach = width * 0.5
    wrist_end, elbow = (width * 0.52, height * (grip + 0.45)), (width * 0.5, height * (grip + 1.2))
    points = _project([*knuckles, palm, wrist_end, elbow], warp)
    unit = float(np.hypot(*(_project([(width, 0)], warp)[0] - _project([(0, 0)], warp)[0]))) / width
    skin = np.array(_SKIN) * rng.uniform(0.75, 1.08)
    layer = scene.copy()
    palm_at, wrist_at, arm_at = (pixel(point) for point in points[4:])
    wrist = tuple((skin * 0.82).tolist())
    cv2.circle(layer, palm_at, int(reach * 0.8 * unit), wrist, -1, cv2.LINE_AA)
    cv2.line(layer, palm_at, wrist_at, wrist, int(reach * 1.1 * unit), cv2.LINE_AA)
    sleeve = tuple(rng.uniform(30, 110, 3).tolist())
    cv2.line(layer, wrist_at, arm_at, sleeve, int(reach * 1.5 * unit), cv2.LINE_AA)
    for point in points[:4]:
        cv2.circle(layer, pixel(point), int(width * 0.085 * unit), (skin * 0.95).tolist(), -1, cv2.LINE_AA)
    corners = _project([(0, 0), (width, 0), (width, height), (0, height)], warp)
    shadow = np.zeros(scene.shape[:2], np.uint8)
    cv2.fillConvexPoly(shadow, np.rint(corners + 12).astype(np.int32), 255)
    dark = cv2.GaussianBlur(shadow, (0, 0), 14).astype(np.float32)[..., None] / 255 * 0.35
    soft = cv2.GaussianBlur(layer, (0, 0), 2.0)
    return clipped(soft * (1 - dark))


def thumb(scene: Picture, card: tuple[int, ...], warp: Warp, rng: Generator) -> Picture:
    """The thumb in front, at the lower left edge, well below the code."""
    height, width = card
    root, tip = _project([(-width * 0.12, height * 0.97), (width * 0.1, height * 0.88)], warp)
    unit = float(np.hypot(*(_project([(width, 0)], warp)[0] - _project([(0, 0)], warp)[0]))) / width
    layer, cover = scene.copy(), np.zeros(scene.shape[:2], np.uint8)
    skin = tuple((np.array(_SKIN) * rng.uniform(0.85, 1.1)).tolist())
    thick = max(2, int(width * 0.15 * unit))
    cv2.line(layer, pixel(root), pixel(tip), skin, thick, cv2.LINE_AA)
    cv2.line(cover, pixel(root), pixel(tip), 255, thick, cv2.LINE_AA)
    soft = cv2.GaussianBlur(cover, (0, 0), 2).astype(np.float32)[..., None] / 255
    return clipped(scene * (1 - soft) + layer * soft)


def _project(points: list[tuple[float, float]], warp: Warp) -> npt.NDArray[np.float64]:
    made = cv2.perspectiveTransform(np.array([points], np.float64), warp)
    return np.asarray(made, np.float64).reshape(-1, 2)
