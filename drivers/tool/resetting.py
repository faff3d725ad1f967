"""A board's address or speed is changed: written once, read back where it must be now, and put back if that fails.

What each change comes to is a word: ``done``; ``refused``, the board says no or keeps what it had; ``power_cycle``, it
took the new speed and wants to be switched off and on; ``restored``, it was not to be found where it should be and has
its old setting again; ``unknown``, it answers nowhere.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final, Literal

import typer

from drivers.devices.modbus_frames import Question, Refusing
from drivers.devices.modbus_profile import Profile
from drivers.port import Port
from drivers.tool.console import asked, at_terminal, warn
from drivers.tool.lone_unit import answers, ask, ask_register, present
from passes.words import Pair

Result = Literal["done", "refused", "power_cycle", "restored", "unknown"]
AtSpeed = Callable[[int], AbstractContextManager[Port]]
_SURE: Final = "a profile that has a register has the questions for it"


def change_address(port: Port, board: Profile, *, old: int, new: int) -> Result:
    """Give the unit ``old`` the address ``new``; raises ``PortLostError``."""
    if isinstance(ask(port, _address(board, old, new)), Refusing):
        return "refused"
    if _is_at(port, board, new) and not present(port, (old,), what=Pair("核对", "Checking")).units:
        return "done"
    for unit in (new, old):
        ask(port, _address(board, unit, old))
        if _is_at(port, board, old):
            return "restored"
    return "unknown"


def change_speed(open_at: AtSpeed, board: Profile, *, unit: int, old: int, new: int) -> Result:
    """Write the code of the speed ``new``, look for the board there, and set it back to ``old`` if it is not there.

    Args:
        open_at: Opens the line at a speed.
        board: Must have a register for its speed.
        unit: The board's address.
        old: The speed at which it answers.
        new: Another one of its speeds.
    """
    with open_at(old) as port:
        if isinstance(ask(port, _speed(board, unit, new)), Refusing):
            return "refused"
    if _says(open_at, board, unit, at=new) == new:
        return "done"
    match _says(open_at, board, unit, at=old):
        case said if said == old:
            return "refused"
        case said if said == new:
            if not _switched_off_and_on():
                return "power_cycle"
            if _says(open_at, board, unit, at=new) == new:
                return "done"
    for speed in (new, old):
        with open_at(speed) as port:
            ask(port, _speed(board, unit, old))
    return "restored" if _says(open_at, board, unit, at=old) == old else "unknown"


def speed_said(port: Port, board: Profile, *, unit: int) -> tuple[int | None, int | None]:
    """The code in the register for the speed, and the speed that it means; None for what is not known."""
    assert board.speed is not None, _SURE
    code = ask_register(port, _speed(board, unit, None))
    return code, next((baud for baud, each in board.speed.codes.items() if each == code), None)


@contextmanager
def may_have_changed(words: Pair, **values: object) -> Iterator[None]:
    """Say so when a change is cut short: by a lost port, or by the person."""
    try:
        yield
    except (typer.Exit, KeyboardInterrupt):
        warn(words, **values)
        raise


def _says(open_at: AtSpeed, board: Profile, unit: int, *, at: int) -> int | None:
    with open_at(at) as port:
        return speed_said(port, board, unit=unit)[1]


def _switched_off_and_on() -> bool:
    """Whether somebody did it; nobody can where there is no terminal."""
    if not at_terminal():
        return False
    asked(
        Pair(
            "板已收下新速率，要断电后才生效。断电再上电，然后按回车",
            "The board took the new speed and wants to be switched off and on. Do that, then press Enter",
        )
    )
    return True


def _is_at(port: Port, board: Profile, unit: int) -> bool:
    """Whether the board answers at this address, and says that this is its own."""
    return ask_register(port, _address(board, unit, None)) == unit and answers(port, unit)


def _address(board: Profile, unit: int, new: int | None) -> Question:
    found = board.address_question(unit=unit, new=new)
    assert found is not None, _SURE
    return found


def _speed(board: Profile, unit: int, baud: int | None) -> Question:
    found = board.speed_question(unit=unit, baud=baud)
    assert found is not None, _SURE
    return found
