"""What ``gate.toml`` may say of scanners, and what it is told."""

from pathlib import Path

import pytest

from drivers.gate.warnings import warnings
from tests.unit.edge.test_wiring import WAVESHARE, lane, load, refusal


def engine(name: str = "engine", more: str = 'make = "gm65"', *, port: str = "dev/engine") -> str:
    return f'[[board]]\nname = "{name}"\nprotocol = "scanner"\nport = "{port}"\n{more}\n'


def reading(name: str = "entry", scanner: str = "engine", *, camera: bool = False, channel: int = 1) -> str:
    text = lane(name, opens=f"channel = {channel}")
    own = f'camera = "{name}.mp4"\n'
    return text.replace(own, f'scanner = "{scanner}"\n' + (own if camera else ""))


def told(tmp_path: Path, *parts: str) -> list[str]:
    config = load(tmp_path, WAVESHARE, *parts)
    return [words for words in warnings(config.board, config.lane) if "engine" in words or "spare" in words]


def test_a_lane_reads_by_an_engine_by_a_camera_or_by_both(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        WAVESHARE,
        engine(),
        engine("more", 'make = "honeywell"\nsetting = "MNUENA=0"\nlock = true', port="dev/more"),
        reading(),
        reading("exit", "more", camera=True, channel=2),
    )
    assert [one.readers for one in config.lane] == [("scanner",), ("camera", "scanner")]
    assert [one.camera for one in config.lane] == [None, str(tmp_path / "exit.mp4")]


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ([reading().replace('scanner = "engine"\n', "")], "a lane needs a reader: camera, or scanner"),
        ([reading(scanner="none")], "lane entry: board 'none' is not a scanner of this file"),
        ([reading(scanner="relays")], "lane entry: board 'relays' is not a scanner of this file"),
        ([engine(), reading(), reading("exit", channel=2)], "lane exit: scanner 'engine' is lane entry's"),
        ([engine(more='make = "text"\nlock = true'), reading()], "make 'text' cannot be locked"),
        ([engine(more='make = "newland"\nlock = true'), reading()], 'needs setting = "NAME=VALUE"'),
        ([engine(more='make = "newland"\nsetting = "x"'), reading()], "setting: write NAME=VALUE"),
    ],
)
def test_what_cannot_be_is_refused_with_words(tmp_path: Path, parts: list[str], words: str) -> None:
    assert words in refusal(tmp_path, WAVESHARE, *parts)


@pytest.mark.parametrize("expect", ["", 'expect = { usb = "1a86:7523" }'])
def test_c9_two_engines_that_may_change_places_are_refused(tmp_path: Path, expect: str) -> None:
    def two(first: str, second: str, more: str) -> list[str]:
        return [
            engine(more=f'make = "gm65"\n{more}', port=first),
            engine("more", port=second),
            reading(),
            reading("exit", "more", channel=2),
        ]

    words = refusal(tmp_path, WAVESHARE, *two("/dev/ttyUSB0", "/dev/serial/by-path/two", expect))
    assert "scanner engine: /dev/ttyUSB0 can be another scanner's after the next start" in words
    bound = 'expect = { socket = "1-2.4:1.0" }'
    load(tmp_path, WAVESHARE, *two("/dev/ttyUSB0", "/dev/serial/by-path/two", bound))
    load(tmp_path, WAVESHARE, *two("/dev/serial/by-path/one2", "/dev/serial/by-path/two", ""))


def test_an_engine_that_nobody_uses_or_that_cannot_be_asked_is_a_warning(tmp_path: Path) -> None:
    assert told(tmp_path, engine(), reading()) == []
    (unused,) = told(tmp_path, engine(), engine("spare", port="dev/spare"), reading())
    assert unused == "board spare: no lane names this scanner: what it reads is dropped"
    (text,) = told(tmp_path, engine(more='make = "text"'), reading())
    assert "cannot say whether it obeys printed set-up codes" in text
    (unknown,) = told(tmp_path, engine(more='make = "newland"'), reading())
    assert "without setting nobody can tell" in unknown
