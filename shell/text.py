"""Text of one line, as people type it into forms and commands, and as it arrives from elsewhere.

A control character in a name or a reason could break a line of a log, turn a line round, or drive the terminal of
whoever reads it: what is typed here with one is refused, what comes from elsewhere is shown without.
"""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, StringConstraints

CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""Control characters, and those that break or turn a line."""
_INSTEAD: Final = "\ufffd"
_UNSEEN: Final = re.compile(
    r"[\x00-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff\ufff9-\ufffb]"
)  # CONTROL, and what has no width: two texts that look the same must be the same


def one_line(text: str) -> str:
    """The text with each control character replaced by one that only shows where it was; as long as before."""
    return CONTROL.sub(_INSTEAD, text)


def visible(text: str, *, keep: str = "") -> str:
    """The text with each control character and mark without width spelt out, as ``\\x1b`` or ``\\u202e``.

    For a terminal that shows what a device or a file said: nothing in it moves the cursor, hides or turns a line.

    Args:
        text: From elsewhere.
        keep: Characters that stay, for example a line's end.
    """
    return _UNSEEN.sub(lambda found: found[0] if found[0] in keep else _spelt(found[0]), text)


def visible_json(dumped: str) -> str:
    """A JSON document that says the same, with ``visible`` for the characters inside its texts."""
    return _UNSEEN.sub(lambda found: found[0] if found[0] == "\n" else f"\\u{ord(found[0]):04x}", dumped)


def without_control(text: str) -> str:
    """The text as it is; raises ``ValueError`` when it holds a control character."""
    if CONTROL.search(text):
        raise ValueError("must be one line without control characters")
    return text


OneLine = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1), AfterValidator(without_control)
]
"""Something said on one line; add ``StringConstraints(max_length=…)`` for a bound."""

Cleaned = Annotated[str, AfterValidator(one_line)]
"""Text from elsewhere, which is taken whatever it holds."""


def _spelt(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"
