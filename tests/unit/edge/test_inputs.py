"""The queue before the deciding thread: what goes when too much comes, and what never does."""

import threading
from concurrent.futures import ThreadPoolExecutor

from drivers.model import Garbage, InputEdge
from edge.inputs import EXIT_SCANS_MAX, BoardReported, CameraChanged, Input, Inputs, ScanSeen


def scan(lane: str, text: str) -> ScanSeen:
    return ScanSeen(lane=lane, texts=(text,), at_s=0.0)


def edge(number: int) -> BoardReported:
    return BoardReported(board="io", event=InputEdge(channel=1, active=bool(number % 2), at_s=float(number)))


def noise(count: int, board: str = "io") -> BoardReported:
    return BoardReported(board=board, event=Garbage(count=count))


def taken(inputs: Inputs) -> list[Input]:
    found = []
    while (item := inputs.get(0.0)) is not None:
        found.append(item)
    return found


def test_s14_however_many_codes_come_an_entrys_newest_waits_and_nothing_of_a_board_is_lost() -> None:
    inputs = Inputs(["entry"])
    edges = [edge(number) for number in range(5000)]
    for number, one in enumerate(edges):
        assert inputs.put_scan(scan("entry", str(number))) is (number == 0)
        inputs.put(one)
    waiting = taken(inputs)
    assert [one for one in waiting if isinstance(one, BoardReported)] == edges
    assert [one for one in waiting if isinstance(one, ScanSeen)] == [scan("entry", "4999")]
    assert inputs.put_scan(scan("entry", "next"))


def test_an_exits_scans_wait_in_order_and_the_oldest_goes() -> None:
    inputs = Inputs(["entry"])
    kept = [inputs.put_scan(scan("exit", str(number))) for number in range(EXIT_SCANS_MAX + 2)]
    assert kept == [True] * EXIT_SCANS_MAX + [False, False]
    texts = [one.texts[0] for one in taken(inputs) if isinstance(one, ScanSeen)]
    assert texts == [str(number) for number in range(2, EXIT_SCANS_MAX + 2)]


def test_noise_of_one_board_is_added_up_and_of_a_camera_the_newest_word_counts() -> None:
    inputs = Inputs([])
    gone, back = (CameraChanged(lane="entry", ok=ok, detail="") for ok in (False, True))
    for item in (noise(1), gone, noise(2, "other"), edge(1), noise(4), back):
        inputs.put(item)
    assert taken(inputs) == [noise(2, "other"), edge(1), noise(5), back]
    inputs.put(noise(1))
    assert taken(inputs) == [noise(1)]


def test_who_waits_is_woken_and_many_threads_lose_nothing() -> None:
    inputs, found = Inputs([]), list[Input]()

    def take() -> None:
        while len(found) < 4000:
            item = inputs.get(20.0)
            assert item is not None
            found.append(item)

    thread = threading.Thread(target=take)
    thread.start()
    with ThreadPoolExecutor(4) as pool:
        for _ in pool.map(lambda number: inputs.put(edge(number)), range(4000)):
            pass
    thread.join(60)
    assert sorted(one.event.at_s for one in found if isinstance(one, BoardReported)) == list(range(4000))  # type: ignore[union-attr]
