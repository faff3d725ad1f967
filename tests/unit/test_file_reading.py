"""Files without an end: refused by what they are and by how much they hold, before anything waits or grows."""

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from drivers.devices.modbus_profile import ProfileError, load_profile
from drivers.tool.config_files import write_whole
from edge.files import load_units
from edge.gate_key import GateKeyError, load_gate_key
from shell.file_reading import UnfitFileError, open_regular, read_at_most
from shell.settings import SettingsError, read_toml

SPACE_BYTES = (
    700_000_000  # what a process may take here: a sparse file of twice that stands for one without an end
)
WITHIN_S = 30.0  # far more than a refusal takes on a busy machine; a reader that waits would take for ever


def fifo(path: Path) -> Path:
    os.mkfifo(path)
    return path


def sparse(path: Path) -> Path:
    path.touch()
    os.truncate(path, 2 * SPACE_BYTES)
    return path


def device(path: Path) -> Path:
    path.symlink_to("/dev/null")
    return path


ENDLESS = pytest.mark.parametrize("make", [fifo, sparse, device])
Make = Callable[[Path], Path]


def test_a_regular_file_is_read_whole_also_through_a_link(tmp_path: Path) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_bytes(b"1234")
    link.symlink_to(file)
    assert read_at_most(file, 4) == read_at_most(link, 4) == b"1234"
    with open_regular(link) as opened:
        assert opened.read() == b"1234"
    with pytest.raises(OSError, match="no regular file"):
        read_at_most(link, 4, follow=False)
    with pytest.raises(UnfitFileError, match="larger than 3 bytes"):
        read_at_most(file, 3)


@pytest.mark.parametrize("path", ["/dev/null", "/dev/tty", "/proc/self/fd"])
def test_a_device_and_a_folder_are_not_opened(path: str) -> None:
    with pytest.raises(OSError, match=r"no regular file|Is a directory|No such device") as caught:
        read_at_most(Path(path), 10)
    assert caught.value.strerror


@ENDLESS
def test_a_configuration_without_an_end_is_refused_at_once(make: Make, tmp_path: Path) -> None:
    path = make(tmp_path / "gate.toml")
    with pytest.raises(
        SettingsError, match=r"gate\.toml: cannot be read \(it is (no regular file|larger than)"
    ):
        read_toml(path)


def test_a_configuration_behind_a_link_is_read_with_any_line_ends(tmp_path: Path) -> None:
    (tmp_path / "real.toml").write_bytes(b"[gate]\r\nid = 'a'\r\n")
    (tmp_path / "gate.toml").symlink_to("real.toml")
    assert read_toml(tmp_path / "gate.toml") == ("[gate]\nid = 'a'\n", {"gate": {"id": "a"}})


@ENDLESS
def test_files_beside_a_configuration_without_an_end_are_refused_at_once(make: Make, tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="it cannot be read"):
        load_profile(make(tmp_path / "own.toml"))
    with pytest.raises(SettingsError, match=r"units\.json: cannot be read"):
        load_units(make(tmp_path / "units.json"))


@pytest.mark.parametrize("make", [fifo, device])
def test_a_key_and_a_backup_are_taken_from_regular_files_alone(make: Make, tmp_path: Path) -> None:
    make(tmp_path / "gate-key.pem")
    with pytest.raises(GateKeyError, match=r"gate-key\.pem: cannot be read \(it is no regular file"):
        load_gate_key(tmp_path)
    with pytest.raises(OSError, match="no regular file"):
        write_whole(make(tmp_path / "gate.toml"), "", now=datetime(2026, 11, 23, tzinfo=UTC))


PULSE = ("pulse", "1", "--port", "none", "--protocol", "modbus-relay", "--confirm", "bench", "--profile")


@pytest.mark.parametrize(
    ("words", "make", "code"),
    [
        (("config", "validate", "--config"), fifo, 2),
        (("config", "import"), device, 2),
        (("doctor", "--config"), fifo, 2),
        (("trace", "show"), fifo, 2),
        (("trace", "show"), sparse, 2),
        (("report", "--trace"), fifo, 0),
        (PULSE, fifo, 2),
        (PULSE, sparse, 2),
    ],
)
def test_no_command_waits_for_a_file_without_an_end_or_takes_all_memory(
    words: tuple[str, ...], make: Make, code: int, tmp_path: Path
) -> None:
    path = make(tmp_path / "file.toml")
    command = f'ulimit -v {SPACE_BYTES // 1024}; exec "$@"'
    done = subprocess.run(
        ["/bin/sh", "-c", command, "sh", sys.executable, "-m", "drivers.cli", *words, str(path)],
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == code, said
    assert "Traceback" not in said
    assert "no regular file" in said or "larger than" in said
