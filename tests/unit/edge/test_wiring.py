"""What ``gate.toml`` may say of boards, lanes and inputs; what it may not is told with file, line and key."""

import re
from pathlib import Path

import pytest

from drivers.gate.config import GateConfig, load_config
from drivers.gate.warnings import warnings
from shell.settings import SettingsError

HEAD = """[gate]
id = "south"
site = 7
number = 0
name = "南门"
zone = "Asia/Shanghai"
data_dir = "south"
keys = "keyset.json"
units = "units.json"
[broker]
url = "mqtt://127.0.0.1:1883"
"""
LANE = """[[lane]]
name = "{name}"
direction = "{direction}"
camera = "{name}.mp4"
board = "{board}"
{opens}
passage = "{passage}"
release = "pulse_to_open"
on_power_loss = "open"
"""
WAVESHARE = """[[board]]
name = "relays"
protocol = "modbus-relay"
profile = "waveshare-io-8ch"
port = "/dev/serial/by-path/one"
unit = 1
"""
SECOND = WAVESHARE.replace('"relays"', '"more"').replace("unit = 1", "unit = 2")
NUMATO = """[[board]]
name = "numato"
protocol = "numato"
port = "dev/numato"
outputs = 4
inputs = 8
expect = { socket = "1-2.4:1.0", usb = "2a19:0c01" }
"""
TURNSTILE = """[[board]]
name = "gate"
protocol = "turnstile-7e"
port = "dev/gate"
"""
TRIPOD = """[[board]]
name = "gate"
protocol = "turnstile-eb"
port = "dev/gate"
"""
TCP = """[[board]]
name = "relays"
protocol = "modbus-tcp"
profile = "kmtronic-modbus-8"
port = "tcp://192.168.7.2:502"
"""


def lane(
    name: str = "entry",
    *,
    board: str = "relays",
    opens: str = "channel = 1",
    passage: str = "assumed",
    more: str = "",
) -> str:
    text = LANE.format(name=name, direction=name, board=board, opens=opens, passage=passage)
    return text + (more + "\n" if more else "")


def fire(more: str = "", *, role: str = "fire", channel: int = 4, board: str = "relays") -> str:
    return f'[[input]]\nrole = "{role}"\nboard = "{board}"\nchannel = {channel}\n{more}\n'


def load(tmp_path: Path, *parts: str) -> GateConfig:
    path = tmp_path / "gate.toml"
    path.write_text(HEAD + "".join(parts), "utf-8")
    return load_config(path)


def refusal(tmp_path: Path, *parts: str) -> str:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, *parts)
    return str(caught.value)


def test_boards_of_every_kind_make_one_gate(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        WAVESHARE,
        SECOND,
        NUMATO,
        TURNSTILE,
        lane(opens='side = "left"', board="gate", passage="counter"),
        lane(
            "exit",
            board="numato",
            passage="contact",
            more='contact = { board = "more", channel = 8 }\ntested_by = "李工"\ntested_on = 2026-11-20',
        ),
        fire('normally = "closed"'),
        fire('lane = "exit"', role="exit_button", channel=5),
    )
    assert [board.driver().info.protocol for board in config.board] == [
        "modbus-relay",
        "modbus-relay",
        "numato",
        "turnstile-7e",
    ]
    assert config.board[2].port == str(tmp_path / "dev" / "numato")
    expected = config.board[2].expect
    assert expected is not None
    assert expected.to_domain().usb == "2a19:0c01"
    assert [one.is_tested for one in config.lane] == [False, True]
    assert [(one.role, one.normally) for one in config.input] == [("fire", "closed"), ("exit_button", "open")]


def test_a_sites_own_profile_lies_beside_the_file(tmp_path: Path) -> None:
    profile = Path("drivers/devices/profiles/waveshare-io-8ch.toml").read_text("utf-8")
    (tmp_path / "ours.toml").write_text(profile.replace('"waveshare-io-8ch"', '"ours"'), "utf-8")
    config = load(tmp_path, WAVESHARE.replace("waveshare-io-8ch", "ours.toml"), lane())
    assert config.board[0].profile == str(tmp_path / "ours.toml")
    assert config.board[0].driver().info.outputs == 8
    assert "cannot be read" in refusal(tmp_path, WAVESHARE.replace("waveshare-io-8ch", "none.toml"), lane())


LATCHING = """name = "latch"
title = "A board with latching relays"
unit = 1
[line]
baud = 9600
[outputs]
count = 2
latching = true
first = 0
write = 5
on = 0xFF00
off = 0x0000
[[vector]]
what = "on 1"
frame = "01 05 00 00 FF 00 8C 3A"
source = "vendor"
[[vector]]
what = "off 1"
frame = "01 05 00 00 00 00 CD CA"
source = "rule"
"""


def test_a_latching_board_lets_people_in_and_is_refused_at_an_exit(tmp_path: Path) -> None:
    (tmp_path / "latch.toml").write_text(LATCHING, "utf-8")
    board = WAVESHARE.replace("waveshare-io-8ch", "latch.toml")
    load(tmp_path, board, lane())
    assert "as_is" in refusal(tmp_path, board, lane("exit"))


WRONG = {
    "no protocol": (
        (WAVESHARE.replace("modbus-relay", "modbus-rely"), lane()),
        "protocol",
        "Use one of: devan",
    ),
    "no profile": (
        (WAVESHARE.replace("waveshare-io-8ch", "waveshar"), lane()),
        "profile",
        "waveshare-io-8ch",
    ),
    "needs profile": ((WAVESHARE.replace("profile", "# profile"), lane()), "", "needs a profile"),
    "unknown option": ((WAVESHARE + 'make = "gm65"\n', lane()), "make", "knows no make"),
    "unknown key": ((WAVESHARE + "spead = 9600\n", lane()), "spead", "Allowed here: baud, check, echo"),
    "serial for tcp": ((TCP.replace("tcp://192.168.7.2:502", "dev/x"), lane()), "port", "tcp://HOST:PORT"),
    "tcp for serial": ((WAVESHARE.replace("/dev/serial/by-path/one", "tcp://a:1"), lane()), "port", "serial"),
    "no address": ((TCP.replace(":502", ":99999"), lane()), "port", "tcp://"),
    "units alike": ((WAVESHARE, SECOND.replace("unit = 2", "unit = 1"), lane()), "unit", "a unit of its own"),
    "speeds differ": (
        (WAVESHARE, TURNSTILE.replace("dev/gate", "/dev/serial/by-path/one") + "unit = 3\n", lane()),
        "port",
        "set differently",
    ),
    "echo differs": ((WAVESHARE, SECOND + "echo = true\n", lane()), "port", "echo and expect"),
    "no address on a pair": (
        (WAVESHARE, NUMATO.replace("dev/numato", "/dev/serial/by-path/one"), lane()),
        "port",
        "numato (numato) has no address",
    ),
    "neither": ((WAVESHARE, lane(opens="")), "board", "either a channel (relay) or side"),
    "both": ((WAVESHARE, lane(opens='channel = 1\nside = "left"')), "side", "either a channel"),
    "side of a relay board": ((WAVESHARE, lane(opens='side = "left"')), "board", "is not a turnstile"),
    "channel of a turnstile": ((TURNSTILE, lane(board="gate")), "board", "is not a relay board"),
    "counter of a relay": ((WAVESHARE, lane(passage="counter")), "passage", "needs a turnstile controller"),
    "counter of a tripod": (
        (TRIPOD, lane(board="gate", opens='side = "left"', passage="counter")),
        "passage",
        "only with the next admission",
    ),
    "channel beyond": ((NUMATO, lane(board="numato", opens="channel = 5")), "channel", "outputs 1 to 4"),
    "pulse off its steps": ((WAVESHARE, lane(more="pulse_ms = 250")), "pulse_ms", "in steps of 100"),
    "contact beyond": (
        (WAVESHARE, lane(passage="contact", more='contact = { board = "relays", channel = 9 }')),
        "contact",
        "inputs 1 to 8",
    ),
    "half tested": ((WAVESHARE, lane(more='tested_by = "李工"')), "tested_by", "belong together"),
    "no such day": ((WAVESHARE, lane(more='tested_by = "李工"\ntested_on = "soon"')), "tested_on", "date"),
    "as_is exit": (
        (WAVESHARE, lane("exit").replace('loss = "open"', 'loss = "as_is"')),
        "on_power_loss",
        "refused at an exit",
    ),
    "no such role": ((WAVESHARE, lane(), fire(role="smoke")), "role", "'fire', 'exit_button'"),
    "button nowhere": ((WAVESHARE, lane(), fire(role="exit_button")), "role", "needs the lane"),
    "fire of a lane": ((WAVESHARE, lane(), fire('lane = "entry"')), "lane", "the whole gate's"),
    "no such lane": ((WAVESHARE, lane(), fire('lane = "side"', role="door")), "lane", "no lane 'side'"),
    "no inputs": (
        (TURNSTILE, lane(board="gate", opens='side = "left"'), fire(board="gate")),
        "board",
        "no inputs",
    ),
    "input beyond": ((WAVESHARE, lane(), fire(channel=9)), "channel", "inputs 1 to 8"),
    "two meanings": ((WAVESHARE, lane(), fire(), fire(role="tamper")), "channel", "two meanings"),
    "contact and fire": (
        (WAVESHARE, lane(passage="contact", more='contact = { board = "relays", channel = 4 }'), fire()),
        "channel",
        "two meanings",
    ),
    "two lanes": ((WAVESHARE, lane(), lane("exit")), "channel", "share one output"),
}


@pytest.mark.parametrize(("parts", "key", "says"), WRONG.values(), ids=WRONG)
def test_what_does_not_fit_is_named_with_file_line_and_key(
    tmp_path: Path, parts: tuple[str, ...], key: str, says: str
) -> None:
    found = refusal(tmp_path, *parts)
    assert re.search(says.replace("(", r"\(").replace(")", r"\)"), found), found
    text = (HEAD + "".join(parts)).splitlines()
    if key:
        place = re.match(rf".*gate\.toml:(\d+): [a-z]+\.\d+\.{key}: ", found)
        assert place, found
        assert text[int(place[1]) - 1].startswith(key)


def test_what_an_installer_should_know_is_said_and_does_not_stop_the_gate(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        NUMATO,
        TURNSTILE,
        TCP,
        lane(board="numato"),
        lane("exit", board="gate", opens='side = "right"').replace('loss = "open"', 'loss = "locked"'),
    )
    said = "\n".join(warnings(config.board, config.lane))
    assert "board numato: numato does not time its pulses itself" in said
    assert "board gate: nobody has seen turnstile-7e work" in said
    assert "board relays: whoever is in its network can open its lanes" in said
    assert "lane exit: without power it stays locked" in said
    assert "lane entry: nobody signed for its wiring" in said


def test_one_board_is_one_board_however_its_port_is_written(tmp_path: Path) -> None:
    short = TCP.replace('"relays"', '"more"').replace("192.168.7.2:502", "192.168.7.2")
    found = refusal(tmp_path, TCP, short, lane(), lane("exit", board="more"))
    assert "boards relays (tcp://192.168.7.2:502) and more (tcp://192.168.7.2) share one port" in found
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "real").touch()
    (tmp_path / "dev" / "link").symlink_to("real")
    first = WAVESHARE.replace("/dev/serial/by-path/one", "dev/real")
    second = SECOND.replace("/dev/serial/by-path/one", "dev/link")
    found = refusal(
        tmp_path, first, second.replace("unit = 2", "unit = 1"), lane(), lane("exit", board="more")
    )
    assert "a unit of its own" in found
    assert "name it alike" in refusal(tmp_path, first, second, lane())
    assert load(tmp_path, first, second.replace("link", "real"), lane(), lane("exit", board="more")).lane
    other = short.replace("192.168.7.2", "192.168.7.3")
    assert load(tmp_path, TCP, other, lane(), lane("exit", board="more")).lane


def two_at(one: str, other: str) -> tuple[str, ...]:
    return (
        TCP.replace("192.168.7.2:502", one),
        TCP.replace('"relays"', '"more"').replace("192.168.7.2:502", other),
        lane(),
        lane("exit", board="more"),
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("192.0.2.10:502", "[::ffff:192.0.2.10]:502"),
        ("[::ffff:c000:20a]", "192.0.2.10"),
        ("[::FFFF:192.0.2.10]:502", "[::ffff:192.0.2.10]"),
        ("[2001:DB8::A]:502", "[2001:db8:0:0::a]:502"),
        ("[fe80::1%lo]:502", "[FE80::1%lo]:502"),
        ("[fe80::1%lo]:502", "[fe80::1%1]:502"),
        ("[fe80::1%lo]:502", "[fe80::1]:502"),
        ("[2001:db8::1%lo]:502", "[2001:db8::1%eth7]:502"),
    ],
)
def test_one_board_of_a_network_is_one_board_in_every_spelling(tmp_path: Path, one: str, other: str) -> None:
    found = refusal(tmp_path, *two_at(one, other))
    assert f"boards relays (tcp://{one}) and more (tcp://{other}) share one port" in found
    assert "Leave one of them out" in found


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("192.0.2.10:502", "192.0.2.10:503"),
        ("192.0.2.10:502", "[::192.0.2.10]:502"),
        ("[fe80::1%eth7]:502", "[fe80::1%eth8]:502"),
    ],
)
def test_two_boards_of_a_network_are_two(tmp_path: Path, one: str, other: str) -> None:
    assert len(load(tmp_path, *two_at(one, other)).board) == 2


def test_a_reader_that_must_be_alone_shares_its_port_with_no_board(tmp_path: Path) -> None:
    pytest.importorskip("osdp_sys", reason="the extra osdp is not installed")
    reader = '[[board]]\nname = "{}"\nprotocol = "osdp"\nport = "{}"\nkey_file = "k"\nunit = {}\n'
    two = reader.format("reader", "/dev/one", 1), reader.format("second", "/dev/one", 2)
    opens = lane(board="reader")
    found = refusal(tmp_path, *two, opens)
    assert "boards reader (/dev/one) and second (/dev/one) share one port: osdp (reader) must have" in found
    mixed = SECOND.replace("/dev/serial/by-path/one", "/dev/one"), reader.format("reader", "/dev/one", 1)
    assert "osdp (reader) must have its line for itself. Give it a port of its own" in refusal(
        tmp_path, *mixed, opens
    )
    apart = two[0], two[1].replace("/dev/one", "/dev/two")
    assert len(load(tmp_path, *apart, opens).board) == 2


def test_ports_that_change_their_numbers_are_told_where_there_are_two(tmp_path: Path) -> None:
    first = WAVESHARE.replace("/dev/serial/by-path/one", "/dev/ttyUSB0")
    second = SECOND.replace("/dev/serial/by-path/one", "/dev/ttyUSB1")
    tested = lane(more='tested_by = "李工"\ntested_on = 2026-11-20')
    config = load(tmp_path, first, second, tested)
    said = warnings(config.board, config.lane)
    assert [words.split(":")[0] for words in said] == ["board relays", "board more"]
    assert all("/dev/serial/by-path" in words for words in said)
    sure = first + 'expect = { socket = "1-2" }\n'
    config = load(tmp_path, sure, second, tested)
    assert [words.split(":")[0] for words in warnings(config.board, config.lane)] == ["board more"]
    config = load(tmp_path, sure, second + 'expect = { socket = "1-3" }\n', tested)
    assert warnings(config.board, config.lane) == []
    config = load(tmp_path, first, second.replace("/dev/ttyUSB1", "/dev/ttyUSB0"), tested)
    assert warnings(config.board, config.lane) == []


def test_a_contact_among_many_inputs_that_are_read_in_turn_is_told(tmp_path: Path) -> None:
    contact = 'contact = { board = "numato", channel = 1 }'
    parts = lane(board="numato", passage="contact", more=contact)
    config = load(tmp_path, NUMATO, parts)
    assert "may be missed" not in "\n".join(warnings(config.board, config.lane, config.input))
    tampers = [f'[[input]]\nrole = "tamper"\nboard = "numato"\nchannel = {n}\n' for n in (2, 3, 4, 5)]
    config = load(tmp_path, NUMATO, parts, *tampers)
    (said,) = [each for each in warnings(config.board, config.lane, config.input) if "missed" in each]
    assert "one of 5 inputs" in said
    assert "300 ms" in said
    config = load(tmp_path, NUMATO, parts, *tampers[1:])
    assert "may be missed" not in "\n".join(warnings(config.board, config.lane, config.input))


def test_an_exit_on_an_osdp_output_alone_is_told(tmp_path: Path) -> None:
    reader = '[[board]]\nname = "reader"\nprotocol = "osdp"\nport = "/dev/one"\nunit = 1\nkey_file = "reader.key"\n'
    config = load(tmp_path, reader, lane("exit", board="reader"))
    assert "lane exit: an OSDP output obeys through its secure channel only" in "\n".join(
        warnings(config.board, config.lane)
    )
    config = load(tmp_path, reader, lane(board="reader"))
    assert "OSDP output" not in "\n".join(warnings(config.board, config.lane))


def test_a_board_that_times_its_pulses_and_a_tested_lane_need_no_words(tmp_path: Path) -> None:
    config = load(tmp_path, WAVESHARE, lane(more='tested_by = "李工"\ntested_on = 2026-11-20'))
    assert warnings(config.board, config.lane) == []


def test_the_examples_of_the_page_are_good(tmp_path: Path) -> None:
    page = Path("docs/gate.md").read_text("utf-8")
    examples = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    assert len(examples) == 5
    for example in examples:
        assert load(tmp_path, example).lane
