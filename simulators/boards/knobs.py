"""Faults of a line, each with a name that a command line can turn: ``--knob latency_ms=20 --knob drop=0.01``."""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Final, Literal, cast

NO_WORDS: Final = {"no", "off", "0", "false"}
YES_WORDS: Final = {"yes", "on", "1", "true"}
_SHARES: Final = {
    "drop",
    "duplicate",
    "flip",
    "drop_sent",
    "flip_sent",
    "late",
    "no_reply",
    "wrong_unit",
    "stale",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Knobs:
    """What is wrong with a line. Shares are probabilities from 0 to 1; nothing is wrong by default."""

    latency_ms: float = 0.0  # before each answer
    jitter_ms: float = 0.0  # and up to so much more
    pace: bool = False  # every byte takes its time at the speed of the line, both ways
    split: int = 0  # answers come in pieces of at most so many bytes ...
    split_gap_ms: float = 2.0  # ... so far apart
    merge_ms: float = 0.0  # answers are held and come together, as a USB adapter's buffer does
    drop: float = 0.0  # share of bytes of answers that are lost ...
    duplicate: float = 0.0  # ... that come twice ...
    flip: float = 0.0  # ... in which one bit is wrong
    drop_sent: float = 0.0  # share of the host's bytes that are lost on the way to the device ...
    flip_sent: float = 0.0  # ... and in which one bit is wrong
    echo: bool = False  # the host hears itself, as on a two-wire adapter
    late: float = 0.0  # share of answers that come late_ms later
    late_ms: float = 500.0
    no_reply: float = 0.0  # share of answers that never come; the device has obeyed
    wrong_unit: float = 0.0  # share of answers that the neighbour on the line seems to give
    stale: float = 0.0  # share of answers that are those to the command before
    wrong_baud: Literal["silent", "noise"] = (
        "silent"  # what the host hears at another speed than the device's
    )


class KnobError(ValueError):
    """A knob that does not exist or cannot be turned so far."""


def turn(knobs: Knobs, settings: Iterable[str]) -> Knobs:
    """Turn knobs by ``name=value`` texts; raises ``KnobError`` with the name and what it takes."""
    kinds = {field.name: field.type for field in fields(Knobs)}
    turned: dict[str, object] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or name not in kinds:
            raise KnobError(f"there is no knob {setting!r}; a line has {', '.join(kinds)}")
        turned[name] = _value(name, text)
    return replace(knobs, **turned)  # type: ignore[arg-type]  # each was read by its field's kind


def _value(name: str, text: str) -> object:
    default = getattr(Knobs(), name)
    if isinstance(default, bool):
        if text.lower() not in YES_WORDS | NO_WORDS:
            raise KnobError(f"{name} is on or off, not {text!r}")
        return text.lower() in YES_WORDS
    if isinstance(default, str):
        if text not in ("silent", "noise"):
            raise KnobError(f"{name} is silent or noise, not {text!r}")
        return text
    return number(name, text, most=1.0 if name in _SHARES else 600_000.0, whole=isinstance(default, int))


def number(name: str, text: str, *, most: float, whole: bool = False) -> float:
    """Read a number from 0 to ``most``; raises ``KnobError``."""
    try:
        value = cast("float", int(text) if whole else float(text))
    except ValueError:
        raise KnobError(f"{name} takes a number, not {text!r}") from None
    if not 0 <= value <= most:
        raise KnobError(f"{name} lies between 0 and {most:g}, not at {text}")
    return value
