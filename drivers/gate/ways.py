"""A lane that leads both ways: one table of the file, and the two lanes that a gate makes of it.

Both lead through one opening: what opens it and what sees people is said once, and what reads codes for each direction.
Where the two directions have contacts or sides of their own, a walk against the granted direction can be told.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from drivers.gate.hardware import LaneSection, told
from drivers.gate.problem import Where
from passes.vocabulary import Direction
from passes.words import Pair
from shell.names import Word

BOTH: Final = "both"
OWN: Final = frozenset(
    {"camera", "scanner", "view", "channel", "side", "contact", "lamps", "pulse_ms", "needs_presence"}
)
"""What ``[lane.entry]`` and ``[lane.exit]`` may hold."""


class WaySection(LaneSection):
    """One direction of a lane that leads both ways, called after both."""

    of: Word

    @property
    def opening(self) -> str:
        """The lane of the file."""
        return self.of


def lanes_of(tables: object) -> object:
    """The lanes that the ``[[lane]]`` tables of a file come to; raises ``ValidationError`` by places in the file."""
    if not isinstance(tables, Sequence) or isinstance(tables, str | bytes):
        return tables  # pydantic says what it must be
    found: list[LaneSection] = []
    problems: list[InitErrorDetails] = []
    for at, table in enumerate(tables):
        try:
            found += _ways(table) if _leads_both_ways(table) else [LaneSection.model_validate(table)]
        except ValidationError as error:
            problems += [_placed(one, (at, *one["loc"])) for one in error.errors(include_url=False)]
    if problems:
        raise ValidationError.from_exception_data("lane", problems)
    return found


def file_places(lanes: Sequence[LaneSection]) -> list[int]:
    """Of each lane the number of its table in the file, from 0."""
    places: list[int] = []
    before: str | None = None
    for lane in lanes:
        follows = isinstance(lane, WaySection) and lane.opening == before
        places.append(places[-1] if follows else len(set(places)))
        before = lane.opening
    return places


def in_file(where: Where, places: Sequence[int]) -> Where:
    """Where a problem of a lane stands in the file."""
    match where:
        case ("lane", int(at), *rest):
            return ("lane", places[at], *rest)
        case _:
            return where


def each_way(table: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The tables of the lanes that one table of a file comes to, as they stand there, right or wrong."""
    if not _leads_both_ways(table):
        return [table]
    return [_whole(table, way) for way in Direction]


def _leads_both_ways(table: object) -> bool:
    return isinstance(table, Mapping) and table.get("direction") == BOTH


def _ways(table: Mapping[str, Any]) -> list[LaneSection]:
    problems = list(_misplaced(table, _shared(table)))
    if problems:
        raise ValidationError.from_exception_data("lane", problems)
    found: list[LaneSection] = []
    for way in Direction:
        try:
            found.append(WaySection.model_validate(_whole(table, way)))
        except ValidationError as error:
            for one in error.errors(include_url=False):
                key = "name" if one["loc"][:1] == ("of",) else one["loc"][0] if one["loc"] else ""
                loc = (way.value, *one["loc"]) if key in table[way.value] else (key, *one["loc"][1:])
                problems.append(_placed(one, loc))
    if problems:
        unlike = {(one["loc"], str(one["type"])): one for one in problems}  # what both lack is said once
        raise ValidationError.from_exception_data("lane", list(unlike.values()))
    return found


def _shared(table: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if key not in {*Direction} and key != "direction"}


def _whole(table: Mapping[str, Any], way: Direction) -> dict[str, Any]:
    """One way with what it shares."""
    shared, own, name = _shared(table), table.get(way.value), table.get("name")
    own = own if isinstance(own, Mapping) else {}
    return {**shared, **own, "direction": way.value, "of": name, "name": f"{name}_{way.value}"}


def _misplaced(table: Mapping[str, Any], shared: Mapping[str, Any]) -> Iterator[InitErrorDetails]:
    if "of" in shared:
        yield InitErrorDetails(type="extra_forbidden", loc=("of",), input=shared["of"])
    for way in Direction:
        own = table.get(way.value)
        if not isinstance(own, Mapping):
            words = Pair(
                'direction = "both" 要有 [lane.entry] 和 [lane.exit]，各写本方向的读码设备',
                'direction = "both" needs [lane.entry] and [lane.exit], each with the reader of its direction',
            )
            yield InitErrorDetails(type=told(words), loc=(way.value,), input=None)
            continue
        for key in own:
            if key not in OWN:
                words = Pair(
                    f"{key} 属于整条通道：写在 [[lane]] 里。这里可以写：{', '.join(sorted(OWN))}",
                    f"{key} is the whole lane's: write it in [[lane]]. Here may stand: {', '.join(sorted(OWN))}",
                )
                yield InitErrorDetails(type=told(words), loc=(way.value, key), input=None)
            elif key in shared:
                words = Pair(
                    f"{key} 在 [[lane]] 里已经写过，只写一处",
                    f"{key} stands in [[lane]] already: write it once",
                )
                yield InitErrorDetails(type=told(words), loc=(way.value, key), input=None)


def _placed(one: ErrorDetails, loc: tuple[int | str, ...]) -> InitErrorDetails:
    """The same problem at another place."""
    if one["type"] == "hardware":
        custom = PydanticCustomError("hardware", "{words}", one["ctx"])
        return InitErrorDetails(type=custom, loc=loc, input=None)
    return InitErrorDetails(type=one["type"], loc=loc, input=one["input"], ctx=one.get("ctx", {}))
