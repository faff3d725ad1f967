"""What crosses from the network thread to the one thread that owns a link: messages, link news, wake-ups.

Bounded by count and by bytes, and for each sender by count if the owner can tell senders apart: one that floods must
not take the room of the others. When there is no room the newest message is dropped and counted: no message is the
only copy of anything, and the next hello brings the sender back to where the receiver stands. News of the link are
never dropped; there are at most two for each connection.
"""

import threading
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

MESSAGES_MAX: Final = 4096
BYTES_MAX: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One message as it came; ``payload`` is cut short when ``size`` (bytes on the wire) is above the allowance."""

    topic: str
    payload: bytes
    size: int
    retained: bool

    @property
    def whole(self) -> bool:
        """Whether the payload is all that was sent."""
        return self.size == len(self.payload)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkUp:
    """Connected and subscribed. ``birth`` is the number that this connection's will carries."""

    birth: int
    protocol: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkDown:
    """The connection ended."""

    why: str


Item = Received | LinkUp | LinkDown


class Mailbox:
    """A queue with a bound, a wake-up that needs no message, and a count of what did not fit.

    Args:
        messages_max: How many messages may wait.
        bytes_max: How many bytes of payload may wait.
        sender: Tells from a topic who sent it; None counts nobody apart.
        of_one_max: How many messages of one sender may wait.
    """

    def __init__(
        self,
        *,
        messages_max: int = MESSAGES_MAX,
        bytes_max: int = BYTES_MAX,
        sender: Callable[[str], str] | None = None,
        of_one_max: int = MESSAGES_MAX,
    ) -> None:
        self._sender, self._of_one_max = sender, of_one_max
        self._of_one: Counter[str] = Counter()
        self._changed = threading.Condition()
        self._items: deque[Item] = deque()
        self._messages_max, self._bytes_max = messages_max, bytes_max
        self._messages = self._bytes = 0
        self._woken = False
        self.dropped = 0

    def put(self, message: Received) -> bool:
        """Add a message; False when there was no room and it was dropped."""
        sender = self._sender(message.topic) if self._sender else ""
        with self._changed:
            full = (
                self._messages >= self._messages_max
                or self._bytes + len(message.payload) > self._bytes_max
                or self._of_one[sender] >= self._of_one_max
            )
            if full:
                self.dropped += 1
                return False
            self._of_one[sender] += 1
            self._messages += 1
            self._bytes += len(message.payload)
            self._items.append(message)
            self._changed.notify()
            return True

    def put_news(self, news: LinkUp | LinkDown) -> None:
        """Add news of the link; always accepted."""
        with self._changed:
            self._items.append(news)
            self._changed.notify()

    def wake(self) -> None:
        """Make the owner look now, even without an item."""
        with self._changed:
            self._woken = True
            self._changed.notify()

    @property
    def waiting(self) -> int:
        """How many messages are there."""
        return self._messages

    def take(self, timeout_s: float | None, most: int | None = None) -> list[Item]:
        """What is there, waiting up to ``timeout_s`` (None: for ever) for the first item or wake-up.

        With ``most``, no more than so many items; the rest stays, and stays bounded.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._woken, timeout_s)
            count = len(self._items) if most is None else min(most, len(self._items))
            items = [self._items.popleft() for _ in range(count)]
            for item in items:
                if isinstance(item, Received):
                    self._forget(item)
            self._woken = False
            return items

    def _forget(self, message: Received) -> None:
        self._messages -= 1
        self._bytes -= len(message.payload)
        sender = self._sender(message.topic) if self._sender else ""
        self._of_one[sender] -= 1
        if not self._of_one[sender]:
            del self._of_one[sender]
