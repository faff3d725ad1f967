"""Words in two languages. The English text is the key; Chinese comes from ``.po`` files read at start.

There is no build step: a ``.po`` file is edited, the daemon restarts, the words are there. A test refuses entries
that are missing, empty or fuzzy.
"""

import io
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations

KIT_LOCALE: Final = Path(__file__).parent / "locale"
ENGLISH: Final = "en"
CHINESE: Final = "zh-CN"
LANGUAGES: Final = (CHINESE, ENGLISH)


def mark(text: str) -> str:
    """Name a text as translatable where it is written; the page translates it where it is shown."""
    return text


class Tongue:
    """One language: called with an English text it gives that text in its language.

    Args:
        code: Language tag as HTML wants it, ``zh-CN`` or ``en``.
        folders: Folders with ``zh_CN.po``; the page kit's own is always read too.
    """

    def __init__(self, code: str, folders: Iterable[Path] = ()) -> None:
        if code not in LANGUAGES:
            raise ValueError(f"No such language: {code!r}. There are: {', '.join(LANGUAGES)}")
        self.code = code
        self._words = NullTranslations()
        if code != ENGLISH:
            for folder in (KIT_LOCALE, *folders):
                self._words = _read(folder / f"{code.replace('-', '_')}.po", self._words)

    def __call__(self, text: str, **values: object) -> str:
        """Translate ``text`` and put ``values`` into its ``%(name)s`` places."""
        found = self._words.gettext(text)
        return found % values if values else found

    def duration(self, minutes: int) -> str:
        """A length of time in words: ``2 h 5 min``, in Chinese hours and minutes; never a bare zero."""
        if minutes <= 0:
            return self(mark("<1 min"))
        hours, rest = divmod(minutes, 60)
        if not hours:
            return self(mark("%(minutes)d min"), minutes=rest)
        if not rest:
            return self(mark("%(hours)d h"), hours=hours)
        return self(mark("%(hours)d h %(minutes)d min"), hours=hours, minutes=rest)


def clock_text(moment: datetime, *, zone: ZoneInfo, now: datetime, seconds: bool = False) -> str:
    """Local time of day, with month and day in front when that is not today."""
    local, today = moment.astimezone(zone), now.astimezone(zone).date()
    time = local.strftime("%H:%M:%S" if seconds else "%H:%M")
    return time if local.date() == today else f"{local:%m-%d} {time}"


def whole_minutes(later: datetime, earlier: datetime) -> int:
    """Minutes from ``earlier`` to ``later``, rounded down; negative when they are the other way round."""
    return int((later - earlier).total_seconds() // 60)


def _read(path: Path, below: NullTranslations) -> NullTranslations:
    with path.open("rb") as source:
        catalog = read_po(source, locale=path.stem)
    packed = io.BytesIO()
    write_mo(packed, catalog)
    packed.seek(0)
    words = Translations(packed)
    words.add_fallback(below)
    return words
