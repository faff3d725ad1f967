"""A pass as a picture: in a terminal, as SVG (for print and pages) and as PNG. The caller brings the QR encoder.

The code is drawn dark on white with its quiet zone; the colour stands around it, as a frame, with an icon and a word,
and is for people alone: gates trust the signature. No picture names a person or a room. A PNG has the frame and no icon
or words, because it is drawn from the modules without fonts; print the SVG.
"""

import struct
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

QUIET: Final = 4  # modules, as the format asks for
FRAME: Final = 3  # modules
HEAD: Final = 9  # modules: icon and word
FOOT: Final = 8  # modules: two lines
PNG_MODULE_PX: Final = 8
MODULE_MM: Final = 0.8  # a printed code of 49 modules and its quiet zone is 46 mm wide

_INK: Final = "#111111"
_FILL: Final = {Colour.GREEN: "#1b7f3b", Colour.BLUE: "#1557b0"}
_WORD: Final = {Colour.GREEN: "绿码 GREEN", Colour.BLUE: "蓝码 BLUE"}
_ANSI_DARK_ON_WHITE: Final = (
    "\x1b[38;5;16;48;5;231m"  # stated, so that a dark terminal does not invert the code
)
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


@dataclass(frozen=True, slots=True)
class PassPicture:
    """The QR code of one static pass, and what people read beside it.

    ``modules`` has one row for each line of the code with its quiet zone; 1 is dark.
    """

    modules: Modules
    claims: Claims
    zone: tzinfo

    @property
    def colour(self) -> Colour:
        """The colour of the frame."""
        return self.claims.category.colour

    @property
    def facts(self) -> tuple[str, str]:
        """The two lines below the code: who and where, and until when."""
        gates = ", ".join(str(number) for number in range(GATES_MAX) if self.claims.allows_gate(number))
        category = CATEGORIES[self.claims.category]
        until = datetime.fromtimestamp(self.claims.expires_at, UTC).astimezone(self.zone)
        return (
            f"{category.zh} {category.en} · 门 Gate {gates}",
            f"有效至 Valid until {until:%Y-%m-%d %H:%M}",
        )

    def terminal(self) -> str:
        """Half blocks for a terminal that knows ANSI colours, two rows of modules a line."""
        return in_half_blocks(self.modules)

    def svg(self) -> str:
        """The whole slip, in millimetres."""
        side = len(self.modules)
        width, height = side + 2 * FRAME, side + 2 * FRAME + HEAD + FOOT
        fill, (what, until) = _FILL[self.colour], self.facts
        top, middle = FRAME + HEAD, width / 2
        label = escape(f"{_WORD[self.colour]}, {what}, {until}", quote=True)
        font = 'font-family="Noto Sans CJK SC, Noto Sans SC, PingFang SC, Microsoft YaHei, sans-serif"'
        foot = f'<text x="{middle:g}" font-size="2.4" text-anchor="middle" fill="{_INK}" y='
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
            f'<g {font}>{foot}"{top + side + 2:g}">{escape(what)}</text>'
            f'{foot}"{top + side + 5.5:g}">{escape(until)}</text></g>\n</svg>\n'
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
        """Code, quiet zone and coloured frame, with a palette of three colours."""
        around = len(self.modules) + 2 * FRAME
        band = [(2,) * around] * FRAME
        side = (2,) * FRAME
        rows = [*band, *((*side, *row, *side) for row in self.modules), *band]
        lines = (bytes(pixel for pixel in row for _ in range(PNG_MODULE_PX)) for row in rows)
        data = b"".join((b"\x00" + line) * PNG_MODULE_PX for line in lines)
        size_px = around * PNG_MODULE_PX
        palette = bytes.fromhex("ffffff" + _INK[1:] + _FILL[self.colour][1:])
        header = struct.pack(">IIBBBBB", size_px, size_px, 8, 3, 0, 0, 0)  # 8 bits, by palette
        chunks = ((b"IHDR", header), (b"PLTE", palette), (b"IDAT", zlib.compress(data, 9)), (b"IEND", b""))
        return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, body) for name, body in chunks)


def picture_of(text: str, *, encode: Encode, zone: tzinfo, surface: Surface = Surface.PAPER) -> PassPicture:
    """The picture of a static pass.

    Args:
        text: What its QR code says; its signature is not checked here.
        encode: Makes the QR code.
        zone: Where people read the time.
        surface: Paper or screen.

    Raises:
        passes.gp1.MalformedError, passes.claims.ClaimsError: The text is no GP1 pass.
        NotDrawnError: It is a phone's code.
    """
    opened = open_body(from_text(text))
    if not isinstance(opened, SignedPass):
        raise NotDrawnError
    modules = with_quiet_zone(encode(text, surface.value))
    return PassPicture(modules, decode_claims(opened.payload), zone)


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
