"""The delegated walk-in key: a gate's own key, which the site's key set lets issue short visitors' passes.

While the centre is away a guard still registers who comes. The certificate is an entry of the signed key set
(``use`` = ``walkin``) that names the gate, the categories and a time of at most a day; every gate that has the key set
accepts those passes, and holds each of them to the limits below. A stolen gate can therefore issue nothing but short
visits at its own entry, until its certificate ends or is taken out of the key set.
"""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from passes.claims import Claims
from passes.gp1 import Algorithm, Sign, seal
from passes.vocabulary import Category

CERTIFICATE_LIFE_MAX: Final = timedelta(hours=24)
PASS_LIFE_MAX: Final = timedelta(hours=12)
CATEGORIES: Final = frozenset(
    {Category.COURIER, Category.FOOD, Category.RENOVATION, Category.SERVICE, Category.OTHER}
)
"""Who may walk in. Residents and invited guests have their passes from the centre."""
STATUS_INDEX: Final = 0
"""A gate cannot ask for a place in the status list; its passes carry this one, which the centre gives to nobody."""


class WalkInError(ValueError):
    """These claims are beyond what a delegated key may sign; the message says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegation:
    """What a certificate grants: the key of gate ``gate`` of ``site`` issues walk-in passes from ``not_before`` on.

    Both times are aware; the certificate ends just before ``not_after``.
    """

    site: int
    gate: int
    categories: AbstractSet[Category]
    not_before: datetime
    not_after: datetime

    def problem(self) -> str | None:
        """Why no gate may take this certificate, or None when it is within the limits."""
        if not self.categories or not CATEGORIES.issuperset(self.categories):
            return "a walk-in key may issue walk-in categories only"
        if not timedelta(0) < self.not_after - self.not_before <= CERTIFICATE_LIFE_MAX:
            return f"a walk-in certificate lives at most {CERTIFICATE_LIFE_MAX // timedelta(hours=1)} hours"
        return None

    def breach(self, claims: Claims) -> str | None:
        """Which limit a pass of this key breaks, or None. The verifier asks, and so does the gate that issues.

        A pass ends within the certificate. It may have begun before it: a renewed certificate names the same key, and
        the passes made under the one before it stay good.
        """
        if claims.category not in self.categories:
            return f"{claims.category.code} is not a category of this walk-in key"
        if claims.site != self.site:
            return f"a walk-in pass for site {claims.site}"
        if not claims.allows_gate(self.gate) or (
            claims.holder_key is None and claims.gates != 1 << self.gate
        ):
            return f"a walk-in pass of gate {self.gate} for the gates {claims.gates:#x}"
        if claims.expires_at - claims.not_before > PASS_LIFE_MAX.total_seconds():
            return f"a walk-in pass of more than {PASS_LIFE_MAX // timedelta(hours=1)} hours"
        if claims.expires_at > self.not_after.timestamp():
            return "a walk-in pass that outlives its certificate"
        if claims.status != STATUS_INDEX:
            return f"a walk-in pass with place {claims.status} in the status list"
        return None


def seal_walk_in(
    claims: Claims, delegation: Delegation, *, algorithm: Algorithm, kid: bytes, sign: Sign
) -> bytes:
    """Sign a walk-in pass with a gate's delegated key.

    Raises:
        WalkInError: Some gate would refuse it.
        ClaimsError: A value is out of range.
    """
    breach = delegation.problem() or delegation.breach(claims)
    if breach is not None:
        raise WalkInError(breach)
    return seal(claims, algorithm=algorithm, kid=kid, sign=sign)
