"""Reading files, folders, films and cameras once, as the command does."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import segno

from edge.vision.scan import Code, Scanned, Scanning
from shell.clock import SystemClock
from simulators.cameras.look import Difficulty, Look
from simulators.cameras.pixels import Picture
from simulators.cameras.server import CameraServer

pytestmark = pytest.mark.real


def card(text: str) -> Picture:
    modules = np.array([[bool(one) for one in row] for row in segno.make_qr(text).matrix])
    modules = np.pad(modules, 4).repeat(8, axis=0).repeat(8, axis=1)
    return np.where(modules, 0, 255).astype(np.uint8)


def judge(text: str) -> tuple[bool, str | None]:
    return (True, None) if text.startswith("GOOD") else (False, "malformed")


def good(text: str) -> Code:
    return Code(text=text, valid=True, reason=None)


def bad(text: str) -> Code:
    return Code(text=text, valid=False, reason="malformed")


def scan(*sources: Path | str) -> tuple[list[Scanned], int]:
    scanning = Scanning(judge, SystemClock())
    return list(scanning.run([str(source) for source in sources])), scanning.skipped


def test_a_folder_gives_a_line_for_each_picture_in_order_and_counts_the_rest(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "b.png"), np.hstack([card("GOOD 1"), card("BAD 2")]))
    cv2.imwrite(str(tmp_path / "a.jpg"), np.full((90, 90), 200, np.uint8))
    (tmp_path / "c.JPG").write_bytes(b"\xff\xd8\xff damaged")
    (tmp_path / "README.md").write_text("not a picture")
    (tmp_path / "deeper").mkdir()
    found, skipped = scan(tmp_path)
    assert [(Path(one.source).name, one.codes) for one in found] == [
        ("a.jpg", ()),
        ("b.png", (bad("BAD 2"), good("GOOD 1"))),
        ("c.JPG", ()),
    ]
    assert [one.error is not None for one in found] == [False, False, True]
    assert skipped == 1


def test_the_json_line_holds_what_the_design_promises(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), card("GOOD"))
    (read,), _ = scan(tmp_path / "a.png")
    line = read.as_json()
    assert line.pop("ms") > 0
    assert line == {
        "source": str(tmp_path / "a.png"),
        "codes": [{"text": "GOOD", "valid": True, "reason": None}],
    }
    (missing,), _ = scan(tmp_path / "none.png")
    assert missing.as_json() == {
        "source": str(tmp_path / "none.png"),
        "codes": [],
        "ms": 0.0,
        "error": f"{tmp_path / 'none.png'} does not exist. Give a folder, a picture, a video file, an http or rtsp "
        "address, or /dev/videoN",
    }


def test_a_film_gives_all_its_codes_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "film.avi"
    film = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (400, 400))
    for number in range(50):
        frame = np.full((400, 400, 3), 255, np.uint8)
        code = card("GOOD 1" if number < 25 else "GOOD 2")
        frame[: code.shape[0], : code.shape[1]] = code[..., None]
        film.write(frame)
    film.release()
    (found,), _ = scan(path)
    assert found.codes == (good("GOOD 1"), good("GOOD 2"))


def test_what_is_no_film_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    (found,), _ = scan(tmp_path / "notes.txt")
    assert found.codes == ()
    assert found.error is not None
    assert "is neither a picture nor a video. Play it with ffplay" in found.error


def test_a_camera_is_watched_until_it_shows_a_code() -> None:
    server = CameraServer(port=0, names=["entry"], seed=4)
    server.start()
    try:
        server.feeds["entry"].stage.show("GOOD", Look(difficulty=Difficulty.EASY), 60)
        (found,), _ = scan(f"http://127.0.0.1:{server.port}/entry.mjpg")
    finally:
        server.close()
    assert found.codes == (good("GOOD"),)


def test_a_camera_that_is_not_there_is_an_error_without_its_password() -> None:
    (found,), _ = scan("http://guard:secret@127.0.0.1:1/entry.mjpg")
    assert found.source == "http://***@127.0.0.1:1/entry.mjpg"
    assert found.error is not None
    assert "is not reachable" in found.error
    assert "secret" not in found.error
