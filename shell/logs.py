"""Structured logs on stderr: one line an event, personal data masked before it can be written."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Final

import structlog

from shell.text import CONTROL

_PHONE: Final = re.compile(r"(?<!\d)(\+?\d{1,3}[- ]?)?(1\d{2})\d{4}(\d{4})(?!\d)")
_E164: Final = re.compile(r"\+([1-9]\d)\d{3,11}(\d{2})(?!\d)")  # what _PHONE leaves: 7 to 15 digits
_TYPED: Final = re.compile(
    r"(?<!\d)\+?(?:\d[- ()]{0,2}){7,}(\d{4})(?!\d)"
)  # 11 digits or more, as people space them
_PASS_TEXT: Final = re.compile(r"GP1:[0-9A-Z $%*+\-./:]{12,}")


def mask(text: str) -> str:
    """Hide phone numbers and pass texts, and make control characters harmless on one line."""
    text = _PASS_TEXT.sub("GP1:…", text)
    text = _PHONE.sub(r"\2****\3", text)
    text = _E164.sub(r"+\1****\2", text)
    return CONTROL.sub(lambda found: f"\\x{ord(found.group()):02x}", text)


def mask_typed(text: str) -> str:
    """As ``mask``, for what people typed to be kept: of a long number, however spaced, the last four digits stay."""
    return mask(_TYPED.sub(r"****\1", text))


def _mask_event(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {key: _masked(value) for key, value in event.items()}


def _masked(value: Any) -> Any:
    """The value with every text in it masked; what is neither text nor plain data is written as its masked repr."""
    match value:
        case str():
            return mask(value)
        case None | bool() | int() | float():
            return value
        case dict():
            return {_masked(key): _masked(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_masked(inner) for inner in value]
        case _:
            return mask(repr(value))


class MaskingFormatter(logging.Formatter):
    """What libraries log, tracebacks too, on one masked line: theirs hold whatever an exception quoted."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        return mask(super().format(record))


def set_up_logs(program: str, *, json: bool = False, level: int = logging.INFO) -> None:
    """Configure logs for one process.

    Args:
        program: Name put on every line, for example ``postern-edge``.
        json: One JSON object a line (for journald) instead of readable text.
        level: Lowest level that is written, as in ``logging``.
    """
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=32)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _mask_event,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.bind_contextvars(program=program)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(MaskingFormatter("%(name)s: %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING)


def get_logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """A logger whose lines carry ``part=name``."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger(part=name)
    return logger
