"""Virtual devices in one process: their lines, the people behind them, and what befalls them.

One thread runs everything. Other threads change things by ``ask``; a person at the keyboard does by lines of text.
"""

import os
import select
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from queue import SimpleQueue
from typing import Final, TextIO

from shell.clock import Clock
from simulators.boards.device import Device, earliest
from simulators.boards.ends import End
from simulators.boards.gate_controller import GateController
from simulators.boards.plan import Deed, Plan
from simulators.boards.tape import Tape
from simulators.boards.turnstile import Turnstile
from simulators.boards.wires import WiredByNumber, Wires

LOOK_FOR_STOP_EVERY_S: Final = 0.1
_READ_MAX: Final = 4096
Obey = Callable[[str, float], str]


class Station:
    """Lines with devices, driven by ``run`` in one thread.

    Args:
        ends: The lines.
        clock: Monotonic time of everything.
        tape: Gets what happens.
        people: Who walks when a relay of the first board with relays closes; None for nobody.
        plan: What befalls the devices, by seconds after the start.
        wires: Which terminal leads where; None for by number.
    """

    def __init__(
        self,
        ends: Sequence[End],
        *,
        clock: Clock,
        tape: Tape,
        people: Turnstile | None = None,
        plan: Plan | None = None,
        wires: Wires | None = None,
    ) -> None:
        self.ends = list(ends)
        self._clock, self._tape = clock, tape
        self._people = people or Turnstile(lanes=0)
        self._plan = plan or Plan()
        self._wires: Wires = wires or WiredByNumber(self.devices, self._plan)
        self._requests: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._wake_r, self._wake_w = os.pipe()
        self._started_s = clock.monotonic_s()
        self._keyboard: tuple[TextIO, Obey] | None = None
        self._typed = b""
        self._plan.prepare(self.devices)

    @property
    def devices(self) -> list[Device]:
        """Every device of every line, in order."""
        return [device for end in self.ends for device in end.devices]

    def plug(self) -> None:
        """Publish every line that is not published; while ``run`` runs, only through ``ask``."""
        for end in self.ends:
            end.plug(self._clock.monotonic_s())

    def unplug(self, *, powers: bool = True) -> None:
        """Pull every plug; while ``run`` runs, only through ``ask``."""
        for end in self.ends:
            end.unplug(self._clock.monotonic_s(), powers=powers)
        self._look()

    def listen_to(self, keyboard: TextIO, obey: Obey) -> None:
        """Also take lines from a person: each goes to ``obey`` with the moment, whose words go to stderr."""
        self._keyboard = keyboard, obey

    def ask(self, action: Callable[[], None], *, within_s: float = 5.0) -> None:
        """Have the running thread do something between two events, and wait until it has."""
        done = threading.Event()
        self._requests.put(action)
        self._requests.put(done.set)
        os.write(self._wake_w, b"!")
        if not done.wait(within_s):
            raise TimeoutError("the virtual boards do not run")

    def run(self, stop: threading.Event) -> None:
        """Publish the lines and serve them until ``stop``; takes the links away at the end."""
        try:
            self.plug()
            self._started_s = self._clock.monotonic_s()
            while not stop.is_set():
                self._turn()
        finally:
            for end in self.ends:
                end.close()
            os.close(self._wake_r)
            os.close(self._wake_w)

    def do(self, deed: Deed, channel: int = 0) -> None:
        """Let something befall the devices now; while ``run`` runs, only through ``ask``."""
        now_s = self._clock.monotonic_s()
        match deed:
            case "unplug":
                self.unplug()
            case "plug":
                self.plug()
            case "reboot":
                for device in self.devices:
                    device.reboot(now_s)
            case "fire_on" | "fire_off":
                for controller in self._controllers():
                    controller.set_fire(now_s, active=deed == "fire_on")
                for relay in self._wires.fire():
                    relay.touch(now_s, active=deed == "fire_on")
            case "button_on" | "button_off":
                for button in self._wires.buttons():
                    button.touch(now_s, active=deed == "button_on")
            case "walk":
                self._people.walk(channel, now_s)
        self._look()

    def _controllers(self) -> list[GateController]:
        return [device for device in self.devices if isinstance(device, GateController)]

    def _turn(self) -> None:
        serving = {fileno: end for end in self.ends for fileno in end.filenos()}
        typing = self._keyboard_filenos()
        ready, _, _ = select.select([self._wake_r, *typing, *serving], [], [], self._patience_s())
        now_s = self._clock.monotonic_s()
        for fileno, end in serving.items():
            if fileno in ready:
                end.serve(fileno, now_s)
        for deed, channel in self._plan.due(now_s - self._started_s):
            self.do(deed, channel)
        self._look()
        self._let_people_walk()
        for end in self.ends:
            end.flush(self._clock.monotonic_s())
        self._look()
        if typing and typing[0] in ready:
            self._read_keyboard()
        if self._wake_r in ready:
            os.read(self._wake_r, _READ_MAX)
            while not self._requests.empty():
                self._requests.get()()

    def _patience_s(self) -> float:
        planned_s = self._plan.next_s()
        moments: Iterable[float | None] = (
            self._people.next_deadline(),
            None if planned_s is None else self._started_s + planned_s,
            *(end.next_deadline() for end in self.ends),
        )
        deadline_s = earliest(moments)
        if deadline_s is None:
            return LOOK_FOR_STOP_EVERY_S
        return min(max(0.0, deadline_s - self._clock.monotonic_s()), LOOK_FOR_STOP_EVERY_S)

    def _let_people_walk(self) -> None:
        now_s = self._clock.monotonic_s()
        for change in self._people.take_due(now_s):
            contact, passage = self._wires.contact_of(change.lane), self._wires.side_of(change.lane)
            if contact is not None:
                contact.touch(change.at_s, active=change.active)
            self._tape.put("contact_on" if change.active else "contact_off", change.lane)
            if change.active and passage is not None:
                controller, side = passage
                controller.walk(side, now_s)
        self._look()

    def _look(self) -> None:
        """Put on the tape what happened, and let people walk who were released."""
        for device in self.devices:
            name = self._wires.name_of(device)
            for happening in device.take_happenings():
                text = f"{name} {happening.text}".strip()
                self._tape.put(happening.what, happening.channel, text, mono_s=happening.at_s)
                lane = self._wires.lane_of(device, happening.channel)
                if lane is not None and happening.what == "relay_on":
                    self._people.released(lane, happening.at_s)

    def _keyboard_filenos(self) -> list[int]:
        """The keyboard's one, unless a terminal belongs to somebody else now: reading it would stop this process."""
        if self._keyboard is None:
            return []
        fileno = self._keyboard[0].fileno()
        return [fileno] if not os.isatty(fileno) or os.tcgetpgrp(fileno) == os.getpgrp() else []

    def _read_keyboard(self) -> None:
        assert self._keyboard is not None, "nobody listens to the keyboard"
        keyboard, obey = self._keyboard
        data = os.read(keyboard.fileno(), _READ_MAX)
        self._typed += data
        while b"\n" in self._typed:
            line, _, self._typed = self._typed.partition(b"\n")
            said = obey(line.decode("utf-8", "replace").strip(), self._clock.monotonic_s())
            if said:
                sys.stderr.write(said + "\n")
        if not data:
            self._keyboard = None
