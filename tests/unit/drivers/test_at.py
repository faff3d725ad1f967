"""AT command lines: answers among echoes, prompts and news."""

import pytest

from drivers.devices.at import LINE_MAX, LINES_MAX, Answer, Dialogue, News, Prompt

OK = Answer(good=True)


@pytest.fixture
def dialogue() -> Dialogue:
    return Dialogue()


def test_an_answer_with_its_line_and_without_its_echo(dialogue: Dialogue) -> None:
    dialogue.ask("AT+CSQ", answer=r"\+CSQ: .*")
    assert dialogue.feed(b"AT+CSQ\r\r\n+CSQ: 18,99\r\n\r\nOK\r\n") == [
        Answer(good=True, lines=("+CSQ: 18,99",))
    ]


def test_news_in_the_middle_of_an_answer_are_told_and_do_not_count(dialogue: Dialogue) -> None:
    dialogue.ask("AT+CREG?", answer=r"\+CREG: \d,\d")
    assert dialogue.feed(b"\r\n+CREG: 5\r\n+CREG: 0,1\r\nRING\r\n+CDS: 25\r\n0006AB\r\nOK\r\n") == [
        News("+CREG: 5"),
        News("RING"),
        News("+CDS: 25", "0006AB"),
        Answer(good=True, lines=("+CREG: 0,1",)),
    ]


def test_a_receipt_whose_second_line_is_missing_costs_no_answer(dialogue: Dialogue) -> None:
    dialogue.ask("AT")
    assert dialogue.feed(b"+CDS: 25\r\nOK\r\n") == [News("+CDS: 25"), OK]


@pytest.mark.parametrize("line", ["ERROR", "+CME ERROR: 10", "+CMS ERROR: 332", "COMMAND NOT SUPPORT"])
def test_errors_end_a_command(dialogue: Dialogue, line: str) -> None:
    dialogue.ask("AT+CPIN?")
    assert dialogue.feed(f"\r\n{line}\r\n".encode()) == [Answer(good=False, error=line)]


@pytest.mark.parametrize("data", [b"\r\n> ", b"AT+CMGS=29\r\r\n> ", b"\r\n>", b"> \r\n"])
def test_a_prompt_needs_no_end_of_line(dialogue: Dialogue, data: bytes) -> None:
    dialogue.ask("AT+CMGS=29", prompt=True)
    assert dialogue.feed(data) == [Prompt()]
    assert dialogue.feed(b" ") == []


def test_a_prompt_that_nobody_waits_for_is_none_and_spoils_nothing(dialogue: Dialogue) -> None:
    assert dialogue.feed(b"\r\n> ") == []
    dialogue.ask("AT")
    assert dialogue.feed(b"\r\nOK\r\n") == [OK]


def test_the_echo_of_a_text_is_no_answer(dialogue: Dialogue) -> None:
    dialogue.ask("AT+CMGS=2", prompt=True)
    assert dialogue.feed(b"\r\n> ") == [Prompt()]
    dialogue.ask("0021", answer=r"\+CMGS: \d+")
    assert dialogue.feed(b"0021\x1a\r\n+CMGS: 7\r\n\r\nOK\r\n") == [Answer(good=True, lines=("+CMGS: 7",))]


def test_nothing_is_an_answer_when_nothing_was_asked(dialogue: Dialogue) -> None:
    assert dialogue.feed(b"OK\r\n") == [News("OK")]
    dialogue.ask("AT")
    dialogue.forget()
    assert dialogue.feed(b"OK\r\n") == [News("OK")]


def test_a_line_without_end_is_bounded_and_the_next_is_read(dialogue: Dialogue) -> None:
    dialogue.ask("AT")
    for _ in range(40):
        assert dialogue.feed(b"A" * 100) == []
    assert dialogue.feed(b"\r\nOK\r\n") == [OK]
    assert dialogue.take_garbage() == 4000 > LINE_MAX


def test_lines_of_one_answer_are_bounded(dialogue: Dialogue) -> None:
    dialogue.ask("AT+X", answer=".*")
    (answer,) = dialogue.feed(b"x\r\n" * 1000 + b"OK\r\n")
    assert answer == Answer(good=True, lines=("x",) * LINES_MAX)


def test_bytes_that_are_no_text_are_garbage(dialogue: Dialogue) -> None:
    dialogue.ask("AT")
    assert dialogue.feed(b"\xff\xfe\r\n\x01a\r\nOK\r\n") == [OK]
    assert dialogue.take_garbage() == 4


def test_a_lost_line_leaves_nothing(dialogue: Dialogue) -> None:
    dialogue.ask("AT")
    dialogue.feed(b"+CDS: 3\r\nO")
    dialogue.reset()
    assert dialogue.feed(b"K\r\n") == [News("K")]
