"""Gates of one site that tell each other who is inside: real journals, any order, any repetition."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import permutations
from pathlib import Path
from zoneinfo import ZoneInfo

import apsw
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.gate_key import GateKey
from edge.journal import Journal, Recorded
from edge.peers import ASK_EVERY_S, MERGED_IN_A_TURN, WAITING_MAX, Peers
from edge.standing import AlreadyGrantedError, Shown, Standings
from edge.standing_peers import PENDING_FOR_MAX, PeerStays
from passes.claims import Claims
from passes.decide import Grant, Presence
from passes.vocabulary import Category, Direction
from passes.walkin import Certificate, Delegation
from simulators.staged_pages import StillClock
from sync.link import Message
from sync.mailbox import Received
from sync.messages import Kind, SettlementData
from sync.peers import STAYS_MAX, PeerStay, open_news
from tests.minting import NOW, SITE, claims

pytestmark = pytest.mark.real

ZONE = ZoneInfo("Asia/Shanghai")
COURIER = claims(1, gates=0xFF)
RESIDENT = claims(2, gates=0xFF, category=Category.RESIDENT, stay=0)


def as_received(topic: str, payload: bytes) -> Received:
    return Received(topic=topic, payload=payload, size=len(payload), retained=False)


@dataclass
class Site:
    """Gates that share a broker which gives every message to everybody, or to nobody while it is cut."""

    gates: "list[Gate]" = field(default_factory=list)
    heard: list[Message] = field(default_factory=list)

    def publish(self, message: Message) -> None:
        self.heard.append(message)
        for gate in filter(lambda one: one.linked and one.hears, self.gates):
            gate.peers.received(as_received(message.topic, message.payload))

    def certificates(self) -> list[Certificate]:
        return [gate.certificate for gate in self.gates]

    def settle(self) -> None:
        """Let every gate come round until nobody has anything more to say."""
        said = -1
        while said != len(self.heard):
            said = len(self.heard)
            for gate in self.gates:
                gate.peers.tick()


class Gate:
    """One gate: a real journal, its standing, and its part in the talk."""

    def __init__(self, site: Site, folder: Path, number: int) -> None:
        self.site, self.name, self.clock = site, f"gate{number}", StillClock(NOW)
        self.key = GateKey(Ed25519PrivateKey.from_private_bytes(bytes([number + 1]) * 32))
        self.certificate = Certificate(
            delegation=Delegation(
                site=SITE,
                gate=number,
                categories=frozenset({Category.COURIER}),
                not_before=NOW - timedelta(days=3),
                not_after=NOW - timedelta(days=2),
            ),
            public=self.key.public,
        )
        self.journal = Journal(folder / self.name, self.clock)
        self.standings = Standings(self.journal, ZONE)
        self.twice: list[PeerStay] = []
        self.linked = self.hears = True
        self.peers = Peers(
            site=SITE,
            gate=self.name,
            number=number,
            stays=PeerStays(self.journal, self.name, self.clock),
            key=lambda: self.key,
            certificates=site.certificates,
            publish=self._publish,
            connected=lambda: self.linked,
            clock=self.clock,
            used_twice=self.twice.append,
            wake=lambda: None,
        )
        site.gates.append(self)

    def _publish(self, message: Message) -> None:
        if self.linked:
            self.site.publish(message)

    def enter(self, who: Claims, shown_at: int | None = None) -> str:
        granted = self.standings.record_entry_grant(Grant(who), "entry", Shown(shown_at))
        self.standings.record_entry(granted.id, "entry", at=self.clock.now(), assumed=False)
        return granted.id

    def leave(self, who: Claims) -> None:
        stay = self.standings.open_stay(who)
        self.standings.record_exit_grant(Grant(who), "exit", Shown(None))
        self.standings.record_exit(
            who, stay.stay_id if stay else None, "exit", at=self.clock.now(), assumed=False
        )

    def presence(self, who: Claims) -> Presence:
        return self.standings.of(who, self.clock.now()).presence

    def states(self) -> dict[str, str]:
        return dict(self.journal.read("select stay_id, state from stay"))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site()
    for number in range(3):
        Gate(made, tmp_path, number)
    made.settle()
    yield made
    for gate in made.gates:
        gate.journal.close()


def test_who_is_inside_at_one_gate_is_refused_at_the_others_and_may_come_again_after_leaving_elsewhere(
    site: Site,
) -> None:
    here, there, _ = site.gates
    here.enter(COURIER)
    assert there.presence(COURIER) is Presence.OUTSIDE
    site.settle()
    assert there.presence(COURIER) is Presence.INSIDE
    with pytest.raises(AlreadyGrantedError):
        there.standings.record_entry_grant(Grant(COURIER), "entry", Shown(None))
    there.leave(COURIER)
    site.settle()
    assert [gate.presence(COURIER) for gate in site.gates] == [Presence.OUTSIDE] * 3
    there.enter(COURIER)


def test_a_grant_elsewhere_counts_before_anybody_walked_and_a_no_show_gives_it_back(site: Site) -> None:
    here, there, _ = site.gates
    granted = here.standings.record_entry_grant(Grant(COURIER), "entry", Shown(None))
    site.settle()
    assert there.presence(COURIER) is Presence.PENDING
    here.standings.record_no_show(granted.id, "entry", Direction.ENTRY, at=NOW)
    site.settle()
    assert there.presence(COURIER) is Presence.OUTSIDE


def test_an_overstay_is_red_at_every_gate_and_not_at_any_once_the_visitor_left_in_time_elsewhere(
    site: Site,
) -> None:
    here, there, third = site.gates
    late, in_time = claims(3, gates=0xFF), claims(4, gates=0xFF)
    here.enter(late)
    here.enter(in_time)
    site.settle()
    there.leave(in_time)
    site.settle()
    after = NOW + timedelta(minutes=61)
    assert [third.standings.of(who, after).is_red for who in (late, in_time)] == [True, False]
    assert [here.standings.of(who, after).is_red for who in (late, in_time)] == [True, False]


def test_a_code_that_was_taken_at_one_gate_is_a_replay_at_another(site: Site) -> None:
    here, there, _ = site.gates
    shown_at = int(NOW.timestamp())
    here.enter(COURIER, shown_at)
    here.leave(COURIER)
    site.settle()
    assert there.standings.of(COURIER, NOW).last_shown_at == shown_at


def test_an_entry_that_was_used_elsewhere_is_used(site: Site) -> None:
    here, there, _ = site.gates
    here.enter(COURIER)
    here.leave(COURIER)
    site.settle()
    site.settle()
    assert there.standings.of(COURIER, NOW).entries_used == 1


def test_a_resident_who_comes_in_again_elsewhere_is_inside_once(site: Site) -> None:
    here, there, third = site.gates
    here.enter(RESIDENT)
    site.settle()
    for gate in site.gates:
        gate.clock.move(60)
    there.enter(RESIDENT)
    site.settle()
    assert [len(gate.standings.inside()) for gate in (here, there, third)] == [1, 1, 1]


def test_net8_two_gates_that_were_apart_find_a_pass_that_was_used_at_both(site: Site) -> None:
    here, there, third = site.gates
    there.linked = False
    there.peers.tick()
    stays = {here.enter(COURIER), there.enter(COURIER)}
    site.settle()
    assert (here.twice, there.twice) == ([], [])
    there.linked = True
    for gate in site.gates:
        gate.clock.move(10)
    site.settle()
    assert {stay.stay_id for gate in site.gates for stay in gate.twice} == stays
    assert [set(gate.states()) for gate in site.gates] == [stays] * 3
    third.leave(COURIER)
    third.leave(COURIER)
    site.settle()
    assert [gate.presence(COURIER) for gate in site.gates] == [Presence.OUTSIDE] * 3


@pytest.mark.parametrize("walks", [False, True], ids=["nobody-walks", "both-walk"])
def test_x2_of_two_grants_within_the_time_of_a_message_neither_stays_open_without_a_walk(
    site: Site, *, walks: bool
) -> None:
    gates = site.gates[:2]
    granted = [gate.standings.record_entry_grant(Grant(COURIER), "entry", Shown(None)) for gate in gates]
    site.settle()
    for gate, grant in zip(gates, granted, strict=True):
        if walks:
            gate.standings.record_entry(grant.id, "entry", at=NOW, assumed=False)
        else:
            gate.standings.record_no_show(grant.id, "entry", Direction.ENTRY, at=NOW)
    site.settle()
    after = NOW + timedelta(minutes=61)
    here = [gate.standings.of(COURIER, after) for gate in site.gates]
    wanted = (Presence.INSIDE, True) if walks else (Presence.OUTSIDE, False)
    assert [(one.presence, one.is_red) for one in here] == [wanted] * 3


def test_a_gate_that_was_away_for_a_weekend_is_told_who_has_left_meanwhile(site: Site) -> None:
    here, there, _ = site.gates
    here.enter(COURIER)
    site.settle()
    there.linked = False
    there.peers.tick()
    here.leave(COURIER)
    site.settle()
    for gate in site.gates:
        gate.clock.move(3 * 86_400)
        gate.peers.tick()
    there.linked = True
    site.settle()
    assert there.presence(COURIER) is Presence.OUTSIDE
    assert not there.standings.of(COURIER, there.clock.now()).is_red


def test_a_word_that_a_broken_link_swallowed_unseen_is_asked_for_in_time(site: Site) -> None:
    here, there, _ = site.gates
    here.enter(COURIER)
    there.hears = False
    site.settle()
    there.hears = True
    assert there.presence(COURIER) is Presence.OUTSIDE
    for gate in site.gates:
        gate.clock.move(ASK_EVERY_S)
    site.settle()
    assert there.presence(COURIER) is Presence.INSIDE


def test_a_grant_whose_gate_is_gone_does_not_keep_its_pass_out_for_ever(site: Site) -> None:
    here, there, _ = site.gates
    granted = here.standings.record_entry_grant(Grant(COURIER), "entry", Shown(None))
    site.settle()
    site.gates.remove(here)
    for gate in site.gates:
        gate.clock.move(PENDING_FOR_MAX.total_seconds() + 60)
    site.settle()
    assert there.presence(COURIER) is Presence.OUTSIDE
    site.gates.append(here)
    here.standings.record_entry(granted.id, "entry", at=NOW, assumed=True)
    site.settle()
    assert there.presence(COURIER) is Presence.INSIDE


def test_a_stay_that_is_over_and_forgotten_does_not_come_back(site: Site) -> None:
    here, there, _ = site.gates
    here.enter(COURIER)
    here.peers.tick()
    (old,) = [message for message in site.heard if message.topic.endswith("pass")]
    site.settle()
    there.leave(COURIER)
    site.settle()
    for gate in site.gates:
        gate.clock.move(31 * 86_400)
        while gate.standings.forget_old(gate.clock.now()):
            pass
    assert there.states() == {}
    there.peers.received(as_received(old.topic, old.payload))
    there.peers.tick()
    assert there.states() == {}


def test_a_settlement_at_one_gate_clears_the_same_stay_at_the_others(site: Site) -> None:
    here, there, third = site.gates
    here.enter(COURIER)
    site.settle()
    for gate in site.gates:
        gate.clock.move(7200)
    there.leave(COURIER)
    site.settle()
    now = here.clock.now()
    assert [gate.standings.of(COURIER, now).is_red for gate in site.gates] == [True] * 3
    (stay_id,) = third.states()

    def settle(db: apsw.Connection, _: Recorded) -> None:
        db.execute("update stay set settled = 1")

    third.journal.append(Kind.SETTLEMENT, SettlementData(stay_id=stay_id, by="王强", reason="已核实"), settle)
    site.settle()
    assert [gate.standings.of(COURIER, now).is_red for gate in site.gates] == [False] * 3


def test_i18_a_stay_that_cannot_be_told_keeps_no_other_back_and_ends_no_gate(site: Site) -> None:
    here, there, _ = site.gates
    odd, good = here.enter(COURIER), here.enter(claims(6, gates=0xFF))
    here.journal.amend(lambda db: spoil(db, odd))
    site.settle()
    assert there.states() == {good: "inside"}


def spoil(db: apsw.Connection, stay_id: str) -> None:
    db.execute("update stay set lane = ? where stay_id = ?", ("no lane's name!", stay_id))


def test_many_messages_wake_the_deciding_thread_once(site: Site) -> None:
    woken: list[None] = []
    there = site.gates[1]
    there.peers._wake = lambda: woken.append(None)
    for _ in range(100):
        there.peers.received(as_received("postern/1/peer/7/pass", b"{}"))
    assert len(woken) == 1
    there.peers.tick()
    assert len(woken) == 2  # there is more than one turn's worth
    there.peers.received(as_received("postern/1/peer/7/pass", b"{}"))
    assert len(woken) == 2


def test_x2_a_gate_that_was_away_hears_what_happened_meanwhile(site: Site) -> None:
    here, there, _ = site.gates
    there.linked = False
    there.peers.tick()
    people = [claims(number, gates=0xFF) for number in range(10, 10 + STAYS_MAX + 5)]
    for who in people:
        here.enter(who)
    here.leave(people[0])
    site.settle()
    assert there.states() == {}
    there.linked = True
    here.clock.move(10)
    site.settle()
    assert there.states() == here.states()
    assert [there.presence(who) for who in people[:2]] == [Presence.OUTSIDE, Presence.INSIDE]


def test_a_restarted_gate_asks_and_the_others_stays_are_not_its_own_to_assume(
    site: Site, tmp_path: Path
) -> None:
    here, there, _ = site.gates
    granted = here.standings.record_entry_grant(Grant(COURIER), "entry", Shown(None))
    site.settle()
    assert there.states() == {granted.id: "pending"}
    assert [stay_id for stay_id, *_ in there.standings.pending()] == []
    assert [stay_id for stay_id, *_ in here.standings.pending()] == [granted.id]
    there.journal.close()
    site.gates.remove(there)
    again = Gate(site, tmp_path / "new disk", 1)
    here.clock.move(10)
    site.settle()
    assert again.presence(COURIER) is Presence.PENDING


def test_i7_whatever_the_order_and_however_often_all_arrive_at_the_same(site: Site, tmp_path: Path) -> None:
    here, there, _ = site.gates
    here.enter(COURIER)
    site.settle()
    there.leave(COURIER)
    site.settle()
    here.enter(claims(5, gates=0xFF))
    site.settle()
    news = [message for message in site.heard if message.topic.endswith("pass")]
    ends = set()
    for number, order in enumerate(permutations(news)):
        lonely = Gate(Site(), tmp_path / str(number), 2)
        lonely.peers._certificates = site.certificates
        for message in (*order, *order[:2]):
            lonely.site.publish(message)
        lonely.site.settle()
        ends.add(repr(sorted(lonely.journal.read("select * from stay"))))
        lonely.journal.close()
    assert len(news) >= 3
    assert len(ends) == 1


def test_i15_nobody_speaks_for_a_gate_without_its_key(site: Site) -> None:
    here, there, _ = site.gates
    here.enter(COURIER)
    here.peers.tick()
    (news,) = [message for message in site.heard if message.topic.endswith("pass")]
    there.peers._waiting.clear()
    other = news.payload.replace(b'"number":0', b'"number":1')
    turned = news.payload.replace(b"inside", b"left\\u0020")
    for payload in (
        other,
        turned,
        b"{}",
        b"\xff",
        b'{"v":1,"number":0,"body":"\\ud800","sig":"' + b"0" * 128 + b'"}',
    ):
        there.peers.received(as_received(news.topic, payload))
    there.peers.tick()
    assert there.states() == {}
    there.peers.received(as_received(news.topic, news.payload))
    there.peers.tick()
    assert list(there.states().values()) == ["inside"]


def test_a_flood_is_bounded_and_what_was_missed_is_asked_for(site: Site) -> None:
    here, there, _ = site.gates
    here.enter(COURIER)
    here.peers.tick()
    for _ in range(WAITING_MAX + 50):
        there.peers.received(as_received("postern/1/peer/7/pass", b"{}"))
    for _ in range(WAITING_MAX // MERGED_IN_A_TURN + 5):
        there.peers.tick()
    assert there.states() == {}
    for gate in site.gates:
        gate.clock.move(10)
    site.settle()
    assert list(there.states().values()) == ["inside"]


def test_what_travels_names_nobody(site: Site) -> None:
    here = site.gates[0]
    here.enter(COURIER)
    here.peers.tick()
    (news,) = [message for message in site.heard if message.topic.endswith("pass")]
    stays = open_news(news.payload, site=SITE, verifies=lambda *_: True).stays
    assert {stay.person for stay in stays} == {COURIER.person}
    assert not {"name", "phone", "room"} & set(stays[0].model_dump())
