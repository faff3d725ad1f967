"""A guard registers who comes, and the gate signs the pass: real journals, real bundles, two gates of one site."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.bundles import BundleKeeper
from edge.gate_key import FILE, load_gate_key, make_gate_key
from edge.inputs import Asked
from edge.walkin import Issued, Order, WalkInRefusedError, WalkIns
from passes.bundle import Bundle, Red, RedCause
from passes.check import Verified, check
from passes.gp1 import STATIC_BYTES_MAX, Algorithm, from_text, seal, to_text
from passes.keys import ed25519_public
from passes.vocabulary import Category, Colour, PassId
from passes.walkin import CATEGORIES
from sync.messages import RegistrationData
from tests.bundling import Office
from tests.gate_world import World, granted, reason
from tests.minting import NOW, NOW_UNIX, SITE, Mint
from tests.ticking import HandClock

pytestmark = pytest.mark.real
OFFICE = Office()
PHONE = "+8613800138001"
SHANGHAI = ZoneInfo("Asia/Shanghai")


@dataclass
class Post(World):
    """A gate whose guard registers visitors; as careful as the defaults of a gate's file."""

    bundle_required: bool = True
    static_needs_guard: bool = True

    def start(self) -> None:
        super().start()
        self.recorded: list[int] = []
        self.seq = 0
        self.keeper = BundleKeeper(
            self.folder,
            OFFICE.key_set(),
            clock=self.clock,
            raise_floor=lambda _: None,
            report=lambda _: None,
        )
        self.walk_ins = WalkIns(
            self.settings,
            keys=lambda: self.keeper.keys,
            standings=self.standings,
            clock=self.clock,
            random_bytes=Random(),
            recorded=lambda: self.recorded.append(self.journal.last_seq()),
        )

    def bundle(self) -> Bundle | None:
        return self.keeper.bundle

    def take(self, *certificates: bytes, **says: Any) -> None:
        """A newer bundle with these certificates comes."""
        self.seq += 1
        issued_at = int(self.clock.now().timestamp())
        bundle = OFFICE.bundle(self.seq, issued_at=issued_at, walkin=certificates, **says)
        assert self.keeper.offer(OFFICE.sealed(bundle)) is None
        self.gate.use_keys(self.keeper.keys)

    def issue(self, *, dry_run: bool = False, **changes: Any) -> Issued:
        """Ask as the socket does: by an input of the deciding thread."""
        order = replace(Order(category=Category.FOOD, unit=12, by="王强", reason="已致电业主"), **changes)
        asked = Asked(lambda: self.walk_ins.issue(order, dry_run=dry_run))
        self.gate.handle(asked)
        issued = asked.answer.result(0)
        assert isinstance(issued, Issued)
        return issued

    def refusal(self, **changes: Any) -> WalkInRefusedError:
        """Why there is no pass; nothing may have been recorded."""
        before = self.journal.last_seq()
        with pytest.raises(WalkInRefusedError) as refused:
            self.issue(**changes)
        assert self.journal.last_seq() == before
        assert refused.value.problem and refused.value.next_step
        return refused.value


class Random:
    """Bytes that differ each time, the same in every run."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, length: int) -> bytes:
        self.count += 1
        return self.count.to_bytes(length, "big")


def made(folder: Path, clock: HandClock, number: int) -> Post:
    post = Post(folder, clock, number=number)
    post.start()
    return post


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def post(tmp_path: Path, clock: HandClock) -> Iterator[Post]:
    """An enrolled gate that may register."""
    post = made(tmp_path / "south", clock, 0)
    post.take(OFFICE.certificate(make_gate_key(post.folder).public))
    yield post
    post.journal.close()


@pytest.fixture
def bare(tmp_path: Path, clock: HandClock) -> Iterator[Post]:
    """A gate that was never enrolled."""
    post = made(tmp_path / "bare", clock, 0)
    yield post
    post.journal.close()


@pytest.fixture
def north(tmp_path: Path, clock: HandClock) -> Iterator[Post]:
    """Another gate of the site."""
    post = made(tmp_path / "north", clock, 1)
    yield post
    post.journal.close()


# -- the way of one visitor


def test_the_pass_opens_its_gate_begins_a_stay_and_closes_it(post: Post) -> None:
    issued = post.issue()
    verdict = post.show(issued.text)
    assert granted(verdict)
    assert verdict is not None
    assert (verdict.colour, verdict.room, verdict.stay_minutes) == (Colour.BLUE, "3-1202", 30)
    post.walk()
    assert [stay.pass_id for stay in post.standings.inside()] == [issued.claims.pass_id]
    post.wait(60)
    assert granted(post.show(issued.text, lane="exit"))
    post.walk("exit")
    assert post.standings.inside() == []
    entry, left = post.events("passage")
    assert entry["stay_id"] == left["stay_id"]
    post.wait(8)
    assert reason(post.show(issued.text)) == "entries_used"


def test_the_registration_is_recorded_whole_and_before_the_pass_is_handed_out(post: Post) -> None:
    issued = post.issue(phone=PHONE)
    (row,) = post.events("registration")
    assert post.recorded == [post.journal.last_seq()] == [1]
    assert RegistrationData.model_validate(row) == RegistrationData(
        pass_id=issued.claims.pass_id,
        person=issued.claims.person,
        category="food",
        unit=12,
        purpose=0,
        by="王强",
        reason="已致电业主",
        phone_last4="8001",
        pass_end=NOW + timedelta(minutes=30),
    )


def test_the_number_is_kept_nowhere(post: Post) -> None:
    issued = post.issue(phone=PHONE)
    post.show(issued.text)
    post.journal.close()
    kept = b"".join(path.read_bytes() for path in post.folder.rglob("*") if path.is_file())
    assert b"8001" in kept
    assert b"13800138001" not in kept and b"3800138" not in from_text(issued.text)


def test_one_number_is_one_person_and_no_number_is_nobody_known(post: Post) -> None:
    first, again = post.issue(phone=PHONE), post.issue(phone=PHONE)
    other, unknown, nobody = post.issue(phone="+8613800138002"), post.issue(), post.issue()
    assert first.claims.person == again.claims.person
    assert len({one.claims.person for one in (first, other, unknown, nobody)}) == 4
    assert len({one.claims.pass_id for one in (first, again, other, unknown, nobody)}) == 5


def test_the_pass_says_what_a_walk_in_pass_may_say(post: Post) -> None:
    issued = post.issue()
    claims = issued.claims
    assert (claims.site, claims.gates, claims.entries, claims.directions) == (SITE, 1, 1, 3)
    assert (claims.status, claims.flags, claims.holder_key, claims.stay) == (0, 0, None, 30)
    assert len(from_text(issued.text)) <= STATIC_BYTES_MAX
    assert check(issued.text, post.keeper.keys, now=NOW) == Verified(claims, None)


@pytest.mark.parametrize(
    ("category", "ends"),
    [
        (Category.FOOD, timedelta(minutes=30)),
        (Category.SERVICE, timedelta(minutes=240)),
        (Category.RENOVATION, timedelta(hours=2, minutes=30)),  # at 20:00; it is 17:30
    ],
)
def test_a_pass_ends_with_the_stay(post: Post, category: Category, ends: timedelta) -> None:
    assert post.issue(category=category).claims.expires_at == (NOW + ends).timestamp()


def test_a_pass_ends_with_the_certificate(bare: Post) -> None:
    key = make_gate_key(bare.folder)
    bare.take(OFFICE.certificate(key.public, not_after=NOW + timedelta(minutes=100)))
    claims = bare.issue(category=Category.OTHER).claims
    assert (claims.expires_at, claims.stay) == (NOW_UNIX + 100 * 60, 240)


def test_a_guard_shortens_a_stay_and_never_lengthens_it(post: Post) -> None:
    assert post.issue(stay_minutes=10).claims.stay == 10
    by_eight = post.issue(category=Category.RENOVATION, stay_minutes=60).claims
    assert by_eight.expires_at == NOW_UNIX + 3600
    assert post.refusal(stay_minutes=31).code == "stay_too_long"


def test_a_dry_run_finds_what_would_happen_and_does_nothing(post: Post) -> None:
    assert post.issue(dry_run=True).text == ""
    assert post.events("registration") == []
    assert post.refusal(category=Category.RENOVATION, stay_minutes=900, dry_run=True).code == "stay_too_long"


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("已致电13800138000", "已致电****8000"),
        ("called 138 0013 8000, agreed", "called ****8000, agreed"),
        ("called +86 138-0013-8000", "called ****8000"),
        ("landline 010-12345678", "landline ****5678"),
        ("3-1202 at 10:30 on 2026-11-22", "3-1202 at 10:30 on 2026-11-22"),
    ],
)
def test_i17_a_number_in_a_guards_words_is_recorded_by_its_last_four_digits(
    post: Post, written: str, kept: str
) -> None:
    post.issue(by=f"王强 {written}", reason=written)
    (registration,) = post.events("registration")
    assert (registration["by"], registration["reason"]) == (f"王强 {kept}", kept)


# -- what the guard's word is worth at the entry


def test_with_the_centre_away_a_registered_visitor_needs_no_second_look(post: Post) -> None:
    post.wait(3600)
    assert granted(post.show(post.issue().text))


def test_a_printed_pass_that_nobody_registered_here_goes_to_the_guard(post: Post) -> None:
    assert reason(post.show(Mint().paper())) == "guard_confirm"


def test_no_row_no_way_in_by_itself_a_pass_of_the_gates_key_without_one_goes_to_the_guard(post: Post) -> None:
    issued = post.issue()
    key = load_gate_key(post.folder)
    forged = replace(issued.claims, pass_id=PassId("00000000000000ff"))
    text = to_text(seal(forged, algorithm=Algorithm.ED25519, kid=key.kid, sign=key.sign))
    assert reason(post.show(text)) == "guard_confirm"
    assert granted(post.show(issued.text))


# -- other gates


def test_another_gate_refuses_the_entry_and_takes_the_exit(post: Post, north: Post) -> None:
    north.take(*post_certificates(post))
    text = post.issue().text
    assert granted(post.show(text))
    post.walk()
    assert reason(north.show(text)) == "wrong_access_point"
    assert granted(north.show(text, lane="exit"))
    north.walk("exit")
    (left,) = north.events("passage")
    assert (left["pass_id"], left["direction"]) == (post.events("registration")[0]["pass_id"], "exit")


def test_a_gate_without_the_certificate_does_not_know_the_key_and_opens_the_exit(
    post: Post, north: Post
) -> None:
    north.take()
    text = post.issue().text
    assert reason(north.show(text)) == "unknown_key"
    assert granted(north.show(text, lane="exit"))
    assert "pass_id" not in north.events("decision")[-1]


def post_certificates(post: Post) -> tuple[bytes, ...]:
    bundle = post.keeper.bundle
    assert bundle is not None
    return bundle.walkin


# -- the certificate's end


def test_a_certificate_ends_by_itself_also_without_a_new_bundle(bare: Post) -> None:
    key = make_gate_key(bare.folder)
    bare.take(OFFICE.certificate(key.public, not_after=NOW + timedelta(minutes=20)))
    text = bare.issue().text
    bare.clock.advance(20 * 60 - 1)
    assert granted(bare.show(text))
    bare.wait(6)
    assert reason(bare.show(text)) == "unknown_key"
    refused = bare.refusal()
    assert refused.code == "certificate_expired"
    assert "2026-11-22 17:50" in refused.problem and "bundle import" in refused.next_step


def test_a_bundle_without_it_withdraws_it(post: Post) -> None:
    text = post.issue().text
    post.take()
    assert post.refusal().code == "no_certificate"
    assert reason(post.show(text)) == "unknown_key"


def test_a_renewed_certificate_keeps_the_passes_of_the_one_before(post: Post) -> None:
    text = post.issue().text
    post.clock.advance(600)
    since, until = NOW + timedelta(minutes=5), NOW + timedelta(hours=24)
    public = load_gate_key(post.folder).public
    post.take(*post_certificates(post), OFFICE.certificate(public, not_before=since, not_after=until))
    assert granted(post.show(text))
    assert post.issue().delegation.not_after == until


def test_a_bad_certificate_costs_neither_the_bundle_nor_the_good_one(post: Post) -> None:
    stranger = Ed25519PrivateKey.from_private_bytes(b"\x77" * 32)
    bad = OFFICE.certificate(ed25519_public(stranger), secret=b"\x78" * 32)
    post.take(b"junk", bad, *post_certificates(post))
    assert granted(post.show(post.issue().text))


# -- no pass


def test_without_a_key_the_guard_is_told_to_enroll(bare: Post) -> None:
    bare.take()
    refused = bare.refusal()
    assert refused.code == "not_enrolled"
    assert refused.next_step == "请安装人员运行：postern-edge enroll The installer runs: postern-edge enroll"


def test_with_a_key_that_others_may_read_nothing_is_signed(post: Post) -> None:
    (post.folder / FILE).chmod(0o640)
    refused = post.refusal()
    assert refused.code == "gate_key_unusable"
    assert "chmod 600" in refused.next_step


def test_without_the_centres_word_there_is_no_pass(bare: Post) -> None:
    key = make_gate_key(bare.folder)
    assert bare.refusal().code == "no_certificate"
    bare.take()
    assert key.kid.hex() in bare.refusal().next_step


def test_a_certificate_of_another_gate_does_not_help(bare: Post) -> None:
    bare.take(OFFICE.certificate(make_gate_key(bare.folder).public, gate=3))
    refused = bare.refusal()
    assert refused.code == "no_certificate"
    assert "gate 3" in refused.problem and "gate 0" in refused.problem


def test_a_certificate_that_begins_later_is_named_so(bare: Post) -> None:
    key = make_gate_key(bare.folder)
    begins = NOW + timedelta(minutes=30)
    bare.take(OFFICE.certificate(key.public, not_before=begins))
    assert bare.refusal().code == "certificate_not_yet"
    bare.clock.advance(1800)
    assert granted(bare.show(bare.issue().text))


@pytest.mark.parametrize("category", sorted(CATEGORIES))
def test_only_what_is_delegated_is_issued(bare: Post, category: Category) -> None:
    key = make_gate_key(bare.folder)
    bare.take(OFFICE.certificate(key.public, categories=CATEGORIES - {category}))
    refused = bare.refusal(category=category)
    assert refused.code == "category_not_delegated"
    assert category.code not in refused.next_step
    bare.take(OFFICE.certificate(key.public, categories=frozenset({category})))
    assert bare.issue(category=category).claims.category is category


def test_with_an_untrusted_clock_there_is_no_pass(post: Post, clock: HandClock) -> None:
    clock.trusted = False
    refused = post.refusal()
    assert refused.code == "clock_untrusted"
    assert "本机时间不可信" in refused.problem and "clock" in refused.next_step
    clock.trusted = True
    assert post.issue().text


def test_a_person_who_is_red_here_gets_no_pass_until_it_is_settled(post: Post) -> None:
    first = post.issue(phone=PHONE)
    post.show(first.text)
    post.walk()
    post.wait(31 * 60)
    refused = post.refusal(phone=PHONE)
    assert refused.code == "red"
    assert "红码" in refused.problem and "Settle it" in refused.next_step
    assert post.issue(phone="+8613800138002").text
    post.show(first.text, lane="exit")
    post.walk("exit")
    assert post.issue(phone=PHONE).text  # a minute late only warns


def test_a_person_whom_the_bundle_calls_red_gets_no_pass(post: Post) -> None:
    person = bytes.fromhex(post.issue(phone=PHONE).claims.person)
    post.take(*post_certificates(post), red=(Red(person, NOW_UNIX, RedCause.OVERSTAY),))
    assert post.refusal(phone=PHONE).code == "red"
    assert post.issue().text


def test_a_person_who_is_inside_gets_no_second_pass(post: Post) -> None:
    post.show(post.issue(phone=PHONE).text)
    post.walk()
    assert post.refusal(phone=PHONE).code == "open_stay"


def test_who_would_have_to_leave_at_once_gets_no_pass(post: Post) -> None:
    post.clock.advance(2.5 * 3600)
    assert post.refusal(category=Category.RENOVATION).code == "outside_hours"
    assert post.issue().text


def test_a_journal_that_refuses_means_no_pass(post: Post) -> None:
    post.journal._db.execute("pragma query_only = on")
    refused = post.refusal()
    assert refused.code == "not_recorded"
    assert "journal" in refused.problem
    post.journal._db.execute("pragma query_only = off")
    assert granted(post.show(post.issue().text))


def test_a_registration_stands_over_a_restart(post: Post) -> None:
    text = post.issue().text
    post.journal.close()
    post.start()
    post.gate.use_keys(post.keeper.keys)
    assert granted(post.show(text))


def test_rows_go_to_the_centre_as_any_others(post: Post) -> None:
    post.issue(phone=PHONE)
    ((seq, body),) = post.journal.rows_after(0, 10, 1 << 20)
    event = json.loads(body)
    assert (seq, event["kind"], event["data"]["phone_last4"]) == (1, "registration", "8001")
