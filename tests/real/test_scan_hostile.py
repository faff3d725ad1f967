"""Hostile files in a scan: each costs its own line, and the run goes on. What is annotated, and over what."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge.vision.annotate_files import AnnotateError, Annotations, is_own, write_own
from edge.vision.frames import SourceMissingError
from edge.vision.nursery import Forked, Nursery
from edge.vision.scan import Scanned, Scanning
from edge.vision.scan_film import film_shots
from edge.vision.scan_kinds import KINDS
from shell.clock import SystemClock
from simulators.cameras.look import Look
from simulators.cameras.scene import render
from tests.eyes.children import Fault
from tests.eyes.pictures import jpeg, jpeg_of_size, png_bomb, png_header
from tests.real.test_scan import card, good, judge

pytestmark = pytest.mark.real

PASS = "GOOD GP1 PASS"
FAULTY = {"file": "tests.eyes.children:faulty"}


def scan(
    *sources: Path, kinds: dict[str, str] | None = None, annotations: Annotations | None = None
) -> list[Scanned]:
    scanning = Scanning(judge, SystemClock(), annotations=annotations, kinds=kinds)
    return list(scanning.run([str(source) for source in sources]))


def grey_file(path: Path, level: int) -> None:
    cv2.imwrite(str(path), np.full((64, 64), level, np.uint8))


def test_a_picture_that_kills_its_eye_is_one_error_line_and_the_run_goes_on(tmp_path: Path) -> None:
    for number in range(6):
        cv2.imwrite(str(tmp_path / f"{number}-good.png"), card(f"GOOD {number}"))
    grey_file(tmp_path / "2-killer.png", Fault.SEGFAULT)
    grey_file(tmp_path / "4-exit.png", Fault.EXIT)
    grey_file(tmp_path / "5-raise.png", Fault.RAISE)
    found = {Path(one.source).name: one for one in scan(tmp_path, kinds=FAULTY)}
    assert list(found) == sorted(found)
    assert [name for name, one in found.items() if one.error] == ["2-killer.png", "4-exit.png", "5-raise.png"]
    assert "died" in str(found["2-killer.png"].error)
    assert "\n" not in str(found["5-raise.png"].error)
    assert [found[f"{number}-good.png"].codes for number in range(6)] == [
        (good(f"GOOD {number}"),) for number in range(6)
    ]


def test_bombs_and_damage_are_error_lines_of_the_real_child(tmp_path: Path) -> None:
    (tmp_path / "a-huge.jpg").write_bytes(jpeg_of_size(jpeg(card("GOOD")), 20_000, 20_000))
    (tmp_path / "b-bomb.png").write_bytes(png_bomb(4000, 3000, depth=8, colour=0))
    (tmp_path / "c-cut.png").write_bytes(png_header(64, 64))
    cv2.imwrite(str(tmp_path / "d-good.png"), card("GOOD"))
    found = {Path(one.source).name: one for one in scan(tmp_path)}
    assert "20000 x 20000 pixels: no picture, or more than 40 million" in str(found["a-huge.jpg"].error)
    assert found["b-bomb.png"].codes == ()
    assert found["c-cut.png"].error is not None
    assert found["d-good.png"].codes == (good("GOOD"),)


def test_a_film_that_kills_its_decoder_is_one_error_line_and_the_run_goes_on(tmp_path: Path) -> None:
    (tmp_path / "a.avi").write_bytes(b"RIFF and what follows")
    cv2.imwrite(str(tmp_path / "b.png"), card("GOOD"))
    broken = dict(KINDS) | {"film": "tests.eyes.children:broken"}
    film, picture = scan(tmp_path / "a.avi", tmp_path / "b.png", kinds=broken)
    assert "ended the process that decoded it" in str(film.error)
    assert picture.codes == (good("GOOD"),)


class Hurried(Nursery):
    """Its children have half a second to end before anybody asks them anything."""

    def fork(self, kind: str, fds: Sequence[int], options: Mapping[str, Any] | None = None) -> Forked:
        forked = super().fork(kind, fds, options)
        forked.ended(0.5)
        return forked


def test_a_film_that_cannot_be_opened_is_told_so_however_soon_its_process_knows(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no film")
    clock = SystemClock()
    with (
        closing(Hurried(clock, KINDS)) as nursery,
        pytest.raises(SourceMissingError, match="neither a picture nor a video"),
    ):
        next(film_shots(str(tmp_path / "notes.txt"), clock, nursery))


def test_a_scan_loads_nothing_that_looks_at_pixels() -> None:
    """Whatever a picture does to its decoder, it does not do it here."""
    code = (
        "import edge.camera_cli, sys; sys.exit(sorted({'cv2', 'numpy', 'zxingcpp'} & set(sys.modules)) or 0)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert (ended.returncode, ended.stderr) == (0, "")


def test_annotated_pictures_outline_what_was_read_and_leave_the_rest_as_it_is(tmp_path: Path) -> None:
    scene = render(PASS, Look(), seed=3)
    cv2.imwrite(str(tmp_path / "scene.png"), scene)
    cv2.imwrite(str(tmp_path / "empty.png"), np.full((90, 120), 200, np.uint8))
    out = Annotations(tmp_path / "seen")
    assert [one.error for one in scan(tmp_path / "scene.png", tmp_path / "empty.png", annotations=out)] == [
        None,
        None,
    ]
    assert out.written == 2
    drawn = cv2.imread(str(tmp_path / "seen" / "scene.png.jpg"))
    assert drawn is not None
    changed = np.abs(drawn.astype(int) - scene).max(axis=2) > 90
    assert drawn.shape == scene.shape
    assert 0.002 < changed.mean() < 0.1
    empty = cv2.imread(str(tmp_path / "seen" / "empty.png.jpg"))
    assert empty is not None
    assert np.ptp(empty) <= 3


def test_what_others_wrote_is_not_overwritten_unless_forced(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), card("GOOD"))
    seen = tmp_path / "seen"
    seen.mkdir()
    theirs = seen / "a.png.jpg"
    theirs.write_bytes(b"\xff\xd8 somebody's wedding")
    (one,) = scan(tmp_path / "a.png", annotations=Annotations(seen))
    assert one.codes == (good("GOOD"),)
    assert "--force replaces it" in str(one.error)
    assert theirs.read_bytes() == b"\xff\xd8 somebody's wedding"
    with pytest.raises(AnnotateError):
        Annotations(seen).put("a.png", b"\xff\xd8ours")
    assert Annotations(seen, force=True).put("a.png", b"\xff\xd8ours") == theirs
    assert Annotations(seen).put("a.png", b"\xff\xd8ours again") == theirs  # it is our own by now
    assert theirs.read_bytes().endswith(b"ours again")
    assert [path.name for path in seen.iterdir()] == ["a.png.jpg"]


def test_pictures_of_one_name_do_not_overwrite_each_other(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        cv2.imwrite(str(tmp_path / folder / "a.png"), card(f"GOOD {folder}"))
    scan(tmp_path / "one", tmp_path / "two", annotations=Annotations(tmp_path / "seen"))
    assert sorted(path.name for path in (tmp_path / "seen").iterdir()) == ["a.png (2).jpg", "a.png.jpg"]


def test_a_link_is_replaced_and_what_it_leads_to_stays(tmp_path: Path) -> None:
    (tmp_path / "diary.txt").write_text("dear diary")
    (tmp_path / "out.jpg").symlink_to(tmp_path / "diary.txt")
    with pytest.raises(AnnotateError):
        write_own(tmp_path / "out.jpg", b"\xff\xd8picture")
    write_own(tmp_path / "out.jpg", b"\xff\xd8picture", force=True)
    assert (tmp_path / "diary.txt").read_text() == "dear diary"
    assert is_own(tmp_path / "out.jpg")
    assert not (tmp_path / "out.jpg").is_symlink()
    assert (tmp_path / "out.jpg").stat().st_mode & 0o777 == 0o600


def test_progress_names_every_line_and_ends_at_the_end(tmp_path: Path) -> None:
    for number in range(5):
        cv2.imwrite(str(tmp_path / f"{number}.png"), card("GOOD"))
    told: list[tuple[int, int]] = []
    scanning = Scanning(judge, SystemClock(), tell=lambda done, total, _name: told.append((done, total)))
    assert len(list(scanning.run([str(tmp_path)]))) == 5
    assert told == [(done, 5) for done in range(6)]


def test_a_scan_that_is_given_up_ends_its_children(tmp_path: Path) -> None:
    for number in range(20):
        cv2.imwrite(str(tmp_path / f"{number:02}.png"), card("GOOD"))
    run = Scanning(judge, SystemClock()).run([str(tmp_path)])
    assert next(run).error is None
    run.close()  # no process and no descriptor may be left: the suite turns those into errors
    with pytest.raises(StopIteration):
        next(run)
