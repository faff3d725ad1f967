"""Hostile codes on their whole way through a gate: drawn, read, checked, decided, written down."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from statistics import median
from typing import Final

import numpy as np
import pytest
import segno

from edge.kiosk.view import Verdict
from edge.vision.filters import Picture
from edge.vision.reader import Reader
from passes.bundle import Bundle, pack_statuses
from passes.check import Foreign, Rejected, check
from passes.gp1 import PREFIX, from_text, to_text
from passes.vocabulary import PassStatus, Reason
from simulators.cameras.look import Difficulty, Look, Medium
from simulators.cameras.scene import render
from sync.messages import Outcome
from tests.bundling import Office
from tests.gate_world import World, granted, reason
from tests.minting import NOW, NOW_UNIX, Mint, claims
from tests.ticking import HandClock
from tests.unit.test_hostile_texts import TEXTS

pytestmark = pytest.mark.real

ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
ROOT: Final = Path(__file__).parents[2]
FRAME_S: Final = 1 / 12  # a camera reads no more frames than this


@dataclass
class ListedWorld(World):
    """A gate that holds a bundle, in which the pass of number 1 is withdrawn."""

    def bundle(self) -> Bundle | None:
        return Office().bundle(statuses=pack_statuses({claims(1).status: PassStatus.INVALID}))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ListedWorld]:
    made = ListedWorld(tmp_path, HandClock(), bundle_required=True)
    made.start()
    yield made
    made.journal.close()


def code(content: str | bytes, **how: object) -> Picture:
    """A picture of one code, 8 pixels a module."""
    made = segno.make_qr(content, boost_error=False, **how)  # type: ignore[arg-type]
    dark = np.array(list(made.matrix_iter(scale=8, border=4)), np.uint8)
    return np.where(dark, 0, 255).astype(np.uint8)


def read(picture: Picture) -> tuple[str, ...]:
    return tuple(one.text for one in Reader(live=True).read(picture))


def forged(text: str) -> str:
    """The same pass with one bit of its last signature changed."""
    body = from_text(text)
    return to_text(body[:-1] + bytes([body[-1] ^ 1]))


def mirrored(text: str) -> str:
    """The same code with the other of the two signatures that one ECDSA signature makes."""
    body = from_text(text)
    twin = ORDER - int.from_bytes(body[-32:], "big")
    return to_text(body[:-32] + twin.to_bytes(32, "big"))


@pytest.mark.parametrize("name", [name for name in TEXTS if name.startswith(("q1_", "q2_", "q17_"))])
def test_q1_q2_q17_a_hostile_text_is_read_as_it_is_refused_and_nowhere_written_down(
    world: ListedWorld, name: str
) -> None:
    text = PREFIX + TEXTS[name]
    look = Look(medium=Medium.PAPER, difficulty=Difficulty.EASY)
    texts = tuple(one.text for one in Reader(deep=True).read(render(text, look, seed=3)))
    assert texts == (text,)
    assert reason(world.show(*texts)) == "malformed"
    assert world.pulses == []
    written = b"".join(path.read_bytes() for path in world.folder.iterdir() if path.is_file())
    assert b"malformed" in written
    assert TEXTS[name].encode() not in written


WATCHED: Final = """
import sys
from passes.check import Rejected, Verified, check
from tests.minting import NOW, Mint
from tests.unit.test_hostile_texts import TEXTS
table, paper = Mint().table, Mint().paper()
def ask(text):
    return check(text, table, now=NOW)
ask(paper), ask("GP1:\\ud800"), ask("GP1:BB8")  # whatever is loaded on first use is loaded now
seen = []
sys.addaudithook(lambda event, args: seen.append(event))
assert isinstance(ask(paper), Verified)
for text in TEXTS.values():
    assert isinstance(ask("GP1:" + text), Rejected), text
    assert isinstance(ask(paper[:60] + text), Rejected), text
found = sorted(set(seen))
open(sys.argv[0])
assert "open" in seen
print(found)
"""


def test_q2_no_text_starts_a_process_opens_a_file_or_loads_code(tmp_path: Path) -> None:
    script = tmp_path / "watched.py"
    script.write_text(WATCHED, "utf-8")
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", str(script)],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(ROOT)},
    )
    assert (ran.stdout, ran.stderr) == ("[]\n", "")


@pytest.mark.parametrize(
    ("content", "how"),
    [
        ("GP1:БББ", {"eci": True, "encoding": "utf-8"}),
        ("GP1:БББ", {"eci": True, "encoding": "iso-8859-5"}),
        ("GP1:BB8\0BB8", {"encoding": "latin-1"}),
        (b"GP1:\xff\xfe\x80BB8", {"mode": "byte"}),
        (b"\xed\xa0\x80GP1:BB8", {"mode": "byte"}),
        ("GP1:漢字", {"mode": "byte", "encoding": "shift-jis"}),
    ],
)
def test_q5_codes_with_odd_letters_are_read_and_answered(
    content: str | bytes, how: dict[str, object]
) -> None:
    texts = read(code(content, **how))
    assert len(texts) == 1
    assert isinstance(check(texts[0], Mint().table, now=NOW), Rejected | Foreign)


def test_q5_a_good_pass_in_byte_mode_or_behind_an_eci_is_the_same_pass() -> None:
    paper = Mint().paper()
    for picture in (code(paper, mode="byte"), code(paper, mode="byte", eci=True, encoding="utf-8")):
        assert read(picture) == (paper,)


@pytest.mark.parametrize("text", ["", "0", "0" * 2953, "7" * 7089], ids=["0", "1", "2953", "7089"])
def test_q6_a_text_of_any_length_is_answered_within_a_millisecond(text: str) -> None:
    table, times_s = Mint().table, []
    for _ in range(51):
        began_s = time.process_time()
        check(PREFIX + text, table, now=NOW)
        times_s.append(time.process_time() - began_s)
    assert median(times_s) < 0.001


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"site": 8}, "wrong_site"),
        ({"gates": 0b10}, "wrong_access_point"),
        ({"directions": 2}, "wrong_direction"),
    ],
)
def test_q11_a_good_pass_for_another_place_opens_nothing(
    world: ListedWorld, changes: dict[str, int], why: str
) -> None:
    assert reason(world.show(world.fresh(2, **changes))) == why
    assert world.pulses == []
    world.wait(2)
    assert granted(world.show(world.fresh(2)))


def test_q13_the_mirrored_twin_of_a_code_that_opened_is_the_same_scan(world: ListedWorld) -> None:
    text = world.fresh(2)
    assert mirrored(text) != text
    assert granted(world.show(text))
    world.walk()
    world.wait(8)
    assert reason(world.show(mirrored(text))) == "replayed"
    assert len(world.pulses) == 1


@pytest.mark.parametrize(("age_s", "why"), [(29, None), (30, None), (31, "stale_code"), (-11, "stale_code")])
def test_q14_a_screenshot_that_nobody_used_yet_lives_for_thirty_seconds(
    world: ListedWorld, age_s: int, why: str | None
) -> None:
    verdict = world.show(Mint().phone(2, shown_at=NOW_UNIX - age_s))
    assert granted(verdict) if why is None else reason(verdict) == why
    assert len(world.pulses) == (why is None)


def test_q14_an_older_code_after_a_newer_one_is_refused(world: ListedWorld) -> None:
    older = Mint().phone(2, shown_at=NOW_UNIX - 5)
    assert granted(world.show(world.fresh(2)))
    world.walk()
    world.wait(8)
    assert granted(world.show(world.fresh(2), lane="exit"))
    world.walk("exit")
    world.wait(8)
    assert reason(world.show(older)) == "replayed"
    world.wait(2)
    assert granted(world.show(world.fresh(2)))


def bad_codes(count: int) -> Iterator[tuple[str, str]]:
    """Different bad codes, each with the reason that it earns."""
    chance, mint, stranger = Random(19), Mint(), Mint(secret=b"\x77" * 32)
    for number in range(count):
        match number % 5:
            case 0:
                yield to_text(chance.randbytes(200)), "malformed"
            case 1:
                yield forged(mint.paper(1000 + number)), "bad_signature"
            case 2:
                yield stranger.paper(1000 + number), "unknown_key"
            case 3:
                yield mint.phone(1000 + number, shown_at=NOW_UNIX - 3600), "stale_code"
            case _:
                yield (
                    forged(mint.phone(1000 + number, shown_at=NOW_UNIX + number * 60 // 1000)),
                    "bad_signature",
                )


def test_q19_a_thousand_bad_codes_a_minute_open_nothing_and_the_next_visitor_is_served_at_once(
    world: ListedWorld,
) -> None:
    answers, times_s = [], []
    codes = list(bad_codes(1000))
    for text, _ in codes:
        world.clock.advance(0.06)
        began_s = time.perf_counter()
        answers.append(reason(world.show(text)))
        times_s.append(time.perf_counter() - began_s)
    assert answers == [why for _, why in codes]
    assert world.pulses == []
    assert len(world.events("decision")) == 1000
    # The camera hands over twelve frames a second at most: the decisions keep up, so no scan grows old in a queue.
    assert median(times_s) < FRAME_S / 2
    began_s = time.perf_counter()
    assert granted(world.show(world.fresh(2)))
    assert time.perf_counter() - began_s < 1.5
    assert len(world.pulses) == 1
    assert len(world.screen.snapshot().last) <= 6


def seen_by_visitor(verdict: Verdict | None) -> Verdict:
    """The answer without its place in the journal and its moment."""
    assert verdict is not None
    return replace(verdict, seq=0, at=NOW)


def test_q20_a_forged_pass_gets_one_answer_whatever_pass_it_names(world: ListedWorld) -> None:
    """Withdrawn, inside, known and never issued: without a signature nobody learns which."""
    assert granted(world.show(world.fresh(2)))
    world.walk()
    answers = []
    for number in (1, 2, 3, 999):
        world.wait(8)
        answers.append(seen_by_visitor(world.show(forged(world.fresh(number)))))
        assert answers[-1].outcome is Outcome.DENY
        assert answers[-1].pass_tail is None
    assert answers == answers[:1] * 4
    refused = [one for one in world.events("decision") if one["outcome"] == "deny"]
    assert refused == refused[:1] * 4


def test_q20_a_bad_signature_and_a_withdrawn_pass_take_the_same_time_as_far_as_anybody_sees(
    world: ListedWorld,
) -> None:
    def timed(show: Callable[[], Verdict | None], why: Reason) -> float:
        world.wait(2)
        began_s = time.perf_counter()
        verdict = show()
        took_s = time.perf_counter() - began_s
        assert verdict is not None
        assert (verdict.outcome, verdict.reason) == (Outcome.DENY, why)
        return took_s

    withdrawn_s, forged_s = [], []
    for _ in range(40):
        withdrawn, bad = world.fresh(1), forged(world.fresh(1))
        withdrawn_s.append(timed(lambda: world.show(withdrawn), Reason.REVOKED))  # noqa: B023  # called at once
        forged_s.append(timed(lambda: world.show(bad), Reason.BAD_SIGNATURE))  # noqa: B023
    # Before that a camera waits up to a frame, and after it a page is drawn.
    assert abs(median(withdrawn_s) - median(forged_s)) < FRAME_S / 10
