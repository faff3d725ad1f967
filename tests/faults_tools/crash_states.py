"""What a disk may hold after the power was cut, from the record of what was written to it.

What was synced is there. Of everything after that any part may be there, in any order, and a single write may be torn
at each 512 bytes. A file that was made or deleted is so for sure after the next sync of any file in its folder, as
on ext4.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

from tests.faults_tools.recording import Delete, Make, Op, Replace, Said, Sync, Truncate, Write

SECTOR: Final = 512


class State(NamedTuple):
    """One disk after a cut, and everything that had been said before it."""

    at: int
    files: dict[str, bytes]
    said: tuple[Said, ...]


class Disk:
    """A medium with a cache in front of it; ``start`` is what it holds to begin with."""

    def __init__(self, start: Mapping[str, bytes] | None = None) -> None:
        self.sure = {name: bytearray(data) for name, data in (start or {}).items()}
        self._loose: list[Op] = []

    def take(self, op: Op) -> None:
        """Carry out one operation of the record."""
        match op:
            case Said():
                pass
            case Sync(file) | Replace(file):
                still: list[Op] = []
                for one in self._loose:
                    if isinstance(one, Make | Delete) or _file(one) == file:
                        _carry_out(self.sure, one)
                    else:
                        still.append(one)
                self._loose = still
                if isinstance(op, Replace):
                    self.sure[file] = bytearray(op.data)
            case _:
                self._loose.append(op)

    def after_a_cut(self, rng: Random) -> dict[str, bytes]:
        """One of the contents that a cut may leave now."""
        files = {name: bytearray(data) for name, data in self.sure.items()}
        share = rng.choice((0.0, 1.0, 0.5, 0.5, 0.9))  # how much of the cache reached the medium
        for op in self._loose:
            if isinstance(op, Write) and share < 1 and rng.random() < 0.4:
                for piece in _sectors(op):
                    if rng.random() < share:
                        _carry_out(files, piece)
            elif rng.random() < share:
                _carry_out(files, op)
        return {name: bytes(data) for name, data in files.items()}


def states(
    trace: Sequence[Op], rng: Random, *, count: int, start: Mapping[str, bytes] | None = None
) -> Iterator[State]:
    """``count`` crash states and the whole one, spread evenly over every prefix of the record."""
    places = [at for at, op in enumerate(trace) if not isinstance(op, Said)]
    each, rest = divmod(count, len(places))
    more = set(rng.sample(places, rest))
    disk, said = Disk(start), []
    for at, op in enumerate(trace):
        if isinstance(op, Said):
            said.append(op)
            continue
        for _ in range(each + (at in more)):
            yield State(at, disk.after_a_cut(rng), tuple(said))
        disk.take(op)
    yield State(len(trace), disk.after_a_cut(rng), tuple(said))


def of_a_lying_card(trace: Sequence[Op], rng: Random, *, count: int, syncs_lost_max: int) -> Iterator[State]:
    """States of a card that said of its last syncs that they were done, and had done none of them."""
    syncs = [at for at, op in enumerate(trace) if isinstance(op, Sync)]
    for _ in range(count):
        upto = rng.randrange(len(trace) // 2, len(trace) + 1)
        before = [at for at in syncs if at < upto]
        honest_to = before[-min(len(before), rng.randint(1, syncs_lost_max))]
        disk = Disk()
        for op in trace[:honest_to]:
            disk.take(op)
        for op in trace[honest_to:upto]:
            if not isinstance(op, Sync):
                disk.take(op)
        said = tuple(op for op in trace[:upto] if isinstance(op, Said))
        yield State(upto, disk.after_a_cut(rng), said)


def put(folder: Path, state: State) -> None:
    """Write the files of one state into an empty folder."""
    folder.mkdir()
    for name, data in state.files.items():
        (folder / name).write_bytes(data)


def _file(op: Op) -> str:
    assert not isinstance(op, Said)
    return op.file


def _sectors(write: Write) -> Iterator[Write]:
    at = 0
    while at < len(write.data):
        size = SECTOR - (write.offset + at) % SECTOR
        yield Write(write.file, write.offset + at, write.data[at : at + size])
        at += size


def _carry_out(files: dict[str, bytearray], op: Op) -> None:
    match op:
        case Make(file):
            files.setdefault(file, bytearray())
        case Delete(file):
            files.pop(file, None)
        case Write(file, offset, data) if file in files:
            content = files[file]
            content.extend(bytes(max(0, offset - len(content))))
            content[offset : offset + len(data)] = data
        case Truncate(file, size) if file in files:
            content = files[file]
            del content[size:]
            content.extend(bytes(size - len(content)))
        case _:
            pass
