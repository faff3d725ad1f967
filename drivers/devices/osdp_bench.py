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
from pathlib import Path
from typing import Final

from drivers.devices.osdp_commands import new_key
from drivers.devices.osdp_key import read_key, write_new_key
from drivers.devices.osdp_panel import Finished, GaveUp, Panel, PanelBrokenError
from drivers.devices.osdp_states import identity
from drivers.model import Identity
from drivers.port import Port

WITHIN_S: Final = 5.0  # a reader is secure within one second
_TURN_S: Final = 0.010


class KeySettingError(Exception):
    """The reader was not given a key, or it is not known whether it was; ``pending`` then has the new one."""

    def __init__(self, why: str, *, pending: Path | None = None) -> None:
        kept = f" Keep {pending}: the reader may have the key in it" if pending else ""
        super().__init__(why + kept)
        self.pending = pending


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
        PortError: The line cannot be used.
        OsdpMissingError: libosdp is not installed.
    """
    from_default = not key_file.exists()
    if from_default and not on_a_bench:
        raise KeySettingError(
            f"There is no key in {key_file} yet, so the reader would be spoken to with the published default key. "
            "Take it to a bench, alone on its cable, and confirm that"
        )
    old = None if from_default else read_key(key_file)
    pending = key_file.with_name(key_file.name + ".new")
    key = write_new_key(pending)
    talk = _Talk(port, unit=unit, within_s=within_s, monotonic_s=monotonic_s)
    port.open()
    try:
        told = talk.give_first(key) if old is None else talk.give_next(old, key)
        named = talk.prove(key) if told else None
    finally:
        port.close()
        if not talk.may_have_it:
            pending.unlink()
    if named is None:
        kept = pending if talk.may_have_it else None
        raise KeySettingError(_why(unit, from_default=from_default, told=told), pending=kept)
    pending.replace(key_file)
    return named


def _why(unit: int, *, from_default: bool, told: bool) -> str:
    if told:
        return f"Reader {unit} took the new key, and then did not use it."
    if from_default:
        return (
            f"Reader {unit} has no secure channel with the default key: it has a key already, is not in its "
            "installation mode, or does not answer. See its manual for how to reset it."
        )
    return f"Reader {unit} has no secure channel with the key that we have, or refused a new one."


class _Talk:
    """The line with one panel after the other."""

    def __init__(self, port: Port, *, unit: int, within_s: float, monotonic_s: Callable[[], float]) -> None:
        self._port, self._unit, self._within_s, self._monotonic_s = port, unit, within_s, monotonic_s
        self.may_have_it = False

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
                panel.hear(self._port.read())
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
