"""The deciding core on a real journal, with boards and people played by hand."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drivers.gate.config import GateConfig
from drivers.model import BoardCommand, InputEdge, Line, Pulse
from edge.gate import Gate
from edge.inputs import BoardReported, ScanSeen
from edge.journal import Journal
from edge.kiosk.view import Uplink, Verdict
from edge.screen import Screen
from edge.standing import Standings
from passes.bundle import Bundle
from sync.messages import Outcome
from tests.minting import SITE, Mint
from tests.ticking import HandClock

FOREIGN = "https://example.org/"


def config(
    folder: Path,
    passage: str = "contact",
    *,
    number: int = 0,
    static_needs_guard: bool = False,
    inputs: Sequence[Mapping[str, Any]] = (),
    tested: bool = False,
    lamps: bool = False,
    controller: bool = False,
    tables: Sequence[Mapping[str, Any]] = (),
) -> GateConfig:
    """A gate with an entry and an exit, or with these ``[[lane]]`` tables."""
    controller = controller or passage == "counter"
    lanes = [
        {
            "name": name,
            "direction": name,
            "camera": "none",
            "board": "relays",
            "channel": channel,
            "passage": passage,
            "release": "pulse_to_open",
            "on_power_loss": "open",
        }
        | ({"contact": {"board": "inputs", "channel": channel}} if passage == "contact" else {})
        | ({"lamps": {"board": "lamps", "green": channel, "red": channel + 2}} if lamps else {})
        | ({"tested_by": "李工", "tested_on": "2026-11-20"} if tested else {})
        | ({"channel": None, "side": "left" if channel == 1 else "right"} if controller else {})
        for channel, name in ((1, "entry"), (2, "exit"))
    ]
    return GateConfig.model_validate(
        {
            "gate": {
                "id": "south",
                "site": SITE,
                "number": number,
                "name": "南门",
                "zone": "Asia/Shanghai",
                "data_dir": folder,
                "keys": "k",
                "units": "u",
            },
            "broker": {"url": "mqtt://127.0.0.1:1"},
            "policy": {"static_needs_guard": static_needs_guard},
            "board": [
                {
                    "name": "relays",
                    "protocol": "turnstile-7e" if controller else "lcus",
                    "port": "a",
                },
                {"name": "inputs", "protocol": "modbus-inputs", "port": "b"},
                *([{"name": "lamps", "protocol": "lcus", "port": "c"}] if lamps else []),
            ],
            "lane": list(tables) or lanes,
            "input": list(inputs),
        }
    )


@dataclass
class World:
    """One gate, its journal, and what reached its boards."""

    folder: Path
    clock: HandClock
    passage: str = "contact"
    bundle_required: bool = False
    number: int = 0
    static_needs_guard: bool = False
    inputs: Sequence[Mapping[str, Any]] = ()
    tested: bool = False
    lamps: bool = False
    controller: bool = False
    tables: Sequence[Mapping[str, Any]] = ()
    takes: bool = True  # whether its boards take commands

    def bundle(self) -> Bundle | None:
        """What this gate holds; worlds with bundles have their own."""
        return None

    def wake_uplink(self) -> None:
        """Rows were recorded."""

    def start(self) -> None:
        settings = self.settings = config(
            self.folder,
            self.passage,
            number=self.number,
            static_needs_guard=self.static_needs_guard,
            inputs=self.inputs,
            tested=self.tested,
            lamps=self.lamps,
            controller=self.controller,
            tables=self.tables,
        )
        self.journal = Journal(self.folder, self.clock)
        standings = self.standings = Standings(
            self.journal, settings.to_policy().zone, bundle=self.bundle, bundle_required=self.bundle_required
        )
        self.screen = Screen(
            settings,
            units={12: "3-1202"},
            journal=self.journal,
            standings=standings,
            clock=self.clock,
            uplink=lambda: Uplink(connected=False, depth=0, last_ack_at=None),
        )
        self.commands: list[tuple[str, BoardCommand]] = []
        self.pulses: list[tuple[str, Pulse]] = []
        self.asked_again: list[str] = []
        self.rows_when_pulsed: list[int] = []
        self.gate = Gate(
            settings,
            keys=Mint().table,
            journal=self.journal,
            standings=standings,
            screen=self.screen,
            clock=self.clock,
            submit=self._submit,
            recorded=self.wake_uplink,
            health_changed=lambda: None,
            look_again=self.asked_again.append,
        )
        self.gate.resume()
        for board in ("relays", "inputs", *(["lamps"] if self.lamps else [])):
            self.gate.handle(BoardReported(board=board, event=Line(up=True)))

    def _submit(self, board: str, command: BoardCommand) -> bool:
        self.commands.append((board, command))
        if isinstance(command, Pulse):
            self.pulses.append((board, command))
            self.rows_when_pulsed.append(self.journal.last_seq())
        return self.takes

    def show(self, *texts: str, lane: str = "entry", age_s: float = 0.0) -> Verdict | None:
        before = self.screen.verdicts_after(-1)
        self.gate.handle(ScanSeen(lane=lane, texts=texts, at_s=self.clock.monotonic_s() - age_s))
        after = self.screen.verdicts_after(-1)
        return after[-1] if after != before else None

    def fresh(self, number: int = 1, **changes: Any) -> str:
        return Mint().phone(number, shown_at=int(self.clock.now().timestamp()), **changes)

    def walk(self, lane: str = "entry") -> None:
        channel = 1 if lane == "entry" else 2
        for active in (True, False):
            self.clock.advance(0.5)
            edge = InputEdge(channel=channel, active=active, at_s=self.clock.monotonic_s())
            self.gate.handle(BoardReported(board="inputs", event=edge))

    def input(self, channel: int, *, active: bool) -> None:
        """An input of the input board changed its level."""
        edge = InputEdge(channel=channel, active=active, at_s=self.clock.monotonic_s())
        self.gate.handle(BoardReported(board="inputs", event=edge))

    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.gate.tick()

    def events(self, kind: str) -> list[dict[str, Any]]:
        rows = self.journal.read("select body from event where kind = ? order by seq", (kind,))
        return [json.loads(body)["data"] for (body,) in rows]


def reason(verdict: Verdict | None) -> str | None:
    """Why this scan was not granted; fails when it was."""
    assert verdict is not None
    assert verdict.outcome is not Outcome.GRANT
    return verdict.reason


def granted(verdict: Verdict | None) -> bool:
    """Whether this scan was granted."""
    return verdict is not None and verdict.outcome is Outcome.GRANT
