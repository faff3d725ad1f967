from controller.phone.guarding import ADDRESSES_MAX, WRONG_MAX, WRONG_WITHIN_S, WrongCounter
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
