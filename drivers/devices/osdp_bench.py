"""Giving an OSDP reader a key of its own, on a bench: one reader, one cable, nobody else on the line.

A reader from the factory obeys the published default key; whoever listens while it is given its own can read it. So
that happens on a bench only, and the caller has to say that it does. A reader that has a key of ours gets a new one
through the channel of the old one, anywhere.

The new key is on the disk before the reader hears of it, and takes the old one's place once the reader was seen to use
it: whatever goes wrong in between, no reader has a key that nobody knows.
"""

import select
import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Final

from drivers.devices.osdp_commands import new_key
from drivers.devices.osdp_key import read_key, write_new_key
from drivers.devices.osdp_panel import Finished, GaveUp, Panel, PanelBrokenError
from drivers.devices.osdp_states import identity
from drivers.model import Identity
from drivers.port import Port, PortError

WITHIN_S: Final = 5.0  # a reader is secure within one second
_TURN_S: Final = 0.010


class Trouble(StrEnum):
    """Why a reader was not given a key."""

    NOT_ON_A_BENCH = "not_on_a_bench"
    SILENT = "silent"
    HAS_A_KEY = "has_a_key"
    WRONG_KEY = "wrong_key"
    UNANSWERED = "unanswered"
    NOT_USED = "not_used"
    LINE_LOST = "line_lost"


class KeySettingError(Exception):
    """The reader was not given a key, or it is not known whether it was; ``pending`` then has the new one."""

    def __init__(self, trouble: Trouble, why: str, *, pending: Path | None = None) -> None:
        kept = f" Keep {pending}: the reader may have the key in it" if pending else ""
        super().__init__(why + kept)
        self.trouble, self.pending = trouble, pending


def set_key(
    port: Port,
    *,
    unit: int,
    key_file: Path,
    on_a_bench: bool = False,
    within_s: float = WITHIN_S,
    monotonic_s: Callable[[], float] = time.monotonic,
) -> Identity:
    """Give a reader a new random key, see it used, and keep it in ``key_file`` (0600).

    Args:
        port: The reader's line, closed; it is closed again at the end.
        unit: The reader's address.
        key_file: The reader's key as it is now, if it has one of ours; the new one in the end.
        on_a_bench: Somebody confirmed that the reader lies on a bench: it may be spoken to with the default key.
        within_s: How long each step may take.
        monotonic_s: The monotonic clock.

    Returns:
        Who the reader says it is.

    Raises:
        KeySettingError: It did not work; the words say how far it came.
        KeyFileError: A key's file cannot be used.
        PortError: The line cannot be used; the reader has not heard of a key.
        OsdpMissingError: libosdp is not installed.
    """
    from_default = not key_file.exists()
    if from_default and not on_a_bench:
        raise KeySettingError(
            Trouble.NOT_ON_A_BENCH,
            f"There is no key in {key_file} yet, so the reader would be spoken to with the published default key. "
            "Take it to a bench, alone on its cable, and confirm that",
        )
    old = None if from_default else read_key(key_file)
    pending = pending_file(key_file)
    key = write_new_key(pending)
    talk = _Talk(port, unit=unit, within_s=within_s, monotonic_s=monotonic_s)
    try:
        port.open()
        try:
            told = talk.give_first(key) if old is None else talk.give_next(old, key)
            named = talk.prove(key) if told else None
        finally:
            port.close()
    except PortError as error:
        if not talk.may_have_it:
            raise
        why = f"The line of reader {unit} was lost while it was given its key ({error})."
        raise KeySettingError(Trouble.LINE_LOST, why, pending=pending) from error
    finally:
        if not talk.may_have_it:
            pending.unlink()
    if named is None:
        kept = pending if talk.may_have_it else None
        trouble = Trouble.NOT_USED if told else _before_it(talk, from_default=from_default)
        raise KeySettingError(trouble, _WHY[trouble].format(unit=unit), pending=kept)
    pending.replace(key_file)
    return named


def pending_file(key_file: Path) -> Path:
    """Where a new key is until the reader was seen to use it."""
    return key_file.with_name(key_file.name + ".new")


def _before_it(talk: "_Talk", *, from_default: bool) -> Trouble:
    """Why a reader did not say that it took a key."""
    if talk.may_have_it:
        return Trouble.UNANSWERED
    if not talk.heard:
        return Trouble.SILENT
    return Trouble.HAS_A_KEY if from_default else Trouble.WRONG_KEY


_WHY: Final = {
    Trouble.NOT_USED: "Reader {unit} took the new key, and then did not use it.",
    Trouble.SILENT: "Reader {unit} does not answer. Check its power, cable, address and speed.",
    Trouble.HAS_A_KEY: "Reader {unit} has no secure channel with the default key: it has a key already, or is not in "
    "its installation mode. See its manual for how to reset it.",
    Trouble.WRONG_KEY: "Reader {unit} has no secure channel with the key that we have.",
    Trouble.UNANSWERED: "Reader {unit} was told its new key, and did not say that it took it.",
}


class _Talk:
    """The line with one panel after the other."""

    def __init__(self, port: Port, *, unit: int, within_s: float, monotonic_s: Callable[[], float]) -> None:
        self._port, self._unit, self._within_s, self._monotonic_s = port, unit, within_s, monotonic_s
        self.may_have_it = self.heard = False

    def give_first(self, key: bytes) -> bool:
        """From the factory: libosdp falls back to the default key, and gives ours by itself."""
        panel = Panel(address=self._unit, key=key, plain=True)
        # It goes online without any secure channel, too; the key travels only in one.
        return self._until(panel, lambda: panel.online) and panel.secure

    def give_next(self, old: bytes, key: bytes) -> bool:
        """Through the channel of the old key."""
        panel = Panel(address=self._unit, key=old)
        if not self._until(panel, lambda: panel.online and panel.secure):
            return False
        self.may_have_it = True
        return panel.give(new_key(key)) and self._until(panel, lambda: False, finished=True)

    def prove(self, key: bytes) -> Identity | None:
        """Begin again as a gate does."""
        panel = Panel(address=self._unit, key=key)
        if not self._until(panel, lambda: panel.online and panel.secure):
            return None
        return identity(panel.about())

    def _until(self, panel: Panel, come: Callable[[], bool], *, finished: bool = False) -> bool:
        """Serve the line until something has come true, or (``finished``) the command has a good end."""
        until_s = self._monotonic_s() + self._within_s
        while self._monotonic_s() < until_s:
            ready, _, _ = select.select([self._port.fileno()], [], [], _TURN_S)
            if ready:
                data = self._port.read()
                self.heard |= bool(data)
                panel.hear(data)
            try:
                panel.turn()
            except PanelBrokenError:
                return False
            self.may_have_it |= panel.plain and panel.secure
            if panel.speaks:
                self._port.write(panel.take())
            for note in panel.take_notes():
                match note:
                    case Finished() if finished:
                        return note.ok
                    case GaveUp():
                        return False
                    case _:
                        pass
            if come():
                return True
        return False
