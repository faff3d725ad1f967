"""OSDP readers with outputs and inputs, through libosdp, and only through a secure channel with a key of their own.

libosdp speaks; this driver decides what it may be asked for, and when a panel is thrown away for a new one. Whatever
is under way then ends as an event: nothing is kept, and no pulse is given twice. A pulse that libosdp might repeat by
itself is cut short the same way. Outputs are closed by the reader's own timer, holds too: when this program dies they
open by themselves. Why it is a driver as all others: decision 0014.
"""

from dataclasses import replace
from pathlib import Path
from typing import Final, assert_never

from drivers.devices.osdp_commands import Reports, report
from drivers.devices.osdp_conversation import ASLEEP_S, Conversation
from drivers.devices.osdp_jobs import Ask, Job, Jobs
from drivers.devices.osdp_library import OsdpMissingError, has_libosdp
from drivers.devices.osdp_outputs import OutputRuns
from drivers.devices.osdp_panel import Can, Card, Finished, GaveUp, Levels, Panel, PanelBrokenError
from drivers.devices.osdp_signals import buzzer, lamp
from drivers.devices.osdp_states import States, identity
from drivers.faults import Faults
from drivers.model import (
    COMMAND_AGE_MAX_S,
    AllOff,
    AnyEvent,
    Certainty,
    Command,
    Done,
    DriverInfo,
    Grade,
    Hold,
    Identify,
    Identity,
    LineSettings,
    Outputs,
    Pulse,
    ReadOutputs,
    Refusal,
    Refused,
    Release,
    TimedOut,
    Urgency,
)
from drivers.outcomes import Outcomes
from drivers.peripherals import Scanned, Show

TURN_S: Final = 0.020  # libosdp wants 0.050 at most
FRESH_S: Final = 0.25  # a reader that was heard within it answers now; it is polled every 0.050 s
ANSWER_S: Final = 0.6  # libosdp would say the same again after 1.0 s: a pulse must be over by then
SILENT_S: Final = 1.3  # one lost answer costs 1.0 s
OPENING_S: Final = 0.95  # without a secure channel for so long: a fault
WAITING_MAX: Final = 64
BAUDS: Final = (9600, 19200, 38400, 57600, 115200, 230400)
_AT_FIRST: Final = (Ask.OFF, Ask.LOCAL, Ask.INPUTS, Ask.OUTPUTS)  # a line is up once these are through
_NEVER: Final = float("inf")


class OsdpDriver:
    """One reader on a line of its own.

    Args:
        key_file: Where its key is; read when the line comes up.
        unit: Its address, 0 to 126.
        outputs: How many outputs are used.
        inputs: How many inputs are used.
        baud: The line's speed.
        looks: It only looks: no output is ever opened or closed, and no signal shown.

    Raises:
        OsdpMissingError: libosdp is not installed.
    """

    def __init__(
        self,
        *,
        key_file: str | Path,
        unit: int = 0,
        outputs: int = 1,
        inputs: int = 0,
        baud: int = 9600,
        looks: bool = False,
    ) -> None:
        assert 0 <= unit <= 126, f"a reader's address is 0 to 126, not {unit}"
        assert 0 <= outputs <= 8 and 0 <= inputs <= 8, "a reader has up to 8 outputs and inputs"
        assert baud in BAUDS, f"baud must be one of {', '.join(map(str, BAUDS))}"
        if not has_libosdp():
            raise OsdpMissingError
        self._key_file, self._unit, self._looks = Path(key_file), unit, looks
        self._info = DriverInfo(
            protocol="osdp",
            line=LineSettings(baud=baud),
            outputs=outputs,
            inputs=inputs,
            pulse_step_ms=100,
            reads_outputs=True,
            identifies=Certainty.STRONG,  # nobody else has its key
            answers_within_s=ANSWER_S,
            reads_codes=True,
        )
        self._tell, self._faults, self._jobs = Outcomes(), Faults(), Jobs()
        self._refused: set[Ask] = set()  # what this reader does not know; asking again would end the channel
        self._states = States(inputs)
        self._runs = OutputRuns(jobs=self._jobs, tell=self._tell, faults=self._faults, states=self._states)
        self._talk = Conversation(key_file=Path(key_file), unit=unit, faults=self._faults)
        self._up = self._secure = self._opening = False
        self._named: Identity | None = None  # since the line is up
        self._outputs = 0  # those that are configured and there
        self._now_s = self._secure_s = float("-inf")

    @property
    def info(self) -> DriverInfo:
        """What this driver can do."""
        return self._info

    # -- commands

    def submit(self, command: Command, now_s: float) -> None:
        """Take a command; one id is taken once."""
        self._now_s = now_s
        if isinstance(command, AllOff):
            if not self._looks:
                self._all_off()
            return
        if not self._tell.begin(command.id):
            return  # known: nothing is done twice
        if not self._up or self._named is None or "silent" in self._faults or "key" in self._faults:
            self._refuse(command.id, Refusal.LINE_DOWN)
        elif len(self._jobs) >= WAITING_MAX:
            self._refuse(command.id, Refusal.FULL)
        else:
            self._take(command, command.id)
            self._turn()

    def _take(self, command: Command, id_: str) -> None:
        if self._looks and not isinstance(command, Identify | ReadOutputs):
            self._refuse(id_, Refusal.UNSUPPORTED)
            return
        match command:
            case Pulse() | Hold():
                refusal = self._why_not(command)
                if refusal is not None:
                    self._refuse(id_, refusal)
                else:
                    self._runs.begin(command, self._now_s)
            case Release():
                self._release(command)
            case Identify():
                assert self._named is not None, "nobody is asked before the first secure channel"
                self._tell.end(replace(self._named, id=id_))
            case ReadOutputs():
                if self._runs.readable:
                    self._runs.read(id_)
                else:
                    self._refuse(id_, Refusal.UNSUPPORTED)
            case Show():
                self._show(command)
            case _:
                self._refuse(id_, Refusal.UNSUPPORTED)

    def _why_not(self, command: Pulse | Hold) -> Refusal | None:
        least, most = self._info.pulse_ms
        if not 1 <= command.channel <= self._outputs:
            return Refusal.BAD_CHANNEL
        if isinstance(command, Pulse) and not (least <= command.ms <= most and command.ms % 100 == 0):
            return Refusal.BAD_LENGTH
        if isinstance(command, Hold) and not 0 < command.seconds < _NEVER:
            return Refusal.BAD_LENGTH
        if self._now_s - command.issued_s > COMMAND_AGE_MAX_S:
            return Refusal.TOO_OLD
        return Refusal.BUSY if self._runs.is_busy(command, self._now_s) else None

    def _release(self, command: Release) -> None:
        if not 1 <= command.channel <= self._info.outputs:
            self._refuse(command.id, Refusal.BAD_CHANNEL)
        else:
            self._runs.release(command.channel, command.id)

    def _all_off(self) -> None:
        self._runs.overtake_all()
        if self._secure:
            for channel in range(1, self._outputs + 1):
                if not self._jobs.has(Ask.OFF, channel=channel):
                    self._runs.open(channel)
            self._turn()

    def _show(self, command: Show) -> None:
        panel = self._talk.panel
        if panel is None or not self._secure:
            self._refuse(command.id, Refusal.LINE_DOWN)
            return
        sound = buzzer(command.signal) if panel.items(Can.BUZZERS) else None
        light = lamp(command.signal) if panel.items(Can.LEDS) else None
        parts = [part for part in (light, sound) if part is not None]
        if not parts or Ask.SHOW in self._refused:
            self._refuse(command.id, Refusal.UNSUPPORTED)
            return
        for old in self._jobs.drop(Ask.SHOW):
            self._refuse(old.id, Refusal.OVERTAKEN)
        for part in parts:
            job = Job(ask=Ask.SHOW, command=part, urgency=Urgency.CONFIGURE, id=command.id)
            job.last = part is parts[-1]
            self._jobs.put(job)

    # -- the line

    def wants_line(self) -> Urgency | None:
        """How urgent what libosdp has to say is."""
        if self._talk.panel is None or not self._talk.panel.speaks:
            return None
        return self._jobs.current.urgency if self._jobs.current else Urgency.POLL

    def holds_line(self) -> bool:
        """Whether its outputs are still to be opened, or its first questions open: the line is not up before that."""
        return self._opening or (self._secure and self._jobs.has(Ask.OFF))

    def take_output(self) -> list[bytes]:
        """What libosdp says."""
        return [self._talk.panel.take()] if self._talk.panel is not None and self._talk.panel.speaks else []

    def receive(self, data: bytes, now_s: float) -> None:
        """Take bytes from the line."""
        self._now_s = now_s
        if self._up and data:
            self._talk.hear(data, now_s)
            self._turn()

    def tick(self, now_s: float) -> None:
        """Let libosdp do what is due, and throw it away where it sleeps."""
        self._now_s = now_s
        if not self._up:
            return
        if self._talk.panel is None and now_s >= self._talk.begins_s:
            self._tell.tell(*self._talk.begin(now_s))
        for job in self._jobs.stale(now_s):
            self._runs.forget(job)
            self._refuse(job.id, Refusal.TOO_OLD)
        self._runs.tick(now_s)
        self._turn()
        self._watch()

    def next_deadline(self) -> float | None:
        """libosdp wants its turns."""
        if not self._up:
            return None
        return self._now_s + TURN_S

    def take_events(self) -> list[AnyEvent]:
        """Events so far."""
        return self._tell.take()

    def line_up(self, now_s: float) -> None:
        """The port was opened."""
        self._now_s = self._secure_s = now_s
        self._up, self._opening = True, self._info.outputs > 0
        self._named = None
        self._tell.tell(*self._talk.begin(now_s))
        self._turn()

    def line_lost(self, now_s: float) -> None:
        """The port is gone: everything unfinished ends. Levels of inputs are kept."""
        self._now_s = now_s
        self._end_all(line=True)
        self._talk.close()
        self._up = self._opening = False
        self._tell.tell(*self._faults.forget())

    # -- the panel

    def _give_up(self, *, broken: bool = False) -> None:
        """This conversation is over: end what was under way, and begin another one soon."""
        was_secure, reusable = self._secure, self._jobs.current is None and not broken
        self._end_all(line=False)
        self._talk.give_up(self._now_s, was_secure=was_secure, reusable=reusable)

    def _end_all(self, *, line: bool) -> None:
        """The secure channel is gone: what may have been done is in doubt.

        What nobody heard of yet waits for the next channel as long as it may; with the ``line``, it is refused.
        """
        self._secure = False
        job = self._jobs.finish()
        if job is not None:
            self._unanswered(job, said=self._talk.panel is None or self._talk.panel.frames > job.frames)
        waiting = self._jobs.drop()
        kept = (
            [] if line else [job for job in waiting if job.id and job.ask in {Ask.PULSE, Ask.HOLD, Ask.OFF}]
        )
        for job in waiting:
            if job not in kept:
                self._runs.forget(job)
                self._refuse(job.id, Refusal.LINE_DOWN)
        self._runs.end_all({job.id for job in kept})
        for job in kept:
            if job.ask is Ask.OFF or job.id in self._runs:
                self._jobs.put(job)

    def _turn(self) -> None:
        """Have libosdp take in what came and say what it has to, and give it the next command."""
        for _ in range(4):
            panel = self._talk.panel
            if panel is None:
                return
            before = panel.frames
            try:
                panel.turn()
            except PanelBrokenError:
                self._give_up(broken=True)
                return
            self._read_notes(panel)
            if self._talk.panel is not panel:
                return
            if panel.secure and not self._secure:
                self._secured(panel)
            if not self._hand_over(panel) and panel.frames == before:
                return

    def _read_notes(self, panel: Panel) -> None:
        for note in panel.take_notes():
            match note:
                case Finished():
                    job = self._jobs.finish()
                    if job is not None and note.ok:
                        self._done(job)
                    elif job is not None:
                        self._denied(job)
                case Card():
                    self._tell.tell(Scanned(data=note.data, at_s=self._now_s))
                case Levels():
                    self._levels_read(note)
                case GaveUp():
                    self._give_up()
                    return
                case _:
                    assert_never(note)

    def _hand_over(self, panel: Panel) -> bool:
        """Give libosdp the next command, where the reader answers; whether that was done."""
        if not self._secure or self._jobs.current is not None or self._talk.silent_s(self._now_s) > FRESH_S:
            return False
        job = self._jobs.next()
        if job is None:
            return False
        if not panel.secure or not panel.give(job.command):
            self._jobs.finish()
            self._jobs.put_back(job)
            return False
        job.given_s, job.frames = self._now_s, panel.frames
        return True

    def _watch(self) -> None:
        """Notice what does not come."""
        panel, job = self._talk.panel, self._jobs.current
        silent_s = self._talk.silent_s(self._now_s)
        if self._secure:
            self._secure_s = self._now_s
        late = self._now_s - self._secure_s >= OPENING_S
        if self._opening and (late or (self._secure and not any(map(self._jobs.has, _AT_FIRST)))):
            self._opening = False
        if self._secure and silent_s < SILENT_S:
            self._tell.tell(*self._faults.end("silent"))
        elif late or (self._secure and silent_s >= SILENT_S):
            self._tell.tell(*self._faults.begin("silent", self._why_silent()))
            self._refuse_waiting()
        if panel is None:
            return
        overdue = job is not None and self._now_s - job.given_s >= ANSWER_S
        if job is not None and overdue and panel.frames == job.frames:
            panel.withdraw()  # it was not said
            self._jobs.finish()
            self._jobs.put_back(job)
        elif overdue or silent_s >= ASLEEP_S or panel.secure != self._secure:
            self._give_up()  # an overdue command before libosdp says it again

    def _refuse_waiting(self) -> None:
        """Whoever stands there has been told by now that it does not work."""
        for job in self._jobs.drop():
            self._runs.forget(job)
            self._refuse(job.id, Refusal.LINE_DOWN)

    def _why_silent(self) -> str:
        if not self._talk.was_heard:
            return f"reader {self._unit} does not answer. Check its power, cable, address and speed"
        return (
            f"reader {self._unit} has no secure channel with our key: it is another reader, or its key is not "
            f"that in {self._key_file.name}. Nothing is sent to it without"
        )

    def _secured(self, panel: Panel) -> None:
        self._secure = True
        self._talk.succeeded()
        self._outputs = min(self._info.outputs, panel.items(Can.OUTPUTS))
        named = identity(panel.about())
        if named != self._named:
            self._named = named
            self._tell.tell(named)
        for channel in range(1, 1 if self._looks else self._outputs + 1):
            self._runs.open(channel)
        # Before the first pulse: what the reader denies costs the channel, and a pulse with it.
        wanted = {Ask.LOCAL: True, Ask.INPUTS: self._info.inputs > 0}
        for ask, what in {Ask.LOCAL: Reports.LOCAL, Ask.INPUTS: Reports.INPUTS}.items():
            if wanted[ask] and ask not in self._refused:
                self._jobs.put(Job(ask=ask, command=report(what), urgency=Urgency.ALL_OFF))
        if self._outputs and self._runs.readable:
            self._runs.read(urgency=Urgency.ALL_OFF)
        for name, wanted_items, ability in (
            ("outputs", self._info.outputs, Can.OUTPUTS),
            ("inputs", self._info.inputs, Can.INPUTS),
        ):
            there = panel.items(ability)
            if there < wanted_items:
                why = f"reader {self._unit} has {there} {name}, and {wanted_items} are configured"
                self._tell.tell(*self._faults.begin(name, why))
            else:
                self._tell.tell(*self._faults.end(name))

    # -- answers

    def _done(self, job: Job) -> None:
        match job.ask:
            case Ask.PULSE | Ask.HOLD:
                self._runs.taken(job, self._now_s)
            case Ask.OFF:
                self._tell.tell(*self._faults.end(f"open {job.channel}"))
                self._tell.end(Done(id=job.id, grade=Grade.ACCEPTED))
            case Ask.SHOW:
                if job.last:
                    self._tell.end(Done(id=job.id, grade=Grade.ACCEPTED))
            case Ask.OUTPUTS:
                self._runs.was_read(self._now_s)
                self._tell.end(Outputs(id=job.id, bits=self._states.closed_bits, read=True))
            case Ask.LOCAL | Ask.INPUTS:
                pass  # came as levels
            case _:
                assert_never(job.ask)

    def _denied(self, job: Job) -> None:
        """The reader does not know a command, or answered something else; a pulse may have been carried out."""
        match job.ask:
            case Ask.OFF:
                why = f"reader {self._unit} does not take the opening of output {job.channel}"
                self._tell.tell(*self._faults.begin(f"open {job.channel}", why))
            case Ask.OUTPUTS:
                self._runs.readable = False
            case Ask.INPUTS | Ask.LOCAL | Ask.SHOW:
                self._refused.add(job.ask)
        if job.ask in {Ask.OUTPUTS, Ask.SHOW}:
            self._refuse(job.id, Refusal.DENIED)
        else:
            self._unanswered(job, said=True)

    def _unanswered(self, job: Job, *, said: bool) -> None:
        """A command has no good end."""
        self._runs.forget(job)
        if said:
            self._tell.end(TimedOut(id=job.id, maybe_executed=job.ask is not Ask.OUTPUTS))
        else:
            self._refuse(job.id, Refusal.LINE_DOWN)

    def _levels_read(self, note: Levels) -> None:
        self._tell.tell(*self._states.take(note, self._now_s))
        if note.what is Reports.OUTPUTS:
            self._runs.was_reported(self._info.outputs)

    # -- small words

    def _refuse(self, id_: str, why: Refusal) -> None:
        self._tell.end(Refused(id=id_, why=why))
