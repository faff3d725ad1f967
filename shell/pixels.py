"""The icons and letters of a drawn pass as dots, for pictures that are made without fonts."""

from typing import Final

from passes.vocabulary import Colour

Bitmap = tuple[str, ...]
"""Rows of one length; what is not a space is a dot."""

ICONS: Final[dict[Colour, Bitmap]] = {
    Colour.GREEN: (
        "   #####   ",
        "  #     #  ",
        " #       # ",
        "#       # #",
        "#      #  #",
        "#     #   #",
        "# #  #    #",
        "#  ##     #",
        " #       # ",
        "  #     #  ",
        "   #####   ",
    ),
    Colour.BLUE: (
        " ######### ",
        "#         #",
        "#     #   #",
        "#      #  #",
        "#       # #",
        "# ####### #",
        "#       # #",
        "#      #  #",
        "#     #   #",
        "#         #",
        " ######### ",
    ),
}

LETTERS: Final[dict[str, Bitmap]] = {
    "B": ("#### ", "#   #", "#   #", "#### ", "#   #", "#   #", "#### "),
    "E": ("#####", "#    ", "#    ", "#### ", "#    ", "#    ", "#####"),
    "G": (" ### ", "#   #", "#    ", "#  ##", "#   #", "#   #", " ### "),
    "L": ("#    ", "#    ", "#    ", "#    ", "#    ", "#    ", "#####"),
    "N": ("#   #", "##  #", "##  #", "# # #", "#  ##", "#  ##", "#   #"),
    "R": ("#### ", "#   #", "#   #", "#### ", "# #  ", "#  # ", "#   #"),
    "U": ("#   #", "#   #", "#   #", "#   #", "#   #", "#   #", " ### "),
}
"""The letters of the colours' English words, five dots wide and seven high."""
