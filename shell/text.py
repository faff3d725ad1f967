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


def one_line(text: str) -> str:
    """The text with each control character replaced by one that only shows where it was; as long as before."""
    return CONTROL.sub(_INSTEAD, text)


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
