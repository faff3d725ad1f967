"""A trace plays the device: order, delays, polls, departures, and traces that cannot be played."""

import json
from pathlib import Path
from typing import Any

import pytest

from simulators.replay import Replay
from simulators.replay_script import ScriptError, read_script

ASK, CLOSED, OPEN, GO = b"\x01\x01", b"\x01\x81\x01", b"\x01\x81\x00", b"\x01\x05"


def written(tmp_path: Path, *rows: dict[str, Any], protocol: str = "modbus-relay") -> Path:
    file = tmp_path / "trace.jsonl"
    head = {"trace": 1, "protocol": protocol, "port": "/dev/x", "baud": 9600}
    file.write_text("".join(json.dumps(row) + "\n" for row in (head, *rows)), encoding="utf-8")
    return file


def row(ms: float, do: str, data: bytes = b"", **more: Any) -> dict[str, Any]:
    return {"ms": ms, "do": do} | ({"hex": data.hex(" ")} if data else {}) | more


def polled(tmp_path: Path) -> Path:
    """A pulse, then three polls of which the last one reads open."""
    return written(
        tmp_path,
        row(0, "open"),
        row(10, "tx", GO),
        row(15, "rx", GO),
        row(100, "tx", ASK),
        row(104, "rx", CLOSED),
        row(200, "tx", ASK),
        row(204, "rx", CLOSED),
        row(300, "tx", ASK),
        row(304, "rx", OPEN),
    )


def heard(replay: Replay, data: bytes, now_s: float) -> list[tuple[bytes, float]]:
    answers = [*replay.receive(data, now_s), *replay.tick(now_s + 0.05)]
    return [(each.data, round(each.at_s - now_s, 6)) for each in answers]


def departures(replay: Replay) -> list[str]:
    return [each.text for each in replay.take_happenings() if each.what == "departure"]


def test_the_same_bytes_get_the_same_answers_after_the_same_time_in_every_round(tmp_path: Path) -> None:
    replay = Replay(read_script(polled(tmp_path)), strict=True)
    for number in (1, 2, 3):
        began_s = 10.0 * number
        assert heard(replay, GO[:1], began_s - 0.01) == []
        assert heard(replay, GO[1:], began_s) == [(GO, 0.005)]
        for at_s, said in ((0.1, CLOSED), (0.2, CLOSED), (0.3, OPEN)):
            assert heard(replay, ASK, began_s + at_s) == [(said, 0.004)]
        assert (replay.rounds, replay.departures) == (number, 0)


def test_a_poll_is_answered_by_the_clock_however_often_it_is_asked(tmp_path: Path) -> None:
    replay = Replay(read_script(polled(tmp_path)), strict=True)
    heard(replay, GO, 5.0)
    times = (0.1, 0.15, 0.2, 0.25, 0.28, 0.3, 0.4)
    said = [heard(replay, ASK, 5.0 + at_s)[0][0] for at_s in times]
    assert said == [CLOSED] * 5 + [OPEN] * 2
    assert replay.departures == 0


def test_a_departure_is_named_with_its_line_and_the_play_goes_on(tmp_path: Path) -> None:
    replay = Replay(read_script(polled(tmp_path)))
    assert heard(replay, b"\x07\x07", 1.0) == []
    assert departures(replay) == ["the host wrote 07 07, and line 3 has 01 05"]
    assert heard(replay, GO, 2.0) == [(GO, 0.005)]
    assert heard(replay, GO, 2.1) == [(GO, 0.005)]
    assert departures(replay) == ["the host repeated line 3"]
    assert heard(replay, ASK, 2.2) == [(CLOSED, 0.004)]
    assert departures(replay) == []


def test_half_a_write_is_named_when_nothing_follows(tmp_path: Path) -> None:
    replay = Replay(read_script(polled(tmp_path)))
    replay.receive(GO[:1], 1.0)
    deadline_s = replay.next_deadline()
    assert deadline_s is not None
    replay.tick(deadline_s)
    assert departures(replay) == ["the host stopped after 01; line 3 has 01 05"]


def test_a_strict_play_ends_at_the_first_departure(tmp_path: Path) -> None:
    ended: list[bool] = []
    replay = Replay(read_script(polled(tmp_path)), strict=True, ended=lambda: ended.append(True))
    assert heard(replay, ASK, 1.0) == []
    assert (ended, departures(replay)) == ([True], ["the host wrote 01 01, and line 3 has 01 05"])
    assert heard(replay, GO, 2.0) == []


def test_a_host_that_came_back_begins_anew_and_what_it_left_is_named(tmp_path: Path) -> None:
    replay = Replay(read_script(polled(tmp_path)))
    heard(replay, GO, 1.0)
    replay.host_left()
    assert heard(replay, GO, 2.0) == [(GO, 0.005)]
    assert (replay.rounds, departures(replay)) == (2, ["the host began again before line 5"])


def test_another_speed_is_a_departure_and_a_trace_may_change_its_own(tmp_path: Path) -> None:
    rows = (row(0, "open", baud=9600), row(1, "tx", ASK), row(2, "rx", OPEN), row(3, "close"))
    again = (row(10, "open", baud=19200), row(11, "tx", ASK), row(12, "rx", CLOSED))
    replay = Replay(read_script(written(tmp_path, *rows, *again)))
    replay.host_baud = 19200
    heard(replay, b"\x07", 0.5)
    assert departures(replay) == ["the host wrote 07, and line 3 has 01 01 at 9600 baud, not 19200"]
    replay.host_baud = 9600
    assert heard(replay, ASK, 1.0)[0][0] == OPEN
    replay.host_left()
    replay.host_baud = 19200
    assert heard(replay, ASK, 2.0)[0][0] == CLOSED
    assert (replay.rounds, replay.departures) == (1, 1)


def test_what_a_device_says_unasked_comes_again_and_again(tmp_path: Path) -> None:
    replay = Replay(read_script(written(tmp_path, row(0, "open"), row(40, "rx", b"5"), row(80, "rx", b"6"))))
    said, now_s = b"", 0.0
    while now_s < 1.0:
        said += b"".join(each.data for each in replay.tick(now_s))
        now_s += 0.01
    assert said.startswith(b"565656")


def test_a_modems_bytes_are_played_and_not_shown(tmp_path: Path) -> None:
    rows = (row(0, "tx", b'AT+CMGS="13800138000"\r'), row(1, "rx", b"> "))
    replay = Replay(read_script(written(tmp_path, *rows, protocol="")))
    heard(replay, b"AT+CPIN=1234\r", 1.0)
    (words,) = departures(replay)
    assert (
        words
        == "the host wrote 13 bytes (not shown: a modem's), and line 2 has 22 bytes (not shown: a modem's)"
    )
    assert heard(replay, b'AT+CMGS="13800138000"\r', 2.0) == [(b"> ", 0.001)]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "line 1: it is no trace"),
        ('{"trace": 2}\n', "line 1: it is no trace"),
        ('{"trace": 1}\n', "nothing was written or heard"),
        ('{"trace": 1}\n…\n', "line 2: it is no line of a trace"),
        ('{"trace": 1}\n{"do": "rx", "hex": "01"}\n', "line 2: it has no time"),
        ('{"trace": 1}\n{"ms": 1, "do": "rx", "hex": "0"}\n', "line 2: \"hex\" is not bytes"),
        ('{"trace": 1}\n{"ms": 1, "do": "tx", "bytes": 22, "frames": []}\n', "line 2: its bytes were taken out"),
        ('{"trace": 1}\n{"ms": 1, "do": "tx", "hex": ""}\n', "line 2: its bytes were taken out"),
        ("[" * 100_000, "line 1: it is no line"),
    ],
)  # fmt: skip
def test_what_cannot_be_played_is_named_with_its_line(tmp_path: Path, content: str, why: str) -> None:
    file = tmp_path / "t.jsonl"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(ScriptError, match=why):
        read_script(file)
