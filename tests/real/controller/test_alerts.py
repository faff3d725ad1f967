from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx2
import pytest

from controller import schema
from controller.alerts import BACKOFF_MAX, GIVE_UP_AFTER, AlertOutbox
from controller.overstay import OverstayMonitor
from controller.sms import Accepted, Answer, HttpSms, TryAgain
from tests.real.controller.centre import NOON, SMS, SUPERVISOR, Centre, Journal
from tests.real.controller.gateway import ACCEPT, Gateway, running_gateway

pytestmark = pytest.mark.real
QUICK = httpx2.Timeout(0.2)
ALERT = ("state", "attempts")


class Killed(BaseException):
    """The process ends here."""


class DyingSender:
    """Hands over to a gateway, and the process dies before it hears the answer."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, str]] = []

    def send(self, *, to: str, text: str, key: str) -> Answer:
        self.sent.append((to, text, key))
        raise Killed


class Scripted:
    """Answers in turn."""

    def __init__(self, *answers: Answer) -> None:
        self.answers, self.sent = list(answers), set[tuple[str, str, str]]()

    def send(self, *, to: str, text: str, key: str) -> Answer:
        self.sent.add((to, text, key))
        return self.answers.pop(0)


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with running_gateway() as running:
        yield running


@pytest.fixture
def overdue(centre: Centre, journal: Journal) -> Centre:
    """A centre with one alert in its outbox."""
    journal.entry(NOON, minutes=1)
    centre.receive(journal.sent())
    centre.clock.pass_by(60)
    monitor = OverstayMonitor(
        store=centre.store, clock=centre.clock, zone=ZoneInfo("Asia/Shanghai"), sites={}, sms=SMS
    )
    assert monitor.tick() == 1
    return centre


def outbox(centre: Centre, sender: Any, jitter: float = 0.999) -> AlertOutbox:
    return AlertOutbox(store=centre.store, sender=sender, clock=centre.clock, random=lambda: jitter)


def test_an_alert_is_sent_once_and_accepted(overdue: Centre, gateway: Gateway) -> None:
    with HttpSms(gateway.url) as sms:
        box = outbox(overdue, sms)
        assert [box.send_next(), box.send_next()] == [True, False]
    ((key, text),) = overdue.rows(schema.alert, "key", "text")
    assert gateway.messages == [{"to": SUPERVISOR, "text": text, "key": key}]
    assert overdue.rows(schema.alert, *ALERT, "gateway_id") == [("accepted", 1, "g-1")]


def test_after_500_the_same_key_is_tried_again_when_it_is_due(overdue: Centre, gateway: Gateway) -> None:
    gateway.answers = [(500, b"oops"), ACCEPT]
    with HttpSms(gateway.url) as sms:
        box = outbox(overdue, sms)
        assert [box.send_next(), box.send_next()] == [True, False]
        assert overdue.rows(schema.alert, *ALERT) == [("queued", 1)]
        assert 1.9 < box.seconds_to_next() <= 2.0
        overdue.clock.pass_by(2)
        assert box.send_next()
    assert overdue.rows(schema.alert, *ALERT) == [("accepted", 2)]
    assert len({message["key"] for message in gateway.messages}) == 1


def test_silence_is_tried_again_with_the_same_key(overdue: Centre, gateway: Gateway) -> None:
    gateway.answers = [None, ACCEPT]
    with HttpSms(gateway.url, QUICK) as sms:
        box = outbox(overdue, sms)
        assert box.send_next()
        assert overdue.rows(schema.alert, *ALERT, "detail") == [("queued", 1, "ReadTimeout")]
        overdue.clock.pass_by(2)
        assert box.send_next()
    assert overdue.rows(schema.alert, *ALERT) == [("accepted", 2)]
    assert len(gateway.messages) == 2
    assert gateway.messages[0] == gateway.messages[1]


def test_a_gateway_that_is_away_is_tried_again(overdue: Centre) -> None:
    with running_gateway() as gone:
        url = gone.url
    with HttpSms(url, QUICK) as sms:
        assert outbox(overdue, sms).send_next()
    assert overdue.rows(schema.alert, *ALERT, "detail") == [("queued", 1, "ConnectError")]


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        ((400, {"accepted": False, "error": "number is blocked"}), "HTTP 400: number is blocked"),
        ((200, {"accepted": False, "error": "no credit"}), "HTTP 200: no credit"),
        ((400, b'{"accepted": false, "error": "\\ud800\\u0000"}'), "HTTP 400: \\ud800"),
    ],
)
def test_a_refusal_is_final(overdue: Centre, gateway: Gateway, answer: tuple[int, Any], detail: str) -> None:
    gateway.answers = [answer, ACCEPT]
    with HttpSms(gateway.url) as sms:
        box = outbox(overdue, sms)
        assert box.send_next()
        overdue.clock.pass_by(3600)
        assert not box.send_next()
    assert overdue.rows(schema.alert, *ALERT, "detail") == [("failed", 1, detail)]
    assert len(gateway.messages) == 1


@pytest.mark.parametrize(
    "answer", [(404, b"<html>"), (302, b""), (401, b""), (403, {"error": "log in"}), (200, b"[" * 3900)]
)
def test_net6_what_a_portal_or_proxy_answers_is_not_the_gateways_word(
    overdue: Centre, gateway: Gateway, answer: tuple[int, Any]
) -> None:
    gateway.answers = [answer, ACCEPT]
    with HttpSms(gateway.url) as sms:
        box = outbox(overdue, sms)
        assert box.send_next()
        assert [state for state, *_ in overdue.rows(schema.alert, *ALERT)] == ["queued"]
        overdue.clock.pass_by(60)
        assert box.send_next()
    assert overdue.rows(schema.alert, *ALERT) == [("accepted", 2)]


@pytest.mark.parametrize("status", [408, 425, 429])
def test_a_gateway_that_is_busy_is_tried_again(overdue: Centre, gateway: Gateway, status: int) -> None:
    gateway.answers = [(status, {"accepted": False, "error": "too many"}), ACCEPT]
    with HttpSms(gateway.url) as sms:
        box = outbox(overdue, sms)
        assert box.send_next()
        assert overdue.rows(schema.alert, *ALERT, "detail") == [("queued", 1, f"HTTP {status}")]
        overdue.clock.pass_by(2)
        assert box.send_next()
    assert overdue.rows(schema.alert, *ALERT) == [("accepted", 2)]


@pytest.mark.parametrize(
    "answer", [(200, b"<html>log in</html>"), (200, [1]), (200, b"x" * 100_000), (200, {"accepted": 1})]
)
def test_an_answer_that_says_nothing_on_the_message_is_not_taken_for_yes(
    overdue: Centre, gateway: Gateway, answer: tuple[int, Any]
) -> None:
    gateway.answers = [answer, ACCEPT]
    with HttpSms(gateway.url) as sms:
        assert outbox(overdue, sms).send_next()
    assert overdue.rows(schema.alert, *ALERT) == [("queued", 1)]


def test_waiting_doubles_to_a_bound_with_jitter_and_ends_after_a_day(overdue: Centre) -> None:
    sender = Scripted(*[TryAgain("HTTP 503")] * 13)
    box = outbox(overdue, sender, jitter=0.0)
    waits_s = []
    for _ in range(12):
        assert box.send_next()
        ((due,),) = overdue.rows(schema.alert, "next_at")
        waits_s.append((due - overdue.clock.time).total_seconds())
        overdue.clock.time = due
    longest_s = BACKOFF_MAX.total_seconds() / 2
    assert waits_s == [1, 2, 4, 8, 16, 32, 64, 128, *[longest_s] * 4]
    overdue.clock.time += GIVE_UP_AFTER
    assert box.send_next()
    assert overdue.rows(schema.alert, "state", "detail") == [("failed", "given up: HTTP 503")]
    assert len(sender.sent) == 1


def kill_while_sending(centre: Centre) -> str:
    """The process dies between the claim and the answer, and the file is opened again; returns the key."""
    sender = DyingSender()
    with pytest.raises(Killed):
        outbox(centre, sender).send_next()
    assert centre.rows(schema.alert, "state") == [("sending",)]
    centre.store.close()
    centre.reopen()
    ((_, _, key),) = sender.sent
    return key


def test_a_send_that_was_killed_is_repeated_once_with_the_same_key(overdue: Centre, gateway: Gateway) -> None:
    key = kill_while_sending(overdue)
    with HttpSms(gateway.url) as sms:
        box = outbox(overdue, sms)
        box.recover()
        assert box.send_next()
    assert [message["key"] for message in gateway.messages] == [key]
    assert overdue.rows(schema.alert, *ALERT, "resumed") == [("accepted", 2, True)]


def test_a_send_that_was_killed_twice_is_unknown_and_sent_no_more(overdue: Centre) -> None:
    kill_while_sending(overdue)
    outbox(overdue, Scripted()).recover()
    kill_while_sending(overdue)
    overdue.clock.pass_by(3600)
    box = outbox(overdue, Scripted())
    box.recover()
    assert not box.send_next()
    assert overdue.rows(schema.alert, *ALERT) == [("unknown", 2)]


def test_a_repeat_without_a_clear_answer_is_unknown(overdue: Centre) -> None:
    kill_while_sending(overdue)
    sender = Scripted(TryAgain("HTTP 502"))
    box = outbox(overdue, sender)
    box.recover()
    assert box.send_next()
    overdue.clock.pass_by(3600)
    assert not box.send_next()
    assert overdue.rows(schema.alert, "state", "detail") == [("unknown", "repeated once, then: HTTP 502")]


def test_a_repeat_that_reaches_no_gateway_waits_until_one_is_there(overdue: Centre) -> None:
    """After a power cut the centre is often up before the router: that attempt told nobody anything."""
    key = kill_while_sending(overdue)
    with running_gateway() as gone:
        url = gone.url
    with HttpSms(url, QUICK) as sms:
        box = outbox(overdue, sms)
        box.recover()
        for _ in range(3):
            assert box.send_next()
            assert overdue.rows(schema.alert, "state", "detail") == [("queued", "ConnectError")]
            overdue.clock.pass_by(300)
    with running_gateway() as back, HttpSms(back.url) as sms:
        assert outbox(overdue, sms).send_next()
        assert [message["key"] for message in back.messages] == [key]
    assert overdue.rows(schema.alert, "state", "resumed") == [("accepted", True)]


def test_a_restart_leaves_messages_alone_that_were_not_on_their_way(overdue: Centre) -> None:
    sender = Scripted(Accepted("g-2"))
    box = outbox(overdue, sender)
    box.recover()
    assert overdue.rows(schema.alert, "state", "resumed") == [("queued", False)]
    assert box.send_next()
    box.recover()
    assert not box.send_next()
    assert overdue.rows(schema.alert, "state") == [("accepted",)]


def test_what_was_withdrawn_while_the_gateway_was_away_is_never_sent(
    overdue: Centre, journal: Journal
) -> None:
    box = outbox(overdue, Scripted(TryAgain("HTTP 503")))
    assert box.send_next()
    journal.leaving(NOON + timedelta(seconds=30))
    overdue.receive(journal.sent(2))
    overdue.clock.pass_by(3600)
    assert not box.send_next()
    assert overdue.rows(schema.alert, "state") == [("cancelled",)]


class Withdrawing:
    """No answer, and while it was awaited the gate reported that the visitor had left in time."""

    def __init__(self, centre: Centre, journal: Journal) -> None:
        self.centre, self.journal, self.sent = centre, journal, 0

    def send(self, *, to: str, text: str, key: str) -> Answer:  # noqa: ARG002
        self.sent += 1
        self.journal.leaving(NOON + timedelta(seconds=30))
        self.centre.receive(self.journal.sent(2))
        return TryAgain("ReadTimeout")


def test_what_was_withdrawn_while_it_was_being_sent_is_not_sent_again(
    overdue: Centre, journal: Journal
) -> None:
    sender = Withdrawing(overdue, journal)
    box = outbox(overdue, sender)
    assert box.send_next()
    overdue.clock.pass_by(3600)
    assert not box.send_next()
    assert overdue.rows(schema.alert, "state", "detail") == [("cancelled", "incident withdrawn")]
    assert sender.sent == 1


def test_an_incident_that_is_open_again_tells_whom_it_had_not_told(overdue: Centre) -> None:
    """An exit without a stay seems to end the overdue visit, until a later entry turns up that it fits better."""
    north, west = Journal("north"), Journal("west")
    north.leaving(NOON + timedelta(seconds=50), stay=None)
    overdue.receive(north.sent())
    assert overdue.rows(schema.incident, "state", "cites") == [("withdrawn", "north/eeeeeeeeeeeeeeee/1")]
    assert overdue.rows(schema.alert, "state") == [("cancelled",)]
    overdue.clock.pass_by(2 * GIVE_UP_AFTER.total_seconds())
    west.entry(NOON + timedelta(seconds=20), stay="5b" * 8)
    overdue.receive(west.sent())
    assert overdue.rows(schema.incident, "state", "cites") == [("open", None)]
    assert overdue.rows(schema.alert, "state", "ended_at") == [("queued", None)]
    box = outbox(overdue, Scripted(TryAgain("HTTP 503"), Accepted("g-3")))
    assert box.send_next()
    overdue.clock.pass_by(300)
    assert box.send_next()
    assert overdue.rows(schema.alert, "state", "gateway_id") == [("accepted", "g-3")]
