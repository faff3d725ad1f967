"""The event stream, driven through its ASGI call without a server."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import pytest

from shell.pages.stream import QUEUE_MAX, EventHub, StreamEvent

SCOPE = {"type": "http", "method": "GET", "path": "/events", "headers": []}


class OpenPage:
    """One page that reads a stream; it can stop reading, and it can go."""

    def __init__(
        self, hub: EventHub, *, after: int = 0, replay: Callable[[], Iterable[StreamEvent]] = tuple
    ) -> None:
        self.text = ""
        self.finished = False
        self.reading = asyncio.Event()
        self.reading.set()
        self._gone = asyncio.Event()
        self._got = asyncio.Condition()
        self.task = asyncio.create_task(
            hub.stream(after=after, replay=replay)(SCOPE, self._receive, self._send)
        )

    async def _receive(self) -> dict[str, Any]:
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        await self.reading.wait()
        async with self._got:
            if message["type"] == "http.response.body":
                self.text += message["body"].decode()
                self.finished = not message["more_body"]
            self._got.notify_all()

    async def sees(self, text: str) -> None:
        async with asyncio.timeout(5), self._got:
            await self._got.wait_for(lambda: text in self.text)

    async def leave(self) -> None:
        self._gone.set()
        await self.task


def event(seq: int, name: str = "verdict") -> StreamEvent:
    return StreamEvent(name=name, data={"n": seq}, seq=seq)


def hub(ping_every_s: float = 60) -> EventHub:
    return EventHub(lambda: {"version": "v1"}, ping_every_s=ping_every_s)


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(10):
            await scenario()

    asyncio.run(limited())


def test_an_event_is_written_as_the_standard_says() -> None:
    assert event(7).encode() == b'event: verdict\ndata: {"n": 7}\nid: 7\n\n'
    lazy = StreamEvent(name="changed", data=lambda: {"text": "两\n行"})
    assert lazy.encode() == 'event: changed\ndata: {"text": "两\\n行"}\n\n'.encode()


def test_a_page_gets_what_it_missed_then_what_comes_and_nothing_twice() -> None:
    async def scenario() -> None:
        events = hub()
        log = [event(5), event(6)]

        def replay() -> list[StreamEvent]:
            events.publish(event(6))  # recorded while the log is read
            return log

        page = OpenPage(events, after=4, replay=replay)
        await page.sees("id: 6")
        events.publish(event(6))
        events.publish(event(7))
        await page.sees("id: 7")
        ids = [line for line in page.text.splitlines() if line.startswith("id:")]
        assert ids == ["id: 5", "id: 6", "id: 7"]
        assert page.text.startswith('retry: 1000\n\nevent: hello\ndata: {"version": "v1"}\n\n')
        await page.leave()
        assert events.open_pages == 0

    run(scenario)


def test_a_page_that_does_not_read_is_dropped_and_the_others_stay() -> None:
    async def scenario() -> None:
        events = hub()
        slow, quick = OpenPage(events), OpenPage(events)
        await slow.sees("hello")
        await quick.sees("hello")
        slow.reading.clear()
        for seq in range(1, 2 * QUEUE_MAX + 3):
            events.publish(event(seq))
            await quick.sees(f"id: {seq}\n")
        await slow.task
        assert (slow.finished, events.open_pages) == (False, 1)
        events.publish(event(999))
        await quick.sees("id: 999")
        await quick.leave()

    run(scenario)


def test_news_without_a_sequence_waits_only_once() -> None:
    async def scenario() -> None:
        events = hub()
        page = OpenPage(events)
        await page.sees("hello")
        for _ in range(10 * QUEUE_MAX):
            events.publish(StreamEvent(name="changed", data={}))
        events.publish(event(1))
        await page.sees("id: 1")
        assert page.text.count("event: changed") == 1
        await page.leave()

    run(scenario)


def test_closing_ends_every_stream_at_once_and_refuses_new_ones() -> None:
    async def scenario() -> None:
        events = hub()
        pages = [OpenPage(events) for _ in range(3)]
        for page in pages:
            await page.sees("hello")
        events.close()
        late = OpenPage(events)
        async with asyncio.timeout(1):
            await asyncio.gather(late.task, *(page.task for page in pages))
        assert [page.finished for page in (*pages, late)] == [True] * 4
        assert events.open_pages == 0
        events.publish(event(1))  # nobody there: nothing happens

    run(scenario)


def test_silence_is_broken_by_pings_that_carry_facts() -> None:
    async def scenario() -> None:
        page = OpenPage(hub(ping_every_s=0.01))
        await page.sees('event: ping\ndata: {"version": "v1"}')
        await page.leave()

    run(scenario)


def test_a_log_that_cannot_be_read_ends_the_stream_with_that_error() -> None:
    async def scenario() -> None:
        def broken() -> list[StreamEvent]:
            raise LookupError("journal is gone")

        page = OpenPage(hub(), replay=broken)
        with pytest.raises(LookupError, match="journal is gone"):
            await page.task

    run(scenario)
