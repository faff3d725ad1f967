"""Commands whose driver cannot say any more what became of them."""

from drivers.model import AllOff, Done, Grade, Identify, Identity, Outputs, Pulse, TimedOut
from drivers.pending import Pending


def pulse(id_: str) -> Pulse:
    return Pulse(channel=1, ms=300, id=id_, issued_s=0.0)


def test_only_what_was_handed_over_before_something_was_written_may_have_been_carried_out() -> None:
    pending = Pending(["a", "b"])
    for id_ in ("written", "handed", "queued"):
        pending.taken("a", pulse(id_))
    pending.handed_over("a", pulse("written"))
    pending.written()
    pending.handed_over("a", pulse("handed"))
    assert pending.give_up() == [
        ("a", TimedOut(id="written", maybe_executed=True)),
        ("a", TimedOut(id="handed", maybe_executed=False)),
        ("a", TimedOut(id="queued", maybe_executed=False)),
    ]
    assert pending.give_up() == []


def test_what_has_its_outcome_is_not_given_up() -> None:
    pending = Pending(["a", "b"])
    for device in ("a", "b"):
        pending.taken(device, pulse("1"))
    pending.taken("a", Identify(id="2"))
    pending.told("a", Done(id="1", grade=Grade.SENT))
    pending.told("a", Identity(id="2", maker="m", model="n"))
    assert pending.give_up() == [("b", TimedOut(id="1", maybe_executed=False))]


def test_a_hold_that_has_begun_has_no_outcome_yet() -> None:
    pending = Pending(["a"])
    pending.taken("a", pulse("held"))
    pending.told("a", Outputs(id="held", bits=1, read=False))
    assert len(pending.give_up()) == 1


def test_an_id_counts_once_and_an_all_off_has_none() -> None:
    pending = Pending(["a"])
    pending.taken("a", pulse("1"))
    pending.told("a", Done(id="1", grade=Grade.SENT))
    pending.taken("a", pulse("1"))
    pending.handed_over("a", pulse("1"))
    pending.taken("a", AllOff())
    pending.handed_over("a", AllOff())
    pending.written()
    assert pending.give_up() == []
