"""Secrets in what is shown: none is left, whatever it is made of, and what is no secret stays readable."""

from typing import Any

import pytest

from shell.masking import masked, masked_text, masked_value


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("camera rtsp://admin:my pass@10.0.0.1/x is down", "camera rtsp://***@10.0.0.1/x is down"),
        ('see rtsp://admin:a"b@10.0.0.1/x', "see rtsp://***@10.0.0.1/x"),
        ("see rtsp://admin:it's p@rt/1 2@[::1]:554/x", "see rtsp://***@[::1]:554/x"),
        ("rtsp://a b:c@h1 and rtsp://d:e f@h2", "rtsp://***@h1 and rtsp://***@h2"),
        ("rtsp://token@h/x", "rtsp://***@h/x"),
        ("rtsp://admin:1234@h:554/x", "rtsp://***@h:554/x"),
        ("http://h/x?apikey=zzz&n=1", "http://h/x?apikey=***&n=1"),
        ("http://h/x?api-key=z&access_token=y#z", "http://h/x?api-key=***&access_token=***#z"),
    ],
)
def test_n7_no_password_is_left_in_a_running_text(said: str, shown: str) -> None:
    assert masked_text(said) == shown


@pytest.mark.parametrize(
    "said",
    [
        "http://10.0.0.1:8080/entry.mjpg is down, tell guard@example",
        "http://10.0.0.1:8080 is down, tell guard@example",
        "Port 8081 on 127.0.0.1 is taken by another program",
        "http://h/x?n=1&keyboard=de",
        "sent to guard@example: pin 4",
    ],
)
def test_a_text_without_a_secret_is_shown_as_it_is(said: str) -> None:
    assert masked_text(said) == said


def test_n7_one_value_is_masked_to_its_end() -> None:
    assert masked_value("http://h/x?password=abc def&n=1") == "http://h/x?password=***&n=1"
    assert masked_value('rtsp://a:b "c@d/e') == "rtsp://***@d/e"


def test_n7_what_stands_under_the_name_of_a_secret_is_masked_whatever_its_shape() -> None:
    content: dict[str, Any] = {
        "apikey": "x",
        "api_key": "x",
        "password": {"v": "leak"},
        "key": ["a", {"b": "c"}],
        "pin": 0,
        "pins": "1",
        "key_file": "reader.key",
        "token": "",
    }
    assert masked(content) == {
        "apikey": "***",
        "api_key": "***",
        "password": {"v": "***"},
        "key": ["***", {"b": "***"}],
        "pin": "***",
        "pins": "1",
        "key_file": "reader.key",
        "token": "",
    }
