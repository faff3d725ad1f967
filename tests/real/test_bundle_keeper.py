"""A gate's bundle on a real disk: what it takes, keeps, refuses and tells; and what the gate answers by it."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.bundle_cli import _facts, _in_words
from edge.bundles import FILE, INBOX, BundleKeeper, Holding, installed, judge
from passes.bundle import Before, Bundle, Extension, Problem, Red, RedCause, device_key, pack_statuses
from passes.keys import ed25519_public, key_id, p256_public
from passes.vocabulary import Category, ClockTrust, PassStatus
from sync.messages import DeviceData
from tests.bundling import Office
from tests.gate_world import World
from tests.minting import NOW, NOW_UNIX, Mint, claims, phone_key
from tests.ticking import HandClock
from tests.waiting import until

pytestmark = pytest.mark.real
OFFICE = Office()
PERSON = claims(1).person


class Box(World):
    """A gate that holds bundles."""

    def start(self) -> None:
        super().start()
        self.news: list[DeviceData] = []
        self.floors: list[datetime] = []
        self.keeper = BundleKeeper(
            self.folder,
            OFFICE.key_set(),
            clock=self.clock,
            raise_floor=self.floors.append,
            report=self.news.append,
        )

    def bundle(self) -> Bundle | None:
        return self.keeper.bundle

    def hold(self, seq: int = 1, **changes: Any) -> Bundle:
        """Offer a bundle that says this; it must be taken."""
        bundle = OFFICE.bundle(seq, **changes)
        assert self.keeper.offer(OFFICE.sealed(bundle)) is None
        assert self.keeper.bundle == bundle
        return bundle

    def answer(self, text: str, lane: str = "entry") -> str | None:
        """The gate's reason, or "grant"."""
        self.gate.use_keys(self.keeper.keys)
        verdict = self.show(text, lane=lane)
        assert verdict is not None
        return verdict.reason or verdict.outcome.value

    def states(self) -> list[str]:
        return [one.state for one in self.news]


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    made = Box(tmp_path, HandClock(), bundle_required=True)
    made.start()
    yield made
    made.journal.close()


def restarted(box: Box) -> None:
    box.journal.close()
    box.start()


def test_q17_without_any_bundle_visitors_stay_out_and_residents_and_exits_do_not(box: Box) -> None:
    assert box.answer(box.fresh()) == "bundle_stale"
    assert box.answer(box.fresh(2, category=Category.RESIDENT, stay=0)) == "grant"
    assert box.answer(box.fresh(), lane="exit") == "grant"


def test_with_a_fresh_bundle_visitors_come_in(box: Box) -> None:
    box.hold()
    assert box.answer(box.fresh()) == "grant"


@pytest.mark.parametrize(
    ("says", "reason"),
    [
        ({"statuses": pack_statuses({101: PassStatus.INVALID})}, "revoked"),
        ({"statuses": pack_statuses({101: PassStatus.SUSPENDED})}, "red"),
        ({"statuses": pack_statuses({101: PassStatus.USED_UP})}, "entries_used"),
        ({"statuses": pack_statuses({102: PassStatus.INVALID})}, "grant"),
        ({"red": (Red(bytes.fromhex(PERSON), NOW_UNIX, RedCause.OVERSTAY),)}, "red"),
        ({"red": (Red(device_key(p256_public(phone_key(1))), NOW_UNIX, RedCause.LEFT_LATE),)}, "red"),
        ({"red": (Red(device_key(p256_public(phone_key(2))), NOW_UNIX, RedCause.LEFT_LATE),)}, "grant"),
        ({"before": (Before(bytes.fromhex(PERSON), NOW_UNIX),)}, "revoked"),
        ({"before": (Before(Mint().trusted.kid, NOW_UNIX),)}, "revoked"),
        ({"before": (Before(Mint().trusted.kid, NOW_UNIX - 601),)}, "grant"),
    ],
)
def test_what_the_bundle_says_of_pass_person_and_phone_decides(
    box: Box, says: dict[str, Any], reason: str
) -> None:
    box.hold(**says)
    assert box.answer(box.fresh()) == reason


def test_q20_whoever_is_withdrawn_or_red_gets_out(box: Box) -> None:
    box.hold(1)
    assert box.answer(box.fresh()) == "grant"
    box.walk()
    box.wait(8)
    box.hold(
        2,
        statuses=pack_statuses({101: PassStatus.INVALID}),
        red=(Red(bytes.fromhex(PERSON), NOW_UNIX, RedCause.OVERSTAY),),
    )
    assert box.answer(box.fresh()) == "revoked"
    assert box.answer(box.fresh(), lane="exit") == "grant"
    assert box.events("decision")[-1]["notes"] == ["red_exit", "withdrawn_exit"]


def test_an_extended_stay_is_red_at_its_new_end_only(box: Box) -> None:
    box.hold(1)
    box.answer(box.fresh(stay=1))
    box.walk()
    (stay,) = box.screen.snapshot().inside
    stay_id = bytes.fromhex(box.events("passage")[0]["stay_id"])
    assert not stay.overdue
    box.wait(62)
    assert box.answer(box.fresh(stay=1)) == "red"
    box.hold(2, extensions=(Extension(stay_id, NOW_UNIX + 600),))
    assert box.answer(box.fresh(stay=1)) == "already_inside"
    box.wait(600)
    assert box.answer(box.fresh(stay=1)) == "red"


@pytest.mark.parametrize(
    ("age_s", "phone", "paper"),
    [
        (590, "grant", "grant"),
        (601, "grant", "bundle_stale"),
        (24 * 3600 + 1, "bundle_stale", "bundle_stale"),
    ],
)
def test_q17_an_old_bundle_sends_paper_and_then_all_visitors_to_the_guard(
    box: Box, age_s: int, phone: str, paper: str
) -> None:
    box.hold()
    box.clock.advance(age_s)
    end = NOW_UNIX + age_s + 3600
    assert box.answer(box.fresh(1, not_before=end - 7200, expires_at=end)) == phone
    box.wait(6)
    assert box.answer(Mint().paper(2, not_before=end - 7200, expires_at=end)) == paper


def test_q16_the_list_outlives_a_restart_and_so_does_the_memory_of_its_number(box: Box) -> None:
    box.hold(5, statuses=pack_statuses({101: PassStatus.INVALID}))
    restarted(box)
    assert box.answer(box.fresh()) == "revoked"
    assert box.answer(box.fresh(2)) == "grant"
    box.walk()
    refused = box.keeper.offer(OFFICE.sealed(OFFICE.bundle(4)))
    assert refused is not None
    assert refused.problem is Problem.ROLLED_BACK
    assert box.answer(box.fresh()) == "revoked"


def test_refusals_are_told_once_and_the_next_good_bundle_ends_the_fault(box: Box) -> None:
    box.hold(5)
    for bad in (OFFICE.sealed(OFFICE.bundle(4)), b"junk", OFFICE.sealed(OFFICE.bundle(4))):
        assert box.keeper.offer(bad) is not None
    assert [(one.device, one.state) for one in box.news] == [("bundle", "fault")]
    assert "bundle 4 comes after bundle 5" in box.news[0].detail
    box.hold(6)
    assert box.states() == ["fault", "recovered"]


def test_the_same_bundle_again_is_neither_news_nor_a_fault(box: Box) -> None:
    bundle = box.hold(5)
    written = (box.folder / FILE).stat().st_mtime_ns
    assert box.keeper.offer(OFFICE.sealed(bundle)) is None
    assert (box.news, (box.folder / FILE).stat().st_mtime_ns) == ([], written)


def test_two_bundles_under_one_number_are_a_fault(box: Box) -> None:
    box.hold(5)
    assert box.keeper.offer(OFFICE.sealed(OFFICE.bundle(5, ttl_s=61))) is not None
    assert box.states() == ["fault"]


@pytest.mark.parametrize("harm", ["cut", "flipped", "empty", "of_another_site"])
def test_k13_a_broken_file_is_set_aside_and_told_and_the_gate_goes_on(box: Box, harm: str) -> None:
    box.hold(5)
    path = box.folder / FILE
    data = path.read_bytes()
    other = Office(site=8)
    path.write_bytes(
        {
            "cut": data[:100],
            "flipped": data[:60] + bytes([data[60] ^ 1]) + data[61:],
            "empty": b"",
            "of_another_site": other.sealed(other.bundle(9)),
        }[harm]
    )
    restarted(box)
    assert box.keeper.bundle is None
    assert [one.state for one in box.news] == ["fault"]
    assert [aside.name for aside in box.folder.glob(f"{FILE}.broken-*")] == [
        f"{FILE}.broken-20261122T093000Z"
    ]
    box.hold(6)
    assert box.answer(box.fresh()) == "grant"


def test_a_bundle_that_cannot_be_written_counts_all_the_same_and_is_told(box: Box) -> None:
    part = box.folder / f"{FILE}.{os.getpid()}.part"
    part.mkdir()
    box.hold(5, statuses=pack_statuses({101: PassStatus.INVALID}))
    assert box.answer(box.fresh()) == "revoked"
    assert "lost with the next start" in box.news[0].detail
    part.rmdir()
    box.hold(6)
    assert box.states() == ["fault", "recovered"]


def test_q14_the_date_of_a_bundle_raises_the_clocks_floor_even_at_the_next_start(box: Box) -> None:
    box.hold()
    restarted(box)
    assert box.floors == [NOW - timedelta(seconds=60)]
    box.clock.advance(-3600)
    restarted(box)
    assert box.keeper.bundle is not None  # it is the clock that is wrong
    assert box.floors == [NOW - timedelta(seconds=60)]


def new_keys(seq: int) -> tuple[Office, bytes]:
    """Everything but the root is new: the office that signs from now on, and its signed key set."""
    office = replace(OFFICE, pass_secret=b"\x66" * 32, status_secret=b"\x77" * 32)
    return office, office.signed_key_set(office.key_set(seq))


def test_q9_new_keys_come_with_a_bundle_and_stay_after_a_restart(box: Box) -> None:
    box.hold(1)
    office, key_set = new_keys(2)
    by_new_key = Mint(secret=office.pass_secret)
    shown_at = int(box.clock.now().timestamp())
    assert box.answer(by_new_key.phone(1, shown_at=shown_at)) == "unknown_key"
    assert box.keeper.offer(office.sealed(office.bundle(2, keyset_seq=2), key_set=key_set)) is None
    assert box.answer(by_new_key.phone(1, shown_at=shown_at)) == "grant"
    box.walk()
    assert box.answer(box.fresh(2)) == "unknown_key"
    assert box.keeper.offer(office.sealed(office.bundle(3, keyset_seq=2))) is None  # without the key set
    restarted(box)
    box.wait(8)
    assert box.answer(by_new_key.phone(3, shown_at=int(box.clock.now().timestamp()))) == "grant"
    box.walk()
    assert box.answer(box.fresh(4)) == "unknown_key"


def test_q7_the_status_key_alone_brings_no_new_keys(box: Box) -> None:
    box.hold(1)
    office, _ = new_keys(2)
    forged = replace(office, root_secret=OFFICE.status_secret)
    data = OFFICE.sealed(OFFICE.bundle(2), key_set=forged.signed_key_set(forged.key_set(2)))
    refused = box.keeper.offer(data)
    assert refused is not None
    assert "not signed by the operator's root" in refused.detail
    assert box.answer(box.fresh()) == "grant"


def test_q16_an_older_key_set_takes_no_newer_one_back(box: Box) -> None:
    office, key_set = new_keys(3)
    assert box.keeper.offer(office.sealed(office.bundle(1), key_set=key_set)) is None
    old = OFFICE.signed_key_set(OFFICE.key_set(2))
    assert box.keeper.offer(office.sealed(office.bundle(2), key_set=old)) is None
    assert box.answer(box.fresh()) == "unknown_key"
    status = Ed25519PrivateKey.from_private_bytes(OFFICE.status_secret)
    assert box.keeper.offer(OFFICE.sealed(OFFICE.bundle(3), key_set=old)) is not None
    assert key_id(ed25519_public(status)).hex() in box.news[0].detail


def running(box: Box, work: Callable[[], None]) -> None:
    box.keeper.start()
    try:
        work()
    finally:
        box.keeper.stop()


def test_what_comes_by_the_broker_is_judged_by_the_keepers_own_thread(box: Box) -> None:
    def work() -> None:
        box.keeper.receive(b"junk")
        until(lambda: box.states() == ["fault"], what="the fault")
        box.keeper.receive(OFFICE.sealed(OFFICE.bundle(3)))
        until(lambda: box.states() == ["fault", "recovered"], what="the recovery")

    running(box, work)
    assert box.keeper.bundle == OFFICE.bundle(3)


def test_files_in_the_inbox_are_taken_in_order_and_removed(box: Box) -> None:
    inbox = box.folder / INBOX
    inbox.mkdir()
    for seq in (3, 4):
        (inbox / f"{seq}.bundle").write_bytes(OFFICE.sealed(OFFICE.bundle(seq)))
    (inbox / "half.bundle.part").write_bytes(b"on its way")

    def work() -> None:
        until(lambda: not list(inbox.glob("*.bundle")), what="the inbox")

    running(box, work)
    assert box.keeper.bundle == OFFICE.bundle(4)
    assert [path.name for path in inbox.iterdir()] == ["half.bundle.part"]
    assert box.news == []


def test_a_file_from_the_inbox_stays_until_its_bundle_is_on_the_disk(box: Box) -> None:
    inbox, part = box.folder / INBOX, box.folder / f"{FILE}.{os.getpid()}.part"
    inbox.mkdir()
    part.mkdir()  # the disk takes no new file
    for seq in (3, 4):
        (inbox / f"{seq}.bundle").write_bytes(OFFICE.sealed(OFFICE.bundle(seq)))

    def work() -> None:
        until(lambda: box.keeper.bundle == OFFICE.bundle(4), what="the newest in force")
        looks = Looks(box)
        until(lambda: looks.count > 2, what="more looks")
        assert sorted(path.name for path in inbox.iterdir()) == ["3.bundle", "4.bundle"]
        assert box.states() == ["fault"]
        part.rmdir()
        until(lambda: not list(inbox.iterdir()), what="the inbox")

    running(box, work)
    restarted(box)
    assert box.keeper.bundle == OFFICE.bundle(4)


class Looks:
    """Counts how often the keeper asks what time it is: once for each file that it judges."""

    def __init__(self, box: Box) -> None:
        self.count, self._now = 0, box.clock.now
        setattr(box.clock, "now", self.now)  # noqa: B010  # a method, for this one clock

    def now(self) -> datetime:
        self.count += 1
        return self._now()


def test_what_came_by_the_broker_is_written_as_soon_as_the_disk_takes_it(box: Box) -> None:
    part = box.folder / f"{FILE}.{os.getpid()}.part"
    part.mkdir()

    def work() -> None:
        box.keeper.receive(OFFICE.sealed(OFFICE.bundle(3)))
        until(lambda: box.states() == ["fault"], what="the fault")
        part.rmdir()
        until(lambda: box.states() == ["fault", "recovered"], what="the recovery")

    running(box, work)
    restarted(box)
    assert box.keeper.bundle == OFFICE.bundle(3)


def test_a_file_at_which_the_keeper_fails_is_tried_once_and_holds_up_no_other(box: Box) -> None:
    inbox, tries = box.folder / INBOX, []
    inbox.mkdir()

    def floor(moment: datetime) -> None:
        if moment == NOW - timedelta(seconds=90):
            tries.append(moment)
            raise ValueError("a mistake of ours")

    box.keeper._raise_floor = floor
    bad = OFFICE.sealed(OFFICE.bundle(3, issued_at=NOW_UNIX - 30))
    (inbox / "3.bundle").write_bytes(bad)
    (inbox / "4.bundle").write_bytes(OFFICE.sealed(OFFICE.bundle(4)))

    def work() -> None:
        until(lambda: not (inbox / "4.bundle").exists(), what="the file behind it")
        (inbox / "5.bundle").write_bytes(OFFICE.sealed(OFFICE.bundle(5)))
        until(lambda: not (inbox / "5.bundle").exists(), what="the next look")
        assert (len(tries), (inbox / "3.bundle").exists()) == (1, True)
        (inbox / "new").write_bytes(OFFICE.sealed(OFFICE.bundle(6)))
        (inbox / "new").replace(inbox / "3.bundle")
        until(lambda: not (inbox / "3.bundle").exists(), what="the file that took its place")

    running(box, work)
    assert box.keeper.bundle == OFFICE.bundle(6)


def test_the_certificates_of_a_bundle_are_shown_and_why_others_are_left_out() -> None:
    gate = Mint(secret=b"\x44" * 32)
    data = OFFICE.sealed(OFFICE.bundle(1, walkin=(OFFICE.certificate(gate.public), b"junk")))
    keys = OFFICE.key_set()
    judged = judge(installed(keys), data, anchor=keys, now=NOW, trust=ClockTrust.TRUSTED)
    assert isinstance(judged, Holding)
    facts = _facts(judged)
    (one,), (why,) = facts["walkin"], facts["walkin_left_out"]
    assert (one["gate"], one["kid"], one["not_after"]) == (
        0,
        key_id(gate.public).hex(),
        "2026-11-23T08:30:00.000Z",
    )
    assert _in_words(one).startswith(
        f"gate 0 (key {one['kid']}) until 2026-11-23T08:30:00.000Z: courier, food"
    )
    assert _in_words(why) == why


def test_without_a_root_in_the_installed_keys_a_key_set_in_front_counts_for_nothing() -> None:
    keys = OFFICE.key_set()
    rootless = keys.model_copy(update={"keys": [one for one in keys.keys if one.use != "root"]})
    _, key_set = new_keys(2)
    for said, bundle in ((key_set, OFFICE.bundle(1)), (b"junk", OFFICE.bundle(1, keyset_seq=2))):
        data = OFFICE.sealed(bundle, key_set=said)
        judged = judge(installed(rootless), data, anchor=rootless, now=NOW, trust=ClockTrust.TRUSTED)
        assert isinstance(judged, Holding)
        assert (judged.key_set, judged.signed_key_set, judged.bundle) == (rootless, b"", bundle)


def test_k13_lists_without_their_key_set_are_refused_and_the_whole_file_is_taken(box: Box) -> None:
    box.hold(1)
    office, key_set = new_keys(2)
    refused = box.keeper.offer(OFFICE.sealed(OFFICE.bundle(2, keyset_seq=2)))
    assert refused is not None
    assert refused.problem is Problem.WITHOUT_KEY_SET
    assert box.answer(box.fresh(1)) == "grant"  # and the lists that are held are still in force
    box.walk()
    assert box.keeper.offer(office.sealed(office.bundle(2, keyset_seq=2), key_set=key_set)) is None
    assert box.answer(box.fresh(2)) == "unknown_key"


def test_a_newer_key_set_in_front_of_the_lists_that_are_held_is_taken(box: Box) -> None:
    box.hold(1)
    held = box.keeper.bundle
    assert held is not None
    keys = [one for one in OFFICE.key_set(2).keys if one.use != "pass"]
    key_set = OFFICE.signed_key_set(OFFICE.key_set(2, keys=keys))
    assert box.keeper.offer(OFFICE.sealed(held, key_set=key_set)) is None
    assert box.answer(box.fresh(1)) == "unknown_key"


def test_a_stolen_status_key_cannot_use_up_the_numbers_of_its_successor(box: Box) -> None:
    assert box.keeper.offer(OFFICE.sealed(OFFICE.bundle(2**53))) is None  # the thief's
    office, key_set = new_keys(2)
    assert box.keeper.offer(office.sealed(office.bundle(5, keyset_seq=2), key_set=key_set)) is None
    assert box.keeper.bundle is not None
    assert box.keeper.bundle.seq == 5
    assert box.keeper.offer(OFFICE.sealed(OFFICE.bundle(2**53), key_set=key_set)) is not None
