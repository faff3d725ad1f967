"""Secrets out of what is shown or sent in: passwords in addresses, PINs, tokens. What is masked says that it is."""

import re
from collections.abc import Mapping
from typing import Any, Final

MASK: Final = "***"
_SECRET_KEYS: Final = re.compile(r"(^|_)(pin|password|passwd|secret|token|key)$", re.IGNORECASE)
_USER_INFO: Final = re.compile(r"(?<=://)[^/@\s:]+:[^/@\s]+(?=@)")
_PHONE: Final = re.compile(r"(?<!\d)(\+?\d{7,12})(\d{4})(?!\d)")


def masked(content: Any, key: str = "") -> Any:
    """The same values with every secret replaced by ``***``."""
    if isinstance(content, Mapping):
        return {name: masked(value, str(name)) for name, value in content.items()}
    if isinstance(content, list):
        return [masked(value, key) for value in content]
    if _SECRET_KEYS.search(key) and content not in ("", None):
        return MASK
    return masked_text(content) if isinstance(content, str) else content


def masked_text(text: str) -> str:
    """A text without the user and password of the addresses in it."""
    return _USER_INFO.sub(MASK, text)


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
        return present if content in (MASK, masked_text(str(present))) else content
    return content


def _same(value: Any, at: int, present: Any) -> Any:
    """The entry of a list that has the same name, or stands at the same place."""
    held = present if isinstance(present, list) else []
    name = value.get("name") if isinstance(value, dict) else None
    for entry in held:
        if name is not None and isinstance(entry, dict) and entry.get("name") == name:
            return entry
    return held[at] if name is None and at < len(held) else None
