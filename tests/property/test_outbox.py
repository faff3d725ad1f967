"""The sender against a model centre over a network that drops, doubles and reorders; then the faults stop."""

from random import Random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sync.outbox import EpochLeft, Output, Phase, PublishBatch, PublishHello, Sender
from sync.pace import WINDOW_FAR_BATCHES
from tests.sync_stores import MemoryOutbox

Down = tuple[str, int]


class ModelCentre:
    """Stores idempotently by (epoch, seq), acknowledges what it holds without a hole."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, int], str] = {}
        self.cursors: dict[str, int] = {}

    def receive(self, message: Output) -> Down:
        if isinstance(message, PublishBatch):
            for place, text in enumerate(message.texts):
                known = self.rows.setdefault((message.epoch, message.first + place), text)
                assert known == text, "two different events under one key"
        upto = self.cursors.get(message.epoch, 0)
        if isinstance(message, PublishHello):
            upto = max(upto, message.pruned_to)
        while (message.epoch, upto + 1) in self.rows:
            upto += 1
        self.cursors[message.epoch] = upto
        return message.epoch, upto

    def numbers(self) -> list[int]:
        return sorted(int(text.split('"number":')[1].split("}")[0]) for text in self.rows.values())


class SenderMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.store, self.centre, self.rng, self.now_s = MemoryOutbox(), ModelCentre(), Random(7), 0.0
        self.sender = Sender(self.store, rng=self.rng)
        self.up: list[Output] = []
        self.down: list[Down] = []
        self.centre_restored = False
        self.backup: tuple[dict[tuple[str, int], str], dict[str, int]] = ({}, {})

    @initialize()
    def connect_first(self) -> None:
        self.connect()

    def send(self, outputs: list[Output]) -> None:
        self.up.extend(outputs)

    def connect(self) -> None:
        self.up, self.down = [], []
        self.sender.disconnected()
        self.send(self.sender.connected(self.now_s))

    @precondition(lambda self: self.sender.phase is Phase.OFFLINE)
    @rule()
    def connect_again(self) -> None:
        self.connect()

    @rule(back=st.booleans())
    def disconnect(self, *, back: bool) -> None:
        self.sender.disconnected()
        self.up, self.down = [], []
        if back:
            self.connect()

    @rule(count=st.sampled_from([1, 2, 600, 2_500]))
    def record(self, count: int) -> None:
        self.store.record(count)
        self.send(self.sender.pump(self.now_s))

    @rule(gap_s=st.sampled_from([0.1, 6.0, 80.0]))
    def wait(self, gap_s: float) -> None:
        self.now_s += gap_s
        self.send(self.sender.pump(self.now_s))

    @precondition(lambda self: self.up)
    @rule(place=st.integers(0, 10), keep=st.booleans(), lost=st.booleans())
    def carry_up(self, place: int, *, keep: bool, lost: bool) -> None:
        place %= len(self.up)
        message = self.up[place] if keep else self.up.pop(place)
        if not lost:
            self.down.append(self.centre.receive(message))

    @precondition(lambda self: self.down)
    @rule(place=st.integers(0, 10), keep=st.booleans(), lost=st.booleans())
    def carry_down(self, place: int, *, keep: bool, lost: bool) -> None:
        place %= len(self.down)
        epoch, upto = self.down[place] if keep else self.down.pop(place)
        if not lost:
            self.send(self.sender.acked(epoch, upto, self.now_s))

    @rule()
    def carry_everything(self) -> None:
        while self.up or self.down:
            self.down.extend(self.centre.receive(message) for message in self.up)
            self.up = []
            acks, self.down = self.down, []
            for epoch, upto in acks:
                self.send(self.sender.acked(epoch, upto, self.now_s))

    @rule()
    def restart_the_gate(self) -> None:
        self.up, self.down = [], []
        self.sender = Sender(self.store, rng=self.rng)

    @rule()
    def the_centre_returns(self) -> None:
        self.send(self.sender.centre_returned(self.now_s))

    @rule()
    def back_up_the_centre(self) -> None:
        self.backup = (dict(self.centre.rows), dict(self.centre.cursors))

    @rule()
    def restore_the_centre(self) -> None:
        self.centre.rows, self.centre.cursors = dict(self.backup[0]), dict(self.backup[1])
        self.centre_restored = True

    @precondition(lambda self: not self.centre_restored)
    @rule()
    def prune(self) -> None:
        self.store.prune()
        self.backup = (dict(self.centre.rows), dict(self.centre.cursors))

    @invariant()
    def the_cursor_never_passes_what_the_centre_stored(self) -> None:
        if not self.centre_restored:
            assert self.store.acked() <= self.centre.cursors.get(self.store.epoch(), 0)

    @invariant()
    def the_window_is_kept(self) -> None:
        assert self.sender.in_flight <= WINDOW_FAR_BATCHES
        assert self.sender.in_flight == 0 or self.sender.phase is Phase.STREAMING

    def teardown(self) -> None:
        """Faults off: everything arrives, once, and the cursor says so."""
        if self.sender.phase is Phase.OFFLINE:
            self.connect()
        self.wait(80.0)  # what was lost before has to be missed by the sender itself
        for _ in range(60):
            self.carry_everything()
            if self.store.acked() == self.store.last_seq() and self.sender.in_flight == 0:
                break
            self.wait(80.0)
        assert self.centre.numbers() == list(range(self.store.numbers))
        assert self.store.acked() == self.store.last_seq()


SenderMachine.TestCase.settings = settings(
    max_examples=40, stateful_step_count=40, deadline=None, derandomize=True
)
TestSenderMachine = SenderMachine.TestCase
