"""A gate that hears commands: messages are handed to it as the link would, boards are played by hand."""

import json
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from drivers.model import AnyEvent, Done, Grade
from edge.command_deeds import Deeds
from edge.command_ledger import Ledger
from edge.commands import Commands
from edge.inputs import Asked, BoardReported
from passes.keys import KeySetFile, ed25519_public, key_id
from sync.commands import Command, CommandResult, seal_command
from sync.link import Message
from sync.mailbox import Received
from sync.topics import down, up
from tests.bundling import Office
from tests.gate_world import World
from tests.minting import SITE

TOPIC = down(SITE, "south", "cmd")
OFFICE = Office()


def sealed(command: Command, *, secret: bytes = OFFICE.config_secret) -> bytes:
    """The message, signed with this key."""
    key = Ed25519PrivateKey.from_private_bytes(secret)
    return seal_command(command, kid=key_id(ed25519_public(key)), sign=key.sign)


def received(payload: bytes, *, retained: bool = False) -> Received:
    return Received(topic=TOPIC, payload=payload, size=len(payload), retained=retained)


@dataclass
class CommandWorld(World):
    """One gate; the deciding thread does what it was asked as soon as ``turn`` is called."""

    heard_ack: bool = True
    centre_ahead_s: float = 0.0  # by how much the centre's clock differs from this gate's
    asked: list[Asked] = field(default_factory=list)
    published: list[Message] = field(default_factory=list)
    key_set: KeySetFile = field(default_factory=OFFICE.key_set)
    signed_at: datetime | None = None
    looks: int = 0
    _next: int = 0

    def start(self) -> None:
        self._began_s = self.clock.monotonic_s()
        self._began = self.clock.now() + timedelta(seconds=self.centre_ahead_s)
        super().start()
        self.ledger = Ledger(self.journal)
        self.command_centre = Commands(
            site=SITE,
            gate="south",
            journal=self.journal,
            ledger=self.ledger,
            deeds=Deeds(
                hands=self.gate.hands,
                journal=self.journal,
                ledger=self.ledger,
                bundles=self,
                folder=self.folder,
                software="postern test",
            ),
            key_set=lambda: self.key_set,
            centre_now=self.centre_now,
            not_before=lambda: self.signed_at,
            clock=self.clock,
            put=self.asked.append,
            publish=self.published.append,
            recorded=lambda: None,
        )
        self.turn()

    def look(self) -> None:
        self.looks += 1

    def centre_now(self) -> datetime | None:
        """The centre's time, which no step of this gate's wall clock changes."""
        if not self.heard_ack:
            return None
        return self._began + timedelta(seconds=self.clock.monotonic_s() - self._began_s)

    def command(self, op: str = "open", **changes: Any) -> Command:
        """A new command that the centre issues now."""
        self._next += 1
        args: dict[str, Any] = {"lane": changes.pop("lane", "entry")}
        for name in ("seconds", "stay_id", "version", "sha256"):
            if name in changes:
                args[name] = changes.pop(name)
        before, self.heard_ack = self.heard_ack, True
        now, self.heard_ack = self.centre_now(), before
        assert now is not None
        made = Command(
            id=f"{self._next:016x}",
            site=SITE,
            gate="south",
            cseq=1000 + self._next,
            op=op,
            args=args,
            issued_at=now,
            ttl_s=10.0,
            by="王芳",
            reason="业主忘带手机",
        )
        return made.model_copy(update=changes)

    def receive(self, *commands: Command | bytes, retained: bool = False) -> None:
        """Messages arrive, one after another, and the deciding thread gets to them."""
        for one in commands:
            payload = sealed(one) if isinstance(one, Command) else one
            self.command_centre.receive(received(payload, retained=retained))
        self.turn()

    def turn(self) -> None:
        """The deciding thread does what waits."""
        while self.asked:
            self.gate.handle(self.asked.pop(0))
        self.gate.tick()
        self.command_centre.tick()
        while self.asked:
            self.gate.handle(self.asked.pop(0))

    def pass_by(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.turn()

    def step_wall_clock(self, seconds: float) -> None:
        """Somebody sets this gate's clock."""
        self.clock.wall += timedelta(seconds=seconds)

    def confirm(self) -> None:
        """The board has opened and shut again."""
        self.tell(Done(id=self.pulses[-1][1].id, grade=Grade.CONFIRMED))

    def tell(self, event: AnyEvent) -> None:
        self.gate.handle(BoardReported(board="relays", event=event))

    def results(self) -> list[CommandResult]:
        """What was published, in order."""
        assert {message.topic for message in self.published} <= {up(SITE, "south", "res")}
        assert not any(message.retain for message in self.published)
        return [CommandResult.model_validate_json(message.payload) for message in self.published]

    def said(self) -> list[tuple[str, str | None]]:
        return [(result.state, result.why) for result in self.results()]

    def rows(self) -> list[tuple[str, str | None]]:
        """State and why of the journal's rows about commands."""
        return [(row["state"], row.get("why")) for row in self.events("command")]

    def restarted(self) -> "CommandWorld":
        """The same box after a restart, by the same wall clock."""
        self.journal.close()
        after = replace(self, asked=[], published=[])
        after.start()
        return after


def tampered(payload: bytes, **changes: Any) -> bytes:
    """The message with other fields, and the signature that it had."""
    table = json.loads(payload)
    body = json.loads(table["body"]) | changes
    return json.dumps(table | {"body": json.dumps(body)}).encode()
