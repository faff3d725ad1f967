"""Profiles: those that come along give the vendors' frames, and a wrong one is refused with its place."""

from pathlib import Path

import pytest
from pymodbus.framer import FramerRTU
from pymodbus.pdu import DecodePDU

from drivers.devices.modbus_frames import READ_REGISTERS, Rtu
from drivers.devices.modbus_profile import (
    FOLDER,
    ProfileError,
    load_profile,
    parse_profile,
    profile_names,
)
from drivers.relay_codec import Ask

# Frames as the makers and users of the boards print them (drivers reference 1.1).
PRINTED = [
    ("waveshare-relay-8", "on 1", "01 05 00 00 FF 00 8C 3A"),
    ("waveshare-relay-8", "pulse 1 700", "01 05 02 00 00 07 8D B0"),
    ("waveshare-relay-8", "outputs", "01 01 00 00 00 08 3D CC"),
    ("waveshare-io-8ch", "inputs", "01 02 00 00 00 08 79 CC"),
    ("eletechsup-r421a08", "on 1", "01 06 00 01 01 00 D9 9A"),
    ("eletechsup-r421a08", "pulse 1 1000", "01 06 00 01 05 00 DB 5A"),
    ("eletechsup-r421a08", "pulse 1 3000", "01 06 00 01 06 03 9B AB"),
    ("generic-0100-4", "on 1", "01 05 00 01 01 00 9D 9A"),
    ("generic-0100-4", "read_address", "00 03 40 00 00 01 90 1B"),
    ("generic-0100-4", "set_address 1", "00 06 40 00 00 01 5C 1B"),
    ("lctech-2ch", "inputs", "FF 02 00 00 00 08 6C 12"),
    ("inputs-8", "inputs", "01 02 00 00 00 08 79 CC"),
]
GOOD = """name = "site-board"
title = "A board of this site"

[outputs]
count = 4
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


@pytest.mark.parametrize(("name", "what", "frame"), PRINTED)
def test_a_profile_makes_the_printed_frame(name: str, what: str, frame: str) -> None:
    profile = load_profile(name)
    question = profile.in_words(what, unit=profile.unit)
    assert question is not None
    assert Rtu().wrap(question.body()) == bytes.fromhex(frame)


@pytest.mark.parametrize("name", profile_names())
def test_each_vector_is_a_request_that_an_independent_server_understands(name: str) -> None:
    for vector in load_profile(name).vector:
        frame = bytes.fromhex(vector.frame)
        used, unit, _, pdu = FramerRTU(DecodePDU(is_server=True)).decode(frame)
        assert (used, unit) == (len(frame), frame[0])
        found = DecodePDU(is_server=True).decode(pdu)
        assert found is not None
        assert (found.function_code, found.address) == (frame[1], int.from_bytes(frame[2:4], "big"))


def test_the_profiles_of_the_contract_are_there() -> None:
    assert profile_names() == [
        "eletechsup-r421a08",
        "generic-0100-4",
        "inputs-8",
        "kmtronic-modbus-8",
        "lctech-2ch",
        "waveshare-io-8ch",
        "waveshare-relay-8",
    ]


def test_a_site_adds_a_board_by_a_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "site-board.toml"
    path.write_text(GOOD, encoding="utf-8")
    profile = load_profile(path)
    question = profile.question(Ask.ON, unit=5, channel=4)
    assert question is not None
    assert question.body() == bytes.fromhex("05 05 00 03 FF 00")


@pytest.mark.parametrize(
    ("old", "new", "place", "why"),
    [
        ("FF 00 8C 3A", "FF 00 8C 3B", "line 11, vector 1 ('on 1')", "the profile makes"),
        ('what = "off 1"', 'what = "of 1"', "line 16, vector 2 ('of 1')", "no such verb"),
        ('what = "off 1"', 'what = "off 9"', "line 16, vector 2 ('off 9')", "no such verb"),
        ('what = "off 1"', 'what = ""', "line 16, vector 2 ('')", "no such verb"),
        ("01 05 00 00 00 00 CD CA", "O1 05", "line 16, vector 2 ('off 1')", "not hex"),
        ("write = 5", "write = 15", "line 7, outputs.write", "5 or 6"),
        ("write = 5", "wriet = 5", "line 7, outputs.wriet", "Extra inputs"),
        ("count = 4", "count = 0", "line 5, outputs.count", "greater than or equal"),
        ("first = 0", "first = 0xFFFE", "outputs.first", "no address"),
        ("off = 0x0000", "off = 0xFF00", "outputs.on", "the same value"),
        ("[outputs]", "[outputs", "", "no TOML file"),
        ('what = "off 1"\nframe = "01 05 00 00 00 00 CD CA"', 'what = "on 2"\nframe = "01 05 00 01 FF 00 DD FA"',
         "vector", "no vector for: off"),
        ("[[vector]]", "[outputs.pulse]\nfirst = 0\nstep_ms = 300\nms = [100, 2000]\n\n[[vector]]",
         "outputs.pulse.ms", "whole steps of 300 ms"),
        ("[[vector]]", "[outputs.pulse]\nfirst = 0\nstep_ms = 100\nms = [100, 9000]\n\n[[vector]]",
         "outputs.pulse.ms.1", "less than or equal to 2000"),
    ],
)  # fmt: skip
def test_a_wrong_profile_is_refused_with_its_place(old: str, new: str, place: str, why: str) -> None:
    assert old in GOOD
    with pytest.raises(ProfileError) as caught:
        parse_profile(GOOD.replace(old, new, 1).encode(), file="site.toml")
    assert (caught.value.file, caught.value.where) == ("site.toml", place)
    assert "site.toml" in str(caught.value)
    assert why in str(caught.value)


def test_the_good_profile_of_these_tests_is_good() -> None:
    assert parse_profile(GOOD.encode(), file="site.toml").name == "site-board"


def test_what_is_no_file_and_no_name_is_said(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="Use one of: eletechsup-r421a08"):
        load_profile("waveshare")
    with pytest.raises(ProfileError, match="No such file"):
        load_profile(tmp_path / "absent.toml")
    with pytest.raises(ProfileError, match="neither"):
        parse_profile(b'name = "none"\ntitle = "nothing"\nvector = []\n', file="none.toml")
    big = tmp_path / "big.toml"
    big.write_bytes(b"#" * 70_000)
    with pytest.raises(ProfileError, match="larger than"):
        load_profile(big)


def test_a_name_never_leads_out_of_the_folder() -> None:
    for name in ("../../../etc/passwd", "", ".", "profiles/inputs-8"):
        with pytest.raises(ProfileError, match="none of this name"):
            load_profile(name)


def test_each_profile_file_is_named_for_its_profile() -> None:
    for path in FOLDER.glob("*.toml"):
        assert load_profile(path.stem).name == path.stem


def test_outputs_read_one_by_one_are_never_asked_for_at_once() -> None:
    profile = load_profile("eletechsup-r421a08")
    assert profile.question(Ask.OUTPUTS, unit=1) is None
    question = profile.question(Ask.OUTPUTS, unit=1, channel=8)
    assert question is not None
    assert (question.function, question.address, question.value) == (READ_REGISTERS, 8, 1)


def test_a_fast_line_keeps_the_shortest_silence() -> None:
    fast = GOOD.replace("[outputs]", "[line]\nbaud = 115200\n\n[outputs]").encode()
    slow = GOOD.replace("[outputs]", "[line]\nsilence_ms = 20\n\n[outputs]").encode()
    assert parse_profile(fast, file="f").line.silence_s == 0.00175
    assert parse_profile(slow, file="f").line.silence_s == 0.020
    assert load_profile("waveshare-relay-8").line.silence_s == pytest.approx(0.00401, abs=1e-5)
