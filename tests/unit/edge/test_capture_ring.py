"""The ring of three slots: nothing torn, nothing stale, nothing lost that was asked for."""

import threading

import numpy as np

from edge.vision.capture_feeds import Picture, jpeg_of, raw_of, taken
from edge.vision.capture_messages import SLOT_BYTES, SLOTS, Ended, Failed, Taken
from edge.vision.capture_ring import Ring
from edge.vision.shot import Pixels
from edge.vision.source_words import Trouble


def ring() -> tuple[Ring, memoryview]:
    memory = memoryview(bytearray(SLOTS * SLOT_BYTES))
    return Ring(memory), memory


def grey(value: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.full((3, 5), value, np.uint8)


def shown(memory: memoryview, taken: Taken | Ended | Failed) -> bytes:
    assert isinstance(taken, Taken)
    begin = taken.slot * SLOT_BYTES
    return bytes(memory[begin : begin + taken.length])


def test_the_newest_is_taken_and_older_ones_are_dropped() -> None:
    made, memory = ring()
    for value in range(7):
        made.put(grey(value), Pixels.GREY, float(value))
    taken = made.take(0.0)
    assert taken == Taken(slot=0, pixels=Pixels.GREY, length=15, width=5, height=3, at_s=6.0)
    assert shown(memory, taken) == bytes([6]) * 15


def test_what_is_held_is_not_written_over_however_many_come() -> None:
    made, memory = ring()
    made.put(grey(1), Pixels.GREY, 1.0)
    held = made.take(0.0)
    for value in range(2, 40):
        made.put(grey(value), Pixels.GREY, float(value))
        assert shown(memory, held) == bytes([1]) * 15
    assert shown(memory, made.take(0.0)) == bytes([39]) * 15


def test_a_picture_is_given_once_and_the_next_is_waited_for() -> None:
    made, memory = ring()
    made.put(grey(1), Pixels.GREY, 1.0)
    made.take(0.0)
    found: list[Taken | Ended | Failed] = []
    waiting = threading.Thread(target=lambda: found.append(made.take(3.0)))
    waiting.start()
    made.put(grey(2), Pixels.GREY, 2.0)
    made.put(grey(3), Pixels.GREY, 3.0)
    waiting.join(10)
    assert [shown(memory, one) for one in found] == [bytes([3]) * 15]


def test_what_nobody_will_ask_for_need_not_be_put() -> None:
    made, _ = ring()
    made.put(grey(1), Pixels.GREY, 1.0)
    made.take(1.0)
    assert (made.wants(0.9), made.wants(1.0)) == (False, True)


def test_the_last_picture_comes_before_the_end() -> None:
    made, memory = ring()
    made.put(grey(1), Pixels.GREY, 1.0)
    made.end(Ended())
    assert shown(memory, made.take(0.0)) == bytes([1]) * 15
    assert made.take(0.0) == Ended()
    made.end(Failed(Trouble.STREAM_ENDED))
    assert made.take(0.0) == Failed(Trouble.STREAM_ENDED)


def test_a_jpeg_ends_where_it_ends() -> None:
    data = b"\xff\xd8\xff\xe0 picture \xff\xd9"
    made = jpeg_of(np.frombuffer(data + bytes(100), np.uint8).reshape(1, -1))
    assert made is not None
    assert (made[0].tobytes(), made[1]) == (data, Pixels.JPEG)
    assert jpeg_of(np.zeros((1, 50), np.uint8)) is None
    cut = jpeg_of(np.frombuffer(data[:-2], np.uint8))
    assert cut is not None
    assert cut[0].tobytes() == data[:-2]


def test_a_picture_too_large_for_a_slot_is_made_smaller() -> None:
    colour = np.zeros((720, 1280, 3), np.uint8)
    assert raw_of(colour)[1] is Pixels.BGR
    ultra = raw_of(np.zeros((2160, 3840, 3), np.uint8))
    assert (ultra[0].shape, ultra[1]) == ((2160, 3840), Pixels.GREY)
    huge = raw_of(np.zeros((4320, 7680), np.uint8))
    assert (huge[0].shape, huge[1]) == ((2160, 3840), Pixels.GREY)


class Grabbing:
    """A driver that says whether it has a picture, and what it is."""

    def __init__(self, *, whole: bool, picture: Picture | None) -> None:
        self._answer = whole, picture

    def retrieve(self) -> tuple[bool, Picture | None]:
        return self._answer


def test_c3_a_driver_that_calls_nothing_a_success_gives_no_picture() -> None:
    assert taken(Grabbing(whole=True, picture=np.empty((0, 0, 3), np.uint8))) is None
    assert taken(Grabbing(whole=True, picture=None)) is None
    assert taken(Grabbing(whole=False, picture=grey(7))) is None
    made = taken(Grabbing(whole=True, picture=grey(7)))
    assert made is not None
    assert made.tolist() == grey(7).tolist()
