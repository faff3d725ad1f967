"""The issuer's key is changed while a gate is away: what opens before it hears of that, after, and at the end."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.bundles import Holding, installed, judge
from passes.bundle import Bundle
from passes.vocabulary import ClockTrust
from tests.bundling import Office, entry
from tests.gate_world import World, granted, reason
from tests.minting import Mint
from tests.ticking import HandClock

pytestmark = pytest.mark.real

OFFICE = Office()
OLD, NEW = Mint(), Mint(secret=b"\x44" * 32)


class AwayWorld(World):
    """A gate that gets bundles when a test hands it one."""

    held: Holding = installed(OFFICE.key_set())

    def bundle(self) -> Bundle | None:
        return self.held.bundle

    def hear(self, seq: int, *issuers: Mint) -> None:
        """Take the site's bundle of this number, behind a key set with these keys for passes."""
        others = [one for one in OFFICE.key_set().keys if one.use != "pass"]
        key_set = OFFICE.key_set(seq, keys=[*(entry(one.secret, "pass") for one in issuers), *others])
        data = OFFICE.sealed(OFFICE.bundle(seq, keyset_seq=seq), key_set=OFFICE.signed_key_set(key_set))
        found = judge(
            self.held, data, anchor=OFFICE.key_set(), now=self.clock.now(), trust=ClockTrust.TRUSTED
        )
        assert isinstance(found, Holding)
        self.held = found
        self.gate.use_keys(found.keys)

    def by(self, mint: Mint, number: int) -> str:
        """A fresh code of another person's pass, issued with this key."""
        self.wait(8)
        return mint.phone(number, shown_at=int(self.clock.now().timestamp()))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[AwayWorld]:
    made = AwayWorld(tmp_path, HandClock(), bundle_required=True)
    made.start()
    yield made
    made.journal.close()


def test_k13_old_passes_open_until_their_key_goes_and_new_ones_from_the_bundle_on(world: AwayWorld) -> None:
    world.hear(1, OLD)
    assert granted(world.show(world.by(OLD, 1)))
    world.walk()
    assert reason(world.show(world.by(NEW, 2))) == "unknown_key"  # issued while the gate was away

    world.hear(2, OLD, NEW)
    assert granted(world.show(world.by(NEW, 2)))
    world.walk()
    assert granted(world.show(world.by(OLD, 3)))
    world.walk()

    world.hear(3, NEW)
    assert reason(world.show(world.by(OLD, 4))) == "unknown_key"
    assert granted(world.show(world.by(NEW, 5)))
    world.walk()
    # Whoever came in with the old key gets out.
    assert granted(world.show(world.by(OLD, 1), lane="exit"))


def test_k13_an_old_pass_ends_with_its_key_even_at_a_gate_that_hears_nothing(world: AwayWorld) -> None:
    world.hear(1, OLD)
    life = {"not_before": 0, "expires_at": 2**32 - 1}
    world.clock.advance(61 * 86_400)  # the key ends after 60 days
    late = int(world.clock.now().timestamp())
    assert reason(world.show(OLD.phone(1, shown_at=late, **life))) == "unknown_key"
    assert granted(world.show(OLD.phone(1, shown_at=late, **life), lane="exit"))
