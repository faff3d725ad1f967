"""Bytes to GP1 text by table, for tests that need hundreds of thousands of texts; ``passes.base45`` is what ships."""

import struct
from typing import Final

from passes.base45 import ALPHABET
from passes.gp1 import PREFIX

_PAIR: Final = [ALPHABET[n % 45] + ALPHABET[n // 45 % 45] + ALPHABET[n // 2025] for n in range(65_536)]
_LAST: Final = [ALPHABET[n % 45] + ALPHABET[n // 45] for n in range(256)]


def quick_text(body: bytes) -> str:
    """What ``passes.gp1.to_text`` writes for ``body``, in a tenth of the time."""
    pairs = struct.unpack_from(f">{len(body) // 2}H", body)
    last = _LAST[body[-1]] if len(body) % 2 else ""
    return PREFIX + "".join([_PAIR[pair] for pair in pairs]) + last
