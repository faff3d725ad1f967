"""TOML from outside, read only when it is not nested deeply.

A key of n names costs the library n² steps, and what is nested deeply ends whoever walks through it by recursion. So
the brackets and the dots of a text are counted before it is read, in one pass.
"""

import re
import tomllib
from typing import Any, Final

DEPTH_MAX: Final = 32  # a gate's file has four levels
_TOKEN: Final = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!""))*+(?:"{3,5}|$)'  # texts of several lines first; what they say may end in quotes
    r"|'''(?:[^']|'(?!''))*+(?:'{3,5}|$)"
    r'|(?P<word>"(?:[^"\\\n]|\\[^\n])*+"?|\'[^\'\n]*+\'?|[A-Za-z0-9_+-]++)'
    r"|(?P<space>[ \t]++)|(?P<dot>\.)|(?P<opens>[\[{])|(?P<closes>[\]}])|\#[^\n]*+|[^\"'\w \t.\[\]{}#+-]++|.",
    re.DOTALL,
)


def depth_of(text: str) -> int:
    """How deep the brackets of a TOML or JSON text are nested, or of how many names its longest key is made."""
    deepest = inside = names = 0
    joined = False
    for token in _TOKEN.finditer(text):
        match token.lastgroup:
            case "space":
                continue
            case "word":
                names = names + 1 if joined else 1
            case "dot":
                joined = True
                continue
            case "opens":
                inside += 1
            case "closes":
                inside -= 1
        joined = False
        deepest = max(deepest, inside, names)
    return deepest


def toml_of(text: str) -> dict[str, Any]:
    """What a TOML text says.

    Raises:
        tomllib.TOMLDecodeError: It is none, or is nested more deeply than ``DEPTH_MAX``.
    """
    if depth_of(text) > DEPTH_MAX:
        raise tomllib.TOMLDecodeError(f"it is nested deeper than {DEPTH_MAX} levels")
    return tomllib.loads(text)
