"""TOML as text: a whole file from values, and one value changed in a file that keeps its comments.

The standard library only reads TOML. What is written here is read back and compared before anybody gets it.
"""

import re
import tomllib
from collections.abc import Mapping
from datetime import date, time
from typing import Any, Final

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_HEADING: Final = re.compile(r"\s*(\[\[?)\s*([^\]#]+?)\s*\]\]?\s*(#.*)?$")


class NotFoundError(LookupError):
    """The file has no such table; ``where`` names it."""

    def __init__(self, where: str) -> None:
        super().__init__(f"there is no {where} in this file")
        self.where = where


def to_toml(content: Mapping[str, Any], *, notes: Mapping[str, str] | None = None) -> str:
    """A file of values, tables and arrays of tables; ``notes`` are comments above them, by ``gate`` or ``lane.entry``.

    Values that stand in no table come first, for behind a heading they would belong to it.
    """
    notes = notes or {}
    lines = [
        f"{_key(name)} = {value_text(value)}" for name, value in content.items() if not _has_heading(value)
    ]
    lines += [""] if lines else []
    for name, value in content.items():
        if not _has_heading(value):
            continue
        listed = isinstance(value, list)
        for entry in value if listed else [value]:
            note = notes.get(f"{name}.{entry.get('name')}" if listed else name)
            lines += [f"# {line}" for line in (note or "").splitlines()]
            lines.append(f"[[{_key(name)}]]" if listed else f"[{_key(name)}]")
            lines += [f"{_key(key)} = {value_text(each)}" for key, each in entry.items()]
            lines.append("")
    made = "\n".join(lines)
    assert same(tomllib.loads(made), dict(content)), "what was written does not read back as what was meant"
    return made


def same(one: Any, other: Any) -> bool:
    """Whether two values are alike in TOML: of one type, and a number that is none is like itself."""
    match one, other:
        case Mapping(), Mapping():
            return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
        case list() | tuple(), list() | tuple():
            return len(one) == len(other) and all(map(same, one, other))
        case float(), float():
            return one == other or (one != one and other != other)  # noqa: PLR0124  # only NaN differs from itself
        case _:
            return type(one) is type(other) and bool(one == other)


def _has_heading(value: Any) -> bool:
    """Whether it is written as a table, or as an array of tables."""
    if isinstance(value, list):
        return bool(value) and all(isinstance(entry, Mapping) for entry in value)
    return isinstance(value, Mapping)


def value_text(value: Any) -> str:
    """One value as TOML writes it."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case date() | time():  # and with both of them
            return value.isoformat()
        case str():
            return '"' + "".join(_escaped(letter) for letter in value) + '"'
        case list() | tuple():
            return f"[{', '.join(value_text(each) for each in value)}]"
        case Mapping():
            inner = ", ".join(f"{_key(key)} = {value_text(each)}" for key, each in value.items())
            return f"{{ {inner} }}"
    raise TypeError(f"{type(value).__name__} has no place in a configuration file")


def parsed_value(words: str) -> Any:
    """What somebody typed for a value: a TOML value, or else the words themselves."""
    try:
        return tomllib.loads(f"value = {words}")["value"]
    except tomllib.TOMLDecodeError:
        return words


def with_value(text: str, path: list[str], value: Any) -> str:
    """The same file with one value changed; comments and order stay.

    Args:
        text: The file.
        path: ``["gate", "zone"]``, or ``["board", "relays", "port"]`` for a table of an array by its name.
        value: The new value.

    Raises:
        NotFoundError: There is no such table.
    """
    lines = text.splitlines(keepends=True)
    first, last = _table_lines(lines, path)
    key = path[-1]
    pattern = re.compile(rf"\s*\"?{re.escape(key)}\"?\s*=")
    for number in range(first, last):
        if pattern.match(lines[number]):
            lines[number] = _replaced(lines[number], key, value)
            break
    else:
        at = max(
            (n + 1 for n in range(first, last) if lines[n].strip() and not lines[n].lstrip().startswith("#")),
            default=first,
        )
        if at and not lines[at - 1].endswith("\n"):
            lines[at - 1] += "\n"
        lines.insert(at, f"{_key(key)} = {value_text(value)}\n")
    changed = "".join(lines)
    _demand_only(text, changed, path, value)
    return changed


def _table_lines(lines: list[str], path: list[str]) -> tuple[int, int]:
    """First line after the table's heading, and the line after its last."""
    headings = [(number, match) for number, line in enumerate(lines) if (match := _HEADING.match(line))]
    ends = [number for number, _ in headings[1:]] + [len(lines)]
    for (number, match), end in zip(headings, ends, strict=True):
        if match[2].strip().strip('"') != path[0]:
            continue
        if match[1] == "[" and len(path) == 2:
            return number + 1, end
        if match[1] == "[[" and len(path) == 3 and _name_in("".join(lines[number + 1 : end])) == path[1]:
            return number + 1, end
    raise NotFoundError(".".join(path[:-1]))


def _name_in(table: str) -> str:
    try:
        return str(tomllib.loads(table).get("name", ""))
    except tomllib.TOMLDecodeError:
        return ""


def _replaced(line: str, key: str, value: Any) -> str:
    """The line with another value; a comment behind it stays when it can be told from the value."""
    end = "\n" if line.endswith("\n") else ""
    fresh = f"{_key(key)} = {value_text(value)}"
    body = line.rstrip("\n")
    for at in (found.start() for found in re.finditer("#", body)):
        try:
            tomllib.loads(body[:at])
        except tomllib.TOMLDecodeError:
            continue
        gap = max(2, at - len(fresh))
        return f"{fresh}{' ' * gap}{body[at:]}{end}"
    return fresh + end


def _demand_only(before: str, after: str, path: list[str], value: Any) -> None:
    """Nothing but this value differs; anything else is a mistake of this module, found before it is written."""
    expected: Any = tomllib.loads(before)
    table = expected[path[0]]
    if len(path) == 3:
        table = next(entry for entry in table if entry.get("name") == path[1])
    table[path[-1]] = value
    assert same(tomllib.loads(after), expected), f"changing {'.'.join(path)} would change something else"


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else value_text(name)


def _escaped(letter: str) -> str:
    if letter in _ESCAPES:
        return _ESCAPES[letter]
    return f"\\u{ord(letter):04X}" if ord(letter) < 0x20 or ord(letter) == 0x7F else letter
