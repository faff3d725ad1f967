"""What is wrong with a ``gate.toml``: nothing, exactly where the gate would start with it.

``drivers.gate.config`` judges, for the gate and for the tool alike. Here its words get company in both languages: a
wrong key has the right one suggested, and a wrong value an example.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from drivers.gate.config import judge
from drivers.tool.config_keys import CONTACT, EXPECT, LISTS, SECTIONS, Key
from drivers.tool.console import NOTHING, both
from passes.words import Pair
from shell.masking import masked
from shell.settings import PROBLEMS_MAX, words_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One problem: where (``lane.entry.channel``), what, and what to do."""

    where: str
    what: Pair
    remedy: Pair = NOTHING

    def words(self, file: str) -> Pair:
        """The problem with its place."""
        return Pair(f"{file}：{self.where}：{self.what.zh}", f"{file}: {self.where}: {self.what.en}")


NEEDED: Final = ("gate", "broker", "board", "lane")


def problems_of(content: Mapping[str, Any], base: Path = Path()) -> list[Problem]:
    """What is wrong with the content of a gate's file, up to a bound; ``base`` is the folder of the file."""
    try:
        judge(content, base)
    except ValidationError as error:
        named = list(islice(_found(content), PROBLEMS_MAX))
        told = [_told(each, content) for each in error.errors()[:PROBLEMS_MAX]]
        return named + [each for each in told if not any(_is_about(each.where, one.where) for one in named)]
    return []


def _told(error: ErrorDetails, content: Mapping[str, Any]) -> Problem:
    """What the gate would say, at the place as the tool writes it."""
    what = both(words_of(error))
    return Problem(
        where=_place(error["loc"], content), what=Pair(error.get("ctx", {}).get("zh", what.zh), what.en)
    )


def _place(location: tuple[int | str, ...], content: Mapping[str, Any]) -> str:
    """``lane.entry.channel`` for ``("lane", 0, "channel")``."""
    parts = [str(part) for part in location]
    if len(location) > 1 and isinstance(location[1], int):
        entry = content[parts[0]][location[1]]
        name = entry.get("name") if isinstance(entry, dict) else None
        parts[1] = name if isinstance(name, str) else str(location[1] + 1)
    return ".".join(parts)


def _is_about(told: str, named: str) -> bool:
    return f"{told}.".startswith(f"{named}.") or f"{named}.".startswith(f"{told}.")


def known_keys() -> list[str]:
    """Every key in words: ``gate.zone``, ``board.NAME.port``."""
    plain = [f"{section}.{key}" for section, keys in SECTIONS.items() for key in keys]
    listed = [f"{section}.NAME.{key}" for section, keys in LISTS.items() for key in keys]
    return plain + listed


def _found(content: Mapping[str, Any]) -> Iterator[Problem]:
    names = [*SECTIONS, *LISTS]
    for name in content:
        if name not in names:
            yield _unknown(name, name, names)
    for name in NEEDED:
        if not content.get(name):
            yield Problem(where=name, what=Pair("缺少这一节", "this section is missing"))
    for name, keys in SECTIONS.items():
        if name in content:
            yield from _table(name, content[name], keys)
    for name, keys in LISTS.items():
        yield from _list(name, content.get(name, []), keys)
    for name, key, inner in (("board", "expect", EXPECT), ("lane", "contact", CONTACT)):
        for number, entry in enumerate(_tables(content, name), start=1):
            if key in entry:
                yield from _table(f"{name}.{entry.get('name', number)}.{key}", entry[key], inner)


def _table(where: str, found: Any, keys: Mapping[str, Key]) -> Iterator[Problem]:
    if not isinstance(found, dict):
        yield Problem(where=where, what=Pair("应当是一节 [..]", "must be a section"))
        return
    for name, value in found.items():
        key = keys.get(name)
        if key is None:
            yield _unknown(f"{where}.{name}", name, list(keys))
            continue
        hint, shown = key.check(value), masked(value, name)
        if hint is not None:
            yield Problem(
                where=f"{where}.{name}",
                what=Pair(f"不能是 {shown!r}", f"cannot be {shown!r}"),
                remedy=Pair(f"写：{hint}", f"write: {hint}"),
            )
    for name, key in keys.items():
        if key.needed and name not in found:
            yield Problem(where=f"{where}.{name}", what=Pair("缺少这个键", "this key is missing"))


def _list(name: str, found: Any, keys: Mapping[str, Key]) -> Iterator[Problem]:
    if not isinstance(found, list):
        yield Problem(where=name, what=Pair(f"应当写成 [[{name}]]", f"must be written as [[{name}]]"))
        return
    seen: set[str] = set()
    for number, entry in enumerate(found, start=1):
        own = entry.get("name") if isinstance(entry, dict) else None
        where = f"{name}.{own if isinstance(own, str) else number}"
        yield from _table(where, entry, keys)
        if isinstance(own, str) and own in seen:
            yield Problem(where=where, what=Pair("名称重复", "this name is taken twice"))
        seen.add(own if isinstance(own, str) else "")


def _unknown(where: str, name: str, known: list[str]) -> Problem:
    close = get_close_matches(name, known, n=1)
    return Problem(
        where=where,
        what=Pair(f"不认识 {name!r}", f"{name!r} is unknown"),
        remedy=Pair(f"是不是 {close[0]!r}？", f"did you mean {close[0]!r}?")
        if close
        else Pair(f"可用：{', '.join(known)}", f"there are: {', '.join(known)}"),
    )


def _tables(content: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = content.get(name)
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []
