"""Questions to a relay board: its codec's frames on an exchange."""

from dataclasses import replace

from drivers.exchange import READ_REPEATS, Exchange, Request
from drivers.model import Refusal, Urgency
from drivers.relay_codec import Ask, Asked, RelayCodec, Reply
from drivers.relay_reports import Reports
from drivers.relay_runs import Purpose


class Asking:
    """Puts purposes into bytes, and bytes back to the purpose that they answer.

    Args:
        codec: The board's bytes.
    """

    def __init__(self, codec: RelayCodec) -> None:
        self._codec = codec
        self.exchange: Exchange[Purpose] = Exchange()

    def put(
        self,
        purpose: Purpose,
        urgency: Urgency,
        *,
        repeats: int = 0,
        stale_s: float | None = None,
    ) -> Refusal | None:
        """Let a question wait for its turn; why it cannot be asked, otherwise.

        About all outputs, a board that reads one at a time is asked for each.
        """
        if purpose.ask is Ask.OUTPUTS and self._codec.encode(Ask.OUTPUTS) is not None:
            purpose = replace(purpose, channel=0)
        elif purpose.ask is Ask.OUTPUTS and not purpose.channel:
            each = [replace(purpose, channel=number + 1) for number in range(self._codec.info.outputs)]
            answers = [self.put(one, urgency, repeats=repeats, stale_s=stale_s) for one in each]
            return next((refusal for refusal in answers if refusal is not None), None)
        frame = self._codec.encode(purpose.ask, channel=purpose.channel, ms=purpose.ms)
        if frame is None:
            return Refusal.UNSUPPORTED
        taken = self.exchange.put(
            Request(
                data=frame,
                urgency=urgency,
                purpose=purpose,
                within_s=self._codec.within_s(purpose.ask),
                repeats=repeats,
                silence_s=self._codec.silence_s,
                stale_s=stale_s,
            )
        )
        return None if taken else Refusal.FULL

    def ask(
        self,
        purpose: Purpose,
        urgency: Urgency,
        reports: Reports,
        *,
        repeats: int = 0,
        stale_s: float | None = None,
    ) -> bool:
        """As ``put``; what cannot be asked is refused at once. Whether it waits now."""
        refusal = self.put(purpose, urgency, repeats=repeats, stale_s=stale_s)
        if refusal is not None:
            reports.refuse(purpose.id, refusal)
        return refusal is None

    def put_all_off(self) -> None:
        """Let the opening of every output wait before everything else, in place of an earlier one."""
        self.exchange.withdraw(lambda request: request.urgency is Urgency.ALL_OFF)
        if self.put(Purpose(ask=Ask.ALL_OFF), Urgency.ALL_OFF, repeats=READ_REPEATS) is None:
            return
        for channel in range(1, self._codec.info.outputs + 1):
            self.put(Purpose(ask=Ask.OFF, channel=channel), Urgency.ALL_OFF, repeats=READ_REPEATS)

    def put_blind(self) -> None:
        """Once more, to a board that neither answers nor can be read: the first frame may have met half another."""
        info = self._codec.info
        if self._codec.within_s(Ask.OFF) is None and not info.reads_outputs:
            for channel in range(1, info.outputs + 1):
                self.put(Purpose(ask=Ask.OFF, channel=channel), Urgency.ALL_OFF)

    def waits(self, ask: Ask, id_: str | None = None) -> bool:
        """Whether such a question (of this run or command) waits, or is open."""
        return self.exchange.waits(
            lambda one: one.purpose.ask is ask and (id_ is None or one.purpose.id == id_)
        )

    def waits_to_open(self, channel: int) -> bool:
        """Whether an opening of this output waits behind closings, or is open."""
        return self.exchange.waits(
            lambda one: (
                one.urgency is Urgency.RELEASE
                and one.purpose.ask is Ask.OFF
                and one.purpose.channel == channel
            )
        )

    def asks_owed(self) -> bool:
        """Whether an opening that is owed to no command and no run waits, or is open: one at a time."""
        return self.exchange.waits(
            lambda one: one.urgency is Urgency.RELEASE and one.purpose.ask is Ask.OFF and not one.purpose.id
        )

    def opens_outputs(self) -> bool:
        """Whether an opening waits or is open, or the board's name, without which no opening is written."""
        return self.exchange.waits(
            lambda one: one.urgency is Urgency.ALL_OFF or one.purpose.ask in {Ask.OFF, Ask.ALL_OFF}
        )

    def feed(self, data: bytes) -> Reply | None:
        """What these bytes say about the open question."""
        return self._codec.feed(data, self._asked())

    def flush(self) -> Reply | None:
        """No more bytes are coming."""
        return self._codec.flush(self._asked())

    def _asked(self) -> Asked | None:
        request = self.exchange.open
        if request is None:
            return None
        return Asked(ask=request.purpose.ask, channel=request.purpose.channel, frame=request.data)
