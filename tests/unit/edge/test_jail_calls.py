"""The filter of system calls, run as the kernel runs it, for both machines."""

import struct

import pytest

from edge.vision.jail_calls import CALLS, program

ALLOW, EPERM, KILL = 0x7FFF0000, 0x00050001, 0x80000000
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def run(code: bytes, *, number: int, architecture: int) -> int:
    """What the kernel would answer: loads, equal-jumps and returns are all there is."""
    steps = list(struct.iter_unpack("=HBBI", code))
    at, accumulator = 0, 0
    while True:
        kind, if_equal, otherwise, value = steps[at]
        at += 1
        if kind == 0x20:
            accumulator = {0: number, 4: architecture}[value]
        elif kind == 0x15:
            at += if_equal if accumulator == value else otherwise
        else:
            assert kind == 0x06
            return int(value)


@pytest.mark.parametrize(("machine", "column"), [("x86_64", 0), ("aarch64", 1)])
def test_exactly_the_named_calls_are_allowed(machine: str, column: int) -> None:
    code = program(machine)
    assert code
    architecture = ARCHITECTURES[machine]
    allowed = {
        number for number in range(1024) if run(code, number=number, architecture=architecture) == ALLOW
    }
    assert allowed == {numbers[column] for numbers in CALLS.values()}
    assert len(allowed) == len(CALLS)
    # The same numbers with the bit of the x32 calls, and calls of another architecture.
    assert run(code, number=0x40000000, architecture=architecture) == EPERM
    for other in set(ARCHITECTURES.values()) - {architecture} | {0x40000003}:
        assert run(code, number=CALLS["read"][column], architecture=other) == KILL


def test_a_machine_whose_numbers_we_lack_has_no_filter() -> None:
    assert program("riscv64") is None
