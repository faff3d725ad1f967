"""The SVG as a real browser draws it, read by the gate's own reader."""

import os
import subprocess
from pathlib import Path
from zoneinfo import ZoneInfo

import cv2
import numpy as np
import pytest

from controller.pass_picture import draw
from edge.vision.reader import Reader
from passes.check import Verified, check
from passes.vocabulary import Category
from simulators.chromium import CHROMIUM_FLAGS, find_chromium
from tests.minting import NOW, Mint

pytestmark = pytest.mark.real


@pytest.mark.parametrize("category", [Category.COURIER, Category.RESIDENT])
def test_the_printed_slip_is_read_and_taken(tmp_path: Path, category: Category) -> None:
    chromium = find_chromium()
    if chromium is None:
        if os.environ.get("CI"):
            pytest.fail("chromium is not installed")
        pytest.skip("chromium is not installed")
    mint, slip, shot = Mint(), tmp_path / "slip.svg", tmp_path / "slip.png"
    paper = mint.paper(category=category)
    slip.write_text(draw(paper, zone=ZoneInfo("Asia/Shanghai")).svg(), encoding="utf-8")
    command = [chromium, *CHROMIUM_FLAGS, f"--user-data-dir={tmp_path / 'profile'}"]
    command += [f"--screenshot={shot}", "--window-size=400,420", slip.as_uri()]
    subprocess.run(command, capture_output=True, timeout=60, check=True)
    image = cv2.imread(str(shot))
    assert image is not None
    (code,) = Reader().read(np.asarray(image, dtype=np.uint8))
    assert code.text == paper
    assert isinstance(check(code.text, mint.table, now=NOW), Verified)
