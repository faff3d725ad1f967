"""A pass as a picture: in a terminal, as SVG (for print and pages) and as PNG. The caller brings the QR encoder.

The code is drawn dark on white with its quiet zone; the colour stands around it, as a frame, with an icon and a word,
and is for people alone: gates trust the signature. No picture names a person or a room. A PNG is drawn without fonts:
its word is English alone, and where and until when the pass is good stands on the SVG; print that.
"""

import struct
import unicodedata
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from enum import StrEnum
from html import escape
from typing import Final

from passes.claims import Claims, decode_claims
from passes.gp1 import SignedPass, from_text, open_body
from passes.vocabulary import GATES_MAX, Colour
from passes.words import CATEGORIES
from shell.pixels import ICONS, LETTERS, Bitmap

QUIET: Final = 4  # modules, as the format asks for
FRAME: Final = 3  # modules
HEAD: Final = 9  # modules: icon and word
FOOT: Final = 11  # modules: three lines
PNG_MODULE_PX: Final = 8
MODULE_MM: Final = 0.8  # a printed code of 49 modules and its quiet zone is 46 mm wide

_INK: Final = "#111111"
_FILL: Final = {Colour.GREEN: "#1b7f3b", Colour.BLUE: "#1557b0"}
_WORD: Final = {Colour.GREEN: "绿码 GREEN", Colour.BLUE: "蓝码 BLUE"}
_ANSI_DARK_ON_WHITE: Final = (
    "\x1b[38;5;16;48;5;231m"  # stated, so that a dark terminal does not invert the code
)
_ANSI_WHITE_ON: Final = {Colour.GREEN: "\x1b[1;38;5;231;48;5;28m", Colour.BLUE: "\x1b[1;38;5;231;48;5;25m"}
_SIGN: Final = {Colour.GREEN: "(✓)", Colour.BLUE: "[→]"}  # the icons, for a terminal
_FONT: Final = 2.4  # modules, of a line below the code
_FONT_LEAST: Final = 1.7
_DOT_PX: Final = 5  # of a letter in a PNG
_ANSI_END: Final = "\x1b[0m"
_HALVES: Final = {(0, 0): " ", (1, 0): "▀", (0, 1): "▄", (1, 1): "█"}


Encode = Callable[[str, str], Iterable[Iterable[int]]]
"""Makes the QR code of a text at a level ("l", "m"): rows of modules without quiet zone; what is true is dark.

Gates and centres each have a library of their own for it.
"""

Modules = tuple[tuple[int, ...], ...]


class NotDrawnError(ValueError):
    """A phone's code: it lives for half a minute, and only the phone shows the next one."""

    def __init__(self) -> None:
        super().__init__("a phone's code lives for half a minute; only a static pass is drawn")


class Surface(StrEnum):
    """What the code is shown on, which decides how much damage it must bear: level M on paper, L on screens."""

    PAPER = "m"
    SCREEN = "l"


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What people call the site and the gate of a pass; without a gate's name its number stands there."""

    site: str = ""
    gate: str = ""


@dataclass(frozen=True, slots=True)
class PassPicture:
    """The QR code of one static pass, and what people read beside it.

    ``modules`` has one row for each line of the code with its quiet zone; 1 is dark.
    """

    modules: Modules
    claims: Claims
    zone: tzinfo
    names: Names = Names()

    @property
    def colour(self) -> Colour:
        """The colour of the frame."""
        return self.claims.category.colour

    @property
    def facts(self) -> tuple[str, str, str]:
        """The lines below the code: where, what for, and until when."""
        numbers = ", ".join(str(number) for number in range(GATES_MAX) if self.claims.allows_gate(number))
        category = CATEGORIES[self.claims.category]
        until = datetime.fromtimestamp(self.claims.expires_at, UTC).astimezone(self.zone)
        where = (self.names.site, self.names.gate or f"门 Gate {numbers}")
        return (
            " · ".join(filter(None, where)),
            f"{category.zh} {category.en}",
            f"有效至 Valid until {until:%Y-%m-%d %H:%M}",
        )

    def terminal(self) -> str:
        """Half blocks between two bands of the colour, for a terminal that knows ANSI colours."""
        side, label = len(self.modules), f"{_SIGN[self.colour]} {_WORD[self.colour]}"
        left = (side - _columns(label)) // 2
        band = f"{' ' * left}{label}".ljust(side - _columns(label) + len(label))
        head, foot = (f"{_ANSI_WHITE_ON[self.colour]}{line}{_ANSI_END}\n" for line in (band, " " * side))
        return head + in_half_blocks(self.modules) + foot

    def svg(self) -> str:
        """The whole slip, in millimetres."""
        side = len(self.modules)
        width, height = side + 2 * FRAME, side + 2 * FRAME + HEAD + FOOT
        fill, top, middle = _FILL[self.colour], FRAME + HEAD, width / 2
        label = escape(", ".join((_WORD[self.colour], *self.facts)), quote=True)
        font = 'font-family="Noto Sans CJK SC, Noto Sans SC, PingFang SC, Microsoft YaHei, sans-serif"'
        fitted = (_fitted(fact, side - 2) for fact in self.facts)
        foot = "".join(
            f'<text x="{middle:g}" y="{top + side + 2 + 3.5 * row:g}" font-size="{size:.2g}" '
            f'text-anchor="middle" fill="{_INK}">{escape(line)}</text>'
            for row, (line, size) in enumerate(fitted)
        )
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{width * MODULE_MM:.1f}mm" height="{height * MODULE_MM:.1f}mm" role="img" aria-label="{label}">\n'
            f'<rect width="{width}" height="{height}" rx="2" fill="{fill}"/>\n'
            f"{_icon(self.colour)}\n"
            f'<g {font}><text x="{FRAME + HEAD + 1}" y="{FRAME + 5.8:g}" font-size="5" font-weight="700" '
            f'fill="#ffffff">{_WORD[self.colour]}</text></g>\n'
            f'<rect x="{FRAME}" y="{top}" width="{side}" height="{side + FOOT}" fill="#ffffff"/>\n'
            f'<path transform="translate({FRAME} {top})" fill="{_INK}" shape-rendering="crispEdges" '
            f'd="{self._runs()}"/>\n'
            f"<g {font}>{foot}</g>\n</svg>\n"
        )

    def _runs(self) -> str:
        """The dark modules as one path: a rectangle for each run in a row."""
        parts = []
        for y, row in enumerate(self.modules):
            x = 0
            while x < len(row):
                length = 0
                while x + length < len(row) and row[x + length]:
                    length += 1
                if length:
                    parts.append(f"M{x} {y}h{length}v1h-{length}z")
                x += length + 1
        return "".join(parts)

    def png(self) -> bytes:
        """Icon and English word, code, quiet zone and coloured frame, with a palette of three colours."""
        side_px = (2,) * (FRAME * PNG_MODULE_PX)
        width_px = (len(self.modules) + 2 * FRAME) * PNG_MODULE_PX
        below = [(2,) * width_px] * (FRAME * PNG_MODULE_PX)
        rows = [*self._head(width_px), *self._code(side_px), *below]
        data = b"".join(b"\x00" + bytes(row) for row in rows)
        palette = bytes.fromhex("ffffff" + _INK[1:] + _FILL[self.colour][1:])
        header = struct.pack(">IIBBBBB", width_px, len(rows), 8, 3, 0, 0, 0)  # 8 bits, by palette
        chunks = ((b"IHDR", header), (b"PLTE", palette), (b"IDAT", zlib.compress(data, 9)), (b"IEND", b""))
        return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, body) for name, body in chunks)

    def _code(self, side_px: tuple[int, ...]) -> list[tuple[int, ...]]:
        wide = [tuple(dark for dark in row for _ in range(PNG_MODULE_PX)) for row in self.modules]
        return [(*side_px, *row, *side_px) for row in wide for _ in range(PNG_MODULE_PX)]

    def _head(self, width_px: int) -> list[bytearray]:
        """White on the colour: the icon and the letters, each dot a square."""
        rows = [bytearray(b"\x02" * width_px) for _ in range((FRAME + HEAD) * PNG_MODULE_PX)]
        x, word = FRAME * PNG_MODULE_PX, self.colour.value.upper()
        for bitmap, after in ((ICONS[self.colour], 3), *((LETTERS[sign], 1) for sign in word)):
            _draw(bitmap, rows, x, (len(rows) - len(bitmap) * _DOT_PX) // 2)
            x += (len(bitmap[0]) + after) * _DOT_PX
        return rows


def picture_of(
    text: str,
    *,
    encode: Encode,
    zone: tzinfo,
    surface: Surface = Surface.PAPER,
    names: Names = Names(),
) -> PassPicture:
    """The picture of a static pass.

    Args:
        text: What its QR code says; its signature is not checked here.
        encode: Makes the QR code.
        zone: Where people read the time.
        surface: Paper or screen.
        names: Of the site, and of the one gate that it opens.

    Raises:
        passes.gp1.MalformedError, passes.claims.ClaimsError: The text is no GP1 pass.
        NotDrawnError: It is a phone's code.
    """
    opened = open_body(from_text(text))
    if not isinstance(opened, SignedPass):
        raise NotDrawnError
    modules = with_quiet_zone(encode(text, surface.value))
    return PassPicture(modules, decode_claims(opened.payload), zone, names)


def with_quiet_zone(rows: Iterable[Iterable[int]]) -> Modules:
    """The modules of any code, 1 for dark, with the white that a reader needs around them."""
    code = [tuple(int(bool(dark)) for dark in row) for row in rows]
    side, band = (0,) * QUIET, ((0,) * (len(code) + 2 * QUIET),) * QUIET
    return (*band, *((*side, *row, *side) for row in code), *band)


def in_half_blocks(modules: Modules) -> str:
    """Any code for a terminal that knows ANSI colours, two rows of modules a line."""
    rows = modules if len(modules) % 2 == 0 else (*modules, (0,) * len(modules[0]))
    lines = (
        "".join(_HALVES[pair] for pair in zip(above, below, strict=True))
        for above, below in zip(rows[::2], rows[1::2], strict=True)
    )
    return "\n".join(f"{_ANSI_DARK_ON_WHITE}{line}{_ANSI_END}" for line in lines) + "\n"


def _columns(text: str) -> int:
    """How many columns a text takes in a terminal."""
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text)


def _fitted(text: str, room: float) -> tuple[str, float]:
    """The text and its font size that fit into ``room`` modules; what is too long even when small is cut."""
    half = _columns(text)  # of Latin letters, which are a little wider than half the height
    if half * 0.58 * _FONT <= room:
        return text, _FONT
    if half * 0.58 * _FONT_LEAST <= room:
        return text, room / (half * 0.58)
    while _columns(text) * 0.58 * _FONT_LEAST > room:
        text = f"{text[:-2]}…"
    return text, _FONT_LEAST


def _draw(bitmap: Bitmap, rows: list[bytearray], x: int, y: int) -> None:
    """Set the dots of a bitmap to white, each ``_DOT_PX`` pixels square."""
    for down, line in enumerate(bitmap):
        for right, dot in enumerate(line):
            if dot != " ":
                for row in rows[y + down * _DOT_PX : y + (down + 1) * _DOT_PX]:
                    row[x + right * _DOT_PX : x + (right + 1) * _DOT_PX] = bytes(_DOT_PX)


def _icon(colour: Colour) -> str:
    """GREEN is a circle with a tick, BLUE a rounded square with an arrow, so that colour is never alone."""
    at, size = FRAME + 0.5, HEAD - 2
    stroke = 'fill="none" stroke="#ffffff" stroke-width="0.9" stroke-linecap="round" stroke-linejoin="round"'
    if colour is Colour.GREEN:
        shape, sign = (
            f'<circle cx="{size / 2:g}" cy="{size / 2:g}" r="3.2"/>',
            '<path d="M2 3.6l1.1 1.2 2-2.6"/>',
        )
    else:
        shape = '<rect x="0.4" y="0.4" width="6.2" height="6.2" rx="1.4"/>'
        sign = '<path d="M2 3.5h3M3.8 2.2l1.3 1.3-1.3 1.3"/>'
    return f'<g transform="translate({at:g} {at - 1:g})" {stroke}>{shape}{sign}</g>'


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
