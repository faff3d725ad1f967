"""Commands under any bytes and any delivery: nothing unsigned is read, nothing is done twice or late."""

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from passes.trust import CONFIG_USE, keys_for
from sync.commands import Command, Refusal, open_command
from tests.commanding import OFFICE, CommandWorld, sealed
from tests.minting import NOW, SITE
from tests.ticking import HandClock

KEYS = keys_for(CONFIG_USE, OFFICE.key_set())
COMMAND = Command(
    id="ab" * 8,
    site=SITE,
    gate="south",
    cseq=7,
    op="open",
    args={"lane": "entry"},
    issued_at=NOW,
    ttl_s=10,
    by="王芳",
    reason="业主忘带手机",
)
SEALED = sealed(COMMAND)
DEPTH = b'{"v":1,"kid":"' + b"0" * 8 + b'","sig":"' + b"0" * 128 + b'","body":"{}","more":' + b"[" * 3000


@given(st.binary(max_size=600))
@example(b"")
@example(b"\xff\xfe")
@example(b'"\\ud800"')
@example(DEPTH)
def test_whatever_the_bytes_a_message_without_a_signature_is_refused(data: bytes) -> None:
    assert isinstance(open_command(data, KEYS, now=NOW), Refusal)


@given(st.integers(0, len(SEALED) - 1), st.integers(1, 255))
def test_m6_with_one_byte_changed_it_is_refused_or_says_what_was_signed(place: int, flip: int) -> None:
    changed = SEALED[:place] + bytes([SEALED[place] ^ flip]) + SEALED[place + 1 :]
    found = open_command(changed, KEYS, now=NOW)
    assert isinstance(found, Refusal) or found == COMMAND


def test_as_it_was_signed_it_is_read() -> None:
    assert open_command(SEALED, KEYS, now=NOW) == COMMAND


DELIVERIES = st.lists(
    st.one_of(
        st.tuples(st.just("deliver"), st.integers(0, 3), st.booleans()),
        st.tuples(st.just("wait"), st.sampled_from([1, 7, 11]), st.just(False)),  # noqa: FBT003
        st.tuples(st.just("restart"), st.just(0), st.just(False)),  # noqa: FBT003
        st.tuples(st.just("confirm"), st.just(0), st.just(False)),  # noqa: FBT003
    ),
    max_size=14,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(DELIVERIES)
def test_i3_i16_in_any_order_with_copies_delays_and_restarts_each_is_done_once_in_time_or_not(
    steps: list[tuple[str, int, bool]],
) -> None:
    """Four commands to the exit, which takes anybody at any moment, so that only the commands' own rules say no."""
    with tempfile.TemporaryDirectory() as folder:
        world = CommandWorld(Path(folder), HandClock())
        world.start()
        commands = [world.command(lane="exit") for _ in range(4)]
        issued, done, highest, opened_s = world.clock.mono_s, list[str](), -1, -1.0
        for what, number, flag in steps:
            before = len(world.pulses)
            match what:
                case "deliver":
                    world.receive(commands[number], retained=flag)
                    now_s = world.clock.mono_s
                    may = not flag and number > highest and now_s - issued <= 10
                    moved = len(world.pulses) > before
                    assert moved == (may and now_s > opened_s)  # and one at a time
                    highest = highest if flag else max(highest, number)
                    if moved:
                        opened_s = now_s
                        done.append(commands[number].id)
                case "wait":
                    world.pass_by(number)
                case "restart":
                    world, opened_s = world.restarted(), -1.0
                case _ if world.pulses:
                    world.confirm()
                case _:
                    pass
        assert len(done) == len(set(done))
        assert done == sorted(done)
        world.journal.close()
