"""Address and speed registers of Modbus profiles: the makers' frames, and what a file may not say."""

import pytest

from drivers.devices.modbus_frames import Rtu
from drivers.devices.modbus_profile import ProfileError, load_profile, parse_profile, profile_names

# The makers' own frames; LC-Tech's are from its list of commands for the series, Waveshare's from its wiki.
PRINTED = [
    ("waveshare-relay-8", "set_address 1", 0, "00 06 40 00 00 01 5C 1B"),
    ("waveshare-io-8ch", "set_baud 115200", 0, "00 06 20 00 00 05 43 D8"),
    ("lctech-2ch", "read_address", 255, "00 03 00 00 00 01 85 DB"),
    ("lctech-2ch", "set_address 255", 1, "00 10 00 00 00 01 02 00 FF EB 80"),
    ("lctech-2ch", "read_baud", 255, "FF 03 03 E8 00 01 11 A4"),
    ("lctech-2ch", "set_baud 4800", 255, "FF 10 03 E9 00 01 02 00 02 4A 0C"),
    ("lctech-2ch", "set_baud 9600", 255, "FF 10 03 E9 00 01 02 00 03 8B CC"),
    ("lctech-2ch", "set_baud 19200", 255, "FF 10 03 E9 00 01 02 00 04 CA 0E"),
]
GOOD = """name = "site-board"
title = "A board of this site"

[inputs]
count = 8
first = 0
read = 8

[speed]
register = 0x2000

[speed.codes]
9600 = 1
19200 = 2

[[vector]]
what = "inputs"
frame = "01 02 00 00 00 08 79 CC"
source = "vendor"

[[vector]]
what = "read_baud"
frame = "01 03 20 00 00 01 8F CA"
source = "rule"

[[vector]]
what = "set_baud 19200"
frame = "01 06 20 00 00 02 03 CB"
source = "rule"
"""


@pytest.mark.parametrize(("name", "what", "unit", "frame"), PRINTED)
def test_a_profile_makes_the_printed_setting(name: str, what: str, unit: int, frame: str) -> None:
    question = load_profile(name).in_words(what, unit=unit)
    assert question is not None
    assert Rtu().wrap(question.body()) == bytes.fromhex(frame)


def test_only_documented_boards_have_such_registers() -> None:
    profiles = [load_profile(name) for name in profile_names()]
    known = ["generic-0100-4", "lctech-2ch", "waveshare-io-8ch", "waveshare-relay-8"]
    assert [each.name for each in profiles if each.address_question(unit=1)] == known
    assert [each.name for each in profiles if each.speed_question(unit=1)] == known[1:]
    assert load_profile("lctech-2ch").speed_question(unit=1, baud=115200) is None


def test_a_site_may_describe_the_speed_of_its_board() -> None:
    profile = parse_profile(GOOD.encode(), file="site.toml")
    question = profile.speed_question(unit=7, baud=9600)
    assert question is not None
    assert question.body() == bytes.fromhex("07 06 20 00 00 01")


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("19200 = 2", "19200 = 1", "two speeds have the same code"),
        ("19200 = 2\n", "", "at least 2"),
        ("19200 = 2", "fast = 2", "valid integer"),
        ("00 02 03 CB", "00 03 C2 0B", "the profile makes"),
        ('what = "set_baud 19200"', 'what = "set_baud 4800"', "no such verb"),
    ],
)
def test_a_wrong_speed_is_refused(old: str, new: str, why: str) -> None:
    assert old in GOOD
    with pytest.raises(ProfileError, match=why):
        parse_profile(GOOD.replace(old, new).encode(), file="site.toml")
