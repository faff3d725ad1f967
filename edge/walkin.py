"""Walk-in passes: a guard registers who comes, and the gate itself signs a short BLUE pass, with or without the centre.

The deciding thread issues, so a registration is one input among others. Its row is durable before the pass exists;
whoever asks gets the pass or a refusal, and after a lost answer the row says that a pass was made which nobody used.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from drivers.gate.config import GateConfig
from edge.gate_key import GateKey, GateKeyError, NoGateKeyError, load_gate_key
from edge.journal import JournalError
from edge.person_secret import RedKnown, load_person_secret
from edge.standing import Registration, Standings
from edge.walkin_words import WALK_IN_REFUSALS, Refusal, next_step, said
from passes.check import Verified
from passes.claims import Claims, encode_claims
from passes.decide import Grant, Ignore, LaneFacts, Policy, decide
from passes.gp1 import STATIC_BYTES_MAX, Algorithm, protected_header, to_text
from passes.keys import KeyTable
from passes.stay import StayRule, claim_of_rule, due_at, rule_of_claim
from passes.vocabulary import Category, ClockTrust, Direction, PassId, PersonId, Reason
from passes.walkin import PASS_LIFE_MAX, STATUS_INDEX, Delegation, seal_walk_in
from passes.words import REASONS, Pair, for_category
from shell.clock import Clock
from shell.logs import get_logger, mask_typed
from shell.person_secret import PersonSecretError

log = get_logger("walkin")

LEAST_LEFT: Final = timedelta(minutes=1)  # a pass of seconds would only end in a quarrel
_BOTH_WAYS: Final = 3
_LINE_MAX: Final = 200  # characters, as a message has them; a masked number may be one longer than it was
_SET_THE_CLOCK: Final = Pair(
    "请校准本机时间，或等它连上时间服务器；在此之前请用钥匙或按钮放行，并手工登记",
    "Set the clock of this box, or let it reach its time server. Until then open by key or button, and write the"
    " visitor down by hand",
)


class WalkInRefusedError(Exception):
    """No pass. ``code`` is stable; ``problem`` says why, ``next_step`` what the guard does now."""

    def __init__(self, code: str, problem: str, next_step: str) -> None:
        super().__init__(f"{problem}. {next_step}")
        self.code, self.problem, self.next_step = code, problem, next_step


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Whom a guard registers. ``phone`` is canonical; ``stay_minutes`` may only shorten the site's rule."""

    category: Category
    unit: int
    by: str
    reason: str
    phone: str | None = None
    stay_minutes: int | None = None

    @property
    def phone_last4(self) -> str | None:
        """All of the number that is kept."""
        return self.phone[-4:] if self.phone else None

    @property
    def registration(self) -> Registration:
        """What is recorded of it. Guards write numbers into a reason, too: of those the last four digits stay."""
        by, reason = (mask_typed(text)[:_LINE_MAX] for text in (self.by, self.reason))
        return Registration(by=by, reason=reason, phone_last4=self.phone_last4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A pass and its registration; ``text`` is empty when this was only asked for, ``dry_run``.

    ``red_known`` is None without a number, when RED cannot be known.
    """

    claims: Claims
    text: str
    delegation: Delegation
    red_known: RedKnown | None


@dataclass(frozen=True, slots=True)
class _Who:
    """Under which name a visitor is registered, and under which others he was before."""

    person: PersonId
    formerly: tuple[PersonId, ...] = ()
    red_known: RedKnown | None = None


class WalkIns:
    """Issues the walk-in passes of one gate. The deciding thread owns it.

    Args:
        config: The gate.
        keys: The keys in force, this gate's own with its delegation among them while a certificate holds.
        standings: Where people are looked up and registrations recorded.
        clock: Time.
        random_bytes: Unpredictable bytes, such as ``os.urandom``.
        recorded: Called after a row was recorded, to wake the uplink.
    """

    def __init__(
        self,
        config: GateConfig,
        *,
        keys: Callable[[], KeyTable],
        standings: Standings,
        clock: Clock,
        random_bytes: Callable[[int], bytes],
        recorded: Callable[[], None],
    ) -> None:
        self._config, self._keys, self._standings = config, keys, standings
        self._clock, self._random_bytes, self._recorded = clock, random_bytes, recorded
        self._policy: Policy = config.to_policy()

    def issue(self, order: Order, *, dry_run: bool = False) -> Issued:
        """Register a visitor and sign the pass; with ``dry_run`` only say whether that would be done.

        Raises:
            WalkInRefusedError: There is no pass, and nothing was recorded.
        """
        now = self._clock.now()
        if self._clock.trust() is ClockTrust.UNTRUSTED:
            fact = REASONS[Reason.CLOCK_UNTRUSTED].fact
            raise WalkInRefusedError(
                Reason.CLOCK_UNTRUSTED.value,
                said(fact),
                said(_SET_THE_CLOCK),
            )
        key, delegation = self._authority(now)
        if order.category not in delegation.categories:
            allowed = ", ".join(sorted(category.code for category in delegation.categories))
            raise _refused(
                Refusal.CATEGORY_NOT_DELEGATED,
                fact=said(for_category(order.category.code)),
                hint=f"可登记 allowed: {allowed}; postern-controller gate enroll",
            )
        who = self._who(order, key)
        claims = self._claims(order, who.person, delegation, now)
        for person in (who.person, *who.formerly):
            self._demand_good_standing(replace(claims, person=person), key, now)
        breach = delegation.breach(claims)
        assert breach is None, breach
        encode_claims(claims)  # a value that no pass can say ends here, before there is a row
        if dry_run:
            return Issued(claims=claims, text="", delegation=delegation, red_known=who.red_known)
        try:
            self._standings.record_registration(claims, order.registration)
        except JournalError as error:
            log.error("registration was not recorded", error=str(error))
            raise _refused(Refusal.NOT_RECORDED) from error
        self._recorded()
        sealed = seal_walk_in(claims, delegation, algorithm=Algorithm.ED25519, kid=key.kid, sign=key.sign)
        assert len(sealed) <= STATIC_BYTES_MAX
        log.info("walk-in pass issued", pass_id=claims.pass_id, category=claims.category.code)
        text = to_text(sealed)
        return Issued(claims=claims, text=text, delegation=delegation, red_known=who.red_known)

    def _authority(self, now: datetime) -> tuple[GateKey, Delegation]:
        """The gate's key and what the centre lets it sign now."""
        gate = self._config.gate
        try:
            key = load_gate_key(gate.data_dir)
        except NoGateKeyError as error:
            raise _refused(Refusal.NOT_ENROLLED) from error
        except GateKeyError as error:
            raise _refused(Refusal.GATE_KEY_UNUSABLE, hint=str(error)) from error
        trusted = self._keys().find(protected_header(Algorithm.ED25519, key.kid))
        if trusted is None or trusted.public != key.public or trusted.delegation is None:
            hint = f"{key.kid.hex()} (postern-edge enroll prints the command)"
            raise _refused(Refusal.NO_CERTIFICATE, hint=hint)
        delegation = trusted.delegation
        if delegation.gate != gate.number:
            raise _refused(
                Refusal.NO_CERTIFICATE,
                fact=f"准许的是 {delegation.gate} 号门，本门是 {gate.number} 号 "
                f"it is approved for gate {delegation.gate}, and this is gate {gate.number}",
                hint="postern-controller gate withdraw, gate enroll",
            )
        if now < delegation.not_before:
            raise _refused(Refusal.CERTIFICATE_NOT_YET, fact=self._local(delegation.not_before))
        if now >= delegation.not_after - LEAST_LEFT:
            raise _refused(Refusal.CERTIFICATE_EXPIRED, fact=self._local(delegation.not_after))
        return key, delegation

    def _who(self, order: Order, key: GateKey) -> _Who:
        """By the site's person secret; before that is installed by this gate's own, which nobody else can follow."""
        if order.phone is None:
            return _Who(PersonId(self._random_bytes(8).hex()))
        gate, own = self._config.gate, key.pseudonym(order.phone)
        try:
            secret = load_person_secret(gate.data_dir, gate.site)
        except PersonSecretError as error:  # to go on by the gate's own name would wash RED off
            raise _refused(Refusal.PERSON_SECRET_UNUSABLE, hint=str(error)) from error
        if secret is None:
            return _Who(own, red_known=RedKnown.GATE)
        return _Who(secret.person(order.phone), (own,), RedKnown.SITE)

    def _claims(self, order: Order, person: PersonId, delegation: Delegation, now: datetime) -> Claims:
        gate, stay = self._config.gate, self._stay(order)
        not_before = int(now.timestamp())
        ends = [now + PASS_LIFE_MAX, delegation.not_after]
        stay_end = due_at(rule_of_claim(stay), entered_at=now, zone=self._policy.zone, pass_end=None)
        if stay_end is not None and stay_end > now:  # one that is past refuses with its own words
            ends.append(stay_end)
        return Claims(
            pass_id=PassId(self._random_bytes(8).hex()),
            person=person,
            site=gate.site,
            category=order.category,
            unit=order.unit,
            purpose=0,
            gates=1 << gate.number,
            directions=_BOTH_WAYS,
            entries=1,
            stay=stay,
            status=STATUS_INDEX,
            flags=0,  # the guard who would confirm it is the one who asks for it
            not_before=not_before,
            expires_at=max(int(min(ends).timestamp()), not_before + 1),
            issued_at=not_before,
        )

    def _stay(self, order: Order) -> int:
        rule = self._config.stay.rule(order.category)
        if rule.minutes is not None:
            rule = replace(rule, minutes=min(rule.minutes, PASS_LIFE_MAX // timedelta(minutes=1)))
        if order.stay_minutes is None:
            return claim_of_rule(rule)
        if rule.minutes is not None and order.stay_minutes > rule.minutes:
            longest = f"{said(for_category(order.category.code))}, {rule.minutes} 分钟 minutes"
            raise _refused(Refusal.STAY_TOO_LONG, fact=longest)
        try:
            return claim_of_rule(StayRule(minutes=order.stay_minutes, leave_by=rule.leave_by))
        except ValueError as error:
            raise _refused(Refusal.STAY_TOO_LONG, fact=str(error)) from None

    def _demand_good_standing(self, claims: Claims, key: GateKey, now: datetime) -> None:
        """Refuse whom the entry would refuse: a person who is RED, or inside already."""
        try:
            standing = self._standings.of(claims, now, key.kid)
        except JournalError as error:
            log.error("standing cannot be read", error=str(error))
            raise _by_reason(Reason.INTERNAL_ERROR) from error
        gate = self._config.gate
        lane = LaneFacts(site=gate.site, gate=gate.number, direction=Direction.ENTRY)
        scan, confirmed = Verified(claims, None, key.kid), replace(standing, confirmed=True)
        answer = decide(scan, confirmed, lane, self._policy, now=now, trust=ClockTrust.TRUSTED)
        assert not isinstance(answer, Ignore)
        if not isinstance(answer, Grant):
            raise _by_reason(answer.reason)

    def _local(self, moment: datetime) -> str:
        return f"{moment.astimezone(self._policy.zone):%Y-%m-%d %H:%M}"


def _refused(refusal: Refusal, *, fact: str = "", hint: str = "") -> WalkInRefusedError:
    """The refusal in the guard's words; ``fact`` and ``hint`` are details of the two sentences."""
    return WalkInRefusedError(
        refusal.value, said(WALK_IN_REFUSALS[refusal].fact, fact), next_step(refusal, hint)
    )


def _by_reason(reason: Reason) -> WalkInRefusedError:
    """The refusal in the words that the kiosk has for the same reason at the entry."""
    words = REASONS[reason]
    return WalkInRefusedError(reason.value, said(words.fact), said(words.guard))
