"""Draws what a gate camera sees: a pass on a phone or a slip of paper, held up before a real photograph.

A scene is composed once (that is dear), then every frame of it differs by a shift, by brightness and by
sensor noise (that is cheap). Everything is drawn from the generator that is passed in.
"""

from functools import cache
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from simulators.cameras.cards import MODULE_PX, Card, draw_code, paper, phone, rounded_mask
from simulators.cameras.hand import behind_hand, thumb
from simulators.cameras.look import HANDLING, Handling, Look, Medium
from simulators.cameras.pixels import Generator, Grain, Picture, Warp, array, clipped, pixel

WIDTH_PX: Final = 1280
HEIGHT_PX: Final = 720
BACKGROUNDS: Final = Path(__file__).parent / "backgrounds"
JPEG_QUALITY: Final = 80
SHAKE_PX: Final = 3  # a held hand is never still


@cache
def backgrounds() -> tuple[Picture, ...]:
    """The photographs, 1280 x 720 BGR, in the order of their names."""
    found = []
    for path in sorted(BACKGROUNDS.glob("*.jpg")):
        picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
        assert picture is not None, f"{path} is no picture"
        found.append(array(cv2.resize(picture, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_AREA)))
    assert found, f"no photographs in {BACKGROUNDS}"
    return tuple(found)


def tinted(background: Picture, rng: Generator) -> Picture:
    """A grey photograph in the light of some hour: warm or cool, brighter or darker, slightly soft.

    A camera that is focused on a hand at its window shows the street behind it out of focus.
    """
    warm = rng.uniform(-0.12, 0.12)
    light = rng.uniform(0.75, 1.1)
    soft = cv2.GaussianBlur(background, (0, 0), 1.5)
    return clipped(soft.astype(np.float32) * np.array([light - warm, light, light + warm], np.float32))


def compose(text: str, look: Look, background: Picture, rng: Generator) -> Picture:
    """One scene without sensor noise: ``text`` shown as ``look`` says, before ``background``.

    Args:
        text: What the code says; alphanumeric texts make the smallest codes.
        look: Medium, ink, colour and handling.
        background: (720, 1280, 3) BGR.
        rng: Where all variation comes from.

    Returns:
        (720, 1280, 3) BGR uint8.
    """
    handling = HANDLING[look.difficulty]
    code = draw_code(text, look)
    held_up = phone(code, look) if look.medium is Medium.PHONE else paper(code, look, rng)
    card = held_up.picture
    scale = rng.uniform(*handling.module_px) / MODULE_PX
    warp = _place(held_up, scale, handling, rng)
    scene = behind_hand(background.copy(), card.shape[:2], warp, look, rng)
    card = _lit(card, handling, look, rng)
    soft = cv2.GaussianBlur(card, (0, 0), 0.35 / scale)  # against jagged edges when it is shrunk
    mask = rounded_mask(card.shape[:2], radius_px=52 if look.medium is Medium.PHONE else 4)
    size = (WIDTH_PX, HEIGHT_PX)
    held = cv2.warpPerspective(soft, warp, size, flags=cv2.INTER_LINEAR)
    cover = cv2.warpPerspective(mask, warp, size, flags=cv2.INTER_AREA).astype(np.float32)[..., None] / 255
    scene = clipped(scene * (1 - cover) + held * cover)
    scene = thumb(scene, card.shape[:2], warp, rng)
    return clipped(_optics(scene, handling, rng).astype(np.float32) * rng.uniform(*handling.gain))


def frame_of(scene: Picture, noise: list[Grain], rng: Generator) -> Picture:
    """The next frame of a scene: it has moved a little, the light flickers, the sensor is noisy."""
    down, right = (int(step) for step in rng.integers(-SHAKE_PX, SHAKE_PX + 1, 2))
    shift = np.array([[1, 0, right], [0, 1, down]], np.float32)
    size = (scene.shape[1], scene.shape[0])
    moved = cv2.warpAffine(scene, shift, size, flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
    grain = noise[int(rng.integers(len(noise)))]
    grain = np.roll(grain, int(rng.integers(grain.shape[0])), axis=0)
    light = np.int16(rng.integers(-2, 3))
    return array(np.clip(moved + (grain + light)[..., None], 0, 255).astype(np.uint8))


def noise_fields(rng: Generator, *, fields: int = 2) -> list[npt.NDArray[np.float32]]:
    """Fields of sensor noise of strength 1, (720, 1280)."""
    return [rng.standard_normal((HEIGHT_PX, WIDTH_PX), np.float32) for _ in range(fields)]


def grains(fields: list[npt.NDArray[np.float32]], strength: float) -> list[Grain]:
    """Noise fields for ``frame_of``; ``strength`` is a standard deviation of 255."""
    return [np.rint(field * strength).astype(np.int16) for field in fields]


def noise_strength(look: Look) -> float:
    """Sensor noise that goes with a look, as a standard deviation of 255."""
    return HANDLING[look.difficulty].noise


def render(text: str, look: Look, seed: int) -> Picture:
    """One frame from one seed, through the camera's JPEG: for tests and benchmarks."""
    rng = np.random.default_rng(seed)
    photographs = backgrounds()
    scene = compose(text, look, tinted(photographs[seed % len(photographs)], rng), rng)
    noise = grains(noise_fields(rng, fields=1), noise_strength(look))
    return array(cv2.imdecode(np.frombuffer(jpeg(frame_of(scene, noise, rng)), np.uint8), cv2.IMREAD_COLOR))


def jpeg(picture: Picture) -> bytes:
    """As the camera sends it."""
    made, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    assert made, "a rendered frame always encodes"
    return data.tobytes()


def _place(card: Card, scale: float, handling: Handling, rng: Generator) -> Warp:
    """Perspective that puts the card into the scene with its code wholly in view."""
    turn = np.deg2rad(rng.uniform(-handling.turn_deg, handling.turn_deg))
    middle = np.array(card.code_at) + card.code_px / 2
    height, width = card.picture.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64)
    away = (corners - middle) * scale
    away *= 1 + rng.uniform(-handling.tilt, handling.tilt, (4, 1)) * 0.6
    away[:, 1] *= 1 - handling.tilt * rng.uniform(0, 1)
    cos, sin = np.cos(turn), np.sin(turn)
    away = away @ np.array([[cos, sin], [-sin, cos]])
    reach = 0.78 * card.code_px * scale + SHAKE_PX
    x = rng.uniform(max(reach, WIDTH_PX * 0.3), min(WIDTH_PX - reach, WIDTH_PX * 0.7))
    y = rng.uniform(reach, max(reach + 1, min(HEIGHT_PX - reach, HEIGHT_PX * 0.55)))
    target = (away + np.array([x, y])).astype(np.float32)
    return np.asarray(cv2.getPerspectiveTransform(corners.astype(np.float32), target), np.float64)


def _lit(card: Picture, handling: Handling, look: Look, rng: Generator) -> Picture:
    """Uneven light on the card, and on glass a streak of glare."""
    height, width = card.shape[:2]
    xs, ys = np.linspace(0, 1, width, dtype=np.float32), np.linspace(0, 1, height, dtype=np.float32)[:, None]
    falls = np.float32(rng.uniform(0, 0.2))
    lit = (
        card
        * (1 - falls * (xs * np.float32(rng.uniform(0, 1)) + ys * np.float32(rng.uniform(0, 1))))[..., None]
    )
    if look.medium is Medium.PHONE and handling.glare:
        offset, slope = np.float32(rng.uniform(-0.2, 0.9)), np.float32(rng.uniform(-1, 1))
        streak = np.exp(-(((xs - offset - slope * (ys - 0.3)) / np.float32(0.12)) ** 2)) * np.float32(
            handling.glare
        )
        lit += (255 - lit) * streak[..., None]
    return clipped(lit)


def _optics(scene: Picture, handling: Handling, rng: Generator) -> Picture:
    soft = cv2.GaussianBlur(scene, (0, 0), handling.blur_px)
    if handling.motion_px < 2:
        return array(soft)
    length = handling.motion_px
    kernel = np.zeros((2 * length + 1, 2 * length + 1), np.float32)
    angle = rng.uniform(0, np.pi)
    along = np.array([np.cos(angle), np.sin(angle)]) * (length / 2)
    cv2.line(kernel, pixel(length - along), pixel(length + along), 1.0, 1)
    return array(cv2.filter2D(soft, -1, kernel / kernel.sum()))
