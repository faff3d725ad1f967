"""Templates: everything is escaped, a missing value is an error, and no text can disturb the text around it."""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

KIT_TEMPLATES: Final = Path(__file__).parent / "templates"
KIT_STATIC: Final = Path(__file__).parent / "static"
# Control characters, and the marks that turn the direction of the text that follows them.
_DISTURBING: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]"
)


def harmless(value: object) -> object:
    """Replace control and direction marks of a text by a visible sign; leave everything else as it is."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return _DISTURBING.sub("\ufffd", value)
    return value


def page_environment(folder: Path, **names: object) -> Environment:
    """A template environment for one application.

    Args:
        folder: Its templates; the kit's own come after them.
        names: Functions and values that every template sees.
    """
    environment = Environment(
        loader=FileSystemLoader([folder, KIT_TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=harmless,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals.update(names)
    return environment


def assets_version(*folders: Path) -> str:
    """Twelve hex digits over all files of the folders: a page that was loaded before an update reloads itself."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def both_tongues(chinese: Callable[..., str], english: Callable[..., str]) -> Callable[..., Markup]:
    """A template function that shows a text twice: Chinese first, English second, each marked for its reader."""

    def both(text: str, **values: object) -> Markup:
        return two_lines(chinese(text, **values), english(text, **values))

    return both


def two_lines(chinese: str, english: str) -> Markup:
    """Two texts as two elements; the same text twice is shown once."""
    shown = Markup('<span class="zh" lang="zh-CN">{}</span>').format(harmless(chinese))
    if chinese == english:
        return shown
    return shown + Markup(' <span class="en" lang="en">{}</span>').format(harmless(english))
