"""What leaves this machine: secrets and phone numbers out of it, and secrets back into what comes in again."""

import re
from typing import Any, Final

from shell.masking import MASK, masked, masked_text, masked_value

__all__ = ["MASK", "masked", "masked_numbers", "masked_text", "unmasked"]

_PHONE: Final = re.compile(r"(?<!\d)(\+?\d{7,12})(\d{4})(?!\d)")


def masked_numbers(text: str) -> str:
    """A text in which of phone numbers only the last four digits are left."""
    return _PHONE.sub(lambda found: f"{MASK}{found[2]}", text)


def unmasked(content: Any, present: Any) -> Any:
    """The same values with every ``***`` replaced by what stands there at present."""
    if isinstance(content, dict):
        held = present if isinstance(present, dict) else {}
        return {name: unmasked(value, held.get(name)) for name, value in content.items()}
    if isinstance(content, list):
        return [unmasked(value, _same(value, at, present)) for at, value in enumerate(content)]
    if isinstance(content, str) and MASK in content and isinstance(present, str | int):
        return present if content in (MASK, masked_value(str(present))) else content
    return content


def _same(value: Any, at: int, present: Any) -> Any:
    """The entry of a list that has the same name, or stands at the same place."""
    held = present if isinstance(present, list) else []
    name = value.get("name") if isinstance(value, dict) else None
    for entry in held:
        if name is not None and isinstance(entry, dict) and entry.get("name") == name:
            return entry
    return held[at] if name is None and at < len(held) else None
