import pytest
from fastapi import HTTPException, Request

from controller.phone.guarding import ADDRESSES_MAX, WRONG_MAX, WRONG_WITHIN_S, WrongCounter, bounded
from tests.ticking import HandClock


def test_an_address_waits_after_too_many_wrong_ones_and_only_so_long() -> None:
    clock = HandClock()
    counter = WrongCounter(clock.monotonic_s)
    for _ in range(WRONG_MAX):
        assert not counter.is_over("a")
        counter.count("a")
    assert counter.is_over("a") and not counter.is_over("b")
    clock.advance(WRONG_WITHIN_S - 1)
    assert counter.is_over("a")
    clock.advance(1)
    assert not counter.is_over("a")


def test_many_addresses_do_not_fill_the_memory() -> None:
    counter = WrongCounter(HandClock().monotonic_s)
    for _ in range(WRONG_MAX):
        counter.count("first")
    for number in range(ADDRESSES_MAX):
        counter.count(str(number))
    assert not counter.is_over("first")  # forgotten, the least recent of all


def asked(*headers: tuple[bytes, bytes]) -> Request:
    return Request({"type": "http", "method": "POST", "headers": list(headers)})


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ((), 411),
        (((b"content-length", b"x"),), 411),
        (((b"content-length", "٣".encode("latin-1", "replace")),), 411),
        (((b"content-length", b"10"), (b"transfer-encoding", b"chunked")), 411),
        (((b"transfer-encoding", b"chunked"),), 411),
        (((b"content-length", b"11"),), 413),
        (((b"content-length", b"9" * 5000),), 413),
    ],
)
def test_a_body_without_a_bound_is_refused(headers: tuple[tuple[bytes, bytes], ...], status: int) -> None:
    with pytest.raises(HTTPException) as caught:
        bounded(asked(*headers), bytes_max=10)
    assert caught.value.status_code == status


def test_a_body_of_the_size_that_is_allowed_is_read() -> None:
    bounded(asked((b"content-length", b"10")), bytes_max=10)
