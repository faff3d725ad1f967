"""Two things at once around one scan: the lists or keys change, a guard opens too, a fire begins. Each is whole."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from drivers.model import BoardCommand
from edge.orders import HandsError, Order
from passes.bundle import Before, Bundle, pack_statuses
from passes.decide import Note
from passes.keys import KeyTable
from passes.vocabulary import PassStatus
from tests.gate_world import FOREIGN, World, granted, reason
from tests.minting import SITE, Mint
from tests.ticking import HandClock

pytestmark = pytest.mark.real
GUARD = Order(by="王强", reason="已核实")
FIRE = 4


@dataclass
class AtOnce(World):
    """A world that holds a bundle, and in which something may happen just when a relay is told."""

    withdrawn: set[int] = field(default_factory=set)
    just_then: Callable[[], None] | None = None

    def bundle(self) -> Bundle | None:
        at = int(self.clock.now().timestamp())
        return Bundle(
            site=SITE,
            seq=1,
            issued_at=at,
            ttl_s=60,
            expires_at=at + 3600,
            keyset_seq=1,
            statuses=pack_statuses(dict.fromkeys(self.withdrawn, PassStatus.INVALID)),
            red=(),
            before=tuple[Before, ...](),
        )

    def _submit(self, board: str, command: BoardCommand) -> bool:
        if self.just_then is not None:
            happens, self.just_then = self.just_then, None
            happens()
        return super()._submit(board, command)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[AtOnce]:
    made = AtOnce(tmp_path, HandClock(), inputs=[{"role": "fire", "board": "inputs", "channel": FIRE}])
    made.start()
    yield made
    made.journal.close()


def decisions(world: World) -> list[tuple[str, str | None]]:
    return [(row["outcome"], row.get("reason")) for row in world.events("decision")]


def test_x4_a_pass_that_is_withdrawn_between_its_decision_and_its_pulse_counts_from_the_next_scan(
    world: AtOnce,
) -> None:
    world.just_then = lambda: world.withdrawn.add(101)
    assert granted(world.show(world.fresh(1)))
    assert (len(world.pulses), world.withdrawn) == (1, {101})
    world.wait(5)  # nobody walked: the entry is given back, and asked for once more
    world.clock.advance(3)
    assert reason(world.show(world.fresh(1))) == "revoked"
    assert decisions(world) == [("grant", None), ("deny", "revoked")]
    assert len(world.pulses) == 1
    assert granted(world.show(world.fresh(2)))


def test_x5_whoever_is_withdrawn_while_inside_leaves_and_the_record_says_so(world: AtOnce) -> None:
    world.show(world.fresh(1))
    world.walk()
    world.withdrawn.add(101)
    world.wait(8)
    assert reason(world.show(world.fresh(1))) == "revoked"
    verdict = world.show(world.fresh(1), lane="exit")
    assert granted(verdict)
    assert verdict is not None
    assert verdict.notes == (Note.WITHDRAWN_EXIT,)
    world.walk("exit")
    assert [row["direction"] for row in world.events("passage")] == ["entry", "exit"]
    assert world.standings.inside() == []


def test_x7_a_guard_who_opens_while_a_scan_is_in_work_waits_at_an_entry_and_is_a_second_cause_at_an_exit(
    world: AtOnce,
) -> None:
    assert granted(world.show(world.fresh(1)))
    world.clock.advance(0.5)
    with pytest.raises(HandsError) as refused:
        world.gate.hands.pulse("entry", GUARD)
    assert (refused.value.code, refused.value.why) == ("busy", "walking")
    assert (len(world.pulses), world.events("override")) == (1, [])
    assert granted(world.show(world.fresh(2), lane="exit"))
    world.clock.advance(0.5)
    world.gate.hands.pulse("exit", GUARD)
    ids = [command.id for _, command in world.pulses]
    assert len(set(ids)) == 3  # two causes, two rows, two pulses: none takes the other's
    assert [row["act"] for row in world.events("override")] == ["pulse"]
    world.walk("exit")
    world.walk("exit")
    assert [row["direction"] for row in world.events("passage")] == ["exit", "exit"]
    assert world.events("forced") == []


def test_x11_a_scan_is_judged_by_the_keys_before_a_change_or_after_it_and_never_by_half(
    world: AtOnce,
) -> None:
    other = Mint(secret=b"\x22" * 32)
    text = other.phone(3, shown_at=int(world.clock.now().timestamp()))
    world.just_then = lambda: world.gate.use_keys(other.table)
    assert granted(world.show(world.fresh(1)))  # in work while the keys change
    world.walk()
    world.wait(8)
    assert reason(world.show(world.fresh(2))) == "unknown_key"
    assert granted(world.show(text))
    world.walk()
    world.gate.use_keys(KeyTable([]))
    world.wait(8)
    assert granted(world.show(world.fresh(2), lane="exit"))
    assert [row["outcome"] for row in world.events("decision")] == ["grant", "deny", "grant", "grant"]


def test_f1_a_fire_that_begins_while_a_grant_is_in_work_leaves_its_row_and_lets_nobody_else_in(
    world: AtOnce,
) -> None:
    world.just_then = lambda: world.input(FIRE, active=True)
    assert granted(world.show(world.fresh(1)))
    assert decisions(world) == [("grant", None)]
    assert [row["state"] for row in world.events("emergency")] == ["began"]
    world.walk()  # whoever had the grant may still have gone in
    assert [row["direction"] for row in world.events("passage")] == ["entry"]
    world.clock.advance(1)
    assert reason(world.show(world.fresh(2))) == "emergency"


def test_f2_a_fire_that_was_there_before_the_start_is_an_emergency_from_its_first_level(
    world: AtOnce,
) -> None:
    world.journal.close()
    world.start()
    assert world.screen.snapshot().emergency == ""
    world.input(FIRE, active=True)  # a board tells its levels when its line comes up
    assert world.screen.snapshot().emergency == "active"
    assert [row["state"] for row in world.events("emergency")] == ["began"]
    assert reason(world.show(world.fresh(1))) == "emergency"
    assert granted(world.show(world.fresh(1), lane="exit"))


def forged(world: AtOnce) -> str:
    return world.fresh(1)[:-2] + "00"


def withdrawn(world: AtOnce) -> str:
    world.withdrawn.add(101)
    return world.fresh(1)


F4: dict[str, Callable[[AtOnce], str]] = {
    "forged": forged,
    "expired": lambda world: world.fresh(1, expires_at=int(world.clock.now().timestamp()) - 60),
    "unknown issuer": lambda world: Mint(secret=b"\x22" * 32).phone(
        1, shown_at=int(world.clock.now().timestamp())
    ),
    "of another site": lambda world: world.fresh(1, site=SITE + 1),
    "withdrawn": withdrawn,
    "no pass at all": lambda _world: FOREIGN,
    "noise": lambda _world: "\x00",
}


@pytest.mark.parametrize("what", F4)
def test_f4_whatever_is_shown_at_an_exit_opens_it_each_time_and_is_on_record(
    world: AtOnce, what: str
) -> None:
    for times in (1, 2):
        text = F4[what](world)
        assert granted(world.show(text, lane="exit"))
        world.walk("exit")
        world.wait(8)
        assert [command.channel for _, command in world.pulses] == [2] * times
    assert [row["outcome"] for row in world.events("decision")] == ["grant", "grant"]
    assert all(row["notes"] for row in world.events("decision"))
