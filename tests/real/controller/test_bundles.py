"""What the centre puts into a site's bundle, when it publishes, and how passes are taken back."""

import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest

from controller import bundles, schema
from controller.bundles import AGAIN_EVERY_S, BundlePublisher, SiteSigner, content_of
from controller.bundles_api import bundles_router
from controller.console import Console
from controller.issuer_keys import IssuerKeyError, load_key_set
from controller.overstay import OverstayMonitor
from controller.site_keys import load_signed_key_set, load_status_key, sign_bundle
from controller.units import load_units
from controller.web.app import create_console
from controller.withdrawals import MomentError, Withdrawals
from passes.bundle import (
    BUNDLE_BYTES_MAX,
    STATUS_BYTES,
    WALK_IN_MAX,
    Before,
    Bundle,
    Red,
    RedCause,
    Refused,
    device_key,
    open_state,
    split_bundle,
)
from passes.claims import KeyLevel
from passes.keys import KeySetFile
from passes.trust import KEY_SET_BYTES_MAX, keys_for, open_key_set
from passes.vocabulary import ClockTrust, PassStatus
from passes.walkin import CERTIFICATE_BYTES_MAX
from shell.pages.server import PageServer
from sync.topics import site_bundle
from tests.real.controller.centre import NOON, SITE, Journal
from tests.real.controller.demo import HOLDER, Demo, demo_at, order, walk_in_key

pytestmark = pytest.mark.real
TOKEN = "t" * 43
NOON_UNIX = int(NOON.timestamp())


@dataclass
class Office:
    """A publisher on a demo's database, and what it handed to the link."""

    demo: Demo
    published: KeySetFile = field(init=False)
    signer: SiteSigner = field(init=False)
    out: list[tuple[str, bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        site = self.demo.config.sites[SITE]
        self.published = load_key_set(site.keyset, SITE)
        self.signer = SiteSigner(
            site=SITE,
            status=load_status_key(self.demo.config.keys_dir, SITE, self.published),
            key_set=load_signed_key_set(site.keyset, self.published),
            keyset_seq=self.published.seq,
        )
        centre = self.demo.centre
        self.publisher = BundlePublisher(
            centre.store, centre.clock, [self.signer], lambda topic, data: self.out.append((topic, data))
        )
        self.withdrawals = Withdrawals(centre.store, centre.clock, self.publisher.wake.set)

    def look(self) -> Bundle | None:
        """Let the publisher look; what it published, or None."""
        return self.read(self.out[-1][1]) if self.publisher.look() else None

    def read(self, data: bytes) -> Bundle:
        parts = split_bundle(data)
        assert not isinstance(parts, Refused)
        assert open_key_set(parts.key_set, self.published) == self.published
        keys = keys_for("status", self.published)
        found = open_state(parts.state, keys, now=self.demo.centre.clock.now(), trust=ClockTrust.TRUSTED)
        assert isinstance(found, Bundle)
        return found

    def bundle(self) -> Bundle:
        """What would be published now."""
        found = self.look()
        assert found is not None
        return found


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    with demo_at(tmp_path / "demo") as made:
        yield made


@pytest.fixture
def office(demo: Demo) -> Office:
    return Office(demo)


def test_a_site_where_nothing_happened_gets_a_bundle_with_its_key_set(office: Office) -> None:
    bundle = office.bundle()
    assert office.out[0][0] == "postern/1/dn/7/all/bundle"
    assert (bundle.site, bundle.seq, bundle.issued_at, bundle.ttl_s) == (SITE, NOON_UNIX, NOON_UNIX, 60)
    assert bundle.expires_at - bundle.issued_at == 24 * 3600
    assert (bundle.red, bundle.before, bundle.statuses) == ((), (), bytes(16_384))


def test_q10_a_revoked_pass_is_invalid_from_the_next_bundle_and_the_audit_says_by_whom(
    office: Office,
) -> None:
    made, kept = (office.demo.issuer.issue(order(phone=f"1380013800{n}")) for n in (1, 2))
    office.bundle()
    done = office.withdrawals.revoke(made.claims.pass_id, by="Wang", reason="phone lost")
    assert done is not None
    assert office.publisher.wake.is_set()
    bundle = office.bundle()
    assert bundle.status_of(made.claims.status) is PassStatus.INVALID
    assert bundle.status_of(kept.claims.status) is PassStatus.VALID
    rows = office.demo.centre.rows(schema.audit, "site", "actor", "action", "subject", "detail")
    assert rows == [(SITE, "Wang", "pass_revoked", made.claims.pass_id, "phone lost")]


def test_revoking_twice_changes_nothing_and_an_unknown_pass_is_none(office: Office) -> None:
    made = office.demo.issuer.issue(order())
    first = office.withdrawals.revoke(made.claims.pass_id, by="Wang", reason="phone lost")
    office.demo.centre.clock.pass_by(60)
    assert office.withdrawals.revoke(made.claims.pass_id, by="Li", reason="again") == first
    assert len(office.demo.centre.rows(schema.audit)) == 1
    assert office.withdrawals.revoke("00" * 8, by="Wang", reason="none") is None


def test_the_place_of_a_pass_that_is_over_is_valid_again(office: Office) -> None:
    made = office.demo.issuer.issue(order(valid=timedelta(minutes=10)))
    office.withdrawals.revoke(made.claims.pass_id, by="Wang", reason="phone lost")
    office.demo.centre.clock.pass_by(600)
    assert office.bundle().status_of(made.claims.status) is PassStatus.VALID


def test_who_stays_past_the_limit_is_red_by_person_phone_and_pass(office: Office) -> None:
    made = office.demo.issuer.issue(order())
    claims, journal = made.claims, Journal()
    journal.passage(
        "entry", NOON, person=claims.person, pass_id=claims.pass_id, due=NOON + timedelta(minutes=1)
    )
    office.demo.centre.receive(journal.sent())
    assert office.bundle().red == ()
    office.demo.centre.clock.pass_by(60)
    bundle = office.bundle()
    walk_in = walk_in_key(office.demo, "+8613800138001")
    keys = sorted((bytes.fromhex(claims.person), device_key(HOLDER), walk_in))
    assert bundle.red == tuple(Red(key, NOON_UNIX + 60, RedCause.OVERSTAY) for key in keys)
    assert bundle.status_of(claims.status) is PassStatus.SUSPENDED


@pytest.mark.parametrize(("late_s", "causes"), [(599, []), (601, [RedCause.LEFT_LATE] * 3)])
def test_who_left_late_stays_red_beyond_the_grace_and_until_settled(
    office: Office, late_s: int, causes: list[RedCause]
) -> None:
    made = office.demo.issuer.issue(order())
    claims, journal, centre = made.claims, Journal(), office.demo.centre
    journal.passage(
        "entry", NOON, person=claims.person, pass_id=claims.pass_id, due=NOON + timedelta(minutes=1)
    )
    journal.passage("exit", NOON + timedelta(seconds=60 + late_s))
    centre.receive(journal.sent())
    centre.clock.pass_by(3600)
    assert [red.cause for red in office.bundle().red] == causes
    with centre.store.transaction() as connection:
        connection.execute(schema.incident.update().values(state="settled"))
    assert content_of_now(office).red == ()


def content_of_now(office: Office) -> Bundle:
    office.demo.centre.clock.pass_by(AGAIN_EVERY_S)
    return office.bundle()


def test_an_exit_in_time_that_turns_up_late_takes_red_back(office: Office) -> None:
    journal, centre = Journal(), office.demo.centre
    journal.entry(NOON, minutes=1)
    centre.receive(journal.sent())
    centre.clock.pass_by(120)
    assert len(office.bundle().red) == 1
    journal.leaving(NOON + timedelta(seconds=30))
    centre.receive(journal.sent())
    assert office.bundle().red == ()


def test_with_a_doubtful_clock_nobody_turns_red_by_time(office: Office) -> None:
    journal, centre = Journal(), office.demo.centre
    journal.entry(NOON, minutes=1)
    centre.receive(journal.sent())
    centre.clock.pass_by(120)
    with centre.store.transaction() as connection:
        assert content_of(connection, SITE, centre.clock.now(), timed=False).red == ()
        assert len(content_of(connection, SITE, centre.clock.now()).red) == 1


def test_a_doubtful_clock_that_is_set_back_makes_nobody_less_red(office: Office) -> None:
    journal, centre = Journal(), office.demo.centre
    journal.entry(NOON, minutes=1)
    centre.receive(journal.sent())
    centre.clock.pass_by(120)
    OverstayMonitor(
        store=centre.store,
        clock=centre.clock,
        zone=office.demo.config.zone,
        sites=office.demo.config.sites,
        sms=None,
    ).tick()
    early = NOON - timedelta(days=365)
    with centre.store.transaction() as connection:
        assert len(content_of(connection, SITE, early, timed=False).red) == 1
        assert content_of(connection, SITE, early).red == ()


def test_of_more_red_people_than_fit_the_newest_are_told(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundles, "RED_MAX", 2)
    journal, centre = Journal(), office.demo.centre
    for minutes in (1, 2, 3):
        journal.entry(NOON, minutes=minutes, stay=f"5{minutes}" * 8, person=f"a{minutes}" * 8)
    centre.receive(journal.sent())
    centre.clock.pass_by(600)
    assert [red.key.hex() for red in office.bundle().red] == ["a2" * 8, "a3" * 8]


def test_of_more_rules_than_fit_the_newest_are_told_and_those_of_issuer_keys_first(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundles, "BEFORE_MAX", 2)
    for key, hours in (("aa" * 8, 3), ("bb" * 8, 1), ("cc" * 8, 2), ("dd" * 4, 9)):
        office.withdrawals.refuse_before(SITE, key, NOON - timedelta(hours=hours), by="W", reason="r")
    assert [rule.key.hex() for rule in office.bundle().before] == ["bb" * 8, "dd" * 4]


def test_the_most_that_a_bundle_may_hold_fits_one_message(office: Office) -> None:
    draw = random.Random(20261122).randbytes
    full = Bundle(
        site=65_535,
        seq=2**53,
        issued_at=2**32 - 2,
        ttl_s=60,
        expires_at=2**32 - 1,
        keyset_seq=2**53,
        statuses=draw(STATUS_BYTES),
        red=tuple(sorted(Red(draw(8), 2**32 - 1, RedCause.LEFT_LATE) for _ in range(bundles.RED_MAX))),
        before=tuple(sorted(Before(draw(8), 2**32 - 1) for _ in range(bundles.BEFORE_MAX))),
        walkin=tuple(draw(CERTIFICATE_BYTES_MAX) for _ in range(WALK_IN_MAX)),
    )
    status = load_status_key(office.demo.config.keys_dir, SITE, office.published)
    assert len(sign_bundle(full, status, draw(KEY_SET_BYTES_MAX))) <= BUNDLE_BYTES_MAX


@pytest.mark.parametrize("due", ["1950-01-01T00:00:00.000Z", "2200-01-01T00:00:00.000Z"])
def test_a_gate_whose_clock_knows_no_century_does_not_stop_the_bundles(office: Office, due: str) -> None:
    journal, centre = Journal(), office.demo.centre
    data = {"lane": "entry", "direction": "entry", "person": "aa" * 8, "stay_id": "5a" * 8, "due_at": due}
    journal.add("passage", NOON, data)
    centre.receive(journal.sent())
    centre.clock.time = datetime(2300, 1, 1, tzinfo=UTC) if due[0] == "2" else NOON
    with centre.store.transaction() as connection:
        found = content_of(connection, SITE, centre.clock.time).red
    assert found == (Red(b"\xaa" * 8, 0 if due[0] == "1" else 2**32 - 1, RedCause.OVERSTAY),)


def test_what_is_wrong_with_one_site_costs_the_others_nothing(office: Office) -> None:
    centre = office.demo.centre
    signer = office.signer
    broken = replace(signer, site=8, status=replace(signer.status, use="x"), keyset_seq=0)  # no bundle says 0
    heard: list[str] = []
    publisher = BundlePublisher(
        centre.store, centre.clock, [broken, signer], lambda topic, _: heard.append(topic)
    )
    assert publisher.look() == 1
    assert heard == [site_bundle(SITE)]


def test_before_a_moment_that_is_still_to_come_is_refused_and_nothing_kept(office: Office) -> None:
    ahead = NOON + timedelta(seconds=61)
    with pytest.raises(MomentError, match="in the future"):
        office.withdrawals.refuse_before(SITE, "aa" * 8, ahead, by="Wang", reason="typo")
    assert office.demo.centre.rows(schema.before_rule) == []
    almost = office.withdrawals.refuse_before(
        SITE, "aa" * 8, ahead - timedelta(seconds=1), by="Wang", reason="their clock"
    )
    assert almost == NOON + timedelta(seconds=60)


def test_a_moment_within_a_second_is_told_as_the_next_one(office: Office) -> None:
    office.demo.centre.clock.time = NOON + timedelta(seconds=0.5)
    office.withdrawals.refuse_before(
        SITE, "aa" * 8, office.demo.centre.clock.time, by="Wang", reason="banned"
    )
    assert [rule.moment for rule in office.bundle().before] == [NOON_UNIX + 1]


def test_a_pass_for_one_entry_that_was_walked_is_used_up_everywhere(office: Office) -> None:
    paper = office.demo.issuer.issue(order(static=True)).claims
    phone = office.demo.issuer.issue(order(phone="13800138009")).claims
    soft_order = order(phone="13800138010", key_level=KeyLevel.SOFT, valid=timedelta(hours=2))
    soft = office.demo.issuer.issue(soft_order).claims
    journal = Journal()
    for number, claims in enumerate((paper, phone, soft)):
        end, stay = NOON + timedelta(hours=1), f"5{number}" * 8
        journal.passage("entry", NOON, person=claims.person, pass_id=claims.pass_id, stay=stay, due=end)
    office.demo.centre.receive(journal.sent())
    bundle = office.bundle()
    assert bundle.status_of(paper.status) is PassStatus.USED_UP
    assert bundle.status_of(soft.status) is PassStatus.USED_UP
    assert bundle.status_of(phone.status) is PassStatus.VALID


def test_before_t_of_a_person_and_of_a_key_is_told_and_never_falls(office: Office) -> None:
    made = office.demo.issuer.issue(order())
    kid = made.sealed[7:11]
    for key, moment in ((made.claims.person, NOON + timedelta(seconds=1)), (kid.hex(), NOON)):
        office.withdrawals.refuse_before(SITE, key, moment, by="Wang", reason="key leaked")
    earlier = office.withdrawals.refuse_before(
        SITE, made.claims.person, NOON - timedelta(days=1), by="Li", reason="typo"
    )
    assert earlier == NOON + timedelta(seconds=1)
    bundle = office.bundle()
    assert bundle.refused_before(made.claims, b"")
    assert len(bundle.before) == 2
    assert len(office.demo.centre.rows(schema.audit)) == 2
    office.demo.centre.clock.pass_by(91 * 24 * 3600)
    with office.demo.centre.store.transaction() as connection:
        assert content_of(connection, SITE, office.demo.centre.clock.now()).before == ()


def test_nothing_new_is_published_every_thirty_seconds_and_a_change_at_once(office: Office) -> None:
    first = office.bundle()
    assert office.look() is None
    office.demo.centre.clock.pass_by(29)
    assert office.look() is None
    office.demo.centre.clock.pass_by(1)
    second = office.bundle()
    assert (second.seq, second.statuses) == (first.seq + 30, first.statuses)
    made = office.demo.issuer.issue(order())
    office.withdrawals.revoke(made.claims.pass_id, by="Wang", reason="phone lost")
    assert office.bundle().seq == second.seq + 1


def test_q16_numbers_rise_over_a_restart_a_clock_set_back_and_a_restored_database(office: Office) -> None:
    first = office.bundle()
    clock = office.demo.centre.clock
    clock.pass_by(-3600)
    again = Office(office.demo).bundle()
    assert again.seq == first.seq + 1
    with office.demo.centre.store.transaction() as connection:
        connection.execute(schema.bundle_number.update().values(seq=5))
    clock.pass_by(3660)
    assert Office(office.demo).bundle().seq > again.seq


def test_the_publisher_is_woken_and_stopped_at_once(office: Office) -> None:
    stop = threading.Event()
    thread = threading.Thread(target=office.publisher.run, args=(stop,))
    thread.start()
    stop.set()
    office.publisher.wake.set()
    thread.join(5)
    assert not thread.is_alive()


def test_a_status_key_that_the_key_set_does_not_name_is_refused_at_the_start(
    office: Office, tmp_path: Path
) -> None:
    with demo_at(tmp_path / "elsewhere") as other:
        published = load_key_set(other.config.sites[SITE].keyset, SITE)
        with pytest.raises(IssuerKeyError, match=r"site-7-status\.pem: the site's key set has no status key"):
            load_status_key(office.demo.config.keys_dir, SITE, published)
        with pytest.raises(IssuerKeyError, match=r"keyset\.signed: the key set is not signed by"):
            load_signed_key_set(office.demo.config.sites[SITE].keyset, published)


@pytest.fixture
def client(office: Office) -> Iterator[httpx2.Client]:
    demo = office.demo
    units = {site.id: load_units(site.units) for site in demo.config.sites.values()}
    console = Console(store=demo.centre.store, clock=demo.centre.clock, config=demo.config, units=units)
    router = bundles_router(token=TOKEN, withdrawals=office.withdrawals, publisher=office.publisher)
    server = PageServer(
        create_console(console, clock=demo.centre.clock, routers=[router]), port=0, setting="none"
    )
    server.start()
    headers = {"Authorization": f"Bearer {TOKEN}"}
    try:
        with httpx2.Client(base_url=server.url, headers=headers, trust_env=False) as made:
            yield made
    finally:
        server.stop()


def test_a_pass_is_revoked_over_the_interface(client: httpx2.Client, office: Office) -> None:
    made = office.demo.issuer.issue(order())
    path = f"/api/v1/passes/{made.claims.pass_id}/revoke"
    answer = client.post(path, json={"by": "Wang", "reason": "phone lost"})
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "pass_id": made.claims.pass_id,
            "at": "2026-11-22T04:00:00.000Z",
            "by": "Wang",
            "reason": "phone lost",
        },
    )
    assert office.bundle().status_of(made.claims.status) is PassStatus.INVALID
    assert client.post(path, json={"by": " ", "reason": "x"}).status_code == 422
    unknown = client.post(f"/api/v1/passes/{'00' * 8}/revoke", json={"by": "Wang", "reason": "x"})
    assert unknown.status_code == 404
    del client.headers["Authorization"]
    assert (
        client.post(path, json={"by": "W", "reason": "x"}, headers={"Authorization": "Bearer x"}).status_code
        == 401
    )


def test_everything_before_a_moment_is_refused_over_the_interface(
    client: httpx2.Client, office: Office
) -> None:
    asked = {"key": "aa" * 8, "before": "2026-11-22T04:00:00Z", "by": "Wang", "reason": "guest banned"}
    assert client.post("/api/v1/sites/7/refuse-before", json=asked).status_code == 404  # no bundle yet
    office.bundle()
    answer = client.post("/api/v1/sites/7/refuse-before", json=asked)
    assert answer.json() == {"key": "aa" * 8, "before": "2026-11-22T04:00:00.000Z"}
    assert len(office.bundle().before) == 1
    assert client.post("/api/v1/sites/7/refuse-before", json={**asked, "key": "aa"}).status_code == 422
    ahead = client.post("/api/v1/sites/7/refuse-before", json={**asked, "before": "2206-01-01T00:00:00Z"})
    assert (ahead.status_code, "in the future" in ahead.json()["detail"]) == (422, True)
    office.demo.centre.clock.pass_by(AGAIN_EVERY_S)
    assert len(office.bundle().before) == 1  # and the gates go on hearing


@pytest.mark.parametrize("said", ["Wa\x1b[31mng", "first\nsecond", "left\u202eright"])
def test_who_and_why_are_one_line_without_control_characters(
    client: httpx2.Client, office: Office, said: str
) -> None:
    made = office.demo.issuer.issue(order())
    path = f"/api/v1/passes/{made.claims.pass_id}/revoke"
    for body in ({"by": said, "reason": "lost"}, {"by": "Wang", "reason": said}):
        assert client.post(path, json=body).status_code == 422
    assert office.demo.centre.rows(schema.revocation) == []
    assert client.post(path, json={"by": " 王芳 ", "reason": "丢了 lost"}).json()["by"] == "王芳"


def test_the_newest_bundle_is_to_be_had_as_a_file(client: httpx2.Client, office: Office) -> None:
    assert client.get("/api/v1/sites/7/bundle").status_code == 404
    bundle = office.bundle()
    answer = client.get("/api/v1/sites/7/bundle")
    assert answer.headers["content-disposition"] == 'attachment; filename="site-7.bundle"'
    assert office.read(answer.content) == bundle
    assert client.get("/api/v1/sites/8/bundle").status_code == 404
