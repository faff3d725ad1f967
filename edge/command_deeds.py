"""What each command of the centre does at this gate, by the same hands that serve the gate's own tools.

Whatever moves is recorded first, in one transaction with the claim on the command's number; what moves nothing can be
done again without harm, and is claimed with its result.
"""

from pathlib import Path
from typing import Final, Protocol

import apsw

from edge import pending_config
from edge.command_ledger import Entry, Ledger
from edge.hands import Hands
from edge.journal import Journal, JournalError, Recorded
from edge.orders import HandsError, Order, Outcome
from edge.pending_config import PendingConfig
from shell.logs import get_logger, mask_typed
from sync.commands import Args, ConfigArgs, HoldArgs, LaneArgs, Op, SettleArgs, Why
from sync.messages import Kind, SettlementData

log = get_logger("commands")

AGAIN_S: Final = 5.0  # between attempts to hold lanes in an emergency


class Bundles(Protocol):
    """What is asked of the keeper of bundles."""

    def look(self) -> None:
        """Look for a bundle now."""


class Deeds:
    """Not thread-safe: the deciding thread owns it.

    Args:
        hands: They move the lanes, and record it.
        journal, ledger: For what moves nothing.
        bundles: Told to look for a new one.
        folder: The gate's data folder.
        software: Name and version, for whoever asks whether the gate is there.
    """

    def __init__(
        self,
        *,
        hands: Hands,
        journal: Journal,
        ledger: Ledger,
        bundles: Bundles,
        folder: Path,
        software: str,
    ) -> None:
        self._hands, self._journal, self._ledger, self._bundles = hands, journal, ledger, bundles
        self._folder, self._software = folder, software
        self._freed = False
        self._again_s = 0.0

    def resume(self) -> None:
        """Take up what an earlier run left: lanes that are blocked; raises ``JournalError``."""
        for lane in self._ledger.blocked():
            self._hands.set_blocked(lane, blocked=True)
        self._freed = self._ledger.freed()

    def do(self, entry: Entry, op: Op, args: Args) -> Outcome | str:
        """Carry one out.

        Returns:
            What will come of it, or words for what came of it.

        Raises:
            HandsError: It is not done, and nothing has moved.
        """
        order = Order(
            by=mask_typed(entry.by),
            reason=mask_typed(entry.reason),
            command=entry.id,
            claim=self._ledger.put(entry),
        )
        match args:
            case HoldArgs():
                return self._hands.hold(args.lane, order, args.seconds)
            case LaneArgs():
                return self._on_lane(op, args.lane, order, entry)
            case SettleArgs():
                return self._settle(args.stay_id, order, entry)
            case ConfigArgs():
                return self._want_config(args, order)
            case _:
                return self._beside_lanes(op, order, entry)

    def tick(self, now_s: float) -> None:
        """In an emergency that a command declared: hold what is not held, also after a restart, until its reset."""
        if not self._freed or now_s < self._again_s:
            return
        self._again_s = now_s + AGAIN_S
        if self._hands.in_emergency:
            self._hands.hold_all()
            return
        try:
            self._ledger.no_longer_freed()
        except JournalError as error:
            log.error("a reset is not noted yet", error=str(error))
            return
        self._freed = False

    def _on_lane(self, op: Op, lane: str, order: Order, entry: Entry) -> Outcome | str:
        if op is Op.OPEN:
            return self._hands.pulse(lane, order)
        if op is Op.RELEASE:
            return self._hands.release(lane, order)
        blocked = op is Op.BLOCK
        claim = self._ledger.put_and_block(entry, lane, blocked=blocked)
        order = Order(by=order.by, reason=order.reason, command=order.command, claim=claim)
        self._hands.block(lane, order, blocked=blocked)
        return ""

    def _beside_lanes(self, op: Op, order: Order, entry: Entry) -> str:
        if op is Op.EMERGENCY:
            claim = self._ledger.put_and_free(entry)
            free = Order(by=order.by, reason=order.reason, command=order.command, claim=claim)
            shut = self._hands.free_all(free)
            self._freed = True
            return f"not held open, use the key: {', '.join(shut)}" if shut else ""
        if op is Op.BUNDLE:
            self._bundles.look()
        return self._software

    def _settle(self, stay_id: str, order: Order, entry: Entry) -> str:
        put = self._ledger.put(entry)

        def change(db: apsw.Connection, recorded: Recorded) -> None:
            put(db, recorded)
            db.execute("update stay set settled = 1 where stay_id = ?", (stay_id,))

        data = SettlementData(stay_id=stay_id, by=order.by, reason=order.reason, command=order.command)
        try:
            if not self._journal.read("select 1 from stay where stay_id = ?", (stay_id,)):
                raise HandsError(Why.UNKNOWN_STAY, f"This gate has no stay {stay_id}")
            self._journal.append(Kind.SETTLEMENT, data, change)
        except JournalError as error:
            raise HandsError(Why.NOT_RECORDED, str(error)) from error
        return ""

    def _want_config(self, args: ConfigArgs, order: Order) -> str:
        try:
            pending_config.put(
                self._folder, PendingConfig(version=args.version, sha256=args.sha256, by=order.by)
            )
        except OSError as error:
            raise HandsError(Why.NOT_RECORDED, str(error)) from error
        return f"version {args.version} is pending"
