"""What this gate and the others of its site tell each other: who was granted, who is inside, who has left.

It works over whatever broker the gates share, with the centre away. Own changes are told as they are committed, the
whole picture when the link comes up; what others tell is merged into the gate's own stays. The merge only ever moves
a stay on, so order and repetition make no difference.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import ValidationError

from edge.gate_key import GateKey
from edge.journal import JournalError
from edge.standing_peers import PeerStays
from passes.walkin import Certificate
from shell.clock import Clock
from shell.logs import get_logger
from sync.link import Message
from sync.mailbox import Received
from sync.peers import PeerAsk, PeerError, PeerNews, PeerStay, in_messages, open_news, seal
from sync.topics import peers as topic_of

WAITING_MAX: Final = 256  # messages of others that were not merged yet
MERGED_IN_A_TURN: Final = 16
ANSWER_EVERY_S: Final = 2.0  # whoever asks, all hear the answer
ASK_EVERY_S: Final = 300.0  # for what a broken link has swallowed unseen
TIDY_EVERY_S: Final = 60.0
BEHIND_MAX: Final = 200
log = get_logger("peers")


class Peers:
    """This gate's part in the talk. ``received`` may be called from any thread; the rest is the deciding thread's.

    Args:
        site: The site's number.
        gate: This gate's id.
        number: Its number in the site.
        stays: What the gate knows of stays.
        key: The gate's own key; None while it has none. Without one it listens and tells nothing.
        certificates: Which keys the newest bundle names as those of gates. Their dates do not count here: a gate
            stays who it is while the centre, which renews them, is away.
        publish: Sends a message when the link is up, drops it when not.
        connected: Whether the link is up.
        clock: Time.
        used_twice: Told of a stay elsewhere by a visitor's pass that is also in use here.
        wake: Has the deciding thread come round at once.
    """

    def __init__(
        self,
        *,
        site: int,
        gate: str,
        number: int,
        stays: PeerStays,
        key: Callable[[], GateKey | None],
        certificates: Callable[[], Iterable[Certificate]],
        publish: Callable[[Message], None],
        connected: Callable[[], bool],
        clock: Clock,
        used_twice: Callable[[PeerStay], None],
        wake: Callable[[], None],
    ) -> None:
        self._site, self._gate, self._number = site, gate, number
        self._stays, self._key, self._certificates = stays, key, certificates
        self._publish, self._connected, self._clock = publish, connected, clock
        self._used_twice, self._wake = used_twice, wake
        self._waiting: deque[Received] = deque(maxlen=WAITING_MAX)
        self._lock = threading.Lock()
        self._missed = self._was_connected = self._asked_by_others = self._woken = False
        self._answered_s = self._asked_s = self._tidied_s = float("-inf")
        self._behind: set[str] = set()  # stays of which another gate knows less
        self._garbage = 0

    def received(self, message: Received) -> None:
        """Take a message of ``sync.topics.peer_topics``; merged at the next turn."""
        with self._lock:
            self._missed = self._missed or len(self._waiting) == WAITING_MAX
            self._waiting.append(message)
            woken, self._woken = self._woken, True
        if not woken:  # one call until the deciding thread has come round, however many there are
            self._wake()

    def tick(self) -> None:
        """Merge what came, tell what changed here, ask when the link is new and from time to time."""
        with self._lock:
            self._woken = False
        try:
            self._merge()
            self._tell()
            self._tidy()
        except JournalError as error:
            self._missed = True
            log.error("what gates tell each other waits for the journal", error=str(error))
        except Exception:  # the deciding thread goes on: exits open whatever gates tell each other
            self._missed = True
            log.exception("a message among gates could not be made or merged")

    def _merge(self) -> None:
        for _ in range(MERGED_IN_A_TURN):
            with self._lock:
                message = self._waiting.popleft() if self._waiting else None
            if message is None:
                return
            if message.topic == topic_of(self._site, "sync"):
                self._was_asked(message.payload)
            else:
                self._heard(message.payload)
        with self._lock:
            self._woken = True
        self._wake()

    def _was_asked(self, payload: bytes) -> None:
        try:
            ask = PeerAsk.model_validate_json(payload)
        except ValidationError as error:
            self._note_garbage(f"{error.error_count()} problems in the question")
            return
        if ask.site == self._site and ask.gate != self._gate:
            self._asked_by_others = True

    def _heard(self, payload: bytes) -> None:
        try:
            news = open_news(payload, site=self._site, verifies=self._verifies)
        except PeerError as error:
            self._note_garbage(str(error))
            return
        if news.gate == self._gate:
            return  # our own words, as the broker gives them to everybody
        merged = self._stays.merge(news.stays)
        self._behind.update(merged.behind[: BEHIND_MAX - len(self._behind)])
        for stay in merged.twice:
            log.warning("a visitor's pass is used at two gates", gate=stay.gate, pass_id=stay.pass_id)
            self._used_twice(stay)

    def _tell(self) -> None:
        if not self._connected():
            self._was_connected = False
            return
        now_s = self._clock.monotonic_s()
        whole = not self._was_connected or (
            self._asked_by_others and now_s - self._answered_s >= ANSWER_EVERY_S
        )
        since_asked_s = now_s - self._asked_s
        lacking = (self._missed and since_asked_s >= ANSWER_EVERY_S) or since_asked_s >= ASK_EVERY_S
        if not self._was_connected or lacking:
            self._was_connected, self._missed, self._asked_s = True, False, now_s
            ask = PeerAsk(site=self._site, gate=self._gate)
            self._send("sync", ask.model_dump_json().encode())
        if whole:
            self._asked_by_others, self._answered_s = False, now_s
        changed = self._stays.all_that_count() if whole else self._stays.changed()
        if self._behind:
            changed += self._stays.these(self._behind)
            self._behind.clear()
        key = self._key() if changed else None
        if key is None:
            return
        for some in in_messages(changed):
            news = PeerNews(site=self._site, gate=self._gate, at=self._clock.now(), stays=some)
            self._send("pass", seal(news, number=self._number, sign=key.sign))

    def _tidy(self) -> None:
        now_s = self._clock.monotonic_s()
        if now_s - self._tidied_s >= TIDY_EVERY_S:
            self._tidied_s = now_s
            self._stays.end_what_waits()

    def _send(self, leaf: str, payload: bytes) -> None:
        self._publish(Message(topic=topic_of(self._site, leaf), payload=payload))

    def _verifies(self, number: int, message: bytes, signature: bytes) -> bool:
        keys = [one.public for one in self._certificates() if one.delegation.gate == number]
        return any(_made(key, message, signature) for key in keys)

    def _note_garbage(self, why: str) -> None:
        self._garbage += 1
        if (
            self._garbage & (self._garbage - 1) == 0
        ):  # the 1st, 2nd, 4th, 8th …: a flood must not flood the log
            log.warning("a message among gates was dropped", why=why, times=self._garbage)


def _made(key: bytes, message: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
