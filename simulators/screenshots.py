"""Pictures of every screen, in both languages, from staged data: ``make screenshots``.

Some of them only:  make screenshots ARGS='--only kiosk console'

Needs Chromium and the Noto CJK fonts (Debian: ``chromium``, ``fonts-noto-cjk``). Exit code 3 when they are missing.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
from fastapi import FastAPI
from playwright.sync_api import Browser, sync_playwright

from controller.web.app import create_console
from controller.web.view import Now
from edge.kiosk.app import create_kiosk
from edge.kiosk.view import Snapshot, Verdict
from edge.vision.preview import Still
from passes.vocabulary import ClockTrust
from shell.pages.server import PageServer
from simulators import staged_pages as staged
from simulators.cameras.look import Look
from simulators.cameras.pixels import array
from simulators.cameras.scene import backgrounds, jpeg, render
from simulators.chromium import CHROMIUM_FLAGS, find_chromium
from simulators.small_png import shrink

PICTURES: Final = Path("build/pictures")
SETTING: Final = "the port of the screenshots"  # port 0: never taken
DESKTOP: Final = (1280, 800)
SMALL: Final = (1024, 600)
LARGE: Final = (1920, 1080)
PHONE: Final = (390, 844)
PREVIEW: Final = (640, 360)
EXIT_NOT_REACHABLE: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """One picture."""

    name: str
    app: FastAPI
    size: tuple[int, int] = DESKTOP
    path: str = "/"
    dark: bool = False
    whole: bool = False


@dataclass(frozen=True, slots=True)
class StagedCamera:
    """A camera that shows one picture for ever, or none."""

    jpeg: bytes | None

    def look(self) -> Still | None:
        """The picture, a moment old."""
        return None if self.jpeg is None else Still(self.jpeg, 0.1)


def cameras(*dead: str) -> dict[str, StagedCamera]:
    """The cameras of both lanes; those named are dead."""
    scenes = {"entry": render("GP1:A SCREENSHOT", Look(), seed=3), "exit": backgrounds()[0]}
    return {
        lane: StagedCamera(None if lane in dead else jpeg(array(cv2.resize(scene, PREVIEW))))
        for lane, scene in scenes.items()
    }


def kiosk(
    snapshot: Snapshot,
    newest: Verdict | None = None,
    trust: ClockTrust = ClockTrust.TRUSTED,
    previews: Mapping[str, StagedCamera] | None = None,
) -> FastAPI:
    """A kiosk over staged data, with one verdict on its stage."""
    source = staged.StagedKiosk(snapshot)
    if newest is not None:
        source.push(newest)
    return create_kiosk(source, clock=staged.StillClock(trust=trust), previews=previews)


def console(shown: Now) -> FastAPI:
    """The centre's page over staged data."""
    return create_console(staged.StagedConsole(shown), clock=staged.StillClock())


def shots() -> list[Shot]:
    """Every picture."""
    busy = staged.busy_gate()
    return [
        Shot(name="kiosk", app=kiosk(busy, staged.blue())),
        Shot(name="console", app=console(staged.busy_centre()), path="/?lang=zh-CN"),
        Shot(name="console-en", app=console(staged.busy_centre()), path="/?lang=en"),
        Shot(name="console-dark", app=console(staged.busy_centre()), path="/?lang=zh-CN", dark=True),
        Shot(
            name="console-phone",
            app=console(staged.busy_centre()),
            path="/?lang=zh-CN",
            size=PHONE,
            whole=True,
        ),
        Shot(name="console-empty-en", app=console(staged.empty_centre()), path="/?lang=en"),
        Shot(name="kiosk-green", app=kiosk(busy, staged.green())),
        Shot(name="kiosk-watched-small", app=kiosk(busy, staged.watched()), size=SMALL),
        Shot(name="kiosk-red", app=kiosk(busy, staged.red())),
        Shot(name="kiosk-refused", app=kiosk(busy, staged.refused())),
        Shot(name="kiosk-refused-small", app=kiosk(busy, staged.refused("stale_code")), size=SMALL),
        Shot(name="kiosk-red-small", app=kiosk(busy, staged.red()), size=SMALL),
        Shot(name="kiosk-blue-large", app=kiosk(busy, staged.blue()), size=LARGE),
        Shot(name="kiosk-phone", app=kiosk(busy, staged.blue()), size=PHONE, whole=True),
        Shot(name="kiosk-cameras", app=kiosk(busy, staged.green(), previews=cameras())),
        Shot(name="kiosk-cameras-small", app=kiosk(busy, staged.red(), previews=cameras("exit")), size=SMALL),
        Shot(name="kiosk-cameras-large", app=kiosk(busy, staged.blue(), previews=cameras()), size=LARGE),
        Shot(name="kiosk-cameras-phone", app=kiosk(busy, previews=cameras("exit")), size=PHONE, whole=True),
        Shot(
            name="kiosk-cameras-one",
            app=kiosk(staged.troubled_gate(), previews={"exit": cameras()["exit"]}),
        ),
        Shot(name="kiosk-quiet", app=kiosk(staged.quiet_gate())),
        Shot(name="kiosk-emergency", app=kiosk(staged.emergency_gate(), staged.refused("emergency"))),
        Shot(name="kiosk-emergency-small", app=kiosk(staged.emergency_gate("clear")), size=SMALL),
        Shot(name="kiosk-emergency-phone", app=kiosk(staged.emergency_gate()), size=PHONE, whole=True),
        Shot(
            name="kiosk-trouble",
            app=kiosk(staged.troubled_gate(), staged.refused("clock_untrusted"), ClockTrust.UNTRUSTED),
        ),
    ]


def take(browser: Browser, shot: Shot, folder: Path) -> Path:
    """Serve one page, take its picture, stop serving."""
    server = PageServer(shot.app, port=0, setting=SETTING)
    server.start()
    width, height = shot.size
    page = browser.new_page(
        viewport={"width": width, "height": height}, color_scheme="dark" if shot.dark else "light"
    )
    try:
        # A page with an open stream never falls idle: it is ready when the stream has said hello.
        page.goto(server.url + shot.path)
        page.locator("#stale[hidden], .live--on").wait_for(state="attached")
        page.locator(".camera[data-state=waiting]").first.wait_for(state="detached")
        path = folder / f"{shot.name}.png"
        shrink(page.screenshot(full_page=shot.whole, animations="disabled"), path)
        return path
    finally:
        page.close()
        server.stop()


def main(arguments: Sequence[str] | None = None) -> int:
    """Take the pictures; prints the path of each."""
    parser = argparse.ArgumentParser(prog="make screenshots", description=__doc__)
    parser.add_argument("--out", type=Path, default=PICTURES, help="folder for the pictures")
    parser.add_argument("--only", nargs="*", help="names of pictures, for example: kiosk console")
    chosen = parser.parse_args(arguments)
    chromium = find_chromium()
    if chromium is None:
        sys.stderr.write("Chromium is not installed. On Debian: apt-get install chromium fonts-noto-cjk\n")
        return EXIT_NOT_REACHABLE
    chosen.out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        for shot in shots():
            if not chosen.only or shot.name in chosen.only:
                sys.stdout.write(f"{take(browser, shot, chosen.out)}\n")
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
