"""One turn of a driver in virtual time, in the order in which a bus makes it."""

from drivers.model import AnyEvent, Driver


def turn(driver: Driver, now_s: float, data: bytes = b"") -> tuple[list[bytes], list[AnyEvent]]:
    """Give bytes and the time; what it writes, and what it reports."""
    if data:
        driver.receive(data, now_s)
    driver.tick(now_s)
    frames = driver.take_output()
    return frames, driver.take_events()


def run(driver: Driver, from_s: float, until_s: float) -> tuple[list[bytes], list[AnyEvent]]:
    """All turns that the driver asks for in this time, on a line where nobody answers."""
    frames: list[bytes] = []
    events: list[AnyEvent] = []
    now_s = from_s
    while now_s <= until_s:
        written, told = turn(driver, now_s)
        frames += written
        events += told
        due_s = driver.next_deadline()
        if due_s is None:
            break
        now_s = max(due_s, now_s + 0.001)
    return frames, events
