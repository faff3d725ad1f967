"""Phone numbers in one spelling, so that one number is one person wherever it is typed in."""

import re
from typing import Final

_SEPARATORS: Final = re.compile(r"[ \-().]")
_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_CHINA_MOBILE: Final = re.compile(r"1[3-9][0-9]{9}")


class PhoneNumberError(ValueError):
    """This is no phone number; the message says what to write instead, and never repeats what was written."""


def canonical_phone(text: str) -> str:
    """One spelling of a phone number, E.164: ``+8613800138000``. Eleven digits alone are a Chinese mobile.

    Raises:
        PhoneNumberError: The text is not a number that an SMS could reach.
    """
    digits = _SEPARATORS.sub("", text.strip())
    if digits.startswith("00"):
        digits = "+" + digits[2:]
    if _CHINA_MOBILE.fullmatch(digits):
        return f"+86{digits}"
    if digits.startswith("+86") and not _CHINA_MOBILE.fullmatch(digits[3:]):
        raise PhoneNumberError("a Chinese mobile number has 11 digits and begins with 1")
    if not is_canonical(digits):
        raise PhoneNumberError("write it as 13800138000 or +8613800138000")
    return digits


def is_canonical(text: str) -> bool:
    """Whether ``text`` is a number in E.164 form."""
    return _E164.fullmatch(text) is not None
