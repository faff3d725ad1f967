"""Any broker will do: gate, centre and brokers are killed at random, and every event arrives, once.

The gate is a process with a real journal, the centre one with its real records; TLS by the rules that the centre writes
wherever a broker knows TLS. What the gate's journal has is what was recorded.
"""

import os
import signal
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest

from sync.broker import EmbeddedBroker
from sync.tls import TlsFiles
from tests.brokers import free_port, running_broker
from tests.delivery_gate import ENOUGH, GATE
from tests.house import House, Program, mosquitto_of, nats_of, site_broker, started
from tests.waiting import until

pytestmark = pytest.mark.real
KILLS = 10
FOR_S = 12.0
DRAINED_WITHIN_S = 90.0
EVENTS_MIN = 100
SEED = 20261123


@dataclass
class Way:
    """How gate and centre reach each other, and what can die between them."""

    gate_url: str
    centre_url: str
    gate_tls: TlsFiles | None = None
    centre_tls: TlsFiles | None = None
    kills: list[Callable[[], None]] = field(default_factory=list)


def embedded(folder: Path, stack: ExitStack) -> Way:
    broker: EmbeddedBroker = stack.enter_context(running_broker("amqtt", folder))

    def kill() -> None:
        if broker.pid is not None:
            os.kill(broker.pid, signal.SIGKILL)

    return Way(broker.url, broker.url, kills=[kill])


def mosquitto(folder: Path, stack: ExitStack) -> Way:
    house, port = House(folder / "house"), free_port()
    gate, url = house.gate(GATE), f"mqtts://localhost:{port}"
    broker = mosquitto_of(house, "broker", port)
    stack.enter_context(started(broker))
    return Way(url, url, gate, house.centre(), [broker.restart])


def bridged(folder: Path, stack: ExitStack) -> Way:
    house, above, below = House(folder / "house"), free_port(), free_port()
    gate = house.gate(GATE)
    over = mosquitto_of(house, "centre", above)
    own = mosquitto_of(house, "site", below, site_broker(above))
    stack.enter_context(started(over, own))
    here, there = (f"mqtts://localhost:{port}" for port in (below, above))
    return Way(here, there, gate, house.centre(), [over.restart, own.restart])


def nats(folder: Path, stack: ExitStack) -> Way:
    house = House(folder / "house")
    gate = house.gate(GATE)
    nodes, ports = nats_of(house)
    stack.enter_context(started(*nodes))
    one, another, _ = (f"mqtts://localhost:{port}" for port in ports)
    return Way(one, another, gate, house.centre(), [node.restart for node in nodes])


WAYS = {"embedded": embedded, "mosquitto": mosquitto, "bridged": bridged, "nats": nats}


@contextmanager
def ends(way: Way, folder: Path) -> Iterator[tuple[Program, Program]]:
    """The gate's and the centre's process."""

    def words(tls: TlsFiles | None) -> list[str]:
        return [] if tls is None else [str(tls.ca), str(tls.certificate), str(tls.key)]

    python = [sys.executable, "-m"]
    gate = [*python, "tests.delivery_gate", str(folder / "gate"), way.gate_url, *words(way.gate_tls)]
    centre = [
        *python,
        "tests.delivery_centre",
        str(folder / "centre.db"),
        way.centre_url,
        *words(way.centre_tls),
    ]
    programs = [
        Program(command, log=folder / f"{name}.log", ready=lambda: True)
        for name, command in (("gate", gate), ("centre", centre))
    ]
    with started(*programs):
        yield programs[0], programs[1]


def recorded_so_far(folder: Path) -> int:
    """How many events a journal has that is being written."""
    database = sqlite3.connect(f"file:{folder / 'gate' / 'journal.db'}?mode=ro", uri=True)
    try:
        return int(database.execute("select count(*) from event").fetchone()[0])
    except sqlite3.OperationalError:  # a gate that starts has it locked
        return 0
    finally:
        database.close()


def ids(path: Path) -> list[str]:
    """The ids of all events in a journal or in the centre's database, whose process has ended."""
    with sqlite3.connect(path) as database:
        tables = {name for (name,) in database.execute("select name from sqlite_master where type = 'table'")}
        column = "id" if "cursor" in tables else "json_extract(body, '$.id')"
        found = [row[0] for row in database.execute(f"select {column} from event")]
        for table in {"conflict", "dead_letter", "gap"} & tables:
            assert database.execute(f"select count(*) from {table}").fetchone() == (0,), table
    database.close()
    return sorted(found)


@pytest.mark.parametrize("kind", WAYS)
def test_b1_gate_centre_and_brokers_die_at_random_and_nothing_is_lost_or_counted_twice(
    tmp_path: Path, kind: str
) -> None:
    rng, pause = Random(f"{SEED} {kind}"), threading.Event()
    with ExitStack() as stack:
        way = WAYS[kind](tmp_path, stack)
        gate, centre = stack.enter_context(ends(way, tmp_path))
        until((tmp_path / "centre.db").exists, within_s=30, what="the centre's database")
        victims = [gate.restart, centre.restart, *way.kills]
        order = [*victims, *rng.choices(victims, k=max(0, KILLS - len(victims)))]  # each at least once
        rng.shuffle(order)
        for kill in order:
            pause.wait(rng.uniform(0.3, 1.7) * FOR_S / KILLS)
            kill()
        until(lambda: recorded_so_far(tmp_path) > EVENTS_MIN, within_s=60, what="enough events")
        (tmp_path / "gate" / ENOUGH).touch()
        assert gate.process is not None
        until(
            lambda: gate.process and gate.process.poll() is not None,
            within_s=DRAINED_WITHIN_S,
            what="the drain",
        )
        assert gate.process.returncode == 0, (tmp_path / "gate.log").read_text()
        centre.stop()
    recorded, arrived = ids(tmp_path / "gate" / "journal.db"), ids(tmp_path / "centre.db")
    assert len(set(recorded)) == len(recorded) > EVENTS_MIN
    assert arrived == recorded, f"seed {SEED}: of {len(recorded)} recorded {len(arrived)} arrived"
