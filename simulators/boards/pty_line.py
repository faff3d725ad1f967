"""A pseudo-terminal that plays a serial cable: a published link, raw bytes, and a plug that can be pulled."""

import contextlib
import errno
import os
import select
import termios
import tty
from pathlib import Path
from typing import Final

_READ_MAX: Final = 4096
_BAUDS: Final = {
    termios.B2400: 2400,
    termios.B4800: 4800,
    termios.B9600: 9600,
    termios.B19200: 19200,
    termios.B38400: 38400,
    termios.B57600: 57600,
    termios.B115200: 115200,
}
_OUTPUT_SPEED: Final = 5  # place in the list that tcgetattr returns


class PtyLine:
    """The board's end of a serial line.

    Args:
        link: Where clients find the line; a symlink that comes and goes with the plug.

    A spare descriptor of the clients' end stays open, so that a client may leave and come back without the
    board's end reporting an error.
    """

    def __init__(self, link: Path) -> None:
        self.link = link
        self._master: int | None = None
        self._spare: int | None = None
        self._slave = ""

    @property
    def plugged(self) -> bool:
        """Whether clients can open the line."""
        return self._master is not None

    def plug(self) -> None:
        """Make a fresh pseudo-terminal and publish its link, replacing a link left by a killed process.

        Raises:
            FileExistsError: Something that is not a link is in the way.
        """
        assert self._master is None, f"{self.link} is plugged in already"
        if self.link.exists() and not self.link.is_symlink():
            raise FileExistsError(f"{self.link} exists and is not a link. Name another path with --link")
        self.link.parent.mkdir(parents=True, exist_ok=True)
        master, spare = os.openpty()
        try:
            tty.setraw(spare)  # before anything else, or the terminal echoes the board's own bytes
            os.set_blocking(master, False)  # positional only
            fresh = self.link.with_name(f".{self.link.name}.{os.getpid()}")
            fresh.unlink(missing_ok=True)
            fresh.symlink_to(os.ttyname(spare))
            fresh.replace(self.link)
        except BaseException:
            os.close(spare)
            os.close(master)
            raise
        # Last: who sees "plugged" from another thread finds the link.
        self._slave = os.ttyname(spare)
        self._master, self._spare = master, spare

    def unplug(self) -> None:
        """Pull the plug: clients get errors, the link goes; a second call does nothing."""
        if self._master is None:
            return
        with contextlib.suppress(OSError):
            if self.link.readlink() == Path(self._slave):
                self.link.unlink()
        if self._spare is not None:
            os.close(self._spare)
        os.close(self._master)
        self._master = self._spare = None

    def watch_client(self) -> None:
        """A client has written: from now on ``client_left`` tells when the last one closes the line."""
        if self._spare is not None:
            os.close(self._spare)
            self._spare = None

    def client_left(self) -> bool:
        """Whether the client that was watched has closed the line; the spare descriptor is open again then."""
        if self._master is None or self._spare is not None:
            return False
        poll = select.poll()
        poll.register(self._master, 0)
        if not any(event & select.POLLHUP for _, event in poll.poll(0)):
            return False
        self._spare = os.open(self._slave, os.O_RDWR | os.O_NOCTTY)
        return True

    def fileno(self) -> int:
        """Descriptor that becomes readable when a client has written."""
        assert self._master is not None, f"{self.link} is not plugged in"
        return self._master

    def baud(self) -> int:
        """Speed that the client has set, or 0 for one that no board here knows."""
        speed = termios.tcgetattr(self.fileno())[_OUTPUT_SPEED]
        return _BAUDS.get(speed, 0)

    def read(self) -> bytes:
        """What clients have written, perhaps nothing."""
        try:
            return os.read(self.fileno(), _READ_MAX)
        except BlockingIOError:
            return b""
        except OSError as error:  # the watched client has gone
            if error.errno != errno.EIO:
                raise
            return b""

    def write(self, data: bytes) -> None:
        """Send to the client; a line that nobody reads drops what does not fit, as a cable would."""
        with contextlib.suppress(BlockingIOError):
            os.write(self.fileno(), data)
