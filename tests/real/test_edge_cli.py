"""``postern-edge`` as its user meets it: exit status, words, JSON."""

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import cv2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from controller.init import DemoPlan, create_demo
from edge import bundles
from passes.gp1 import Algorithm, to_text
from passes.keys import ed25519_public, key_id
from passes.walkin import CATEGORIES, STATUS_INDEX, Delegation, seal_walk_in
from shell.clock import SystemClock
from simulators.cameras.look import Look
from simulators.cameras.scene import render
from tests.bundling import Office
from tests.minting import SITE, Mint, claims

pytestmark = pytest.mark.real
FOREIGN = "https://example.org/menu"


def edge(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edge.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    create_demo(DemoPlan(folder=tmp_path / "demo"), now=SystemClock().now())
    return tmp_path / "demo"


def test_a_wrong_key_ends_with_2_and_its_line_and_no_traceback(demo: Path) -> None:
    config = demo / "gate.toml"
    config.write_text(config.read_text("utf-8").replace("[kiosk]", "[kiosk]\nprot = 8081"), "utf-8")
    ended = edge("run", "--config", config)
    assert ended.returncode == 2
    assert f"{config}:" in ended.stderr
    assert "kiosk.prot: unknown key. Allowed here: host, port, preview" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_missing_file_ends_with_2_and_says_how_to_name_one(tmp_path: Path) -> None:
    ended = edge("run", "--config", tmp_path / "none.toml")
    assert ended.returncode == 2
    assert "Name the file with --config" in ended.stderr


def test_help_names_every_command_and_opens_with_examples() -> None:
    ended = edge("--help")
    assert ended.returncode == 0
    assert "postern-edge scan photo.jpg --json" in ended.stdout
    for command in ("run", "scan", "camera", "enroll", "bundle", "walkin"):
        assert edge(command, "--help").returncode == 0
        assert f" {command} " in ended.stdout


def test_scan_prints_one_json_line_a_picture_and_judges_passes_by_the_key_set(
    tmp_path: Path, demo: Path
) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for name, text in (("forged.png", Mint().paper()), ("menu.png", FOREIGN)):
        cv2.imwrite(str(pictures / name), render(text, Look(), seed=3))
    (pictures / "notes.txt").write_text("not a picture")
    ended = edge("scan", pictures, "--json", "--config", demo / "gate.toml")
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    assert ended.returncode == 0
    assert [Path(line["source"]).name for line in lines] == ["forged.png", "menu.png"]
    assert [line["codes"] for line in lines] == [
        [{"text": Mint().paper(), "valid": False, "reason": "unknown_key"}],
        [{"text": FOREIGN, "valid": False, "reason": "foreign"}],
    ]
    assert all(line["ms"] > 0 for line in lines)


def test_scan_knows_the_keys_that_came_with_the_bundle_and_takes_walk_in_passes(
    tmp_path: Path, demo: Path
) -> None:
    office = Office(made=SystemClock().now())
    (demo / "keyset.json").write_text(office.key_set().model_dump_json(), "utf-8")
    gate, since = Ed25519PrivateKey.generate(), int(office.made.timestamp()) - 60
    wanted = claims(
        status=STATUS_INDEX, entries=1, not_before=since, expires_at=since + 3600, issued_at=since
    )
    kid, granted = (
        key_id(ed25519_public(gate)),
        Delegation(
            site=SITE,
            gate=0,
            categories=CATEGORIES,
            not_before=office.made,
            not_after=office.made + timedelta(hours=1),
        ),
    )
    slip = to_text(seal_walk_in(wanted, granted, algorithm=Algorithm.ED25519, kid=kid, sign=gate.sign))
    picture = tmp_path / "slip.png"
    cv2.imwrite(str(picture), render(slip, Look(), seed=3))

    def verdict() -> dict[str, object]:
        ended = edge("scan", picture, "--json", "--config", demo / "gate.toml")
        (code,) = json.loads(ended.stdout)["codes"]
        return {**code, "said": ended.stderr}

    assert verdict() == {"text": slip, "valid": False, "reason": "unknown_key", "said": ""}
    held = demo / "south" / bundles.FILE
    held.parent.mkdir(exist_ok=True)
    held.write_bytes(office.sealed(office.bundle(walkin=(office.certificate(ed25519_public(gate)),))))
    assert verdict() == {"text": slip, "valid": True, "reason": None, "said": ""}
    held.write_bytes(b"half a bundle")
    assert (verdict()["reason"], "without the gate's bundle" in str(verdict()["said"])) == (
        "unknown_key",
        True,
    )


def test_scan_of_something_unreadable_says_so_and_ends_with_1(tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8 not really")
    ended = edge("scan", broken, tmp_path / "none.png", "--json")
    assert ended.returncode == 1
    assert [("error" in json.loads(line)) for line in ended.stdout.splitlines()] == [True, True]
    assert "Traceback" not in ended.stderr
