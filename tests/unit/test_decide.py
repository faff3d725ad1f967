from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passes.check import Checked, Foreign, Rejected, Verified
from passes.claims import FLAG_GUARD_CONFIRM
from passes.decide import (
    Decision,
    Deny,
    Grant,
    Ignore,
    LaneFacts,
    Note,
    Policy,
    Presence,
    Refer,
    Standing,
    decide,
    objection,
)
from passes.vocabulary import Category, ClockTrust, Direction, Reason
from passes.words import CATEGORIES, NOTES, REASONS, for_reason
from tests.minting import NOW, NOW_UNIX, SITE, claims

PHONE = b"\x02" + b"\x05" * 32
POLICY = Policy(zone=ZoneInfo("Asia/Shanghai"))
SCAN = Verified(claims(holder_key=PHONE), NOW_UNIX)
RESIDENT = {"category": Category.RESIDENT, "stay": 0}


def ask(scan: Checked = SCAN, standing: Standing | None = None, **changes: Any) -> Decision:
    lane = LaneFacts(
        site=changes.get("site", SITE),
        gate=changes.get("gate", 0),
        direction=changes.get("direction", Direction.ENTRY),
    )
    return decide(
        scan,
        standing or Standing(),
        lane,
        changes.get("policy", POLICY),
        now=NOW + timedelta(seconds=changes.get("later_s", 0)),
        trust=changes.get("trust", ClockTrust.TRUSTED),
    )


def phone_scan(**changes: Any) -> Verified:
    return Verified(claims(holder_key=PHONE, **changes), NOW_UNIX)


@pytest.mark.parametrize(
    ("changes", "later_s", "reason"),
    [
        ({}, 0, None),
        ({"site": SITE + 1}, 0, Reason.WRONG_SITE),
        ({"directions": 2}, 0, Reason.WRONG_DIRECTION),
        ({"gates": 0b1000}, 0, None),  # some gate opens
        ({"entries": 0}, 0, Reason.MALFORMED),
        ({"entries": 0, "holder_key": PHONE}, 0, None),
        ({}, -7200, Reason.NOT_YET_VALID),
        ({}, 3600, Reason.EXPIRED),
        ({"stay": -120, "expires_at": NOW_UNIX + 5 * 3600}, 0, None),
        ({"stay": -120, "expires_at": NOW_UNIX + 5 * 3600}, 3 * 3600, Reason.OUTSIDE_HOURS),
    ],
)
def test_an_objection_is_what_every_entry_says(
    changes: dict[str, Any], later_s: int, reason: Reason | None
) -> None:
    made = claims(**{"entries": 1} | changes)
    now = NOW + timedelta(seconds=later_s)
    assert objection(made, site=SITE, zone=POLICY.zone, now=now) is reason
    scan = Verified(made, NOW_UNIX if made.holder_key else None)
    found = ask(scan, gate=3 if made.gates == 0b1000 else 0, later_s=later_s)
    if reason is not None:
        assert found == Deny(reason, made)
    else:
        assert not isinstance(found, Deny)


def paper_scan(**changes: Any) -> Verified:
    return Verified(claims(**{"entries": 1} | changes), None)


def test_a_good_pass_of_somebody_outside_is_granted() -> None:
    assert ask() == Grant(SCAN.claims)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (ask(site=8), Reason.WRONG_SITE),
        (ask(gate=1), Reason.WRONG_ACCESS_POINT),
        (ask(phone_scan(directions=2)), Reason.WRONG_DIRECTION),
        (ask(standing=Standing(revoked=True)), Reason.REVOKED),
        (ask(standing=Standing(red=True)), Reason.RED),
        (ask(standing=Standing(red=True, presence=Presence.INSIDE)), Reason.RED),
        (ask(phone_scan(not_before=NOW_UNIX + 61)), Reason.NOT_YET_VALID),
        (ask(later_s=3600), Reason.EXPIRED),
        (ask(phone_scan(stay=-105)), Reason.OUTSIDE_HOURS),  # leave by 17:30, and it is 17:30
        (ask(standing=Standing(last_shown_at=NOW_UNIX)), Reason.REPLAYED),
        (ask(standing=Standing(presence=Presence.PENDING)), Reason.ALREADY_INSIDE),
        (ask(standing=Standing(presence=Presence.INSIDE)), Reason.ALREADY_INSIDE),
        (ask(standing=Standing(person_inside=True)), Reason.OPEN_STAY),
        (ask(phone_scan(entries=2), Standing(entries_used=2)), Reason.ENTRIES_USED),
        (ask(Rejected(Reason.BAD_SIGNATURE, "")), Reason.BAD_SIGNATURE),
        (ask(paper_scan(gates=3)), Reason.MALFORMED),
        (ask(paper_scan(entries=0)), Reason.MALFORMED),
        (ask(paper_scan(**RESIDENT)), Reason.MALFORMED),
        (ask(paper_scan(expires_at=NOW_UNIX + 13 * 3600)), Reason.MALFORMED),
    ],
    ids=lambda value: value.value if isinstance(value, Reason) else "",
)
def test_each_doubt_at_an_entry_has_its_own_refusal(answer: Decision, expected: Reason) -> None:
    assert isinstance(answer, Deny)
    assert answer.reason is expected


def test_t10_not_before_has_a_minute_of_leeway_and_the_end_has_none() -> None:
    assert isinstance(ask(phone_scan(not_before=NOW_UNIX + 60)), Grant)
    ending = phone_scan(expires_at=NOW_UNIX + 1)
    assert isinstance(ask(ending), Grant)
    assert ask(ending, later_s=1) == Deny(Reason.EXPIRED, ending.claims)


def test_a_newer_code_than_the_last_is_granted() -> None:
    assert isinstance(ask(standing=Standing(last_shown_at=NOW_UNIX - 1)), Grant)


def test_a_resident_who_left_by_the_button_gets_in_again_and_it_is_noted() -> None:
    answer = ask(phone_scan(**RESIDENT), Standing(presence=Presence.INSIDE))
    assert isinstance(answer, Grant)
    assert answer.notes == (Note.AGAIN_INSIDE,)


def test_paper_goes_to_the_guard_unless_the_site_waives_it() -> None:
    assert ask(paper_scan()) == Refer(Reason.GUARD_CONFIRM, claims(entries=1))
    waived = Policy(zone=POLICY.zone, static_needs_guard=False)
    assert isinstance(ask(paper_scan(), policy=waived), Grant)
    flagged = paper_scan(flags=FLAG_GUARD_CONFIRM)
    assert ask(flagged, policy=waived) == Refer(Reason.GUARD_CONFIRM, flagged.claims)


def test_i12_an_untrusted_clock_sends_visitors_to_the_guard_and_residents_by_policy() -> None:
    assert ask(trust=ClockTrust.UNTRUSTED) == Refer(Reason.CLOCK_UNTRUSTED, SCAN.claims)
    resident = phone_scan(**RESIDENT)
    assert isinstance(ask(resident, trust=ClockTrust.UNTRUSTED), Refer)
    trusting = Policy(zone=POLICY.zone, residents_when_clock_untrusted=True)
    assert isinstance(ask(resident, trust=ClockTrust.UNTRUSTED, policy=trusting, later_s=10**9), Grant)


def test_a_foreign_code_at_an_entry_is_ignored() -> None:
    assert ask(Foreign()) == Ignore()


SCANS = st.sampled_from(
    [SCAN, Foreign(), *(Rejected(reason, "") for reason in Reason), paper_scan(), phone_scan(site=9)]
)
STANDINGS = st.builds(
    Standing,
    presence=st.sampled_from(Presence),
    person_inside=st.booleans(),
    red=st.booleans(),
    revoked=st.booleans(),
    last_shown_at=st.none() | st.integers(NOW_UNIX - 50, NOW_UNIX + 50),
    entries_used=st.integers(0, 3),
)


@given(
    scan=SCANS, standing=STANDINGS, trust=st.sampled_from(ClockTrust), later_s=st.integers(-(10**8), 10**8)
)
def test_i9_every_code_opens_an_exit(
    scan: Checked, standing: Standing, trust: ClockTrust, later_s: int
) -> None:
    answer = ask(scan, standing, direction=Direction.EXIT, trust=trust, later_s=later_s)
    assert isinstance(answer, Grant)


@given(scan=SCANS, standing=STANDINGS, trust=st.sampled_from(ClockTrust))
def test_i2_nobody_red_revoked_or_unverified_enters(
    scan: Checked, standing: Standing, trust: ClockTrust
) -> None:
    answer = ask(scan, standing, trust=trust)
    if isinstance(answer, Grant):
        assert isinstance(scan, Verified)
        assert not (standing.red or standing.revoked)
        assert standing.presence is Presence.OUTSIDE


def test_an_exit_that_verifies_names_whose_stay_ends_and_one_that_does_not_says_so() -> None:
    inside = Standing(presence=Presence.INSIDE)
    assert ask(standing=inside, direction=Direction.EXIT) == Grant(SCAN.claims)
    for scan in (Foreign(), Rejected(Reason.BAD_SIGNATURE, ""), phone_scan(site=9)):
        assert ask(scan, direction=Direction.EXIT) == Grant(None, (Note.UNIDENTIFIED_EXIT,))
    replay = Standing(presence=Presence.INSIDE, last_shown_at=NOW_UNIX)
    assert ask(standing=replay, direction=Direction.EXIT) == Grant(None, (Note.UNIDENTIFIED_EXIT,))


def test_an_exit_notes_red_and_a_missing_entry_but_opens() -> None:
    answer = ask(standing=Standing(red=True), direction=Direction.EXIT)
    assert answer == Grant(SCAN.claims, (Note.NO_ENTRY_KNOWN, Note.RED_EXIT))


def test_every_note_reason_and_category_has_words_in_both_languages() -> None:
    assert set(NOTES) == set(Note)
    assert all(pair.zh and pair.en for pair in NOTES.values())
    assert set(REASONS) == set(Reason)
    assert set(CATEGORIES) == set(Category)
    for words in REASONS.values():
        for pair in (words.fact, words.visitor, words.guard):
            assert pair.zh
            assert pair.en


def test_the_word_red_is_kept_for_the_reason_red() -> None:
    told = {
        reason
        for reason in Reason
        if "红码" in for_reason(reason).fact.zh or "RED" in for_reason(reason).fact.en
    }
    assert told == {Reason.RED}


def test_a_reason_from_a_newer_version_gets_neutral_words() -> None:
    assert for_reason("too_many_umbrellas").fact.en == "Not admitted"
