"""A gate's own key on a real disk: made once, for its owner alone, and never replaced."""

import json
import shlex
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from controller.init import DemoPlan, create_demo
from edge.cli import app
from edge.gate_key import FILE, GateKeyError, NoGateKeyError, load_gate_key, make_gate_key
from passes.keys import key_id
from shell.clock import SystemClock

pytestmark = pytest.mark.real


def edge(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments)])


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    create_demo(DemoPlan(folder=tmp_path / "demo"), now=SystemClock().now())
    return tmp_path / "demo"


def test_a_key_is_made_for_its_owner_alone_and_read_back(tmp_path: Path) -> None:
    made = make_gate_key(tmp_path / "south")
    path = tmp_path / "south" / FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_gate_key(tmp_path / "south").public == made.public
    assert made.kid == key_id(made.public)
    assert [one.name for one in path.parent.iterdir()] == [FILE]


def test_a_key_is_never_replaced(tmp_path: Path) -> None:
    first = make_gate_key(tmp_path)
    with pytest.raises(FileExistsError):
        make_gate_key(tmp_path)
    assert load_gate_key(tmp_path).public == first.public
    assert [one.name for one in tmp_path.iterdir()] == [FILE]


def test_two_gates_have_two_keys_and_call_one_number_by_two_names(tmp_path: Path) -> None:
    south, north = make_gate_key(tmp_path / "south"), make_gate_key(tmp_path / "north")
    assert south.public != north.public
    assert south.pseudonym("+8613800138001") != north.pseudonym("+8613800138001")
    assert (
        load_gate_key(tmp_path / "south").pseudonym("+8613800138001")
        == south.pseudonym("+8613800138001")
        != south.pseudonym("+8613800138002")
    )


def test_a_key_that_cannot_be_used_is_named_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NoGateKeyError, match="postern-edge enroll"):
        load_gate_key(tmp_path)
    make_gate_key(tmp_path)
    (tmp_path / FILE).chmod(0o644)
    with pytest.raises(GateKeyError, match="chmod 600"):
        load_gate_key(tmp_path)
    (tmp_path / FILE).chmod(0o600)
    (tmp_path / FILE).write_text("-----BEGIN")
    with pytest.raises(GateKeyError, match="not a private key"):
        load_gate_key(tmp_path)


MAKE = """
import sys
from pathlib import Path
from edge.gate_key import make_gate_key
print("ready", flush=True)
sys.stdin.readline()
try:
    print(make_gate_key(Path(sys.argv[1])).public.hex())
except FileExistsError:
    print("exists")
"""


def test_of_two_processes_that_make_a_key_at_once_one_stands(tmp_path: Path) -> None:
    command = [sys.executable, "-c", MAKE, str(tmp_path)]
    makers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    for maker in makers:
        assert maker.stdout is not None
        assert maker.stdout.readline() == "ready\n"
    for maker in makers:
        assert maker.stdin is not None
        maker.stdin.write("\n")
        maker.stdin.flush()
    outcomes = [maker.communicate(timeout=30)[0].strip() for maker in makers]
    assert sorted(outcomes, key=len)[0] == "exists" and len(set(outcomes)) == 2
    assert load_gate_key(tmp_path).public.hex() in outcomes


def test_enroll_prints_key_fingerprint_and_the_centres_command_and_again_the_same(demo: Path) -> None:
    dry = edge("enroll", "--config", demo / "gate.toml", "--dry-run")
    assert (dry.exit_code, dry.stdout) == (0, "") and not (demo / "south" / FILE).exists()
    first = edge("enroll", "--config", demo / "gate.toml", "--json")
    said = json.loads(first.stdout)
    key = load_gate_key(demo / "south")
    assert (first.exit_code, said["made"]) == (0, True)
    assert (said["key"], said["fingerprint"]) == (key.public.hex(), key.kid.hex())
    assert shlex.split(said["command"]) == [
        *("postern-controller", "gate", "enroll", "--site", "7", "--number", "0"),
        *("--name", "south", "--key", key.public.hex(), "--secret-out", "site-7-walkin.secret"),
        *("--by", "NAME"),
    ]
    again = edge("enroll", "--config", demo / "gate.toml", "--json")
    assert json.loads(again.stdout) == said | {"made": False}
    spoken = edge("enroll", "--config", demo / "gate.toml")
    assert key.kid.hex() in spoken.stdout and said["command"] in spoken.stdout
    assert "PRIVATE" not in first.stdout + first.stderr + spoken.stdout + spoken.stderr


def test_enroll_leaves_a_broken_key_where_it_is(demo: Path) -> None:
    (demo / "south").mkdir(exist_ok=True)
    (demo / "south" / FILE).write_text("something else")
    (demo / "south" / FILE).chmod(0o600)
    ended = edge("enroll", "--config", demo / "gate.toml")
    assert ended.exit_code == 1
    assert "Move it away" in ended.stderr
    assert (demo / "south" / FILE).read_text() == "something else"
