"""A gate's values as one JSON document, and back: what JSON has no word for is marked, and comes back as what it was.

A day is written as ``{"toml": "date", "value": "2026-11-22"}``. A table of the file's own that would look like such a
mark is marked itself.
"""

import math
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from typing import Any, Final

EXPORT: Final = "postern gate.toml"  # what an exported file says that it is
VERSION: Final = 2  # before that, days and times were plain texts
_MARK: Final = {"toml", "value"}
_READ: Final[Mapping[str, Callable[[str], Any]]] = {
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "float": float,
}


class TravelError(ValueError):
    """This is no exported document, or it is damaged."""


def packed(content: Mapping[str, Any]) -> dict[str, Any]:
    """The document for these values."""
    return {"v": VERSION, "what": EXPORT, "content": _packed(dict(content))}


def unpacked(document: Any) -> dict[str, Any]:
    """The values of a document; raises ``TravelError``."""
    if not isinstance(document, dict) or document.get("what") != EXPORT:
        raise TravelError("it does not say that it is one")
    version, content = document.get("v"), document.get("content")
    if not isinstance(version, int) or not 1 <= version <= VERSION:
        raise TravelError(f"it is of version {version!r}, and this program knows 1 to {VERSION}")
    if not isinstance(content, dict):
        raise TravelError("it has no content")
    return content if version == 1 else {name: _unpacked(value) for name, value in content.items()}


def _packed(value: Any) -> Any:
    match value:
        case Mapping():
            inner = {name: _packed(each) for name, each in value.items()}
            return {"toml": "table", "value": inner} if inner.keys() == _MARK else inner
        case list() | tuple():
            return [_packed(each) for each in value]
        case datetime():
            return {"toml": "datetime", "value": value.isoformat()}
        case date():
            return {"toml": "date", "value": value.isoformat()}
        case time():
            return {"toml": "time", "value": value.isoformat()}
        case float() if not math.isfinite(value):
            return {"toml": "float", "value": repr(value)}
        case _:
            return value


def _unpacked(value: Any) -> Any:
    if isinstance(value, list):
        return [_unpacked(each) for each in value]
    if not isinstance(value, dict):
        return value
    if value.keys() != _MARK:
        return {name: _unpacked(each) for name, each in value.items()}
    kind, inner = value["toml"], value["value"]
    if kind == "table" and isinstance(inner, dict):
        return {name: _unpacked(each) for name, each in inner.items()}
    read = _READ.get(kind) if isinstance(kind, str) else None
    if read is None or not isinstance(inner, str):
        raise TravelError(f"it has a value of an unknown kind: {kind!r}")
    try:
        return read(inner)
    except ValueError as error:
        raise TravelError(f"{inner!r} is no {kind}") from error
