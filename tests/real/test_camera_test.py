"""``postern-edge camera test`` and the scan's progress bar, as installers run them: on a terminal, and into a pipe."""

import fcntl
import json
import os
import pty
import shutil
import struct
import subprocess
import sys
import termios
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from controller.init import DemoPlan, create_demo
from edge.cli import app
from edge.vision import camera_test, camera_test_words, scan_kinds
from edge.vision.annotate_files import is_own
from edge.vision.camera_test import CameraTest, Report
from passes.words import Pair
from shell.clock import SystemClock
from simulators.cameras.look import Difficulty, Look
from simulators.cameras.scene import render
from simulators.cameras.server import CameraServer
from tests.eyes import captures

pytestmark = pytest.mark.real

PASS = "GP1:" + "6BF+70-A2CD " * 14
BACKGROUNDS = Path("simulators/cameras/backgrounds")


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    path = tmp_path / "scene.png"
    cv2.imwrite(str(path), render(PASS, Look(), seed=3))
    return path


def on_terminal(*arguments: str | Path, columns: int = 80) -> tuple[int, str]:
    """Run the command on a terminal of that width; its exit code and all that it drew."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    command = [sys.executable, "-m", "edge.cli", *map(str, arguments)]
    environment = os.environ | {"TERM": "xterm", "COLUMNS": str(columns)}
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    drawn = b""
    try:
        while data := _some(ours):
            drawn += data
    finally:
        os.close(ours)
    return process.wait(60), drawn.decode("utf-8", "replace")


def _some(fd: int) -> bytes:
    try:
        return os.read(fd, 65_536)
    except OSError:  # Linux says so when the last holder of the other end has gone
        return b""


def first(test: CameraTest) -> Report:
    with closing(test.reports(None)) as reports:
        return next(reports)


def test_a_scene_is_measured_and_its_pass_never_shown_whole(scene: Path) -> None:
    report = first(CameraTest(str(scene), SystemClock()))
    assert (report.width, report.height, report.problem) == (1280, 720, None)
    line = report.as_json()
    (code,) = line["codes"]
    assert (code["text"], code["modules"], code["modules_by"]) == ("GP1:... 172 characters", 41, "version")
    assert code["px_a_module"] == pytest.approx(5.5, abs=0.3)
    assert code["advice"].endswith("px a module: enough")
    assert (line["light_is"], line["contrast_is"], line["sharpness_is"]) == ("good", "good", "sharp")
    assert PASS[4:30] not in json.dumps(line)


def test_a_code_that_is_far_away_is_told_to_come_nearer(tmp_path: Path) -> None:
    near = render(PASS, Look(difficulty=Difficulty.EASY), seed=3)
    far = np.full_like(near, 90)
    small = cv2.resize(near, None, fx=0.55, fy=0.55, interpolation=cv2.INTER_AREA)
    far[100 : 100 + small.shape[0], 300 : 300 + small.shape[1]] = small
    cv2.imwrite(str(tmp_path / "far.png"), far)
    (code,) = first(CameraTest(str(tmp_path / "far.png"), SystemClock())).codes
    assert code.size.modules == 41
    assert code.size.module_px is not None
    assert code.size.module_px < 4
    assert "4.5 px a module needed; you have" in code.advice.en
    assert "come to 24 cm" in code.advice.en or "come to 25 cm" in code.advice.en


def test_a_covered_lens_and_a_blurred_one_are_told_apart(tmp_path: Path, scene: Path) -> None:
    cv2.imwrite(str(tmp_path / "black.png"), np.full((720, 1280), 4, np.uint8))
    picture = cv2.imread(str(scene))
    assert picture is not None
    cv2.imwrite(str(tmp_path / "soft.png"), cv2.GaussianBlur(picture, (0, 0), 6))
    advice = [
        first(CameraTest(str(tmp_path / name), SystemClock())).picture_advice
        for name in ("black.png", "soft.png")
    ]
    assert [pair and pair.en.partition(":")[0] for pair in advice] == [
        "The lens is covered, or there is no light",
        "The picture is blurred",
    ]


def test_a_live_camera_is_tested_with_the_rate_of_its_pictures() -> None:
    server = CameraServer(port=0, names=["entry"], seed=4)
    server.start()
    try:
        server.feeds["entry"].stage.show(PASS, Look(difficulty=Difficulty.EASY), 60)
        spec = f"http://127.0.0.1:{server.port}/entry.mjpg"
        with closing(CameraTest(spec, SystemClock(), pictures=True).reports(30)) as reports:
            seen = [report for report, _ in zip(reports, range(12), strict=False)]
    finally:
        server.close()
    assert len(seen) == 12
    assert seen[-1].looks_per_s > 0.5
    assert any(report.read for report in seen)
    assert all(report.picture and report.picture.startswith(b"\xff\xd8\xff") for report in seen)


def test_the_panel_fits_80_columns_in_both_languages(scene: Path) -> None:
    report = first(CameraTest(str(scene), SystemClock()))
    console = Console(width=80, force_terminal=False)
    with console.capture() as drawn:
        console.print(camera_test_words.panel(report, "http://***@10.0.0.21/a-very-long-address/" + "x" * 80))
    text = drawn.get()
    assert all(
        words in text
        for words in ("清晰度 sharpness", "每模块 5", "px a module: enough", "told by the decoder")
    )
    assert {len(line) for line in text.splitlines() if line.isascii()} <= {80}
    assert Console(width=80).measure(text).maximum <= 80


def test_a_terminal_gets_a_live_panel_and_the_picture_is_saved(scene: Path, tmp_path: Path) -> None:
    saved = tmp_path / "seen.jpg"
    code, drawn = on_terminal("camera", "test", scene, "--seconds", "0.3", "--save", saved)
    assert code == 0, drawn
    assert "\x1b[" in drawn
    assert "GP1:... 172 characters" in drawn
    assert "╭" in drawn
    assert PASS[4:30] not in drawn
    assert is_own(saved)
    picture = cv2.imread(str(saved))
    assert picture is not None
    assert picture.shape == (720, 1280, 3)


def test_a_scan_shows_its_progress_on_a_terminal_and_leaves_whole_lines(tmp_path: Path) -> None:
    code, drawn = on_terminal("scan", BACKGROUNDS, "--annotate", tmp_path / "seen")
    assert code == 0, drawn
    assert "0/6" in drawn
    assert "6/6" in drawn
    assert len(list((tmp_path / "seen").iterdir())) == 6
    assert "6 annotated pictures are in" in " ".join(drawn.split())
    for path in sorted(BACKGROUNDS.glob("*.jpg")):
        assert f"{path}" in drawn


def lane_file(folder: Path, camera: str | Path, view: str) -> Path:
    """A ``gate.toml`` whose entry has this camera and view."""
    plan = DemoPlan(folder=folder / "demo", kiosk_port=1, broker_port=2, camera_port=3)
    create_demo(plan, now=SystemClock().now())
    file = folder / "demo" / "gate.toml"
    whole = file.read_text("utf-8").replace('"http://127.0.0.1:3/entry.mjpg"', f'"{camera}"')
    first_lane, second_lane = whole.split('[[lane]]\nname = "exit"')
    lanes = f'{first_lane}[lane.view]\n{view}\n\n[[lane]]\nname = "exit"{second_lane}'
    file.write_text(lanes, "utf-8")
    return file


def test_a_lane_is_tested_with_its_own_region(tmp_path: Path) -> None:
    both = np.hstack([render(PASS, Look(), seed=3), render("https://example.org/menu", Look(), seed=4)])
    (tmp_path / "seen").mkdir()
    cv2.imwrite(str(tmp_path / "seen" / "a.png"), both)
    for region, shown in (("[0, 0, 0.5, 1]", "GP1:"), ("[0.5, 0, 1, 1]", "https://example.org/menu")):
        file = lane_file(tmp_path, tmp_path / "seen", f"region = {region}")
        saved = tmp_path / "seen.jpg"
        lane = ("--lane", "entry", "--config", file, "--seconds", "0.1", "--json", "--save", saved)
        code, out, err = run("camera", "test", *lane)
        assert code == 0, err
        codes = json.loads(out.splitlines()[0])["codes"]
        assert [one["text"][: len(shown)] for one in codes] == [shown]
        shutil.rmtree(tmp_path / "demo")


def test_a_lane_is_tested_with_its_own_device_exposure_and_focus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = lane_file(tmp_path, "/dev/null", 'device = "1-2.4"')
    code, _, err = run("camera", "test", "--lane", "entry", "--config", file)
    assert (code, "is another camera: " in err, "view.device = 1-2.4" in err) == (3, True, True)
    shutil.rmtree(tmp_path / "demo")
    monkeypatch.setattr(camera_test, "KINDS", dict(scan_kinds.KINDS) | captures.OBEDIENT)
    file = lane_file(tmp_path, "/dev/null", "exposure = 5\nfocus = 30")
    code, out, err = run("camera", "test", "--lane", "entry", "--config", file, "--seconds", "0.1")
    assert code == 0, err
    assert "exposure_ms = 5.0, focus = 30" in out
    panel = camera_test_words.panel(Report(at_s=0.0, refused=(Pair("不行", "focus = 30: no"),)), "x")
    console = Console(width=80)
    with console.capture() as drawn:
        console.print(panel)
    assert "→ 不行" in drawn.get()


def test_messages_say_what_where_and_what_to_do_in_both_languages(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("hello")
    told_of: dict[str | Path, tuple[str, str]] = {
        tmp_path / "nothing": ("does not exist. Give a folder", "不存在"),
        tmp_path / "empty": ("holds no picture. Put files there", "里没有图片"),
        tmp_path / "notes.txt": ("is neither a picture nor a video. Play it", "不是图片也不是视频"),
        "http://127.0.0.1:1/": ("is not reachable ([Errno 111] Connection refused). Check its", "连不上"),
        "ftp://example/film": ("does not exist. Give a folder", "不存在"),
    }
    for source, words in told_of.items():
        for message in (run("camera", "test", source)[2], run("scan", source)[1]):
            assert str(source) in message
            assert words[0] in message
            assert words[1] in message


def test_a_scan_ends_with_3_when_cameras_were_not_reached_and_with_1_for_anything_else(
    tmp_path: Path, scene: Path
) -> None:
    gone = "http://127.0.0.1:1/"
    code, _, err = run("scan", scene)
    assert (code, "add: --config gate.toml" in err) == (0, True), (
        "a pass was read, and no key was there to judge it"
    )
    assert run("scan", gone, scene)[0] == 3
    assert run("scan", gone, tmp_path / "nothing")[0] == 1


def test_names_in_a_folder_do_not_drive_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "a\x1b[2J\x1b]0;owned\x07\u202e.jpg").write_bytes(b"\xff\xd8\xff damaged")
    (tmp_path / "b-link.jpg").symlink_to("nowhere.jpg")
    (tmp_path / "d\x1b[2J.jpg").symlink_to("/etc/hostname")
    os.mkfifo(tmp_path / "c-pipe.jpg")
    with (tmp_path / "e-huge.jpg").open("wb") as file:
        file.truncate(65 * 1024 * 1024)
    code, out, err = run("scan", tmp_path)
    assert code == 1
    assert not set("\x1b\x07\u202e") & set(out + err)
    assert "a\\x1b[2J" in out
    for words in (
        "b-link.jpg\n  cannot be read (No such file or directory). Check its name",
        "c-pipe.jpg\n  cannot be read (it is no regular file",
        "d\\x1b[2J.jpg\n  is not a JPEG, PNG, BMP or WebP picture. Open it",
        "e-huge.jpg\n  is larger than 64 MB. Make it smaller",
    ):
        assert words in out
    lines = [json.loads(line) for line in run("scan", tmp_path, "--json")[1].splitlines()]
    assert lines[0]["source"] == str(tmp_path / "a\x1b[2J\x1b]0;owned\x07\u202e.jpg"), "data is what it is"


def test_a_folder_gives_its_films_too_and_an_empty_one_is_an_error(tmp_path: Path, scene: Path) -> None:
    film = cv2.VideoWriter(str(tmp_path / "b.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 20, (1280, 720))
    picture = cv2.imread(str(scene))
    assert picture is not None
    for _ in range(4):
        film.write(picture)
    film.release()
    lines = [json.loads(line) for line in run("scan", tmp_path, "--json")[1].splitlines()]
    assert [(Path(line["source"]).name, len(line["codes"])) for line in lines] == [
        ("b.avi", 1),
        ("scene.png", 1),
    ]
    (tmp_path / "empty").mkdir()
    code, out, _ = run("scan", tmp_path / "empty", "--json")
    assert (code, "holds no picture" in json.loads(out)["error"]) == (1, True)


def run(*arguments: str | Path) -> tuple[int, str, str]:
    ended = CliRunner().invoke(app, [*map(str, arguments)])
    return ended.exit_code, ended.stdout, ended.stderr


def test_a_pipe_gets_lines_and_json_one_object_a_look(scene: Path) -> None:
    code, out, _ = run("camera", "test", scene, "--seconds", "0.1")
    assert code == 0
    assert "1280x720  light" in out
    assert "\x1b" not in out
    code, out, err = run("camera", "test", scene, "--seconds", "0.1", "--json")
    lines = [json.loads(line) for line in out.splitlines()]
    assert (code, err, lines[0]["width"], len(lines[0]["codes"])) == (0, "", 1280, 1)


def test_wrong_usage_ends_with_2_and_an_unreachable_camera_with_3(tmp_path: Path, scene: Path) -> None:
    assert run("camera", "test")[0] == 2
    assert run("camera", "test", scene, "--lane", "entry")[0] == 2
    assert run("camera", "test", scene, "--save", tmp_path / "picture.png")[0] == 2
    (tmp_path / "theirs.jpg").write_bytes(b"\xff\xd8 theirs")
    code, _, err = run("camera", "test", scene, "--save", tmp_path / "theirs.jpg")
    assert (code, "--force replaces it" in " ".join(err.split())) == (2, True)
    code, _, err = run("camera", "test", "http://guard:secret@127.0.0.1:1/entry.mjpg")
    assert (code, "is not reachable" in err, "secret" in err) == (3, True, False)
    assert run("camera", "test", "--lane", "entry", "--config", tmp_path / "none.toml")[0] == 2
