"""Requests that are too old, and bytes that are no frame: each is written, or reported, once or not at all."""

from drivers.exchange import End, Exchange, Request
from drivers.model import Garbage, Urgency
from drivers.tally import REPORT_EVERY_S, GarbageTally


def request(*, stale_s: float | None) -> Request[str]:
    return Request(data=b"x", urgency=Urgency.OPEN, purpose="pulse", within_s=None, stale_s=stale_s)


def test_what_is_too_old_when_it_comes_is_not_written_though_nobody_looked_since() -> None:
    exchange: Exchange[str] = Exchange()
    exchange.tick(3.0)
    old, fresh = request(stale_s=2.0), request(stale_s=4.0)
    exchange.put(old)
    exchange.put(fresh)
    assert exchange.take() is fresh
    assert exchange.take() is None
    assert exchange.tick(3.0) == [(old, End.STALE)]


def test_s8_each_byte_of_noise_is_reported_once() -> None:
    tally = GarbageTally()
    tally.add(3, 0.0)
    tally.add(2, REPORT_EVERY_S / 2)
    assert tally.take(REPORT_EVERY_S) == [Garbage(5)]
    assert tally.take(10.0) == []
    tally.add(4, 10.0)
    assert tally.take(10.0 + REPORT_EVERY_S) == [Garbage(4)]
