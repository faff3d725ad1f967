"""The camera's picture on the guard's page: off by policy, from the camera's own frames, never an old one."""

import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import cv2
import numpy as np
import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import expect

from edge.kiosk.app import create_kiosk
from edge.vision.camera import Camera
from edge.vision.nursery import Nursery
from edge.vision.preview import Preview
from shell.clock import SystemClock
from shell.pages.headers import CONTENT_SECURITY_POLICY
from simulators import staged_pages as staged
from simulators.cameras.server import CameraServer
from tests.real.pages.conftest import Opens, Serves, Watched
from tests.waiting import until

pytestmark = pytest.mark.real


def forget_what_was_meant(watched: Watched) -> None:
    """Close the page; the browser itself logs each 503, and that a test reads pixels back."""
    watched.page.close()  # it goes on asking, and would complain again
    meant = ("status of 503", "getImageData")
    watched.complaints[:] = [text for text in watched.complaints if not any(one in text for one in meant)]


class Answer:
    """What a request for a picture brought."""

    def __init__(self, url: str) -> None:
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                self.status, self.headers, self.body = answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                self.status, self.headers, self.body = error.code, error.headers, error.read()

    @property
    def size(self) -> tuple[int, int]:
        picture = cv2.imdecode(np.frombuffer(self.body, np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None
        height, width = picture.shape[:2]
        return width, height


class Gate:
    """A staged gate whose entry has a real reader at a virtual camera."""

    def __init__(self) -> None:
        self.clock = SystemClock()
        self.preview = Preview(self.clock)
        self.server = CameraServer(port=0, names=["entry"], seed=4)
        self.server.start()
        self._spec = f"http://127.0.0.1:{self.server.port}/entry.mjpg"
        self.nursery = Nursery(self.clock)
        self.camera = Camera(
            "entry",
            self._spec,
            lambda _: None,
            lambda _: None,
            self.clock,
            nursery=self.nursery,
            preview=self.preview,
        )
        self.camera.start()
        self.app = create_kiosk(
            staged.StagedKiosk(staged.busy_gate()),
            clock=staged.StillClock(),
            previews={"entry": self.preview},
        )

    def close(self) -> None:
        self.camera.close()
        self.nursery.close()
        self.server.close()


@pytest.fixture
def gate() -> Iterator[Gate]:
    with closing(Gate()) as made:
        yield made


def test_the_picture_comes_by_http_small_new_and_never_stored(gate: Gate, serves: Serves) -> None:
    url = serves(gate.app).url + "/camera/entry.jpg"
    answer = until(lambda: (found := Answer(url)).status == 200 and found, within_s=30, what="a picture")
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert 0 <= int(answer.headers["x-picture-age-ms"]) <= 2000
    assert answer.size == (640, 360)
    assert Answer(url.replace("entry", "exit")).status == 404  # a lane without a camera


def test_a_lost_camera_is_503_with_words_and_shows_nothing_old(gate: Gate, serves: Serves) -> None:
    url = serves(gate.app).url + "/camera/entry.jpg"
    until(lambda: Answer(url).status == 200, within_s=30, what="a picture")
    gate.server.close()
    answer = until(lambda: (found := Answer(url)).status == 503 and found, within_s=20, what="no picture")
    assert answer.body.decode() == "摄像头没有画面 No picture from the camera\n"
    assert answer.headers["cache-control"] == "no-store"


def test_without_the_policy_there_are_no_pictures_and_the_page_asks_for_none(
    serves: Serves, opens: Opens
) -> None:
    app = create_kiosk(staged.StagedKiosk(staged.busy_gate()), clock=staged.StillClock())
    url = serves(app).url
    answer = Answer(url + "/camera/entry.jpg")
    assert (answer.status, "本门不提供摄像头画面" in answer.body.decode()) == (404, True)
    page = opens(url).page
    expect(page.locator("#kiosk")).not_to_have_class(re.compile("stale"))
    expect(page.locator(".camera, script[src*='camera.js']")).to_have_count(0)


def test_pictures_stay_on_this_machine() -> None:
    preview = Preview(SystemClock())
    app = create_kiosk(
        staged.StagedKiosk(staged.busy_gate()), clock=staged.StillClock(), previews={"entry": preview}
    )
    preview.put(b"\xff\xd8\xff a picture", SystemClock().monotonic_s())
    for host, status in (("192.168.1.7", 403), ("::ffff:10.0.0.3", 403), ("127.0.0.1", 200), ("::1", 200)):
        with TestClient(app, client=(host, 40_000), base_url="http://localhost") as client:
            preview.put(b"\xff\xd8\xff a picture", SystemClock().monotonic_s())
            assert client.get("/camera/entry.jpg").status_code == status


def test_the_page_draws_it_with_its_age_and_takes_it_away_when_the_camera_is_lost(
    gate: Gate, serves: Serves, opens: Opens
) -> None:
    watched = opens(serves(gate.app).url)
    camera = watched.page.locator(".camera[data-camera=entry]")
    expect(camera).to_have_attribute("data-state", "live")
    expect(camera.locator(".camera__age")).to_have_text(re.compile(r"^[01]\.\d s$|^2\.0 s$"))
    expect(camera.locator("canvas")).to_have_attribute("width", "640")
    drawn = (
        "canvas => canvas.getContext('2d').getImageData(0, 0, 640, 360)"
        ".data.some((value, at) => at % 4 < 3 && value > 60)"
    )
    assert camera.locator("canvas").evaluate(drawn)
    gate.server.close()
    expect(camera).to_have_attribute("data-state", "lost")
    expect(camera.locator(".camera__lost")).to_be_visible()
    expect(camera.locator(".camera__lost")).to_contain_text("摄像头没有画面")
    assert not camera.locator("canvas").evaluate(drawn)
    forget_what_was_meant(watched)


@pytest.mark.parametrize(("width", "height", "count"), [(1280, 800, 4), (1024, 600, 2), (1024, 600, 8)])
def test_the_pictures_fit_beside_the_lanes(
    serves: Serves, opens: Opens, width: int, height: int, count: int
) -> None:
    busy = staged.busy_gate()
    lanes = tuple(replace(busy.lanes[number % 2], name=f"lane-{number}") for number in range(count))
    preview = Preview(SystemClock())
    preview.blind()
    app = create_kiosk(
        staged.StagedKiosk(replace(busy, lanes=lanes)),
        clock=staged.StillClock(),
        previews={lane.name: preview for lane in lanes},
    )
    watched = opens(serves(app).url, width=width, height=height)
    page = watched.page
    expect(page.locator(".camera[data-state=lost]")).to_have_count(count)
    out = page.evaluate(
        """() => [...document.querySelectorAll(".camera, .camera *")].filter(part => {
          const box = part.getBoundingClientRect();
          const camera = part.closest(".camera").getBoundingClientRect();
          return box.width > 0 && (box.right > camera.right + 1 || box.bottom > camera.bottom + 1);
        }).map(part => part.className.baseVal ?? part.className)"""
    )
    assert out == []
    assert page.locator(".inside").bounding_box()["height"] > 150  # type: ignore[index]
    forget_what_was_meant(watched)
