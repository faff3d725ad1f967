"""A small crowd with a story: residents, a guest, couriers who leave and who forget, and people with bad codes.

The crowd lives outside the product: it gets passes from the centre's API, holds codes up to the virtual cameras and
walks. What it plans is seeded; what the gate answers it does not know.
"""

import heapq
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final, Protocol

from passes import base45
from passes.gp1 import PREFIX, from_text
from simulators.phone import Phone

HOLD_UP_S: Final = 2.4  # how long a code is held up
LANE_BUSY_S: Final = 4.2  # until the next person steps up: the code, the opening, the walk
ROUND_S: Final = 105.0  # the story begins again with other people
FORGOTTEN_S: Final = 78.0  # when the forgetful courier comes back: past the one minute of the demo
_SURNAMES: Final = "王李张刘陈杨赵黄周吴"
_GIVEN: Final = "伟芳娜敏静磊洋艳勇杰"
EXPIRED_S: Final = 66.0  # a pass of one minute is over
FOREIGN_TEXT: Final = "https://example.org/menu?table=12"


class Desk(Protocol):
    """Where the crowd gets its passes: the centre."""

    def issue(self, request: dict[str, Any]) -> dict[str, Any]:
        """Ask for one pass; returns the centre's answer."""


class Lens(Protocol):
    """Where the crowd holds codes up: the virtual cameras."""

    def show(self, camera: str, text: str, seconds: float, look: dict[str, Any]) -> None:
        """Hold a code up for so many seconds."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the story, for the terminal."""

    who: str
    does: str
    expected: str


@dataclass(order=True, slots=True)
class _Turn:
    due_s: float
    order: int
    lane: str = field(compare=False)
    act: Callable[[], tuple[str, Line, dict[str, Any]]] = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Somebody of the story with a pass, on a phone or on paper."""

    name: str
    category: str
    phone: Phone | None
    text: str | None

    def code(self, now_unix: float) -> str:
        """What this person shows now."""
        if self.phone is not None:
            return self.phone.code(int(now_unix))
        assert self.text is not None
        return self.text


class Crowd:
    """Plans and plays the story.

    Args:
        desk: Issues passes.
        lens: Shows codes.
        rng: Names, numbers, looks and small delays.
        wall: Unix seconds now, for the time inside rotating codes.
        tell: Gets each line of the story as it happens.
    """

    def __init__(
        self, desk: Desk, lens: Lens, *, rng: Random, wall: Callable[[], float], tell: Callable[[Line], None]
    ) -> None:
        self._desk, self._lens, self._rng, self._wall, self._tell = desk, lens, rng, wall, tell
        self._turns: list[_Turn] = []
        self._order = itertools.count()
        self._free_s = {"entry": 0.0, "exit": 0.0}
        self._next_round_s = 0.0

    def play(self, now_s: float) -> float:
        """Do what is due at ``now_s`` (seconds since the start); returns when to come again."""
        if now_s >= self._next_round_s:
            self._plan_round(now_s)
            self._next_round_s = now_s + ROUND_S
        while self._turns and self._turns[0].due_s <= now_s:
            turn = heapq.heappop(self._turns)
            if self._free_s[turn.lane] > now_s:
                turn.due_s = self._free_s[turn.lane]
                heapq.heappush(self._turns, turn)
                continue
            text, line, look = turn.act()
            self._lens.show(turn.lane, text, HOLD_UP_S, look)
            self._tell(line)
            self._free_s[turn.lane] = now_s + LANE_BUSY_S
        upcoming = self._turns[0].due_s if self._turns else self._next_round_s
        return min(max(upcoming, now_s + 0.1), self._next_round_s)

    # -- the story

    def _plan_round(self, start_s: float) -> None:
        at = self._spread(start_s)
        resident = self._visitor("resident", purpose=0, valid_minutes=24 * 60)
        forgetful = self._visitor("courier", purpose=2, valid_minutes=60)
        food = self._visitor("food", purpose=3, valid_minutes=60)
        guest = self._visitor("invited", purpose=1, valid_minutes=240, on_paper=True)
        screenshot = self._visitor("resident", purpose=0, valid_minutes=24 * 60)
        expired = self._visitor("courier", purpose=2, valid_minutes=1)

        self._enter(next(at), resident, "goes home", "grant GREEN")
        self._plan(next(at), "entry", self._forged(food))
        self._enter(next(at), forgetful, "brings a parcel and will forget to scan out", "grant BLUE")
        self._enter(next(at), food, "brings lunch", "grant BLUE")
        self._plan(next(at), "entry", self._stranger())
        self._enter(next(at), guest, "visits a friend with a printed pass", "grant BLUE")
        self._screenshot(next(at), screenshot)
        next(at)  # the screenshot takes two turns
        self._leave(start_s + 40 + self._rng.uniform(0, 4), food, "leaves in time")
        self._leave(start_s + 55 + self._rng.uniform(0, 6), guest, "says goodbye")
        self._leave(start_s + 66 + self._rng.uniform(0, 6), resident, "goes out for a walk")
        self._enter(start_s + EXPIRED_S, expired, "comes after the end of the pass", "refusal: expired")
        self._enter(start_s + FORGOTTEN_S + 4, guest, "shows the used paper again", "refusal: used")
        self._enter(
            start_s + FORGOTTEN_S + 9, forgetful, "comes back without having scanned out", "refusal: RED"
        )

    def _spread(self, start_s: float) -> Iterator[float]:
        at_s = start_s + 0.5
        while True:
            yield at_s
            at_s += LANE_BUSY_S + self._rng.uniform(0.0, 0.4)

    def _plan(self, due_s: float, lane: str, act: Callable[[], tuple[str, Line, dict[str, Any]]]) -> None:
        heapq.heappush(self._turns, _Turn(due_s, next(self._order), lane, act))

    def _enter(self, due_s: float, who: Visitor, does: str, expected: str) -> None:
        self._plan(
            due_s, "entry", lambda: (who.code(self._wall()), Line(who.name, does, expected), self._look(who))
        )

    def _leave(self, due_s: float, who: Visitor, does: str) -> None:
        line = Line(who.name, does, "exit opens")
        self._plan(due_s, "exit", lambda: (who.code(self._wall()), line, self._look(who)))

    def _screenshot(self, due_s: float, who: Visitor) -> None:
        """One code, shown by its owner and, a few seconds later, by a friend who was sent a picture of it."""
        taken: list[str] = []

        def owner() -> tuple[str, Line, dict[str, Any]]:
            taken.append(who.code(self._wall()))
            return (
                taken[0],
                Line(who.name, "goes home and sends a friend a screenshot", "grant GREEN"),
                self._look(who),
            )

        def friend() -> tuple[str, Line, dict[str, Any]]:
            return taken[0], Line("a friend", "shows the screenshot", "refusal: replayed"), self._look(who)

        self._plan(due_s, "entry", owner)
        self._plan(due_s + LANE_BUSY_S, "entry", friend)

    def _forged(self, of: Visitor) -> Callable[[], tuple[str, Line, dict[str, Any]]]:
        def act() -> tuple[str, Line, dict[str, Any]]:
            body = bytearray(from_text(of.code(self._wall())))
            body[-70] ^= 1  # a bit inside the issuer's signature
            text = PREFIX + base45.encode(bytes(body))
            return text, Line("a forger", "shows an edited pass", "refusal: bad signature"), self._look(of)

        return act

    def _stranger(self) -> Callable[[], tuple[str, Line, dict[str, Any]]]:
        line = Line("somebody", "holds up the QR code of a menu", "ignored politely")
        return lambda: (FOREIGN_TEXT, line, {"medium": "paper", "ink": "black", "difficulty": "easy"})

    # -- people

    def _visitor(
        self,
        category: str,
        *,
        purpose: int,
        valid_minutes: int,
        on_paper: bool = False,
    ) -> Visitor:
        name = self._rng.choice(_SURNAMES) + self._rng.choice(_GIVEN)
        phone = None if on_paper else Phone()
        request: dict[str, Any] = {
            "name": name,
            "phone": f"+86138{self._rng.randrange(10**8):08d}",
            "category": category,
            "unit": self._rng.randrange(7, 47),
            "purpose": purpose,
            "valid_minutes": valid_minutes,
            "gates": [0],
        }
        if phone is not None:
            request["holder_key"] = phone.public_key.hex()
        else:
            request["static"] = True
        answer = self._desk.issue(request)
        if phone is not None:
            phone.keep(bytes.fromhex(answer["pass_hex"]))
        return Visitor(name=f"{name} ({category})", category=category, phone=phone, text=answer.get("text"))

    def _look(self, who: Visitor) -> dict[str, Any]:
        colour = "green" if who.category == "resident" else "blue"
        if who.phone is None:
            ink = self._rng.choice(["black", "blue", "green"])
            return {"medium": "paper", "ink": ink, "colour": colour, "difficulty": "typical"}
        ink = self._rng.choice(["black", "black", "green", "blue", "red"])
        return {
            "medium": "phone",
            "ink": ink,
            "colour": colour,
            "inverted": self._rng.random() < 0.15,
            "difficulty": self._rng.choice(["easy", "typical"]),
        }
