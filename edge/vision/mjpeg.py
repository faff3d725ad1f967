"""Cuts the JPEG pictures out of a camera's multipart stream: bytes in, pictures out, no socket."""

import re
from typing import Final

PART_BYTES_MAX: Final = 8 * 1024 * 1024  # a 4K camera sends about 2 MB
HEAD_BYTES_MAX: Final = 4096

_LENGTH: Final = re.compile(rb"(?im)^content-length:\s*(\d{1,9})\s*$")
_HEAD_END: Final = re.compile(rb"\r?\n\r?\n")
_JPEG: Final = b"\xff\xd8"


class MultipartJpegs:
    """Takes the body of a ``multipart/x-mixed-replace`` answer in pieces of any size.

    Parts with and without a Content-Length are taken; anything between parts, and parts that are no JPEG or
    larger than 8 MB, are skipped.

    Args:
        boundary: As the Content-Type says; some cameras write its two leading dashes there, some do not.
    """

    def __init__(self, boundary: str) -> None:
        self._marker = b"--" + boundary.strip().strip('"').lstrip("-").encode("latin-1", "replace")
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Take more of the stream; returns the pictures that are now whole, oldest first."""
        self._buffer += data
        pictures = []
        while (part := self._next_part()) is not None:
            if part.startswith(_JPEG):
                pictures.append(part)
        return pictures

    def _next_part(self) -> bytes | None:
        """The next whole part, taken out of the buffer; None when more bytes are needed."""
        while True:
            start = self._buffer.find(self._marker)
            if start < 0:
                del self._buffer[: max(0, len(self._buffer) - len(self._marker) + 1)]
                return None
            del self._buffer[:start]
            head = _HEAD_END.search(self._buffer, len(self._marker), HEAD_BYTES_MAX)
            if head is None:
                if len(self._buffer) < HEAD_BYTES_MAX:
                    return None
                del self._buffer[: len(self._marker)]
                continue
            end = self._end_of_body(head.start(), head.end())
            if end is not None:
                part = bytes(self._buffer[head.end() : end])
                del self._buffer[:end]
                return part
            if len(self._buffer) <= PART_BYTES_MAX + HEAD_BYTES_MAX:
                return None
            del self._buffer[: len(self._marker)]

    def _end_of_body(self, head_end: int, body: int) -> int | None:
        length = _LENGTH.search(self._buffer, 0, head_end + 1)
        if length is not None and int(length[1]) <= PART_BYTES_MAX:
            end = body + int(length[1])
            return end if end <= len(self._buffer) else None
        next_marker = self._buffer.find(self._marker, body)
        return next_marker if next_marker >= 0 else None
