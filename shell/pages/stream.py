"""Live pages: server-sent events from any thread of a daemon to every open page.

One ``EventHub`` serves all pages of one application. ``id:`` is the sequence of the daemon's own log, so a page that
was away names the last one it saw and gets the rest from that log, not from memory here. Each page has a queue of 32:
one that does not read is dropped, comes back by itself and catches up. Pings are events, not comments, because a
page's script cannot see comments and has to notice silence.
"""

import asyncio
import json
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

QUEUE_MAX: Final = 32
PING_EVERY_S: Final = 15.0  # the page calls itself stale after 20 s of silence
RETRY_MS: Final = 1000
LAST_WORD_WITHIN_S: Final = 0.2  # a page that does not read does not get a polite end

Data = Mapping[str, object]
Replay = Callable[[], Iterable["StreamEvent"]]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamEvent:
    """One event for a page. ``seq`` is its place in the daemon's log, None for news that needs no replay.

    ``data`` may be a function: it is called in the server's thread, so that a thread that decides draws no pages.
    """

    name: str
    data: Data | Callable[[], Data]
    seq: int | None = None

    def encode(self) -> bytes:
        """The event as bytes of a ``text/event-stream``."""
        data = self.data() if callable(self.data) else self.data
        lines = [f"event: {self.name}", f"data: {json.dumps(data, ensure_ascii=False)}"]
        if self.seq is not None:
            lines.append(f"id: {self.seq}")
        return ("\n".join(lines) + "\n\n").encode()


class _Listener:
    """One open page: a bounded queue that other threads fill and its own task empties."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._waiting: deque[StreamEvent] = deque()
        self._over = False
        self.news = asyncio.Event()
        self.ended = asyncio.Event()

    def offer(self, event: StreamEvent) -> None:
        """Queue an event; a full queue ends this listener. News without a sequence waits at most once."""
        with self._lock:
            repeats = event.seq is None and any(old.name == event.name for old in self._waiting)
            if self._over or repeats:
                return
            if len(self._waiting) < QUEUE_MAX:
                self._waiting.append(event)
                self._on_loop(self.news.set)
                return
        self.end()

    def end(self) -> None:
        """End the stream at once, from any thread."""
        with self._lock:
            self._over = True
            self._waiting.clear()
        self._on_loop(self.ended.set)

    def take(self) -> list[StreamEvent]:
        """Everything that waits, oldest first."""
        with self._lock:
            self.news.clear()
            events = list(self._waiting)
            self._waiting.clear()
        return events

    def _on_loop(self, call: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop is closed: the page went with its server
            self._loop.call_soon_threadsafe(call)


class EventHub:
    """All open pages of one application.

    Args:
        pulse: Facts sent at the start of each stream (``hello``) and with every ``ping``, such as the time.
        ping_every_s: Silence after which a ping is sent.
    """

    def __init__(self, pulse: Callable[[], Data], *, ping_every_s: float = PING_EVERY_S) -> None:
        self.pulse, self.ping_every_s = pulse, ping_every_s
        self._lock = threading.Lock()
        self._listeners: set[_Listener] = set()
        self._closed = False

    def publish(self, event: StreamEvent) -> None:
        """Send an event to every open page; never blocks, callable from any thread."""
        with self._lock:
            listeners = tuple(self._listeners)
        for listener in listeners:
            listener.offer(event)

    def close(self) -> None:
        """End every stream at once and refuse new ones, so that a stopping server waits for nobody."""
        with self._lock:
            self._closed = True
            listeners = tuple(self._listeners)
        for listener in listeners:
            listener.end()

    @property
    def closed(self) -> bool:
        """Whether ``close()`` was called."""
        return self._closed

    @property
    def open_pages(self) -> int:
        """How many streams are open now."""
        with self._lock:
            return len(self._listeners)

    def stream(self, *, after: int = 0, replay: Replay = tuple) -> "EventStream":
        """The answer to one page's request for events.

        Args:
            after: Sequence of the last event that the page has.
            replay: Reads the events behind ``after`` from the daemon's log; runs in a worker thread.
        """
        return EventStream(self, after=after, replay=replay)

    def join(self) -> _Listener:
        """Register a listener of the running loop; it is ended already when the hub is closed."""
        listener = _Listener()
        with self._lock:
            self._listeners.add(listener)
            closed = self._closed
        if closed:
            listener.end()
        return listener

    def leave(self, listener: _Listener) -> None:
        """Forget a listener."""
        with self._lock:
            self._listeners.discard(listener)


class EventStream(StreamingResponse):
    """One answer that lasts until the page goes, the hub closes, or the page stops reading."""

    def __init__(self, hub: EventHub, *, after: int, replay: Replay) -> None:
        super().__init__(
            iter(()),
            media_type="text/event-stream",
            headers={"cache-control": "no-store", "x-accel-buffering": "no"},
        )
        self._hub, self._after, self._replay = hub, after, replay

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the stream."""
        assert scope["type"] == "http"
        listener = self._hub.join()
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        pump = asyncio.create_task(self._pump(listener, send))
        ended = asyncio.create_task(listener.ended.wait())
        gone = asyncio.create_task(_until_gone(receive))
        try:
            await asyncio.wait({pump, ended, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._hub.leave(listener)
            for task in (pump, ended, gone):
                task.cancel()
            results = await asyncio.gather(pump, ended, gone, return_exceptions=True)
        if isinstance(results[0], Exception) and not isinstance(results[0], OSError):
            raise results[0]  # the log could not be read: the server logs it, the page comes back
        with suppress(TimeoutError, OSError):
            async with asyncio.timeout(LAST_WORD_WITHIN_S):
                await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _pump(self, listener: _Listener, send: Send) -> None:
        async def write(data: bytes) -> None:
            await send({"type": "http.response.body", "body": data, "more_body": True})

        hello = StreamEvent(name="hello", data=self._hub.pulse())
        await write(f"retry: {RETRY_MS}\n\n".encode() + hello.encode())
        sent = self._after
        # The listener was joined before the log is read: what is recorded meanwhile comes twice and is sent once.
        for event in await run_in_threadpool(self._replay):
            await write(event.encode())
            sent = max(sent, event.seq or 0)
        while True:
            try:
                async with asyncio.timeout(self._hub.ping_every_s):
                    await listener.news.wait()
            except TimeoutError:
                await write(StreamEvent(name="ping", data=self._hub.pulse()).encode())
            for event in listener.take():
                if event.seq is not None:
                    if event.seq <= sent:
                        continue
                    sent = event.seq
                await write(event.encode())


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
