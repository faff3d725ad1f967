"""The keys of a ``gate.toml`` and what each takes; what must fit together is ``drivers.tool.config_check``'s."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from zoneinfo import ZoneInfo

from drivers.registry import PROTOCOLS, Options
from passes.vocabulary import GATES_MAX

Check = Callable[[Any], str | None]
"""None for a good value, or what to write instead."""

PULSE_MS: Final = (100, 2000)
CHANNELS_MAX: Final = 32


@dataclass(frozen=True, slots=True)
class Key:
    """One key: how its value is checked, and whether it must be there."""

    check: Check
    needed: bool = False


def text_like(pattern: str, hint: str) -> Check:
    """A text that matches all of ``pattern``; ``hint`` is an example."""
    found = re.compile(pattern)
    return lambda value: None if isinstance(value, str) and found.fullmatch(value) else hint


def number_in(least: float, most: float, *, whole: bool = True) -> Check:
    """A number in these limits."""
    hint = f"{least:g} … {most:g}"

    def check(value: Any) -> str | None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return hint
        return None if least <= value <= most and (isinstance(value, int) or not whole) else hint

    return check


def one_of(*words: str) -> Check:
    """One of these words."""
    return lambda value: None if value in words else " | ".join(words)


def _yes_no(value: Any) -> str | None:
    return None if isinstance(value, bool) else "true | false"


def _zone(value: Any) -> str | None:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, TypeError, OSError):
        return "Asia/Shanghai"
    return None


def _limit(value: Any) -> str | None:
    if number_in(1, 24 * 60)(value) is None:
        return None
    return text_like(r"([01]\d|2[0-3]):[0-5]0", '60 | "20:00"')(value)


def _day(value: Any) -> str | None:
    try:
        return None if isinstance(value, date) or date.fromisoformat(value) else ""
    except (TypeError, ValueError):
        return "2026-11-22"


def _anything(_value: Any) -> str | None:
    return None


_WORD: Final = text_like(r"[a-z][a-z0-9_]{0,39}", "a-z 0-9 _")
_PATH: Final = text_like(r"[^\x00]{1,500}", "PATH")
_CHANNEL: Final = number_in(1, CHANNELS_MAX)
CONTACT: Final = {"board": Key(_WORD, needed=True), "channel": Key(_CHANNEL, needed=True)}
EXPECT: Final = {
    "socket": Key(text_like(r".{0,100}", "1-2.4:1.0")),
    "usb": Key(text_like(r"([0-9a-f]{4}:[0-9a-f]{4})?", "1a86:7523")),
    "serial": Key(text_like(r".{0,100}", "SERIAL")),
}

SECTIONS: Final[Mapping[str, Mapping[str, Key]]] = {
    "gate": {
        "id": Key(text_like(r"[a-z0-9][a-z0-9-]{0,31}", "a-z 0-9 -"), needed=True),
        "site": Key(number_in(0, 65_535), needed=True),
        "number": Key(number_in(0, GATES_MAX - 1), needed=True),
        "name": Key(text_like(r".{1,60}", "1-60"), needed=True),
        "site_name": Key(text_like(r".{0,60}", "0-60")),
        "zone": Key(_zone, needed=True),
        "data_dir": Key(_PATH, needed=True),
        "keys": Key(_PATH, needed=True),
        "root": Key(text_like(r"[0-9a-f]{64}", "64 × 0-9 a-f")),
        "units": Key(_PATH, needed=True),
    },
    "broker": {"url": Key(text_like(r"mqtts?://[^\s/]+:\d{1,5}", "mqtts://HOST:8883"), needed=True)},
    "kiosk": {"host": Key(text_like(r"\S{1,200}", "127.0.0.1")), "port": Key(number_in(1, 65_535))},
    "policy": {
        name: Key(_yes_no)
        for name in (
            "static_needs_guard",
            "residents_when_clock_untrusted",
            "residents_when_bundle_stale",
            "bundle_required",
        )
    },
    "journal": {"receipted_mb": Key(number_in(16, 10_000))},
    "stay": {name: Key(_limit) for name in ("food", "courier", "renovation", "service", "other")},
}
LISTS: Final[Mapping[str, Mapping[str, Key]]] = {
    "board": {
        "name": Key(_WORD, needed=True),
        "protocol": Key(one_of(*PROTOCOLS), needed=True),
        "port": Key(_PATH, needed=True),
        **{name: Key(_anything) for name in Options.__annotations__},
        "echo": Key(_yes_no),
        "expect": Key(_anything),
    },
    "lane": {
        "name": Key(_WORD, needed=True),
        "direction": Key(one_of("entry", "exit", "both"), needed=True),
        "camera": Key(text_like(r".{1,500}", "http://… | rtsp://… | /dev/video0")),
        "scanner": Key(_WORD),
        "view": Key(_anything),
        "board": Key(_WORD, needed=True),
        "channel": Key(_CHANNEL),
        "side": Key(one_of("left", "right")),
        "pulse_ms": Key(number_in(*PULSE_MS)),
        "passage": Key(one_of("contact", "counter", "assumed", "presence"), needed=True),
        "contact": Key(_anything),
        "lamps": Key(_anything),
        "kind": Key(one_of("walk", "barrier")),
        "presence": Key(_anything),
        "needs_presence": Key(_yes_no),
        "close": Key(_anything),
        "entry": Key(_anything),
        "exit": Key(_anything),
        "passage_wait_s": Key(number_in(1, 60, whole=False)),
        "release": Key(one_of("pulse_to_open", "energise_to_lock"), needed=True),
        "on_power_loss": Key(one_of("open", "locked", "as_is"), needed=True),
        "tested_by": Key(text_like(r"\s*\S.{0,59}", "1-60")),
        "tested_on": Key(_day),
    },
    "input": {
        "role": Key(one_of("fire", "exit_button", "tamper", "door"), needed=True),
        "board": Key(_WORD, needed=True),
        "channel": Key(_CHANNEL, needed=True),
        "lane": Key(_WORD),
        "normally": Key(one_of("open", "closed")),
    },
}
