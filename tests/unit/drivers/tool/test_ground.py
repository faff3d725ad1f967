"""What every command of the tool stands on: the gate's file, frames in words, traces, languages."""

import io
import json
import os
import select
from pathlib import Path

import pytest
import typer

from drivers.modbus_rtu import crc16
from drivers.model import LineSettings
from drivers.port import PortBusyError, PortDeniedError, PortLostError, PortMissingError, SerialPort
from drivers.tool.confirm import confirmed_isolated, confirmed_lane
from drivers.tool.console import Language, both, language_of, text, use_language
from drivers.tool.frames import in_words
from drivers.tool.gate_file import read_gate_file
from drivers.tool.looking import codec_of
from drivers.tool.opening import port_words
from drivers.tool.target import Target, find_target
from drivers.tool.trace import Trace, TracedPort
from drivers.tool.wire import collect
from passes.words import Pair
from shell.settings import SettingsError

GATE = """
[gate]
id = "south"
data_dir = "south"
surprise = 1
[[board]]
name = "relays"
protocol = "modbus-relay"
profile = "waveshare-io-8ch"
port = "dev/relays"
unit = 3
[[board]]
name = "far"
protocol = "modbus-tcp"
port = "tcp://192.0.2.7:502"
[[lane]]
name = "entry"
board = "relays"
channel = 2
contact = { board = "relays", channel = 5 }
release = "pulse_to_open"
[[lane]]
name = "half"
board = 7
"""


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    file = tmp_path / "gate.toml"
    file.write_text(GATE, encoding="utf-8")
    return file


def test_the_gate_file_is_read_as_far_as_it_is_understood(gate: Path) -> None:
    found = read_gate_file(gate)
    relays, far = found.boards
    assert (relays.name, relays.unit, dict(relays.options)) == ("relays", 3, {"profile": "waveshare-io-8ch"})
    assert relays.port == str(gate.parent / "dev" / "relays")
    assert (far.port, far.networked, relays.networked) == ("tcp://192.0.2.7:502", True, False)
    entry, half = found.lanes
    assert (entry.channel, entry.contact, entry.release) == (2, ("relays", 5), "pulse_to_open")
    assert (half.board, half.channel, half.contact) == ("", 0, None)
    assert found.lane_at("relays", 2) == entry
    assert found.lane_at("relays", 1) is None
    assert found.control_socket == gate.parent / "south" / "control.sock"


@pytest.mark.parametrize("content", [b"\xff", b"[gate", None])
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "gate.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError, match=r"gate\.toml"):
        read_gate_file(file)


def test_a_board_by_its_name_is_the_one_of_the_file(gate: Path) -> None:
    target = find_target(port=None, protocol=None, board="relays", config=gate)
    assert (target.protocol, target.unit, target.options["profile"]) == (
        "modbus-relay",
        3,
        "waveshare-io-8ch",
    )
    lane = target.lane(2)
    assert lane is not None
    assert lane.name == "entry"
    described = find_target(port=target.port, protocol="modbus-relay", config=gate)
    assert described.board == "relays"
    assert find_target(port="/dev/null", protocol="lcus", config=gate).board is None


@pytest.mark.parametrize(
    "options",
    [
        {"port": None, "protocol": None},
        {"port": "x", "protocol": None},
        {"port": "x", "protocol": "lcus", "board": "relays"},
        {"port": None, "protocol": None, "board": "none"},
    ],
)
def test_no_device_or_two_devices_are_wrong_usage(gate: Path, options: dict[str, str | None]) -> None:
    with pytest.raises(typer.Exit) as ended:
        find_target(config=gate, **options)  # type: ignore[arg-type]  # strings all
    assert ended.value.exit_code == 2


def test_only_the_lane_of_the_output_confirms(gate: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = find_target(port=None, protocol=None, board="relays", config=gate)
    assert confirmed_lane(target, 2, "entry") == "entry"
    for word in ("exit", "", "yes", None):
        with pytest.raises(typer.Exit) as ended:
            confirmed_lane(target, 2, word)
        assert ended.value.exit_code == 4
        assert "nothing was sent" in capsys.readouterr().err
    loose = Target(name="x", port="x", protocol="lcus")
    assert confirmed_lane(loose, 2, "what the installer calls it") == "what the installer calls it"


def test_isolated_is_one_word_and_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    confirmed_isolated("isolated", both("risk"))
    confirmed_isolated("已隔离", both("risk"))
    for word in ("entry", "yes", "", None):
        with pytest.raises(typer.Exit) as ended:
            confirmed_isolated(word, both("risk"))
        assert ended.value.exit_code == 4
        assert "nothing was sent" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("tag", "language"),
    [
        ("zh_CN.UTF-8", Language.ZH),
        ("zh", Language.ZH),
        ("en_GB", Language.EN),
        ("C", Language.EN),
        (None, Language.EN),
    ],
)
def test_the_language_follows_the_locale(tag: str | None, language: Language) -> None:
    assert language_of(tag) is language


def test_a_phrase_is_said_in_the_language_in_use() -> None:
    phrase = Pair("端口 {port}", "Port {port}")
    use_language(Language.ZH)
    try:
        assert text(phrase, port="{x}") == "端口 {x}"
    finally:
        use_language(Language.EN)
    assert text(phrase, port="[b]") == "Port [b]"


def test_every_port_error_has_words_in_both_languages() -> None:
    errors = (
        PortMissingError("p"),
        PortDeniedError("p"),
        PortBusyError("p", "minicom (7)"),
        PortLostError("p", "EIO"),
    )
    for error in errors:
        words = port_words(error)
        assert "p" in words.zh
        assert any("\u4e00" <= letter <= "\u9fff" for letter in words.zh)
        assert words.en == str(error)


@pytest.mark.parametrize(
    ("protocol", "sent", "data", "words"),
    [
        ("lcus", True, "A0 01 01 A2", ["relay 1 on"]),
        ("lcus", True, "A0 01 00 A1 A0 02 00 A2", ["relay 1 off", "relay 2 off"]),
        ("lcus", True, "A0 01 01 A3", []),
        ("modbus-relay", True, "01 05 00 00 FF 00 8C 3A", ["unit 1 write coil address 0000 value FF00"]),
        ("modbus-relay", True, "01 01 00 00 00 08 3D CC", ["unit 1 read coils address 0000 count 8"]),
        ("modbus-relay", True, "01 05 00 00 FF 00 8C 3B", []),
        ("kmtronic", True, "00 00 00 FF 01 00", ["relay 1 off"]),
        ("kmtronic", True, "FF 09 00", ["states?"]),
        ("devantech-usb", True, "5A 5A", ["who?", "who?"]),
        ("devantech-usb", True, "65", ["relay 1 on"]),
        ("turnstile-7e", True, "7E 00 01 80 01 00 00 FF", ["open left"]),
        ("turnstile-eb", True, "EB 01 40 00 AA", ["open left"]),
        ("numato", False, "76 65 72", ["'ver'"]),
        ("nobody", True, "00", []),
    ],
)
def test_the_makers_frames_in_words(protocol: str, sent: bool, data: str, words: list[str]) -> None:
    assert in_words(protocol, bytes.fromhex(data), sent=sent) == words


def test_answers_of_modbus_boards_in_words() -> None:
    inputs = bytes((1, 2, 1, 0x05))
    refusal = bytes((1, 0x82, 2))
    assert in_words("modbus-inputs", inputs + crc16(inputs), sent=False) == ["unit 1 read inputs: 05"]
    assert in_words("modbus-inputs", refusal + crc16(refusal), sent=False) == [
        "unit 1 refuses function 2, code 2"
    ]


class _Loop:
    """A port that says back what it was told, then goes."""

    path = "loop"

    def __init__(self) -> None:
        self._said = b""

    def open(self) -> None:
        pass

    def fileno(self) -> int:
        return -1

    def read(self) -> bytes:
        if not self._said:
            raise PortLostError("loop", "unplugged")
        said, self._said = self._said, b""
        return said

    def write(self, data: bytes) -> None:
        self._said += data

    def close(self) -> None:
        pass


def test_a_trace_has_every_byte_in_order_with_its_time() -> None:
    sink = io.StringIO()
    moments = iter([10.0, 10.001, 10.002, 10.0034567, 10.5, 11.0])
    trace = Trace(sink, protocol="lcus", port="loop", baud=9600, monotonic_s=lambda: next(moments))
    port = TracedPort(_Loop(), trace)
    port.open()
    port.write(bytes.fromhex("A00101A2"))
    assert port.read() == bytes.fromhex("A00101A2")
    with pytest.raises(PortLostError):
        port.read()
    port.close()
    assert [json.loads(line) for line in sink.getvalue().splitlines()] == [
        {"trace": 1, "protocol": "lcus", "port": "loop", "baud": 9600},
        {"ms": 1.0, "do": "open", "baud": 9600},
        {"ms": 2.0, "do": "tx", "hex": "A0 01 01 A2", "frames": ["relay 1 on"]},
        {"ms": 3.457, "do": "rx", "hex": "A0 01 01 A2"},
        {
            "ms": 500.0,
            "do": "lost",
            "why": "Port loop was lost (unplugged). Check the board's cable and power",
        },
        {"ms": 1000.0, "do": "close"},
    ]
    trace.close()


def test_a_device_that_cannot_be_looked_at_is_said_in_words_and_not_in_a_traceback(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(typer.Exit) as ended:
        codec_of(Target(name="reader", port="/dev/null", protocol="osdp", options={"key_file": "k"}))
    assert ended.value.exit_code == 2
    assert "nothing was sent" in capsys.readouterr().err
    lcus = codec_of(Target(name="relays", port="/dev/null", protocol="lcus"))
    assert lcus.info.outputs == 8


def test_what_had_come_counts_where_a_busy_machine_looks_too_late() -> None:
    theirs, ours = os.openpty()
    port = SerialPort(os.ttyname(ours), LineSettings())
    try:
        port.open()
        os.write(theirs, b"CH1:OFF\r\n")
        assert select.select([port.fileno()], [], [], 5)[0]
        assert collect(port, 0.0) == b"CH1:OFF\r\n"
        assert collect(port, 0.0) == b""
    finally:
        port.close()
        os.close(theirs)
        os.close(ours)
