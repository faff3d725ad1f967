"""Which certificates belong into a bundle, whatever the config key's own dates are."""

from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from controller import schema
from controller.gate_keys import EARLY, Enrolment, GateKeyError, GateKeys, certificates
from controller.site_keys import ConfigKey, SiteKey
from passes.keys import KeySetFile
from passes.trust import CONFIG_USE, open_certificates
from passes.vocabulary import Category
from passes.walkin import Certificate
from tests.minting import Mint
from tests.real.controller.centre import NOON, SITE, Centre

pytestmark = pytest.mark.real
CONFIG = SiteKey(CONFIG_USE, Ed25519PrivateKey.from_private_bytes(b"\x51" * 32))
BOX = Mint(secret=b"\x71" * 32)
YEAR = timedelta(days=365)
ASKED = Enrolment(number=3, name="north", public=BOX.public, categories=frozenset({Category.FOOD}))


class Desk:
    """The records of a site with one enrolled gate, and a config key with the dates of the test."""

    def __init__(self, centre: Centre, *, since: timedelta = -YEAR, until: timedelta = YEAR) -> None:
        self.centre = centre
        self.config = ConfigKey(CONFIG, NOON + since, NOON + until)
        entry = CONFIG.entry(not_before=NOON + since, not_after=NOON + until)
        self.key_set = KeySetFile(site=SITE, seq=1, keys=[entry])
        self.rung = 0
        self.gates = GateKeys(centre.store, centre.clock, lambda: {SITE: self.key_set}, self.ring)
        self.gates.enrol(SITE, ASKED, by="Wang")

    def ring(self) -> None:
        self.rung += 1

    def carried(self, config: ConfigKey | None) -> tuple[bytes, ...]:
        with self.centre.store.transaction() as connection:
            return certificates(connection, SITE, config, self.centre.clock.now(), timed=True)

    def opened(self) -> list[Certificate]:
        found = open_certificates(self.carried(self.config), self.key_set)
        assert found.problems == ()
        return list(found.good)

    def signed(self) -> int:
        return sum(action == "gate_certified" for (action,) in self.centre.rows(schema.audit, "action"))


def test_a_certificate_says_what_was_enrolled_for_a_day_at_most(centre: Centre) -> None:
    desk = Desk(centre)
    (certificate,) = desk.opened()
    granted = certificate.delegation
    assert (granted.site, granted.gate, granted.categories) == (SITE, 3, {Category.FOOD})
    assert (granted.not_before, granted.not_after) == (NOON - EARLY, NOON - EARLY + timedelta(hours=24))
    assert (certificate.public, desk.rung) == (BOX.public, 1)


def test_a_site_without_a_config_key_certifies_and_enrols_nobody(centre: Centre) -> None:
    desk = Desk(centre)
    assert (desk.carried(None), len(desk.opened())) == ((), 1)
    desk.key_set = desk.key_set.model_copy(update={"keys": []})
    with pytest.raises(GateKeyError, match="site keys rotate config"):
        desk.gates.enrol(SITE, ASKED, by="Wang")


def test_no_certificate_lies_outside_the_dates_of_the_config_key(centre: Centre) -> None:
    young = Desk(centre, since=-timedelta(minutes=1), until=timedelta(hours=20))
    (certificate,) = young.opened()
    assert certificate.delegation.not_before == NOON - timedelta(minutes=1)
    assert certificate.delegation.not_after == NOON + timedelta(hours=20)


def test_before_and_after_its_dates_the_config_key_signs_nothing(centre: Centre) -> None:
    assert Desk(centre, since=timedelta(days=2)).opened() == []
    assert Desk(centre, until=-timedelta(days=2)).opened() == []
    assert len(Desk(centre).opened()) == 1


def test_while_the_config_key_runs_out_no_look_signs_in_vain(centre: Centre) -> None:
    desk = Desk(centre, until=timedelta(hours=12))
    held = 0
    for _ in range(60):
        held += len(desk.opened())
        centre.clock.pass_by(15 * 60)
    assert (held, desk.signed()) == (48, 1)


def test_a_week_of_bundles_takes_four_signatures_a_day(centre: Centre) -> None:
    desk = Desk(centre)
    for _ in range(7 * 24 * 4):
        (certificate,) = desk.opened()
        left = certificate.delegation.not_after - centre.clock.now()
        assert timedelta(hours=17, minutes=45) < left < timedelta(hours=24)
        centre.clock.pass_by(15 * 60)
    assert desk.signed() in range(28, 31)


def test_an_enrolment_for_another_key_of_the_same_id_is_refused(centre: Centre) -> None:
    first, second = (Mint(secret=number.to_bytes(32, "big")).public for number in (34_433, 170_398))
    desk = Desk(centre)
    one, other = (
        Enrolment(number=0, name="south", public=public, categories=ASKED.categories)
        for public in (first, second)
    )
    desk.gates.enrol(SITE, one, by="Wang")
    with pytest.raises(GateKeyError, match="another key has the id d0175a60"):
        desk.gates.enrol(SITE, other, by="Wang")
    assert [key.public for key in desk.gates.all(SITE)] == [first.hex(), BOX.public.hex()]
