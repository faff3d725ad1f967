"""Secrets out of what is shown: passwords in addresses, PINs, tokens. What is masked says that it is."""

import re
from collections.abc import Mapping
from typing import Any, Final

MASK: Final = "***"
_SECRET_KEYS: Final = re.compile(
    r"(^|[_-]|api|access|auth)(pin|pwd|password|passwd|passphrase|secret|token|key)$", re.IGNORECASE
)
# A password may hold a space or a quote. What looks like a port is none, and no password goes on into another address.
_USER_INFO: Final = re.compile(
    r"(?<=://)(?:[^/?#@:\r\n]*:(?!\d{1,5}(?:[\s/?#\"']|$))(?:(?!://)[^\r\n]){0,80}(?=@[\w\[])|[^\s\"]*(?=@))"
)
_WHOLE_USER_INFO: Final = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*://).*@|^[^@]*:.*@", re.DOTALL)
_QUERY: Final = r"([?&][\w-]*(?:pass(?:word|wd|phrase)?|pwd|pw|token|secret|key|pin|auth|sig|signature)=)"
_IN_QUERY: Final = re.compile(_QUERY + r"[^&#\s\"]+", re.IGNORECASE)
_IN_WHOLE_QUERY: Final = re.compile(_QUERY + r"[^&#]+", re.IGNORECASE)


def masked(content: Any, key: str = "") -> Any:
    """The same values with every secret replaced by ``***``."""
    if isinstance(content, Mapping):
        is_secret = _SECRET_KEYS.search(key) is not None
        return {name: masked(value, key if is_secret else str(name)) for name, value in content.items()}
    if isinstance(content, list):
        return [masked(value, key) for value in content]
    if _SECRET_KEYS.search(key) and content not in ("", None):
        return MASK
    return masked_value(content) if isinstance(content, str) else content


def masked_text(text: str) -> str:
    """A running text without the users and passwords of the addresses in it."""
    return _IN_QUERY.sub(rf"\g<1>{MASK}", _USER_INFO.sub(MASK, text))


def masked_value(value: str) -> str:
    """One value, which may be an address, without user and password, whatever signs these are made of."""
    bare = _WHOLE_USER_INFO.sub(lambda found: f"{found[1] or ''}{MASK}@", value)
    return _IN_WHOLE_QUERY.sub(rf"\g<1>{MASK}", bare)
