"""KMtronic boards: three bytes without a check, and how a lost byte is overcome."""

import pytest

from drivers.devices.kmtronic import KmtronicCodec, kmtronic
from drivers.model import Done, Grade, Outputs, Pulse, ReadOutputs
from drivers.relay_codec import Ask, Asked, Levels
from simulators.boards.kmtronic import Kmtronic
from tests.unit.drivers.bench import Bench, silent, twin

READ_ALL = Asked(ask=Ask.OUTPUTS, channel=0, frame=bytes.fromhex("00 00 00 FF 09 00"))


def pulse(bench: Bench, id_: str = "a") -> Pulse:
    return Pulse(channel=1, ms=300, id=id_, issued_s=bench.now_s)


def test_frames_are_the_makers_behind_zeros() -> None:
    codec = KmtronicCodec(outputs=8)
    assert codec.encode(Ask.ON, channel=3) == bytes.fromhex("FF 03 01")
    assert codec.encode(Ask.OFF, channel=3) == bytes.fromhex("00 00 00 FF 03 00")
    assert codec.encode(Ask.OUTPUTS) == bytes.fromhex("00 00 00 FF 09 00")
    assert codec.encode(Ask.ON, channel=9) is None
    assert codec.encode(Ask.ALL_OFF) is None
    small = KmtronicCodec(outputs=2)
    assert small.encode(Ask.OUTPUTS) is None
    assert small.encode(Ask.OUTPUTS, channel=2) == bytes.fromhex("00 00 00 FF 02 03")


@pytest.mark.parametrize("outputs", [1, 2, 4, 8])
def test_a_pulse_is_read_back(outputs: int) -> None:
    board = Kmtronic(outputs)
    bench = Bench(kmtronic(outputs=outputs), twin(board))
    bench.run(1)
    assert bench.submit(pulse(bench), then_s=1) == [Done(id="a", grade=Grade.CONFIRMED)]
    assert [(seen.what, seen.channel) for seen in board.take_happenings()] == [
        ("relay_on", 1),
        ("relay_off", 1),
    ]
    assert bench.submit(ReadOutputs(id="r"), then_s=1) == [Outputs(id="r", bits=0, read=True)]


def test_without_an_answer_a_pulse_is_only_sent() -> None:
    bench = Bench(kmtronic(), silent)
    assert Done(id="a", grade=Grade.SENT) in bench.submit(pulse(bench), then_s=2)
    assert bench.written.count(bytes.fromhex("FF 01 01")) == 1


@pytest.mark.parametrize(
    ("came", "reply"),
    [
        ("00 01 00 00 00 00 00 01", Levels(mask=0xFF, bits=0x82)),
        ("00 01 00 00 00 00 00", None),  # a byte was lost
        ("00 01 00 00 00 00 00 01 00", None),  # one too many
        ("00 01 00 00 00 00 00 02", None),  # no state
        ("", None),
    ],
)
def test_s8_states_count_only_when_as_many_came_as_were_asked_for(came: str, reply: Levels | None) -> None:
    codec = KmtronicCodec(outputs=8)
    data = bytes.fromhex(came)
    codec.feed(data, READ_ALL)
    assert codec.flush(READ_ALL) == reply
    assert codec.take_garbage() == (0 if reply else len(data))


def test_s8_another_channels_state_is_no_answer() -> None:
    codec = KmtronicCodec(outputs=2)
    asked = Asked(ask=Ask.OUTPUTS, channel=1, frame=bytes.fromhex("00 00 00 FF 01 03"))
    codec.feed(bytes.fromhex("FF 02 01"), asked)
    assert codec.flush(asked) is None
    codec.feed(bytes.fromhex("FF 01 01"), asked)
    assert codec.flush(asked) == Levels(mask=1, bits=1)


@pytest.mark.parametrize("lost", range(3))
def test_a_byte_lost_on_the_way_never_leaves_a_relay_closed(lost: int) -> None:
    """Whichever byte of the closing frame is lost, the opening behind it is understood."""
    board = Kmtronic(8)
    on, off = (KmtronicCodec().encode(ask, channel=1) or b"" for ask in (Ask.ON, Ask.OFF))
    board.receive(on[:lost] + on[lost + 1 :], 0.0)
    board.receive(off, 0.1)
    assert board.relays.mask() == 0
    board.receive(on, 0.2)
    assert board.relays.mask() == 1, "and the next pulse works"


@pytest.mark.parametrize("lost", range(6))
def test_a_byte_lost_from_an_opening_is_made_good_by_the_next(lost: int) -> None:
    board = Kmtronic(8)
    on, off = (KmtronicCodec().encode(ask, channel=1) or b"" for ask in (Ask.ON, Ask.OFF))
    board.receive(on, 0.0)
    board.receive(off[:lost] + off[lost + 1 :], 0.1)
    board.receive(off, 0.2)
    assert board.relays.mask() == 0


def test_sizes_that_do_not_exist_are_refused() -> None:
    with pytest.raises(AssertionError, match="1, 2, 4, 8"):
        KmtronicCodec(outputs=3)
