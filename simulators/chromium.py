"""The distribution's Chromium, started so that it talks to nobody but the pages under test."""

import shutil
from typing import Final

CHROMIUM_FLAGS: Final = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def find_chromium() -> str | None:
    """Path of the installed browser, None when there is none."""
    return shutil.which("chromium") or shutil.which("chromium-browser")
