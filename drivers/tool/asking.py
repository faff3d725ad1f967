"""Asking one device of one family who it is: the bytes, the listening between them, and never a driver."""

from drivers.model import LineSettings
from drivers.port import Port
from drivers.tool.candidates import Candidate
from drivers.tool.families import Family
from drivers.tool.wire import collect

QUIET_S = 0.05  # between two questions; and everybody's frame timer has run out


def ask_family(port: Port, family: Family) -> tuple[Candidate | None, bytes]:
    """Send the family's bytes, one after the other until one is answered; the proof, and all that was heard.

    Raises:
        PortLostError: The port went away.
    """
    heard = b""
    found: Candidate | None = None
    for write in family.writes:
        port.write(write)
        said = collect(port, family.within_s)
        heard += said
        found = family.read(said)
        if found is not None:
            break
        collect(port, QUIET_S)
    if family.closing:
        port.write(family.closing)
        collect(port, QUIET_S)
    return found, heard


def at_speed(family: Family, baud: int | None) -> LineSettings:
    """The family's line, or the same at another speed."""
    line = family.line
    return line if baud is None else LineSettings(baud=baud, parity=line.parity, stop_bits=line.stop_bits)
