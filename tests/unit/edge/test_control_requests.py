"""What the gate's control socket takes, and how it hands work to the deciding thread."""

import queue
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from datetime import time as local_time
from typing import Any, cast
from zoneinfo import ZoneInfo

import cv2
import numpy as np
import pytest

from controller.config import DEFAULT_STAYS
from controller.pass_picture import draw
from drivers.gate.config import StaySection
from edge.control import DecidingThread, find_unit, handlers
from edge.inputs import Asked
from edge.vision.reader import Reader
from edge.walkin import WalkIns
from edge.walkin_cli import encode
from passes.stay import StayRule
from passes.vocabulary import Category
from passes.walkin import CATEGORIES
from shell.control import RequestError
from shell.pass_picture import picture_of
from tests.minting import Mint

UNITS = {12: "3-1202", 13: "13", 14: "12", 15: "车库", 16: "车库"}


@pytest.mark.parametrize(
    ("asked", "index"), [("3-1202", 12), ("13", 13), (13, 13), ("12", 14), (12, 12), (16, 16), ("15", 15)]
)
def test_a_unit_is_its_name_first_and_its_index_else(asked: str | int, index: int) -> None:
    assert find_unit(asked, UNITS) == index


@pytest.mark.parametrize(
    ("asked", "says"),
    [("车库", "write one of 15, 16"), ("3-12", "no such name"), (99, "no such"), ("", "no such")],
)
def test_a_unit_that_is_not_one_is_refused(asked: str | int, says: str) -> None:
    with pytest.raises(RequestError, match=says) as refused:
        find_unit(asked, UNITS)
    assert refused.value.code == "bad_request"


def deciding(handle: Callable[[Asked], None]) -> tuple[DecidingThread, Callable[[], None]]:
    """A deciding thread that does this with each input, and how to end it."""
    inputs: queue.SimpleQueue[Asked | None] = queue.SimpleQueue()

    def run() -> None:
        while (item := inputs.get()) is not None:
            handle(item)

    thread = threading.Thread(target=run)
    thread.start()

    def end() -> None:
        inputs.put(None)
        thread.join()

    return DecidingThread(inputs.put), end


def test_work_is_done_there_and_its_answer_comes_back() -> None:
    way, end = deciding(Asked.carry_out)
    try:
        assert way.do(threading.current_thread) is not threading.current_thread()
        with pytest.raises(ZeroDivisionError):
            way.do(lambda: 1 // 0)
        with pytest.raises(TimeoutError, match="ours"):
            way.do(lambda: (_ for _ in ()).throw(TimeoutError("ours")))
        assert way.do(lambda: 7) == 7
    finally:
        end()


class Late(Future[Any]):
    """Its result comes between a wait that has run out and the look whether it is there."""

    def result(self, timeout: float | None = None) -> Any:
        if not self.done():
            self.set_result(7)
            raise TimeoutError
        return super().result(timeout)


def test_an_answer_that_comes_as_the_wait_runs_out_is_the_answer() -> None:
    def put(asked: Asked) -> None:
        object.__setattr__(asked, "answer", Late())

    assert DecidingThread(put).do(lambda: 7) == 7


def test_closing_gives_up_at_once_what_waits() -> None:
    waiting: list[Asked] = []
    way = DecidingThread(waiting.append)
    way.close()
    began_s = time.monotonic()
    with pytest.raises(RequestError, match="nothing was done"):
        way.do(lambda: None)
    assert time.monotonic() - began_s < 2.5  # somebody who only did not get to it is given five seconds


def test_the_name_of_a_field_that_nobody_knows_is_cut_and_the_others_are_told() -> None:
    do = handlers(cast("WalkIns", None), DecidingThread(lambda _: None), UNITS)["walkin_issue"]
    with pytest.raises(RequestError) as refused:
        do({"do": "walkin_issue", "x" * 60_000: 1} | {f"{number}y": 1 for number in range(1000)})
    assert len(refused.value.problem) < 1000
    assert "category: " in refused.value.problem


def test_what_nobody_got_to_is_taken_back_and_never_done() -> None:
    waiting: list[Asked] = []
    done: list[int] = []
    way = DecidingThread(waiting.append)
    way.close()
    with pytest.raises(RequestError, match="nothing was done") as refused:
        way.do(lambda: done.append(1))
    assert refused.value.code == "busy"
    waiting[0].carry_out()
    assert done == []


def test_the_stays_of_a_gate_are_those_of_the_centre_until_somebody_writes_others() -> None:
    stays = StaySection().model_dump()
    assert stays == {name: limit for name, limit in DEFAULT_STAYS.items() if name != "invited"}
    assert {category.code for category in CATEGORIES} == set(stays)
    assert StaySection().rule(Category.FOOD) == StayRule(minutes=30)
    assert StaySection(food="09:10").rule(Category.FOOD) == StayRule(leave_by=local_time(9, 10))


@pytest.mark.parametrize("limit", [0, 1441, "20:05", "24:00", "8:00", -1, "x"])
def test_a_stay_that_no_pass_can_say_is_refused_at_the_start(limit: int | str) -> None:
    with pytest.raises(ValueError, match="food"):
        StaySection.model_validate({"food": limit})


@pytest.mark.parametrize(("level", "side"), [("m", 49), ("l", 45)])
def test_the_gates_library_draws_the_same_size_as_the_centres_and_is_read(level: str, side: int) -> None:
    text = Mint().paper()
    modules = np.array(list(encode(text, level)))
    assert modules.shape == (side, side)
    large = np.kron(np.where(np.pad(modules, 4), 0, 255), np.ones((6, 6))).astype(np.uint8)
    image = np.asarray(cv2.cvtColor(large, cv2.COLOR_GRAY2BGR), dtype=np.uint8)
    (code,) = Reader().read(image)
    assert code.text == text


def test_the_slip_of_a_gate_looks_like_that_of_the_centre() -> None:
    text, zone = Mint().paper(), ZoneInfo("Asia/Shanghai")
    ours, theirs = picture_of(text, encode=encode, zone=zone), draw(text, zone=zone)
    assert (ours.facts, ours.colour, len(ours.modules)) == (theirs.facts, theirs.colour, len(theirs.modules))
    outline = re.compile(r' d="M[^"]*v1[^"]*"')
    assert outline.sub("", ours.svg()) == outline.sub("", theirs.svg())
