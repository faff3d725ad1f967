"""A gate that hears the bundles of a served centre."""

from controller.issuer_keys import load_key_set
from edge.bundles import Holding, installed, judge
from passes.check import Rejected, Verified, check
from passes.vocabulary import ClockTrust, Reason
from tests.real.controller.centre import SITE
from tests.real.controller.serving import Served


class Gate:
    """What a gate makes of the bundles; its key set is the one it was installed with."""

    def __init__(self, served: Served) -> None:
        self.served = served
        self.anchor = load_key_set(served.folder / "keyset.json", SITE)
        self.holding = installed(self.anchor)

    def hears(self) -> None:
        """Take over the newest bundle."""
        self.served.publisher.look()
        now = self.served.demo.centre.clock.now()
        judged = judge(
            self.holding, self.served.sent[-1], anchor=self.anchor, now=now, trust=ClockTrust.TRUSTED
        )
        assert judged is None or isinstance(judged, Holding), judged
        self.holding = judged or self.holding

    def reads(self, text: str) -> Reason | None:
        """Why this text is no pass here; None when it is."""
        checked = check(text, self.holding.keys, now=self.served.demo.centre.clock.now())
        assert isinstance(checked, Verified | Rejected)
        return checked.reason if isinstance(checked, Rejected) else None
