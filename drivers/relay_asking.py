"""Questions to a relay board: its codec's frames on an exchange."""

from drivers.exchange import Exchange, Request
from drivers.model import Refusal, Urgency
from drivers.relay_codec import Ask, Asked, RelayCodec, Reply
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
        ms: int = 0,
        repeats: int = 0,
        stale_s: float | None = None,
    ) -> Refusal | None:
        """Let a question wait for its turn; why it cannot be asked, otherwise."""
        frame = self._codec.encode(purpose.ask, channel=purpose.channel, ms=ms)
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

    def waits(self, ask: Ask, id_: str | None = None) -> bool:
        """Whether such a question (of this run or command) waits, or is open."""
        return self.exchange.waits(
            lambda one: one.purpose.ask is ask and (id_ is None or one.purpose.id == id_)
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
